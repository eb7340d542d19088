"""How the kernel reads a script, and what it runs in the end.

Stage: exec
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from youcpu.options import HELP_OPTION, Option, Parsed, UsageError, run_command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from youcpu.dry_run import DryRun, Verdict

NAME = "shebang"
SCHEMA = {"schema": "youcpu.shebang", "version": 1}
USAGE = """youcpu shebang [OPTIONS] FILE [ARG...]
       youcpu shebang [OPTIONS] --files FILE..."""
SUMMARY = """Parses the first line of FILE as the kernel does, follows the chain of interpreters
to its end, and shows the arguments of the program that would run, or the error,
the file at fault and the mend. Nothing is executed. FILE - is standard input."""
OPTIONS = [
    Option("--argv0", "argv[0] of the call (FILE is the default).", "NAME"),
    Option("--files", "Every operand is a file: one line each."),
    Option("--files-from", "More files, one a line, from LIST (- is standard input).", "LIST"),
    Option("--root", "DIR is the root directory of the lookups.", "DIR"),
    Option("--cwd", "Working directory, within the root.", "DIR"),
    Option("--binfmt", "Register a binfmt_misc rule first; may be repeated.", "RULE", many=True),
    Option("--no-host-binfmt", "Leave out the rules of the running kernel."),
    Option("--json", "One JSON document; JSON Lines with --files."),
    HELP_OPTION,
]
EPILOG = "Exit code: 0 exec would succeed, 1 it would fail, 2 wrong usage."


def main(argv: list[str]) -> int:
    """Run the command."""
    return run_command(
        _answer, argv, NAME, (USAGE, SUMMARY, EPILOG), OPTIONS, interspersed="--files" in argv
    )


def _answer(parsed: Parsed) -> int:
    many = parsed.flag("files") or parsed.flag("files-from")
    files = list(_files(parsed))
    if not files:
        raise UsageError("which file?")
    place = _place(parsed)
    if many:
        return _run_many(place, parsed, files)
    return _run_one(place, parsed, files[0], [os.fsencode(word) for word in parsed.operands[1:]])


def _files(parsed: Parsed) -> Iterator[bytes]:
    if not parsed.flag("files") and not parsed.flag("files-from"):
        yield from (os.fsencode(word) for word in parsed.operands[:1])
        return
    yield from (os.fsencode(word) for word in parsed.operands)
    source = parsed.value("files-from")
    if source is not None:
        try:
            content = sys.stdin.buffer.read() if source == "-" else _read(source)
        except OSError as error:
            raise UsageError(f"{source}: {error.strerror}") from None
        yield from (line for line in content.split(b"\n") if line)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _place(parsed: Parsed) -> DryRun:
    """Where the exec would happen. Raises UsageError."""
    from youcpu.dry_run import DryRun
    from youcpu.kernel.errors import KernelError

    root, cwd = parsed.value("root"), parsed.value("cwd")
    if cwd is None and root is None:
        cwd = os.getcwd()
    try:
        place = DryRun(os.fsencode(root or "/"), os.fsencode(cwd) if cwd else None)
    except (OSError, KernelError) as error:
        raise UsageError(f"{root or ''}{cwd or ''}: {error}") from None
    if root is None and not parsed.flag("no-host-binfmt"):
        _register_live(place)
    for rule in parsed.values("binfmt"):
        try:
            place.register(os.fsencode(rule))
        except KernelError as error:
            raise UsageError(f"--binfmt {rule}: {error.errno.name}") from None
    return place


def _register_live(place: DryRun) -> None:
    """The running kernel's rules: what it would answer depends on them."""
    from youcpu.kernel.errors import KernelError

    if not os.path.exists("/proc/sys/fs/binfmt_misc/status"):
        return
    from youcpu.doctor.rules import live_rules

    for known in live_rules():
        if known.enabled:
            try:
                place.register(known.text)
            except KernelError:
                continue


def _exec(place: DryRun, parsed: Parsed, file: bytes, args: list[bytes]) -> Verdict:
    argv0 = parsed.value("argv0")
    if file == b"-":
        return place.exec_content(
            sys.stdin.buffer.read(), [os.fsencode(argv0) if argv0 is not None else file, *args]
        )
    return place.execve(file, [os.fsencode(argv0) if argv0 is not None else file, *args])


def _run_one(place: DryRun, parsed: Parsed, file: bytes, args: list[bytes]) -> int:
    from youcpu.commands._exec.document import full_document

    verdict = _exec(place, parsed, file, args)
    if parsed.flag("json"):
        import json

        print(json.dumps(full_document(SCHEMA, place, file, verdict), indent=1))
        return int(verdict.error is not None)
    from youcpu.render.exec_story import story

    rounds = [(found.path, found.buffer, found.size) for found in verdict.rounds]
    print("\n".join(story(full_document(SCHEMA, place, file, verdict), rounds)))
    return int(verdict.error is not None)


def _run_many(place: DryRun, parsed: Parsed, files: list[bytes]) -> int:
    code = 0
    place.vfs.snapshot = {}
    as_json = parsed.flag("json")
    for file in files:
        verdict = _exec(place, parsed, file, [])
        if verdict.error is not None:
            code = 1
        if as_json:
            import json

            from youcpu.commands._exec.document import full_document

            print(json.dumps(full_document(SCHEMA, place, file, verdict)))
        else:
            from youcpu.render.exec_story import one_line

            print(one_line(_brief(place, file, verdict)))
    return code


def _brief(place: DryRun, file: bytes, verdict: Verdict) -> dict[str, Any]:
    """As much of the document as one line shows."""
    from youcpu.commands._exec.document import finding_document, result, text

    document: dict[str, Any] = {"file": text(file), **result(verdict)}
    if verdict.error is not None:
        from youcpu.doctor.explain import explain

        document["fault"] = finding_document(explain(place.task, file, verdict))
    return document
