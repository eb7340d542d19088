"""binfmt_misc rules of this host: the live kernel's, and the configured ones."""

from __future__ import annotations

import os

from youcpu.formats.binfmt_conf import parse_binfmt_d, parse_debian_binfmt, parse_entry_file
from youcpu.formats.binfmt_rule import Rule, RuleError, parse_rule

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


def live_rules(directory: bytes = LIVE) -> list[KnownRule]:
    """What the running kernel has; empty where binfmt_misc is not mounted.

    Sorted by name: in which order they were registered is not told.
    """
    rules = []
    for name in _listed(directory):
        if name in (b"register", b"status"):
            continue
        path = directory + b"/" + name
        entry = parse_entry_file(name, _content(path))
        if entry is not None:
            rules.append(KnownRule(path, 1, *entry))
    return rules


def configured_rules(
    directories: tuple[bytes, ...] = BINFMT_D, debian: bytes = DEBIAN
) -> list[KnownRule]:
    """Rules of the binfmt.d directories, and of Debian's update-binfmts."""
    files: dict[bytes, bytes] = {}
    for directory in directories:
        for name in _listed(directory):
            if name.endswith(b".conf"):
                files.setdefault(name, directory + b"/" + name)
    rules = [
        KnownRule(path, found.line, found.text)
        for _, path in sorted(files.items())
        for found in parse_binfmt_d(_content(path))
    ]
    for name in _listed(debian):
        path = debian + b"/" + name
        found = parse_debian_binfmt(name, _content(path))
        if found is not None:
            rules.append(KnownRule(path, found.line, found.text))
    return rules


def rules_for(buffer: bytes, name: bytes) -> list[KnownRule]:
    """Every rule of this host that would take a file."""
    return [
        known
        for known in [*live_rules(), *configured_rules()]
        if known.rule is not None and known.rule.matches(name, buffer)
    ]


def _listed(directory: bytes) -> list[bytes]:
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []


def _content(path: bytes) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_MAX_FILE)
    except OSError:
        return b""
