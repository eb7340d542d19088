"""`youcpu syscalls`: the table, as text and as JSON against its schema."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
from running import Run

SCHEMA = Path(__file__).parents[3] / "docs/schema/syscalls.json"


def test_json_is_by_its_schema(youcpu: Run) -> None:
    document = json.loads(youcpu("syscalls", "--json").stdout)
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    states = [row["state"] for row in document["syscalls"]]
    assert states.count("done") + states.count("partial") >= 150


def test_names_and_numbers_are_the_same_call(youcpu: Run) -> None:
    assert youcpu("syscalls", "mmap").stdout == youcpu("syscalls", "9").stdout


def test_a_typo_is_told(youcpu: Run) -> None:
    done = youcpu("syscalls", "mmpa")
    assert done.returncode == 2
    assert b"did you mean mmap?" in done.stderr
