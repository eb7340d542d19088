"""The tour, walked once for all tests: every command ends as it should, the page in a browser."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import jsonschema
import pytest
from browser import Browser, chromium
from running import Run

from youcpu.cli import command_names
from youcpu.commands._tour.chapters import CHAPTERS, find
from youcpu.commands._tour.collect import tour_document
from youcpu.commands._tour.guide import PROGRAMS, Guide, Missing
from youcpu.commands._tour.model import normal
from youcpu.render.ansi_html import ansi_to_html
from youcpu.render.tour_page import page

ROOT = Path(__file__).parents[3]
#: Commands that a tour of six parts has no screen for.
NOT_SHOWN = {"tour", "completion", "initramfs"}


class Tour:
    """What one walk gave, and its page."""

    def __init__(self, walked: dict[str, Any]) -> None:
        self.document = walked["document"]
        self.unexpected = walked["unexpected"]
        self.directory = walked["directory"]
        self.page = page(self.document)


def walk() -> dict[str, Any]:
    with Guide(color=True) as guide:
        document = tour_document(list(CHAPTERS), guide, 0, quiz=False, solve=True)
    return {
        "document": document,
        "unexpected": guide.unexpected,
        "directory": guide.directory,
    }


@pytest.fixture(scope="session")
def tour(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Tour:
    """The walk is made by the first worker that asks; the others wait and read."""
    if worker_id == "master":
        return Tour(walk())
    shared = tmp_path_factory.getbasetemp().parent / "tour.json"
    with open(shared.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not shared.exists():
            shared.write_text(json.dumps(walk()))
        return Tour(json.loads(shared.read_text()))


class TestTour:
    """The walk through all chapters."""

    def test_every_command_ended_as_it_should(self, tour: Tour) -> None:
        assert tour.unexpected == []
        assert not os.path.exists(tour.directory)

    def test_all_screens_were_shown(self, tour: Tour) -> None:
        """On the hosts of the tests nothing is missing."""
        for chapter in tour.document["chapters"]:
            assert len(chapter["screens"]) >= 5, chapter["name"]
            assert len(chapter["questions"]) == 2, chapter["name"]
            for screen in chapter["screens"]:
                assert screen["title"] != "Not on this host", screen["before"]
                assert screen["shown"]
                assert any(shown["output"] or shown["picture"] for shown in screen["shown"])

    def test_every_command_has_its_place(self, tour: Tour) -> None:
        lines = " ".join(shown["line"] for shown in _all_shown(tour.document))
        absent = [name for name in command_names() if f"youcpu {name} " not in f"{lines} "]
        assert set(absent) <= NOT_SHOWN

    def test_no_output_holds_an_error_of_ours(self, tour: Tour) -> None:
        for shown in _all_shown(tour.document):
            assert not [line for line in shown["output"] if "Traceback" in line], shown["line"]
            said = "\n".join(shown["output"])
            assert not re.search(r"^youcpu [a-z-]+: ", said, re.M), shown["line"]

    def test_document_is_by_its_schema(self, tour: Tour) -> None:
        schema = json.loads((ROOT / "docs/schema/tour.json").read_text())
        jsonschema.validate(tour.document, schema)

    def test_the_page_needs_nothing_else(self, tour: Tour) -> None:
        assert not re.search(r"""(?:src|href)=["'](?!#|data:)""", tour.page)
        assert "<script" not in tour.page
        names = re.findall(r' id="([^"]+)"', tour.page)
        assert len(names) == len(set(names))
        assert set(re.findall(r'href="#([^"]+)"', tour.page)) <= set(names)
        assert tour.page.count("<img ") == len(_pictures(tour)) >= 4

    @pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, False), (1280, True)])
    def test_in_a_browser(
        self, tour: Tour, browser: Browser, tmp_path: Path, width: int, dark: bool
    ) -> None:
        """No console error, no request, nothing wider than the window, and the pictures drawn."""
        path = tmp_path / "tour.html"
        path.write_text(tour.page, encoding="utf-8")
        browser.events.clear()
        browser.open(path, width, 900, dark)
        boxes = browser.evaluate(
            "[...document.images].map(one => { const box = one.getBoundingClientRect(); return "
            "{loaded: one.complete && one.naturalWidth > 0, alt: one.alt, box: {x: box.x, "
            "y: box.y + scrollY, width: box.width, height: box.height}}; })"
        )
        assert len(boxes) == len(_pictures(tour))
        for image in boxes:
            assert image["loaded"]
            assert image["alt"]
            box = {**image["box"], "width": min(image["box"]["width"], width - image["box"]["x"])}
            _see_a_picture(browser.screenshot(box))
        assert browser.evaluate("document.documentElement.scrollWidth") <= width
        assert _contrast(browser) >= 4.5
        _check_events(browser.events)

    def test_answers_open_by_the_keyboard(
        self, tour: Tour, browser: Browser, tmp_path: Path
    ) -> None:
        path = tmp_path / "tour.html"
        path.write_text(tour.page, encoding="utf-8")
        browser.open(path, 1280, 900)
        browser.evaluate("document.querySelector('details.answer summary').focus()")
        key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
        browser.call("Input.dispatchKeyEvent", type="keyDown", **key)
        browser.call("Input.dispatchKeyEvent", type="keyUp", **key)
        assert browser.evaluate("document.querySelector('details.answer').open") is True
        answer = tour.document["chapters"][0]["questions"][0]["answer"]
        shown = browser.evaluate("document.querySelector('details.answer').innerText")
        assert answer in shown


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if chromium() is None:
        pytest.skip("chromium is not installed")
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


