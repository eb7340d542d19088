"""A dry run's verdict as the JSON document of `youcpu shebang` and `youcpu binfmt-misc match`.

Byte strings are latin-1 text: one code point is one byte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from youcpu.abi.errno import Errno
from youcpu.formats.shebang import parse_shebang
from youcpu.formats.shell_text import looks_binary

if TYPE_CHECKING:
    from youcpu.doctor.finding import Finding
    from youcpu.dry_run import DryRun, Round, Verdict


def text(value: bytes) -> str:
    """Bytes as the documents have them."""
    return value.decode("latin-1")


def texts(values: list[bytes]) -> list[str]:
    """A vector of strings."""
    return [text(value) for value in values]


def result(verdict: Verdict) -> dict[str, Any]:
    """`outcome` and what belongs to it, named as a tracer of the real kernel would."""
    if verdict.error is not None:
        errno = verdict.error.errno
        return {"outcome": "errno", "errno": errno.name, "num": int(errno)}
    if verdict.outcome != "exec":
        return {"outcome": verdict.outcome}
    return {
        "outcome": "exec",
        "argv": texts(verdict.argv),
        "execfn": text(verdict.execfn),
        "comm": text(verdict.comm),
        "exe": text(verdict.exe),
        "at_flags": verdict.at_flags,
        "execfd": verdict.execfd,
    }


def round_document(found: Round) -> dict[str, Any]:
    """One file of the chain."""
    document: dict[str, Any] = {"path": text(found.path), "format": found.format}
    if found.buffer.startswith(b"#!"):
        document["shebang"] = shebang_document(found.buffer)
    if found.rule is not None:
        document["rule"] = text(found.rule)
    if found.elf_interpreter is not None:
        document["elf_interpreter"] = text(found.elf_interpreter)
    document["answers"] = [
        {
            "handler": answer.handler,
            "answer": answer.errno.name if answer.errno else "taken",
            "reason": answer.reason,
        }
        for answer in found.answers
    ]
    return document


def shebang_document(buffer: bytes) -> dict[str, Any]:
    """The parse of a script's first line; spans are [start, stop) in the 256 bytes."""
    line = parse_shebang(buffer)
    if line.refusal is not None:
        return {"accepted": False, "reason": line.refusal.value}
    argument = line.argument
    return {
        "accepted": True,
        "interpreter": text(line.interpreter),
        "interpreter_span": list(line.name_span),
        "argument": None if argument is None else text(argument),
        "argument_span": list(line.argument_span) if line.argument_span else None,
        "newline": line.newline,
    }


def finding_document(finding: Finding | None) -> dict[str, Any] | None:
    """What the doctor says."""
    if finding is None:
        return None
    return {
        "path": text(finding.path),
        "reason": finding.reason,
        "mend": finding.mend,
        "notes": list(finding.notes),
    }


def full_document(
    head: dict[str, Any], place: DryRun, file: bytes, verdict: Verdict
) -> dict[str, Any]:
    """The result, the chain of files, the doctor's finding, remarks, what a shell does next."""
    from youcpu.doctor.explain import explain
    from youcpu.doctor.remarks import remarks

    document: dict[str, Any] = {**head, "file": text(file), **result(verdict)}
    document["chain"] = [round_document(found) for found in verdict.rounds]
    document["fault"] = finding_document(explain(place.task, file, verdict))
    document["remarks"] = remarks(place.task, verdict)
    document["shell"] = _shell(file, verdict)
    return document


def _shell(file: bytes, verdict: Verdict) -> dict[str, Any] | None:
    """What a shell does next on ENOEXEC (POSIX XCU 2.9.1.4), None where there is no next."""
    if verdict.error is None or verdict.error.errno is not Errno.ENOEXEC or not verdict.rounds:
        return None
    first = verdict.rounds[0]
    if looks_binary(first.buffer[: first.size]):
        return {"action": "refuse", "status": 126}
    return {"action": "sh", "argv": ["sh", text(file)]}
