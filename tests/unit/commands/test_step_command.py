"""step as a command: what is shown, JSON by its schema, bad input."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from running import Run

jsonschema = pytest.importorskip("jsonschema")

ROOT = Path(__file__).parents[3]
STEP = str(ROOT / "fixtures" / "step")
HELLO = str(ROOT / "fixtures/hello/hello")
SCHEMA = json.loads((ROOT / "docs/schema/step.json").read_text())


def lines_of(output: bytes) -> list[dict]:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    found = [json.loads(line) for line in output.splitlines()]
    for line in found:
        validator.validate(line)
    return found


@pytest.mark.parametrize("name", ["faults", "signals", "doors", "x87_load_store", "sse_shuffle"])
def test_json_follows_its_schema(name: str, youcpu: Run) -> None:
    done = youcpu("step", "--json", "--count", "120", "--back", "3", f"{STEP}/{name}")
    found = lines_of(done.stdout)
    assert found[0]["event"] == "start"
    assert found[-1]["event"] == "end"
    assert [line["step"] for line in found if line["event"] == "step"][:3] == [1, 2, 3]


def test_the_program_ends_earlier(youcpu: Run) -> None:
    done = youcpu("step", HELLO)
    assert done.returncode == 3
    assert b"ended after 13 steps: exit 3; 20 were asked for" in done.stderr
    # What the program wrote is not among the steps.
    assert done.stderr.count(b"hello from ring 3") == 2
    assert b"\nhello from ring 3" not in done.stdout


def test_output_goes_its_way_with_a_file(youcpu: Run, tmp_path: Path) -> None:
    done = youcpu("step", "-o", str(tmp_path / "steps"), HELLO)
    assert done.stdout == b"hello from ring 3\n" * 2
    assert "syscall" in (tmp_path / "steps").read_text()


def test_from_and_until(youcpu: Run) -> None:
    done = youcpu("step", "--short", "--from", "program", "--until", "sift", f"{STEP}/sort")
    text = done.stdout.decode().splitlines()
    assert "<program>" in text[0]
    assert not any("<sift" in line.split(">")[0] for line in text)
    assert "call" in text[-1]
    entry = youcpu("step", "--short", "--from", "entry", "--count", "1", "/bin/true")
    assert b"ld-linux" not in entry.stdout


def test_watch_shows_only_what_changes_it(youcpu: Run) -> None:
    program = f"{STEP}/mxcsr"
    everything = lines_of(youcpu("step", "--json", "--count", "all", program).stdout)
    for what in ("rbx", "mxcsr", "xmm2"):
        done = youcpu("step", "--json", "--watch", what, program)
        shown = [line["step"] for line in lines_of(done.stdout) if line["event"] == "step"]
        wanted = [
            line["step"]
            for line in everything
            if line["event"] == "step" and what in line["changed"]
        ]
        assert shown == wanted
        assert shown


def test_watch_memory_sees_stores_and_the_kernel(youcpu: Run) -> None:
    # pipe(2) writes two descriptors there.
    done = youcpu("step", "--json", "--watch", "0x412100:4", "--stop", f"{STEP}/signals")
    assert not done.stderr.strip()
    found = lines_of(done.stdout)
    (step,) = [line for line in found if line["event"] == "step"]
    assert step["assembly"] == "syscall"
    assert found[-1]["reason"] == "stop"
    assert found[-1]["steps"] == step["step"]
    assert found[-1]["registers"]["rip"] == step["next"]


def test_hex_and_assembly(youcpu: Run) -> None:
    done = youcpu("step", "--json", "--hex", "b8 05 00 00 00 83 c3 0a ff c0")
    found = lines_of(done.stdout)
    assert [line["assembly"] for line in found if line["event"] == "step"] == [
        "mov eax, 5", "add ebx, 0xa", "inc eax",
    ]  # fmt: skip
    assert found[-1]["registers"]["rax"] == "0x6"
    assert done.returncode == 0
    if shutil.which("as") and shutil.which("ld"):
        for text in ("mov rax, 7; push rax; pop rbx", "mov $7, %rax; push %rax; pop %rbx"):
            done = youcpu("step", "--json", "--asm", text)
            assert lines_of(done.stdout)[-1]["registers"]["rbx"] == "0x7"


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        ((), 2, "which program?"),
        (("--count", "many", HELLO), 2, "--count many"),
        (("--hex", "xyz"), 2, "not hexadecimal"),
        (("--hex", "90", HELLO), 2, "one of PROGRAM"),
        (("--watch", "rxa", HELLO), 2, "no register"),
        (("--watch", "rip", HELLO), 2, "every step changes it"),
        (("--stop", HELLO), 2, "--stop wants --watch"),
        (("--json", "--quiet", HELLO), 2, "--quiet shows no steps"),
        (("--from", "begni", f"{STEP}/sort"), 125, "did you mean begin?"),
        (("--from", "0x123456", HELLO), 125, "ended before it came"),
        (("/nonexistent",), 127, "No such file"),
        (("/etc/passwd",), 126, "Permission denied"),
        (("--stdin", "/nonexistent", HELLO), 125, "No such file"),
        (("--timeout", "0.2", "-q", "--count", "all", "/bin/sh", "-c", "while :; do :; done"), 125,
         "time limit"),
        (("--tui", HELLO), 125, "--tui wants"),
        (("--frmo", "x", HELLO), 2, "did you mean --from?"),
    ],
)  # fmt: skip
def test_bad_input(words: tuple[str, ...], code: int, text: str, youcpu: Run) -> None:
    done = youcpu("step", *words)
    assert done.returncode == code
    message = done.stderr.decode()
    assert text in message
    assert "Traceback" not in message


def test_ctrl_c_ends_at_once() -> None:
    words = ["step", "-q", "--count", "all", "/bin/sh", "-c", "while :; do :; done"]
    # Where tests run in the background, SIGINT is ignored and that would be inherited.
    with subprocess.Popen(
        [sys.executable, "-m", "youcpu", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as process:  # fmt: skip
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        try:
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert b"Traceback" not in errors


def test_explain_and_registers(youcpu: Run) -> None:
    done = youcpu("step", "--explain", "--registers", "--count", "5", "--color", "always", HELLO)
    text = done.stdout.decode()
    assert "[SDM vol. 2A, 2.1]" in text
    assert "xmm15" in text
    assert "\x1b[" in text
    plain = youcpu("step", "--count", "1", HELLO)
    assert b"\x1b[" not in plain.stdout


def test_source_lines(youcpu: Run, tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("no gcc to build a program with DWARF")
    source = tmp_path / "lines.c"
    source.write_text("int main(void) {\n  volatile int a = 3;\n  a += 4;\n  return a - 7;\n}\n")
    program = str(tmp_path / "lines")
    subprocess.run(["gcc", "-g", "-O0", "-o", program, str(source)], check=True)
    done = youcpu("step", "--from", "main", "--count", "6", program)
    assert b"<main>  lines.c:1  ring 3" in done.stdout
    assert b"lines.c:3" in done.stdout
