"""The story of an exec before it happens, for `exec-trace --explain` and failed runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.commands._exec.document import full_document
from youcpu.doctor.libraries import missing_library
from youcpu.dry_run import RLIMIT_STACK, DryRun
from youcpu.kernel.errors import KernelError
from youcpu.render.exec_story import story

if TYPE_CHECKING:
    from youcpu.machine import MachineOptions


def explain_exec(
    path: bytes, argv: list[bytes], envp: list[bytes], options: MachineOptions | None = None
) -> list[str]:
    """Lines: the chain of files, what runs in the end, or the reason and the mend.

    The same search loop as the machine's, on a file tree of its own with the same root,
    working directory and binfmt_misc rules.
    """
    root = options.rootfs if options else b"/"
    cwd = options.cwd if options else None
    place = DryRun(root, _working_directory(root, cwd))
    for rule in options.binfmt if options else ():
        try:
            place.register(rule)
        except KernelError:
            continue
    verdict = place.execve(path, argv, envp, rlimit_stack=_stack_limit(options))
    document = full_document({}, place, path, verdict)
    library = missing_library(place.task, verdict, envp)
    if library is not None:
        document["remarks"] += [f"{library.reason}; mend: {library.mend}", *library.notes]
    rounds = [(found.path, found.buffer, found.size) for found in verdict.rounds]
    return story(document, rounds)


def _working_directory(root: bytes, cwd: bytes | None) -> bytes | None:
    import os

    if cwd is not None:
        return cwd
    return os.getcwdb() if root == b"/" else None


def _stack_limit(options: MachineOptions | None) -> int:
    if options is None:
        return RLIMIT_STACK
    from youcpu.kernel.rlimit import RLIMIT_STACK as RESOURCE

    return options.rlimits.soft(RESOURCE)
