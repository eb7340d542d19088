"""From an errno of execve to the file at fault, the reason in plain words, and the mend."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.doctor.content import noexec_finding
from youcpu.doctor.finding import Finding, quoted, shown
from youcpu.doctor.interpreters import elf_interpreter_finding, script_interpreter_finding
from youcpu.doctor.paths import inode_of, lookup_finding
from youcpu.kernel.exec.binprm import ExecError

if TYPE_CHECKING:
    from collections.abc import Callable

    from youcpu.dry_run import Round, Verdict
    from youcpu.kernel.errors import KernelError
    from youcpu.kernel.task import Task

SCRIPT, ELF, MISC = "script interpreter", "ELF interpreter", "binfmt_misc interpreter"

#: Errors that no file is to blame for: sentence and mend.
_PLAIN = {
    Errno.EAGAIN: (
        "the user has more processes than RLIMIT_NPROC allows",
        "end some of them, or raise the limit: ulimit -u",
    ),
    Errno.EFAULT: (
        "the path, argv or envp points outside of the caller's memory",
        "correct the caller: argv and envp end with a NULL pointer",
    ),
    Errno.EINVAL: ("the call's flags are not known", "correct the caller's flags"),
    Errno.EMFILE: ("the caller has no descriptor left", "close some, or raise ulimit -n"),
    Errno.ENFILE: ("the system has no open file left", "raise fs.file-max"),
    Errno.ENOMEM: ("the kernel has no memory left", "end some programs"),
    Errno.EBADF: (
        "the directory descriptor of execveat is not open",
        "open the directory first, and keep it open",
    ),
    Errno.EPERM: (
        "the program would gain rights, and the caller may not let it (no_new_privs, tracing)",
        "run it without tracing, or as the user that it needs",
    ),
}


def explain(task: Task, name: bytes, verdict: Verdict) -> Finding | None:
    """Why the exec of `name` failed; None where it did not."""
    error = verdict.error
    if error is None:
        return None
    if not isinstance(error, ExecError):
        return _plain(name, error)
    rounds = verdict.rounds
    if error.fatal:
        return _fatal(error)
    answer = _BY_ERRNO.get(error.errno)
    return answer(task, error, rounds) if answer else _plain(name, error)


def _plain(name: bytes, error: KernelError) -> Finding:
    reason, mend = _PLAIN.get(error.errno, (error.errno.text, "look at the call with strace"))
    return Finding(name, reason, mend)


def _asker(rounds: list[Round]) -> bytes:
    """The file whose interpreter is at fault."""
    return rounds[-1].path if rounds else b""


def _part(error: ExecError, rounds: list[Round]) -> str:
    """ "the interpreter that 's' asks for", or "the program"."""
    asker = _asker(rounds)
    if error.role == MISC and rounds and rounds[-1].rule is not None:
        rule = rounds[-1].rule.decode("utf-8", "replace")
        return f"the interpreter of the binfmt_misc rule {rule!r}, which takes {shown(asker)},"
    if error.role in (SCRIPT, ELF, MISC):
        return f"the {error.role} that {shown(asker)} asks for"
    return "the program"


def _enoent(task: Task, error: ExecError, rounds: list[Round]) -> Finding:
    if error.stage == "name":
        return Finding(error.path, "the path is empty", "name a file")
    if error.stage in ("script", "misc"):
        return Finding(
            error.path,
            f"{error.reason}: {shown(error.path)} would be gone after the exec",
            "open the descriptor without close-on-exec (O_CLOEXEC), or exec the file by its path",
        )
    if error.role == ELF:
        return elf_interpreter_finding(task, _asker(rounds), error.path)
    if error.role == SCRIPT:
        return script_interpreter_finding(task, _asker(rounds), error.path)
    finding = lookup_finding(task, error.path, _part(error, rounds))
    if error.role == MISC:
        rule = (rounds[-1].rule or b"").decode("utf-8", "replace")
        finding.reason = f"{_part(error, rounds)} is missing: {finding.reason}"
        finding.mend = (
            f"install it (qemu-user-static for foreign programs), or drop the rule: "
            f"echo -1 > /proc/sys/fs/binfmt_misc/{rule}"
        )
    return finding


def _eacces(task: Task, error: ExecError, rounds: list[Round]) -> Finding:
    part = _part(error, rounds)
    path = error.path
    if error.stage == "lookup":
        finding = lookup_finding(task, path, part)
        finding.reason = f"{part} {shown(path)} cannot be reached: {finding.reason}"
        return finding
    if error.stage == "kind":
        return _wrong_kind(error, rounds, part)
    if error.stage == "noexec":
        return _noexec_mount(task, error, part)
    if error.stage == "read":
        return Finding(
            path,
            f"{shown(path)} may be executed but not read: Linux would run it, youcpu cannot",
            f"chmod +r {quoted(path)}, or run youcpu as its owner",
        )
    return _no_permission(task, error, part)


def _wrong_kind(error: ExecError, rounds: list[Round], part: str) -> Finding:
    if not error.path:
        asker = _asker(rounds)
        return Finding(
            asker,
            f"{shown(asker)} names an empty interpreter, which the kernel takes for the working "
            "directory, and a directory cannot be executed",
            f"write the interpreter's path into {quoted(asker)}",
        )
    mend = "name a program in it" if "directory" in error.reason else "name a regular file"
    return Finding(
        error.path, f"{part} {shown(error.path)} cannot be executed: {error.reason}", mend
    )


def _noexec_mount(task: Task, error: ExecError, part: str) -> Finding:
    mount = _mount_point(error.path)
    where = f" at {shown(mount)}" if mount else ""
    target = quoted(mount) if mount else "MOUNTPOINT"
    return Finding(
        error.path,
        f"{part} {shown(error.path)} lies on a file system that is mounted noexec{where}",
        f"mount -o remount,exec {target}, or copy the file to another file system; "
        f"a script runs as: sh {quoted(error.path)}",
    )


def _mount_point(path: bytes) -> bytes | None:
    """Of a host file: the mount it lies on."""
    try:
        place = os.path.realpath(path)
        while not os.path.ismount(place):
            place = os.path.dirname(place)
    except OSError:
        return None
    return place


def _no_permission(task: Task, error: ExecError, part: str) -> Finding:
    path = error.path
    inode = inode_of(task, path)
    if inode is None:
        return Finding(
            path, f"{part} {shown(path)} may not be executed", f"chmod +x {quoted(path)}"
        )
    mode = stat.S_IMODE(inode.mode)
    if not mode & 0o111:
        who = "has no x bit for anyone, and even root needs one"
        mend = f"chmod +x {quoted(path)}"
    else:
        owner = f"owner {inode.uid}, group {inode.gid}"
        who = f"has an x bit, but not for user {task.cred.fsuid} ({owner})"
        mend = f"chmod a+x {quoted(path)}, or run it as its owner"
    return Finding(path, f"{part} {shown(path)} (mode {mode:04o}) {who}", mend)


def _enotdir(task: Task, error: ExecError, rounds: list[Round]) -> Finding:
    finding = lookup_finding(task, error.path, _part(error, rounds))
    if rounds:
        asker = _asker(rounds)
        finding.reason = f"{_part(error, rounds)}: {finding.reason}"
        finding.mend = f"correct the interpreter's path in {quoted(asker)}"
    return finding


def _eloop(task: Task, error: ExecError, rounds: list[Round]) -> Finding:
    if error.stage == "depth":
        return _too_deep(error, rounds)
    if error.stage == "open":
        return Finding(
            error.path,
            f"{shown(error.path)} is a symbolic link, and the caller said AT_SYMLINK_NOFOLLOW",
            "name the link's target, or drop the flag",
        )
    return lookup_finding(task, error.path, _part(error, rounds))


def _too_deep(error: ExecError, rounds: list[Round]) -> Finding:
    paths = [found.path for found in rounds]
    again = next((path for i, path in enumerate(paths) if path in paths[:i]), None)
    chain = " -> ".join(shown(path) for path in paths)
    if again is not None:
        following = paths[paths.index(again) + 1]
        how = "itself" if following == again else f"{shown(following)}, which leads back to it"
        return Finding(
            again,
            f"{shown(again)} names as its interpreter {how} ({chain})",
            f"name a program, not a script, in the first line of {quoted(again)}",
        )
    return Finding(
        paths[-1],
        f"six interpreters follow one another ({chain} -> {shown(error.path)}); five are the most",
        f"name a program, not a script, in the first line of {quoted(paths[1])}",
    )


def _enoexec(task: Task, error: ExecError, rounds: list[Round]) -> Finding:
    if error.stage == "execfd":
        return Finding(
            error.path,
            f"{shown(error.path)} is a script, and the rule that leads to it has the flag O or C",
            "name the script's own interpreter in the rule, or drop the flag",
        )
    finding = noexec_finding(task, rounds[-1])
    if len(rounds) > 1:
        finding.reason = f"the interpreter of {shown(rounds[-2].path)}: {finding.reason}"
    return finding


def _etxtbsy(task: Task, error: ExecError, rounds: list[Round]) -> Finding:
    from youcpu.doctor.writers import writers_of

    writers = writers_of(error.path)
    if writers:
        who = ", ".join(f"process {pid} ({name})" for pid, name in writers)
        mend = f"let {who} close it; end of the writing is all it takes"
    else:
        who = "a process"
        mend = f"find the writer with: fuser -v {quoted(error.path)}, and let it close the file"
    return Finding(
        error.path, f"{_part(error, rounds)} {shown(error.path)} is open for writing by {who}", mend
    )


def _e2big(task: Task, error: ExecError, rounds: list[Round]) -> Finding:
    return Finding(
        error.path,
        error.reason,
        "pass fewer or shorter strings (xargs splits them), clear the environment (env -i), "
        "or raise the stack limit, a quarter of which is theirs up to 6 MiB (ulimit -s)",
    )


def _damaged(task: Task, error: ExecError, rounds: list[Round]) -> Finding:
    """EIO, ELIBBAD, EINVAL of an ELF file."""
    if error.stage == "flags":
        return Finding(error.path, error.reason, _PLAIN[Errno.EINVAL][1])
    if error.role == ELF:
        asker = _asker(rounds)
        return Finding(
            error.path,
            f"{_part(error, rounds)} {shown(error.path)} cannot be used: {error.reason}",
            f"install the loader anew, or: patchelf --set-interpreter LOADER {quoted(asker)}",
        )
    return Finding(
        error.path,
        f"{shown(error.path)} is a damaged ELF file: its PT_INTERP cannot be read ({error.reason})",
        "get the file again, or build it anew",
    )


def _enametoolong(task: Task, error: ExecError, rounds: list[Round]) -> Finding:
    if error.stage == "name":
        return Finding(error.path[:60] + b"...", error.reason, "change the directory first (cd)")
    return lookup_finding(task, error.path, _part(error, rounds))


def _fatal(error: ExecError) -> Finding:
    return Finding(
        error.path,
        f"{shown(error.path)} was accepted, then its image could not be set up: {error.reason}; "
        "there is no way back to the caller, so the kernel kills with SIGSEGV",
        "build the program anew: its program headers are wrong",
    )


_BY_ERRNO: dict[Errno, Callable[[Task, ExecError, list[Round]], Finding]] = {
    Errno.ENOENT: _enoent,
    Errno.EACCES: _eacces,
    Errno.ENOTDIR: _enotdir,
    Errno.ELOOP: _eloop,
    Errno.ENOEXEC: _enoexec,
    Errno.ETXTBSY: _etxtbsy,
    Errno.E2BIG: _e2big,
    Errno.EIO: _damaged,
    Errno.ELIBBAD: _damaged,
    Errno.EINVAL: _damaged,
    Errno.ENAMETOOLONG: _enametoolong,
}
