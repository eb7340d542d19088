"""The story of an exec in text: the chain of files, the arguments, what is wrong and the mend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from youcpu.abi.errno import Errno
from youcpu.formats.shebang import parse_shebang
from youcpu.render.shebang import draw_buffer


def argument(value: str) -> str:
    """A string of an argv as C would write it; `value` is latin-1 text of bytes."""
    data = value.encode("latin-1")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = value
    escaped = "".join(c if c.isprintable() and c not in '"\\' else _escape(c) for c in text)
    return f'"{escaped}"'


def _escape(character: str) -> str:
    simple = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}
    return simple.get(character) or "".join(f"\\{b:03o}" for b in character.encode("utf-8"))


def path_text(value: str) -> str:
    """A path of a document for people: unprintable bytes escaped, no quotes."""
    return argument(value)[1:-1]


def vector(values: Sequence[str]) -> str:
    """An argv as strace writes it."""
    return "[" + ", ".join(argument(value) for value in values) + "]"


def story(document: Mapping[str, Any], rounds: Sequence[tuple[bytes, bytes, int]]) -> list[str]:
    """All of one file. `rounds`: (name, first 256 bytes, size) of each file of the chain."""
    lines = []
    for number, (found, (_, buffer, size)) in enumerate(
        zip(document["chain"], rounds, strict=True), 1
    ):
        lines += _round(number, found, buffer, size)
    lines += _end(document)
    lines += [f"   remark   {remark}" for remark in document["remarks"]]
    return lines


def _round(number: int, found: Mapping[str, Any], buffer: bytes, size: int) -> list[str]:
    lines = [f"{number}. {path_text(found['path'])}: {_answer(found)}"]
    shebang = found.get("shebang")
    if shebang is not None and found["format"] in ("script", None):
        lines += draw_buffer(parse_shebang(buffer), size)
        if shebang["accepted"]:
            lines.append(f"   interpreter {argument(shebang['interpreter'])}")
            if shebang["argument"] is not None:
                lines.append(f"   argument    {argument(shebang['argument'])}")
    return lines


def _answer(found: Mapping[str, Any]) -> str:
    kind = found["format"]
    if kind == "script":
        return "a script"
    if kind == "misc":
        return f"taken by the binfmt_misc rule {path_text(found['rule'])}"
    if kind in ("elf", "compat_elf"):
        words = "an ELF program" if kind == "elf" else "a 32-bit ELF program"
        interpreter = found.get("elf_interpreter")
        return words + (
            f", ELF interpreter {path_text(interpreter)}" if interpreter else ", static"
        )
    last = found["answers"][-1] if found["answers"] else None
    if last is not None and last["answer"] != "ENOEXEC":
        return f"the {last['handler']} format fails with {last['answer']}"
    reasons = [f"{answer['handler']}: {answer['reason']}" for answer in found["answers"]]
    return f"not taken ({'; '.join(reasons)})"


def _end(document: Mapping[str, Any]) -> list[str]:
    if document["outcome"] == "exec":
        lines = [
            f"exec {path_text(document['exe'])}",
            f"   argv   {vector(document['argv'])}",
            f"   execfn {argument(document['execfn'])}, comm {argument(document['comm'])}",
        ]
        if document["at_flags"]:
            lines.append("   AT_FLAGS 1: argv[0] of the call is kept (flag P of the rule)")
        if document["execfd"] is not None:
            lines.append(f"   AT_EXECFD {document['execfd']}: the file is open there (flag O)")
        return lines
    errno = Errno[document["errno"]]
    lines = [f"{errno.name}: {errno.text}"]
    fault = document["fault"]
    if fault is not None:
        lines += [
            f"   at fault {path_text(fault['path'])}",
            f"   reason   {fault['reason']}.",
            f"   mend     {fault['mend']}",
        ]
        lines += [f"   note     {note}" for note in fault["notes"]]
    lines += _shell(document.get("shell"))
    return lines


def _shell(shell: Mapping[str, Any] | None) -> list[str]:
    if shell is None:
        return []
    if shell["action"] == "refuse":
        return [
            "   a shell  sees a NUL in the first line, takes it for a binary, and exits with 126"
        ]
    return [f"   a shell  runs it by itself then: {' '.join(map(path_text, shell['argv']))}"]


def one_line(document: Mapping[str, Any]) -> str:
    """One file in one line."""
    name = path_text(document["file"])
    if document["outcome"] == "exec":
        return f"{name}: exec {path_text(document['exe'])} {vector(document['argv'])}"
    fault = document.get("fault")
    reason = f"{fault['reason']}; mend: {fault['mend']}" if fault else ""
    return f"{name}: {document['errno']}: {reason}"