def _all_shown(document: dict[str, Any]) -> list[dict[str, Any]]:
    parts = [
        part
        for chapter in document["chapters"]
        for part in (*chapter["screens"], *chapter["questions"])
    ]
    return [shown for part in parts for shown in part["shown"]]


def _pictures(tour: Tour) -> list[str]:
    return [shown["picture"] for shown in _all_shown(tour.document) if shown["picture"]]


def _check_events(events: list[dict[str, Any]]) -> None:
    for event in events:
        method, told = event["method"], event["params"]
        assert method != "Runtime.exceptionThrown", told
        if method == "Log.entryAdded":
            assert told["entry"]["level"] not in ("error", "warning"), told["entry"]
        if method == "Runtime.consoleAPICalled":
            assert told["type"] not in ("error", "warning", "assert"), told
        if method == "Network.requestWillBeSent":
            assert told["request"]["url"].startswith(("file:", "data:")), told["request"]["url"]


def _contrast(browser: Browser) -> float:
    """The least ratio of contrast among the texts, as WCAG 2.2 defines it."""
    ratios = browser.evaluate(
        """(() => {
        const light = text => { const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3).map(value => {
            const part = value / 255;
            return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4; });
          return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
        const clear = 'rgba(0, 0, 0, 0)';
        const behind = node => {
            while (getComputedStyle(node).backgroundColor === clear) node = node.parentElement;
            return getComputedStyle(node).backgroundColor; };
        return [...document.querySelectorAll('p, a, summary, pre, span, h1, h2, h3, code')]
          .filter(node => node.innerText.trim() && !node.classList.contains('skip')).map(node => {
            const both = [light(getComputedStyle(node).color), light(behind(node))];
            return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05); }); })()"""
    )
    assert len(ratios) > 100
    return float(min(ratios))


def _see_a_picture(png: bytes) -> None:
    """Not one colour: ink and fills on paper, none of them all over."""
    pixels = _pixels(png)
    colors = Counter(pixels)
    assert len(colors) > 8
    paper, count = colors.most_common(1)[0]
    # Most stand on white; one that knows of dark screens may stand on black.
    assert not 150 < sum(paper) < 600
    assert 0.004 < 1 - count / len(pixels) < 0.95


