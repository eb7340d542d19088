"""`youcpu syscalls`: the table and the pages, as text and as JSON against its schema."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from running import Run

SCHEMA = Path(__file__).parents[3] / "docs/schema/syscalls.json"


@pytest.mark.parametrize("i386", [False, True])
def test_json_is_by_its_schema(youcpu: Run, i386: bool) -> None:
    document = json.loads(youcpu("syscalls", "--json", *["--i386"] * i386).stdout)
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    states = [row["state"] for row in document["syscalls"]]
    assert states.count("done") + states.count("partial") >= (50 if i386 else 150)
    assert {row["abi"] for row in document["syscalls"]} == {"i386" if i386 else "x86-64"}


def test_names_and_numbers_are_the_same_call(youcpu: Run) -> None:
    assert youcpu("syscalls", "mmap").stdout == youcpu("syscalls", "0x9").stdout
    assert (
        youcpu("syscalls", "--i386", "execve").stdout == youcpu("syscalls", "--i386", "11").stdout
    )


def test_patterns_are_the_shells(youcpu: Run) -> None:
    lines = youcpu("syscalls", "*at", "sched_*", "exit").stdout.decode().splitlines()
    names = [line.split()[1].partition("(")[0] for line in lines]
    assert names[-1] == "exit"
    assert len(names) == len(set(names)) > 20
    assert all(name.endswith("at") or name.startswith("sched_") for name in names[:-1])


def test_what_never_returns_changes_no_register(youcpu: Run) -> None:
    for name in ("execve", "exit_group", "rt_sigreturn"):
        (row,) = json.loads(youcpu("syscalls", "--json", name).stdout)["syscalls"]
        assert row["registers"]["changed"] == {}


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["mmpa"], "did you mean mmap"),
        (["waitpid"], "the C library's waitpid() calls wait4"),
        (["sigaction"], "the C library's sigaction() calls rt_sigaction"),
        (["socketcall"], "youcpu syscalls --i386 socketcall"),
        (["nothing_like_it"], "no system call 'nothing_like_it'"),
        (["99999"], "no system call '99999'"),
        (["nothing*"], "no system call 'nothing*'"),
        (["--i368"], "did you mean --i386?"),
    ],
)
def test_what_is_not_there_is_told(youcpu: Run, words: list[str], hint: str) -> None:
    done = youcpu("syscalls", *words)
    assert done.returncode == 2
    assert hint in done.stderr.decode()
    assert done.stdout == b""
