"""Formats that user space registers: fs/binfmt_misc.c.

One `BinfmtMisc` is one mounted instance. Its files (register, status, one an entry) are
shown by kernel/vfs; here is what reading and writing them does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.formats.binfmt_rule import Rule, RuleError, parse_rule
from youcpu.kernel.errors import KernelError
from youcpu.kernel.exec.binprm import ExecError
from youcpu.kernel.exec.open import allow_write_access, clone_exec, open_exec

if TYPE_CHECKING:
    from youcpu.kernel.exec.binprm import LinuxBinprm
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.file import File

NAME_MAX = 255
ROLE = "binfmt_misc interpreter"


class Entry:
    """A registered rule. `interp_file`: opened at registration (flag F)."""

    __slots__ = ("enabled", "interp_file", "rule")

    def __init__(self, rule: Rule, interp_file: File | None) -> None:
        self.rule = rule
        self.enabled = True
        self.interp_file = interp_file

    def read(self) -> bytes:
        """Text of the entry's file."""
        return self.rule.entry_file(self.enabled)


class BinfmtMisc:
    """One instance: the rules, newest first, and whether they are looked at at all."""

    __slots__ = ("enabled", "entries")

    def __init__(self) -> None:
        self.enabled = True
        self.entries: list[Entry] = []

    def find(self, name: bytes) -> Entry | None:
        """The entry of that name."""
        return next((entry for entry in self.entries if entry.rule.name == name), None)

    def register(self, task: Task, text: bytes) -> Entry:
        """A write to `register`. Raises EINVAL, F's open errors, ENAMETOOLONG, EEXIST."""
        try:
            rule = parse_rule(text)
        except RuleError:
            raise KernelError(Errno.EINVAL) from None
        interp_file = None
        if "F" in rule.flags:
            interp_file = open_exec(task, rule.interpreter, ROLE)
        if len(rule.name) > NAME_MAX:
            errno = Errno.ENAMETOOLONG
        elif rule.name in (b"register", b"status") or self.find(rule.name):
            errno = Errno.EEXIST
        else:
            entry = Entry(rule, interp_file)
            self.entries.insert(0, entry)
            return entry
        if interp_file is not None:
            _release(interp_file)
        raise KernelError(errno)

    def read_status(self) -> bytes:
        """Text of `status`."""
        return b"enabled\n" if self.enabled else b"disabled\n"

    def write_status(self, text: bytes) -> None:
        """ "0" and "1" switch all rules, "-1" drops them. Raises EINVAL."""
        command = parse_command(text)
        if command == -1:
            for entry in list(self.entries):
                self.remove(entry)
        elif command is not None:
            self.enabled = bool(command)

    def write_entry(self, entry: Entry, text: bytes) -> None:
        """ "0" and "1" switch the rule, "-1" drops it. Raises EINVAL."""
        command = parse_command(text)
        if command == -1:
            self.remove(entry)
        elif command is not None:
            entry.enabled = bool(command)

    def remove(self, entry: Entry) -> None:
        """Drop a rule and the interpreter that it holds open."""
        if entry in self.entries:
            self.entries.remove(entry)
            if entry.interp_file is not None:
                _release(entry.interp_file)

    def match(self, interp: bytes, buffer: bytes) -> Entry | None:
        """The newest enabled rule that takes a file: get_binfmt_handler()."""
        for entry in self.entries:
            if entry.enabled and entry.rule.matches(interp, buffer):
                return entry
        return None


def _release(file: File) -> None:
    allow_write_access(file)
    file.put()


def parse_command(text: bytes) -> int | None:
    """parse_command(): -1, 0 or 1; None for an empty write. Raises EINVAL."""
    if len(text) > 3:
        raise KernelError(Errno.EINVAL)
    if not text:
        return None
    command = {b"0": 0, b"1": 1, b"-1": -1}.get(text.removesuffix(b"\n"))
    if command is None:
        raise KernelError(Errno.EINVAL)
    return command


def load_misc_binary(bprm: LinuxBinprm) -> None:
    """Put a rule's interpreter before the file's name; the loop goes on. Raises ExecError."""
    misc: BinfmtMisc | None = bprm.task.kernel.binfmt_misc
    if misc is None or not misc.enabled or not misc.entries:
        raise ExecError(Errno.ENOEXEC, "misc", bprm.interp, "no rule is registered", bprm.role)
    entry = misc.match(bprm.interp, bprm.buf)
    if entry is None:
        raise ExecError(Errno.ENOEXEC, "misc", bprm.interp, "no rule matches", bprm.role)
    rule = entry.rule
    bprm.stage("rule", rule=rule.name, path=bprm.interp)
    if bprm.path_inaccessible:
        raise ExecError(
            Errno.ENOENT,
            "misc",
            bprm.interp,
            "the file is open close-on-exec: the interpreter could not open it again",
            bprm.role,
        )
    if "P" in rule.flags:
        bprm.preserve_argv0 = True
    else:
        bprm.remove_arg_zero()
    if "O" in rule.flags:
        bprm.have_execfd = True
    bprm.copy_string_kernel(bprm.interp)
    bprm.copy_string_kernel(rule.interpreter)
    if entry.interp_file is not None:
        interpreter = clone_exec(bprm.task, entry.interp_file)
    else:
        interpreter = open_exec(bprm.task, rule.interpreter, ROLE)
    bprm.change_interp(rule.interpreter, interpreter, "misc", ROLE)
    if "C" in rule.flags:
        bprm.execfd_creds = True
