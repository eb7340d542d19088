"""Every test of the hardware gets a board of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from board import Board


@pytest.fixture
def board() -> Iterator[Board]:
    """A CPU in ring 3 on a few mapped pages."""
    board = Board()
    yield board
    board.cpu.close()
