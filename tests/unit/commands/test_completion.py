"""Completion in the real shells: what bash, zsh and fish make of what was typed."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from running import Run

#: What is typed, and words that must be offered for its last one.
OFFERED = [
    ("youcpu exec-tr", ["exec-trace"]),
    ("youcpu ", ["exec-trace", "pagewalk", "--help"]),
    ("youcpu exec-trace --cle", ["--clear-env"]),
    ("youcpu pagewalk --page-replacement l", ["lru"]),
    ("youcpu sched --policy ta", ["target-latency"]),
    ("youcpu readelf --program-h", ["--program-headers"]),
    ("youcpu syscalls execvea", ["execveat"]),
    ("youcpu completion ba", ["bash"]),
    ("youcpu ldd --sym", ["--symbols"]),
]


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory, youcpu: Run) -> Callable[[str], Path]:
    """The script for a shell, which is skipped where the shell is not installed."""
    made: dict[str, Path] = {}

    def make(shell: str) -> Path:
        if shutil.which(shell) is None:
            pytest.skip(f"{shell} is not installed")
        if shell not in made:
            made[shell] = tmp_path_factory.mktemp("completion") / f"youcpu.{shell}"
            made[shell].write_bytes(youcpu("completion", shell).stdout)
        return made[shell]

    return make


def _bash(script: Path, line: str) -> list[str]:
    words = line + ' ""' * line.endswith(" ")
    code = (
        f"source {script}; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _youcpu;"
        'for word in "${COMPREPLY[@]}"; do echo "$word"; done'
    )
    done = subprocess.run(
        ["bash", "--norc", "--noprofile", "-c", code], capture_output=True, text=True, check=True
    )
    assert not done.stderr
    return done.stdout.split("\n")[:-1]


@pytest.mark.parametrize(("line", "words"), OFFERED)
def test_bash(script: Callable[[str], Path], line: str, words: list[str]) -> None:
    offered = _bash(script("bash"), line)
    assert set(words) <= set(offered)
    assert all(word.startswith(line.rpartition(" ")[2]) for word in offered)


def test_bash_behind_a_program_offers_files_only(
    script: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = script("bash")
    (tmp_path / "notes").touch()
    monkeypatch.chdir(tmp_path)
    assert _bash(path, "youcpu exec-trace cat not") == ["notes"]
    assert _bash(path, "youcpu exec-trace -q --color never cat --") == []
    assert "cat" in _bash(path, "youcpu exec-trace --color never ca")
    # readline gives `--color=al` as three words.
    assert _bash(path, "youcpu exec-trace --color = al") == ["always"]


@pytest.mark.parametrize(("line", "words"), OFFERED)
def test_fish(script: Callable[[str], Path], tmp_path: Path, line: str, words: list[str]) -> None:
    path = script("fish")
    if line == "youcpu ":
        words = [word for word in words if not word.startswith("-")]
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"source {path}; complete -C '{line}'"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    assert set(words) <= {row.partition("\t")[0] for row in done.stdout.splitlines()}
    assert not done.stderr


def test_zsh(script: Callable[[str], Path], tmp_path: Path) -> None:
    """An interactive zsh on a terminal: the line after the Tab key, told by a widget of ours."""
    path, out = script("zsh"), tmp_path / "line"
    setup = (
        f"PS1='ready> '; setopt no_beep; autoload -U compinit; compinit -u -D; source {path};"
        f'tell() {{ print -r -- "$BUFFER" >> {out}; BUFFER= }}; zle -N tell; bindkey "^X" tell\n'
    )
    lines = [line for line, words in OFFERED if len(words) == 1]
    process, terminal = pty.fork()
    if process == 0:
        os.environ.update(TERM="dumb", HOME=str(tmp_path))
        os.execvp("zsh", ["zsh", "-f", "-i"])
    try:
        os.write(terminal, setup.encode())
        for number, line in enumerate(lines, 1):
            os.write(terminal, f"{line}\t\x18".encode())
            assert _wait_for(out, terminal, number), out.read_text() if out.exists() else line
    finally:
        os.close(terminal)
        os.waitpid(process, 0)
    completed = out.read_text().splitlines()
    wanted = [f"{line.rpartition(' ')[0]} {words[0]}" for line, words in OFFERED if len(words) == 1]
    assert [line.rstrip() for line in completed] == wanted


def _wait_for(out: Path, terminal: int, lines: int) -> bool:
    """Until `out` has so many lines; what the terminal says is read, so that it goes on."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if out.exists() and out.read_text().count("\n") >= lines:
            return True
        if select.select([terminal], [], [], 0.05)[0]:
            os.read(terminal, 4096)
    return False


def test_which_shell(youcpu: Run) -> None:
    done = youcpu("completion", "tcsh")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"bash, zsh or fish" in done.stderr