def _pixels(png: bytes) -> list[tuple[int, int, int]]:
    """Red, green and blue of each pixel: PNG of 8 bits, with or without alpha."""
    place, data, width, channels = 8, b"", 0, 3
    while place < len(png):
        length, kind = struct.unpack(">I4s", png[place : place + 8])
        body = png[place + 8 : place + 8 + length]
        if kind == b"IHDR":
            width, _, depth, color = struct.unpack(">IIBB", body[:10])
            assert depth == 8
            channels = {2: 3, 6: 4}[color]
        elif kind == b"IDAT":
            data += body
        place += length + 12
    raw, stride = zlib.decompress(data), width * channels
    before = bytearray(stride)
    pixels = []
    for start in range(0, len(raw), stride + 1):
        line = _unfiltered(
            raw[start], bytearray(raw[start + 1 : start + 1 + stride]), before, channels
        )
        pixels += [tuple(line[at : at + 3]) for at in range(0, stride, channels)]
        before = line
    return pixels  # type: ignore[return-value]


def _unfiltered(kind: int, line: bytearray, above: bytearray, channels: int) -> bytearray:
    """PNG 9.2: none, sub, up, average, Paeth."""
    if kind == 0:
        return line
    for at in range(len(line)):
        left = line[at - channels] if at >= channels else 0
        up = above[at]
        corner = above[at - channels] if at >= channels else 0
        if kind == 4:
            guess = left + up - corner
            near = min(
                (abs(guess - one), order, one) for order, one in enumerate((left, up, corner))
            )
            add = near[2]
        else:
            add = (left, up, (left + up) // 2)[kind - 1]
        line[at] = line[at] + add & 0xFF
    return line


# -- questions, the command line, the terminal ----------------------------------------------


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_questions_accept_their_answers_only(chapter: Any) -> None:
    with Guide() as guide:
        made = []
        for seed, make in enumerate(chapter.questions):
            try:
                made.append(make(guide, Random(seed)))
            except Missing as missing:
                pytest.skip(str(missing))
        for question in made:
            assert question.prompt.strip().endswith(("?", ")", "."))
            assert question.why
            assert question.line.startswith("youcpu ")
            assert question.check(question.answer)
            assert question.check(f"  {question.answer.upper().replace('0X', '0x')} ")
            assert not question.check("no such answer")
            assert not question.check("12345678")
        assert guide.unexpected == []


def test_answers_compare_by_kind() -> None:
    assert normal("0x1F", "number") == normal("31", "number") == normal(" 0b11111", "number")
    assert normal('["/bin/sh", "a b"]', "list") == normal("/bin/sh 'a b'", "list")
    assert normal("[/bin/sh, x]", "list") == normal("/bin/sh x", "list")
    assert normal("ADD ebx,10", "instruction") == normal("add ebx, 0xa", "instruction")
    assert normal("add ebx, 11", "instruction") != normal("add ebx, 0xa", "instruction")
    assert normal("'", "list") == ["'"]


def test_seed_decides(youcpu: Run) -> None:
    first, again, other = (
        youcpu("tour", "forks", "--quiz", "--seed", seed, "--solve").stdout for seed in "778"
    )
    assert first == again != other
    hidden = youcpu("tour", "6", "--quiz", "--seed", "7").stdout.decode()
    assert "The answers: youcpu tour forks-and-cows --quiz --seed 7 --solve" in hidden
    assert hidden.count("Question") == first.decode().count("Question")


@pytest.mark.parametrize(
    ("word", "name"),
    [("1", "basics"), ("elf", "elf-lord"), ("cows", "forks-and-cows"), ("time", "slice-dat-time"),
     ("How to run a program", "how-to-run-a-program"), ("translator", "translator")],
)  # fmt: skip
def test_chapters_by_short_names(word: str, name: str) -> None:
    chapter = find(word)
    assert chapter is not None
    assert chapter.name == name


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (["elflord"], 2, "did you mean elf-lord?"),
        (["7"], 2, "1 to 6, or a name"),
        (["--quizz"], 2, "--quiz"),
        (["--color", "red"], 2, "auto, always or never"),
        (["--html", "x", "--json"], 2, "--html is the whole tour"),
        (["--seed", "x"], 2, "x"),
        (["basics", "--html", "/no/such/directory/x"], 1, "No such file"),
        (["--programs", "/proc/no"], 1, "/proc/no"),
    ],
)
def test_errors_are_clear(youcpu: Run, words: list[str], code: int, hint: str) -> None:
    done = youcpu("tour", *words)
    assert done.returncode == code
    assert hint in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_programs_are_those_of_the_fixtures(youcpu: Run, tmp_path: Path) -> None:
    for name in os.listdir(PROGRAMS):
        assert Path(PROGRAMS, name).read_bytes() == (ROOT / "fixtures" / name / name).read_bytes()
    assert youcpu("tour", "--programs", str(tmp_path / "new")).returncode == 0
    assert sorted(os.listdir(tmp_path / "new")) == sorted(os.listdir(PROGRAMS))
    assert os.access(tmp_path / "new" / "hello", os.X_OK)


