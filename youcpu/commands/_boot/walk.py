"""--walk: page walks on a machine that stands still, by the tables of its CR3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.commands._pagewalk.space import Space
from youcpu.commands._pagewalk.walks import walk_view
from youcpu.hardware.paging import FlatMemory
from youcpu.launch import Failure
from youcpu.render.pagewalk_view import SourceView, WalkView

if TYPE_CHECKING:
    from youcpu.hardware.board import Board


def walk_views(board: Board, addresses: list[int]) -> list[WalkView]:
    """A walk each. Raises Failure where paging is off: an address is physical then."""
    registers = board.paging_registers()
    mode = registers.mode
    if mode is None:
        raise Failure("--walk: paging is off at this point, linear addresses are physical ones", 1)
    view = SourceView(
        name="youcpu boot",
        format="the machine that stands",
        origin="its CR3",
        mode=mode.name,
        registers={name: getattr(registers, name) for name in ("cr0", "cr3", "cr4", "efer")},
        cpus=1,
    )
    space = Space("boot", FlatMemory(board.ram.bytes), registers, view, [])
    return [walk_view(space, address, None) for address in addresses]
