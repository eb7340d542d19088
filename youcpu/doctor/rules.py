"""binfmt_misc rules that there are: the live kernel's, and the configured ones."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from youcpu.formats.binfmt_conf import parse_binfmt_d, parse_debian_binfmt, parse_entry_file
from youcpu.formats.binfmt_rule import Rule, RuleError, parse_rule
from youcpu.kernel.errors import KernelError

if TYPE_CHECKING:
    from youcpu.kernel.task import Task

LIVE = b"/proc/sys/fs/binfmt_misc"
#: binfmt.d(5): a file name in an earlier directory hides the same name in later ones.
BINFMT_D = (b"/etc/binfmt.d", b"/run/binfmt.d", b"/usr/local/lib/binfmt.d", b"/usr/lib/binfmt.d")
DEBIAN = b"/var/lib/binfmts"
_MAX_FILE = 1 << 20


class KnownRule:
    """A rule and where it stands. `rule` None: the kernel would refuse the string, `problem`."""

    __slots__ = ("enabled", "line", "problem", "rule", "source", "text")

    def __init__(self, source: bytes, line: int, text: bytes, enabled: bool | None = None) -> None:
        self.source = source
        self.line = line
        self.text = text
        #: Of the live kernel's rules: switched on. None: only configured.
        self.enabled = enabled
        self.rule: Rule | None = None
        self.problem = ""
        try:
            self.rule = parse_rule(text)
        except RuleError as error:
            self.problem = str(error)


class Files(Protocol):
    """Where directories and files are read; what cannot be read is empty."""

    def names(self, directory: bytes) -> list[bytes]:
        """Sorted names in a directory."""

    def content(self, path: bytes) -> bytes:
        """The file, up to 1 MiB of it."""


class HostFiles:
    """The host's own files."""

    def names(self, directory: bytes) -> list[bytes]:
        try:
            return sorted(os.listdir(directory))
        except OSError:
            return []

    def content(self, path: bytes) -> bytes:
        try:
            with open(path, "rb") as file:
                return file.read(_MAX_FILE)
        except OSError:
            return b""


class TaskFiles:
    """Files as a task sees them, with its root."""

    def __init__(self, task: Task) -> None:
        self.task = task

    def names(self, directory: bytes) -> list[bytes]:
        from youcpu.doctor.paths import inode_of

        inode = inode_of(self.task, directory)
        try:
            return sorted(entry.name for entry in inode.iterate()) if inode is not None else []
        except KernelError:
            return []

    def content(self, path: bytes) -> bytes:
        from youcpu.abi.fcntl import AT_FDCWD, O_RDONLY
        from youcpu.kernel.vfs.open import do_open

        try:
            return do_open(self.task, AT_FDCWD, path, O_RDONLY).pread(_MAX_FILE, 0)
        except KernelError:
            return b""


def live_rules(directory: bytes = LIVE) -> list[KnownRule]:
    """What the running kernel has; empty where binfmt_misc is not mounted.

    Sorted by name: in which order they were registered is not told.
    """
    host = HostFiles()
    rules = []
    for name in host.names(directory):
        if name in (b"register", b"status"):
            continue
        path = directory + b"/" + name
        entry = parse_entry_file(name, host.content(path))
        if entry is not None:
            rules.append(KnownRule(path, 1, *entry))
    return rules


def configured_rules(
    directories: tuple[bytes, ...] = BINFMT_D,
    debian: bytes = DEBIAN,
    files: Files | None = None,
) -> list[KnownRule]:
    """Rules of the binfmt.d directories, and of Debian's update-binfmts."""
    files = files or HostFiles()
    paths: dict[bytes, bytes] = {}
    for directory in directories:
        for name in files.names(directory):
            if name.endswith(b".conf"):
                paths.setdefault(name, directory + b"/" + name)
    rules = [
        KnownRule(path, found.line, found.text)
        for _, path in sorted(paths.items())
        for found in parse_binfmt_d(files.content(path))
    ]
    for name in files.names(debian):
        path = debian + b"/" + name
        found = parse_debian_binfmt(name, files.content(path))
        if found is not None:
            rules.append(KnownRule(path, found.line, found.text))
    return rules


def rules_for(task: Task, buffer: bytes, name: bytes) -> list[KnownRule]:
    """Every rule that would take a file: of the task's kernel, then the configured ones."""
    misc = task.kernel.binfmt_misc
    registered = []
    for entry in misc.entries if misc is not None else ():
        path = LIVE + b"/" + entry.rule.name
        parsed = parse_entry_file(entry.rule.name, entry.read())
        if parsed is not None:
            registered.append(KnownRule(path, 1, *parsed))
    return [
        known
        for known in [*registered, *configured_rules(files=TaskFiles(task))]
        if known.rule is not None and known.rule.matches(name, buffer)
    ]
