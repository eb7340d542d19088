"""Where a path lookup fails: the component, the link or the directory at fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import AT_FDCWD
from youcpu.doctor.finding import Finding, quoted, shown
from youcpu.kernel.errors import KernelError
from youcpu.kernel.vfs.namei import LOOKUP_FOLLOW, path_lookup

if TYPE_CHECKING:
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.inode import Inode

NAME_MAX = 255
#: fs/namei.c
MAXSYMLINKS = 40
_NEAR_NAMES = 5000


class Failure:
    """`prefix` is as far as the walk came; `links` are the symbolic links on the way to it."""

    __slots__ = ("errno", "links", "parent", "prefix")

    def __init__(self, prefix: bytes, errno: Errno, links: list[tuple[bytes, bytes]]) -> None:
        self.prefix = prefix
        self.parent = prefix.rstrip(b"/").rpartition(b"/")[0] or (
            b"/" if prefix.startswith(b"/") else b"."
        )
        self.errno = errno
        self.links = links


def inode_of(task: Task, path: bytes, follow: bool = True) -> Inode | None:
    """What is at a path, None where the lookup fails."""
    try:
        return path_lookup(task, AT_FDCWD, path, LOOKUP_FOLLOW if follow else 0).inode
    except KernelError:
        return None


def first_failure(task: Task, path: bytes) -> Failure | None:
    """The shortest part of a path whose lookup fails, links followed; None: it exists."""
    links: list[tuple[bytes, bytes]] = []
    while len(links) <= MAXSYMLINKS:
        failure = _failing_prefix(task, path)
        if failure is None:
            return None
        prefix, errno = failure
        link = inode_of(task, prefix, follow=False)
        if link is None or not link.is_symlink:
            return Failure(prefix, errno, links)
        target = link.readlink()
        links.append((prefix, target))
        if any(prefix == seen for seen, _ in links[:-1]):
            break
        directory = prefix.rpartition(b"/")[0]
        path = target if target.startswith(b"/") else directory + b"/" + target
        if not directory and not prefix.startswith(b"/"):
            path = target
    return Failure(links[-1][0], Errno.ELOOP, links)


def _failing_prefix(task: Task, path: bytes) -> tuple[bytes, Errno] | None:
    end = 0
    while end < len(path):
        end = path.find(b"/", end + 1)
        if end < 0:
            end = len(path)
        prefix = path[:end]
        if not prefix.strip(b"/"):
            continue
        try:
            path_lookup(task, AT_FDCWD, prefix, LOOKUP_FOLLOW)
        except KernelError as error:
            return prefix, error.errno
    return None


def lookup_finding(task: Task, path: bytes, what: str) -> Finding:
    """Why `path` cannot be looked up; `what` is the file's part, as "the interpreter"."""
    plain = path.rstrip(b"/")
    if plain != path and plain and (inode := inode_of(task, plain)) and not inode.is_dir:
        return Finding(
            plain,
            f"{shown(plain)} is no directory, but the path ends in '/'",
            f"write {quoted(plain)}",
        )
    failure = first_failure(task, path)
    if failure is None:
        return Finding(path, f"{what} {shown(path)} is there now", "try again")
    via = "".join(
        f"{shown(link)} is a symbolic link to {shown(to)}; " for link, to in failure.links
    )
    explain = {
        Errno.ENOENT: _missing,
        Errno.EACCES: _unsearchable,
        Errno.ENOTDIR: _not_a_directory,
        Errno.ENAMETOOLONG: _too_long,
        Errno.ELOOP: _loop,
    }.get(failure.errno)
    if explain is None:
        return Finding(failure.prefix, via + failure.errno.text, "look at the file with ls -l")
    finding = explain(task, failure, path)
    if failure.errno is not Errno.ELOOP:
        finding.reason = via + finding.reason
    return finding


def _missing(task: Task, failure: Failure, path: bytes) -> Finding:
    missing = failure.prefix
    if failure.links:
        link = failure.links[-1][0]
        return Finding(
            link,
            f"{shown(missing)} does not exist",
            f"make the link point at a file that exists: ln -sfn TARGET {quoted(link)}",
        )
    near = _near_name(task, failure)
    hint = f"; {shown(near)} is there" if near else ""
    if missing != path.rstrip(b"/"):
        return Finding(
            missing, f"the directory {shown(missing)} does not exist{hint}", "correct the path"
        )
    mend = f"did you mean {quoted(near)}?" if near else "correct the path, or put the file there"
    return Finding(missing, f"{shown(missing)} does not exist{hint}", mend)


def _near_name(task: Task, failure: Failure) -> bytes | None:
    """A name in the same directory that looks alike."""
    from difflib import get_close_matches
    from itertools import islice

    directory = inode_of(task, failure.parent)
    if directory is None or not directory.is_dir:
        return None
    name = failure.prefix.rpartition(b"/")[2].decode("utf-8", "surrogateescape")
    try:
        entries = list(islice(directory.iterate(), _NEAR_NAMES))
    except KernelError:
        return None
    names = [entry.name.decode("utf-8", "surrogateescape") for entry in entries]
    found = get_close_matches(name, names, n=1, cutoff=0.75)
    if not found:
        return None
    near = found[0].encode("utf-8", "surrogateescape")
    head = failure.prefix.rpartition(b"/")[0]
    return head + b"/" + near if b"/" in failure.prefix else near


def _unsearchable(task: Task, failure: Failure, path: bytes) -> Finding:
    directory = failure.parent
    inode = inode_of(task, directory)
    mode = f" (mode {inode.mode & 0o7777:04o}, owner {inode.uid})" if inode else ""
    return Finding(
        directory,
        f"the directory {shown(directory)}{mode} may not be searched by user {task.cred.fsuid}",
        f"chmod a+x {quoted(directory)}",
    )


def _not_a_directory(task: Task, failure: Failure, path: bytes) -> Finding:
    place = failure.parent
    return Finding(
        place,
        f"{shown(place)} is a file, not a directory, but the path {shown(path)} goes on below it",
        "correct the path",
    )


def _too_long(task: Task, failure: Failure, path: bytes) -> Finding:
    name = failure.prefix.rpartition(b"/")[2]
    return Finding(
        failure.prefix,
        f"a component of the path is {len(name)} bytes long, at most {NAME_MAX} pass",
        "use a shorter name",
    )


def _loop(task: Task, failure: Failure, path: bytes) -> Finding:
    link, target = failure.links[-1]
    if len(failure.links) == 1 or link in (seen for seen, _ in failure.links[:-1]):
        chain = " -> ".join(shown(link) for link, _ in failure.links)
        reason = (
            f"the symbolic link {shown(link)} leads back to itself ({chain} -> {shown(target)})"
        )
    else:
        reason = f"more than {MAXSYMLINKS} symbolic links on the way; the last is {shown(link)}"
    return Finding(link, reason, f"make the link point at a file: ln -sfn TARGET {quoted(link)}")
