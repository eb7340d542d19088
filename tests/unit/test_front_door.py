"""The front door: the grouped help, hints for what is no command, and that every command is whole.

Whole: a man page, an example in the README, a schema where it has --json, a golden file.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from running import Run

from youcpu.cli import STAGES, command_names, describe, help_text
from youcpu.commands._front.tables import all_tables, table_of

ROOT = Path(__file__).parents[2]
#: Its output holds every option of every command; the shells themselves judge it.
NO_GOLDEN = {"completion"}


def test_help_groups_every_command_by_its_stage() -> None:
    text = help_text()
    assert all(len(line) <= 80 for line in text.splitlines())
    places = [text.index(f"\n{title}:\n") for title in STAGES.values() if f"\n{title}:\n" in text]
    assert places == sorted(places)
    for name in command_names():
        stage, summary = describe(name)
        assert stage in STAGES, name
        group = text.split(f"\n{STAGES[stage]}:\n")[1].split("\n\n")[0]
        assert f"  {name:<14} {summary}" in group.splitlines()


def test_help_comes_in_three_ways(youcpu: Run) -> None:
    pages = [youcpu(*words) for words in ([], ["--help"], ["help"])]
    assert {(page.stdout, page.returncode) for page in pages} == {(help_text().encode(), 0)}
    assert youcpu("help", "ldd").stdout == youcpu("ldd", "--help").stdout


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["raedelf"], "did you mean 'readelf'?"),
        (["exectrace"], "did you mean 'exec-trace'?"),
        (["trace"], "did you mean 'exec-trace'?"),
        (["strace"], "youcpu exec-trace is nearest to it"),
        (["cat", "a b"], "to run the program: youcpu exec-trace cat 'a b'"),
        (["./fixtures/hello/hello", "x"], "to run it: youcpu exec-trace ./fixtures/hello/hello x"),
        (["fixtures/hello/hello"], "youcpu readelf -h fixtures/hello/hello"),
        (["fixtures/exec/root/home/not-executable"], "youcpu shebang fixtures"),
        (["fixtures/paging/l4-80m/tables.elf.xz"], "youcpu pagewalk fixtures"),
        (["fixtures"], "is a directory"),
        (["./no/such"], "no file of that name"),
        (["munmap"], "youcpu syscalls munmap"),
        (["--hlep"], "did you mean --help?"),
        (["--json"], "no option --json before a command"),
        (["zzzzzz"], "see youcpu --help"),
        ([""], "see youcpu --help"),
        (["\udcff"], "see youcpu --help"),
    ],
)
def test_hints(youcpu: Run, words: list[str], hint: str) -> None:
    done = youcpu(*words, cwd=ROOT)
    assert hint in done.stderr.decode("utf-8", "backslashreplace")
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)


@pytest.mark.parametrize("name", command_names())
def test_a_mistyped_option_is_told(youcpu: Run, name: str) -> None:
    """The last letter of each command's longest option left out, or doubled."""
    names = [one for option in table_of(name, "").options for one in option.names]
    longest = max(names, key=len)
    first = ["check"] if name == "binfmt-misc" else []
    done = youcpu(name, *first, longest + longest[-1])
    assert done.returncode == 2
    assert longest in done.stderr.decode()
    assert done.stderr.count(b"\n") <= 2


@pytest.mark.parametrize("name", command_names())
def test_every_command_is_whole(name: str) -> None:
    table = table_of(name, describe(name)[1])
    assert (ROOT / "man" / f"youcpu-{name}.1").exists()
    readme = (ROOT / "README.md").read_text()
    assert re.search(rf"^\$ (.*\| *)?youcpu {name}\b", readme, re.MULTILINE), "no example"
    if any("--json" in option.names for option in table.options):
        assert (ROOT / "docs" / "schema" / f"{name}.json").exists()
    if name in NO_GOLDEN:
        return
    goldens = "".join(path.read_text() for path in (ROOT / "tests/golden").glob("test_*.py"))
    assert re.search(rf"[\"\x27 ]{name}[\"\x27 ]", goldens), "no golden"


def test_man_pages_are_readable(tmp_path: Path) -> None:
    """groff finds nothing wrong with them."""
    import subprocess

    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    for page in sorted((ROOT / "man").glob("*.1")):
        done = subprocess.run(
            ["groff", "-man", "-Tutf8", "-ww", "-z", str(page)], capture_output=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, b""), page.name


def test_operands_are_known_for_completion() -> None:
    operands = {table.name: table.operands for table in all_tables()}
    assert operands["exec-trace"] == operands["fork-tree"] == "program"
    assert operands["readelf"] == operands["ldd"] == operands["disasm"] == "file"
    assert "execve" in operands["syscalls"].split()
