"""JSON written in pieces: tables of any length in bounded memory, always one valid document."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

CHUNK = 2048  # rows that become JSON at once


def text(name: str) -> str:
    """A name of the file (Latin-1, a character a byte) as Unicode; what is no UTF-8 as \\xNN."""
    return name if name.isascii() else name.encode("latin-1").decode("utf-8", "backslashreplace")


def optional_text(name: str | None) -> str | None:
    return None if name is None else text(name)


class Member:
    """A key of an object with its value: made when it is written, as the one before is done."""

    def __init__(self, key: str, pieces: Iterable[str]) -> None:
        self.key, self.pieces = key, pieces


def value(content: Any) -> Iterator[str]:
    """Any value that fits in memory."""
    yield json.dumps(content)


def array(rows: Iterable[Any]) -> Iterator[str]:
    """A list of any length."""
    yield "["
    batch: list[Any] = []
    first = True
    for row in rows:
        batch.append(row)
        if len(batch) >= CHUNK:
            yield ("" if first else ", ") + json.dumps(batch)[1:-1]
            first = False
            batch = []
    if batch:
        yield ("" if first else ", ") + json.dumps(batch)[1:-1]
    yield "]"


def pieces_array(elements: Iterable[Iterable[str]]) -> Iterator[str]:
    """A list whose elements come in pieces themselves."""
    yield "["
    for number, element in enumerate(elements):
        if number:
            yield ", "
        yield from element
    yield "]"


def mapping(members: Iterable[Member]) -> Iterator[str]:
    """An object. A member's pieces are used up before the next member is asked for."""
    yield "{"
    for number, member in enumerate(members):
        yield (", " if number else "") + json.dumps(member.key) + ": "
        yield from member.pieces
    yield "}"
