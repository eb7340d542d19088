"""The listeners of `exec-trace`: which sinks write what the user asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from youcpu.record import field, record
from youcpu.render.strace.lines import LineOptions, StraceSink, status_of
from youcpu.trace.events import (
    BlockedEvent,
    EndEvent,
    Event,
    ExecEvent,
    ExitEvent,
    FaultEvent,
    ForkEvent,
    InstructionEvent,
    MapsEvent,
    PagingEvent,
    SignalEvent,
    SyscallEvent,
)
from youcpu.trace.filters import Filters
from youcpu.trace.tracer import Sink


@record
class TraceOptions:
    """What is shown, and how. `lines` is for the text only."""

    lines: LineOptions = field(default_factory=LineOptions)
    filters: Filters = field(default_factory=Filters)
    json: bool = False
    #: Lines of system calls, signals and exits: not with -c.
    calls: bool = True
    #: Table of system calls at the end: -c, -C.
    summary: bool = False
    stages: bool = True
    faults: bool = False
    maps: bool = False
    #: RAM is limited: -c tells what that did.
    paging: bool = False
    instructions: bool = False
    color: bool = False
    #: Text goes out in large pieces; no: each line at once.
    buffered: bool = True


def make_sinks(write: Callable[[str], object], options: TraceOptions) -> list[Sink]:
    """Sinks for a Tracer; `write` takes text. The tracer's `only_syscalls` is the caller's."""
    statuses = options.filters.statuses
    wanted = None
    if statuses is not None:
        wanted = partial(_has_status, statuses)
    if options.json:
        from youcpu.render.jsonl import JsonSink

        return [JsonSink(write, _json_kinds(options), wanted)]
    sinks: list[Sink] = []
    drawers = _drawers(options)
    if options.calls or drawers:
        options.lines.statuses, options.lines.signals = statuses, options.filters.signals
        sinks.append(StraceSink(write, options.lines, options.buffered, drawers, options.calls))
    if options.summary:
        from youcpu.render.summary import SummarySink

        sinks.append(SummarySink(write, wanted))
        if options.paging:
            from youcpu.render.paging import PagingSink

            sinks.append(PagingSink(write))
    return sinks


def _has_status(statuses: frozenset[str], event: SyscallEvent) -> bool:
    return status_of(event) in statuses


def _json_kinds(options: TraceOptions) -> tuple[type[Event], ...]:
    kinds: list[type[Event]] = [EndEvent]
    if options.calls:
        kinds += [SyscallEvent, BlockedEvent, SignalEvent, ExitEvent, ForkEvent]
    for shown, kind in (
        (options.stages, ExecEvent),
        (options.faults, FaultEvent),
        (options.maps, MapsEvent),
        (options.paging, PagingEvent),
        (options.instructions, InstructionEvent),
    ):
        if shown:
            kinds.append(kind)
    return tuple(kinds)


def _drawers(options: TraceOptions) -> dict[type[Event], Callable[[Any], str]]:
    color = options.color
    drawers: dict[type[Event], Callable[[Any], str]] = {}
    if options.stages:
        from youcpu.render.exec_stages import StageDrawer

        drawers |= StageDrawer(color).drawers()
    if options.faults:
        from youcpu.render.faults import draw_fault

        drawers[FaultEvent] = partial(draw_fault, color=color)
    if options.maps:
        from youcpu.render.maps import draw_maps

        drawers[MapsEvent] = partial(draw_maps, color=color)
    if options.instructions:
        from youcpu.render.instructions import draw_instruction

        drawers[InstructionEvent] = partial(draw_instruction, color=color)
    return drawers
