"""From the command line of `youcpu step` to a session: what is run, and where its steps go."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from youcpu.commands._step.options import NAME, Question, whole
from youcpu.launch import (
    FAILED,
    Failure,
    complain,
    environment,
    find_program,
    parse_epoch,
    parse_size,
)
from youcpu.options import Parsed, UsageError

if TYPE_CHECKING:
    from youcpu.commands._step.session import View
    from youcpu.commands._step.snippet import Snippet
    from youcpu.machine import MachineOptions
    from youcpu.stepping.run import Program


def ask(parsed: Parsed, question: Question) -> int:
    """The exit code. Raises UsageError."""
    try:
        return _ask(parsed, question)
    except Failure as failure:
        complain(NAME, str(failure))
        return failure.code


def _ask(parsed: Parsed, question: Question) -> int:
    snippet = _snippet(parsed)
    try:
        words = [snippet.path] if snippet is not None else parsed.operands
        if snippet is not None and question.until is None:
            end = snippet.end
            question.until = end if isinstance(end, str) else f"{end:#x}"
        program = _program(parsed, words, snippet is not None)
        try:
            if parsed.flag("tui"):
                return _tui(program, question)
            return _answer(parsed, question, program)
        finally:
            program.streams.close()
    finally:
        if snippet is not None:
            snippet.close()


def _snippet(parsed: Parsed) -> Snippet | None:
    """The program of --hex or --asm. Raises UsageError."""
    code, text = parsed.value("hex"), parsed.value("asm")
    given = sum((code is not None, text is not None, bool(parsed.operands)))
    if given != 1:
        raise UsageError("which program?" if not given else "one of PROGRAM, --hex and --asm")
    if parsed.operands:
        return None
    from youcpu.commands._step.snippet import from_assembly, from_hex

    return from_hex(code) if code is not None else from_assembly(text or "")


def _program(parsed: Parsed, words: list[str], is_snippet: bool) -> Program:
    from youcpu.stepping.run import Program
    from youcpu.stepping.streams import Streams

    envp = environment(parsed.values("env"), parsed.flag("clear-env"))
    path = find_program(words[0], envp, parsed.value("rootfs") or "/")
    options = _machine_options(parsed)
    stdin = parsed.value("stdin")
    try:
        streams = Streams(stdin)
    except OSError as error:
        raise Failure(f"--stdin {stdin}: {error.strerror}") from None
    argv = [os.fsencode(word) for word in words]
    return Program(path, [b"snippet"] if is_snippet else argv, envp, options, streams)


def _machine_options(parsed: Parsed) -> MachineOptions:
    from youcpu.machine import MachineOptions

    return MachineOptions(
        memory=parse_size(parsed.value("memory") or "2G"),
        seed=whole("seed", parsed.value("seed") or "0"),
        epoch_ns=parse_epoch(parsed.value("epoch") or ""),
        aslr=parsed.flag("aslr"),
        rootfs=os.fsencode(parsed.value("rootfs") or "/"),
        cwd=os.fsencode(cwd) if (cwd := parsed.value("cwd")) else None,
    )


def _answer(parsed: Parsed, question: Question, program: Program) -> int:
    from youcpu.commands._step.session import Session

    name = parsed.value("output")
    stream = _open(name) if name else sys.stdout
    # With -o the program's output is its own; else it must not be among the steps.
    out = sys.stdout if name else sys.stderr
    try:
        view = _view(parsed, question, stream)
        session = Session(program, question, view, out, _tell)
        try:
            return session.run()
        finally:
            session.close()
    finally:
        if name:
            stream.close()


def _view(parsed: Parsed, question: Question, stream: TextIO) -> View:
    if question.json:
        from youcpu.render.step_json import StepJson

        return StepJson(_writer(stream))
    from youcpu.commands._step.session import TextView

    return TextView(_writer(stream), question, _wants_color(parsed.value("color"), stream))


def _writer(stream: TextIO) -> Callable[[str], None]:
    def write(text: str) -> None:
        stream.write(text)
        stream.flush()

    return write


def _tui(program: Program, question: Question) -> int:
    """Exit code 0: the user looked around and left."""
    from youcpu.commands._step.session import Session

    try:
        import textual  # noqa: F401
    except ImportError:
        raise Failure("--tui wants the Python package textual: pip install 'youcpu[tui]'") from None
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Failure("--tui wants a terminal")
    from youcpu.commands._step.tui import run_app

    session = Session(program, question, None, sys.stderr, _tell)
    try:
        if question.start:
            session.seek()
        run_app(session.stepper, program.argv[0].decode("utf-8", "backslashreplace"))
    finally:
        session.close()
    return 0


def _tell(message: str) -> None:
    complain(NAME, message)


def _open(name: str) -> TextIO:
    try:
        return open(name, "w", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise Failure(f"{name}: {error.strerror}", FAILED) from None


def _wants_color(when: str | None, stream: TextIO) -> bool:
    """--color; NO_COLOR and TERM=dumb count in auto. Raises UsageError."""
    when = when or "auto"
    if when not in ("auto", "always", "never"):
        raise UsageError(f"--color {when}: auto, always or never")
    if when != "auto":
        return when == "always"
    return stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