def test_on_a_terminal(tmp_path: Path) -> None:
    """Enter goes on, b back, an answer is checked, q quits."""
    process, terminal = pty.fork()
    if process == 0:
        os.environ["TERM"] = "xterm"
        os.execv(sys.executable, [sys.executable, "-m", "youcpu", "tour", "basics", "--seed", "1"])
    said = _dialogue(terminal, [("q: quit", "\n"), ("q: quit", "b\n"), ("q: quit", "q\n")])
    _, status = os.waitpid(process, 0)
    os.close(terminal)
    assert status == 0
    assert re.findall(r"── (1\.\d)", said) == ["1.1", "1.2", "1.1"]
    assert "\x1b[" in said


def test_a_quiz_on_a_terminal() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "youcpu", "tour", "6", "--quiz", "--seed", "5", "--solve", "--json"],
        capture_output=True, check=True,
    )  # fmt: skip
    first, second, _ = json.loads(done.stdout)["chapters"][0]["questions"]
    process, terminal = pty.fork()
    if process == 0:
        os.environ["TERM"] = "dumb"
        words = ["tour", "6", "--quiz", "--seed", "5"]
        os.execv(sys.executable, [sys.executable, "-m", "youcpu", *words])
    answers = [first["answer"], f"{second['answer']}9", "q"]
    said = _dialogue(terminal, [("Your answer", f"{answer}\n") for answer in answers])
    os.waitpid(process, 0)
    os.close(terminal)
    assert said.index("Right.") < said.index("No.")
    assert "1 of 2 right (seed 5)" in said


def _dialogue(terminal: int, steps: list[tuple[str, str]]) -> str:
    """Wait for each prompt, type; all that was said until the end."""
    said, heard = "", ""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            data = os.read(terminal, 65536).decode("utf-8", "replace")
        except OSError:
            break
        if not data:
            break
        said += data
        heard += data
        if steps and steps[0][0] in heard:
            os.write(terminal, steps.pop(0)[1].encode())
            heard = ""
    return said


def test_ctrl_c_ends_it_and_leaves_nothing(tmp_path: Path) -> None:
    import signal

    process = subprocess.Popen(
        [sys.executable, "-m", "youcpu", "tour", "translator"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    until = time.monotonic() + 60
    while not list(tmp_path.glob("youcpu-tour-*")) and time.monotonic() < until:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in error
    assert os.listdir(tmp_path) == []


def test_colours_become_spans() -> None:
    assert ansi_to_html("a\x1b[33mb<\x1b[0mc") == 'a<span class="c3">b&lt;</span>c'
    assert ansi_to_html("\x1b[1;31mx\x1b[32my\x1b[22mz") == (
        '<span class="b c1">x</span><span class="b c2">y</span><span class="c2">z</span>'
    )
    assert ansi_to_html("\x1b[2Kx\x07\x1b[mz") == "xz"
