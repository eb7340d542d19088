"""One execve under way: include/linux/binfmts.h struct linux_binprm, and its strings (fs/exec.c).

The argument strings are counted as the kernel counts them on the new stack, from the top
down; the bytes themselves are laid out by stack.py once an image has been accepted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from youcpu.abi.errno import Errno
from youcpu.formats.shebang import BINPRM_BUF_SIZE
from youcpu.kernel.errors import KernelError

if TYPE_CHECKING:
    from youcpu.kernel.exec.binfmt_elf import ElfImage
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.file import File

#: include/uapi/linux/binfmts.h: one string with its NUL; number of strings.
MAX_ARG_STRLEN = 131072
MAX_ARG_STRINGS = 0x7FFF_FFFF
#: _STK_LIM / 4 * 3, and ARG_MAX (include/uapi/linux/limits.h).
STRINGS_CEILING = 6 << 20
STRINGS_FLOOR = 131072
TASK_COMM_LEN = 16
_PAGE = 4096

#: What exec tells about its stages: name and facts. The machine makes trace events of it.
StageSink = Callable[[str, dict[str, object]], None]
Loader = Callable[["LinuxBinprm", "ElfImage"], None]


class ExecError(KernelError):
    """An exec that fails, and what the doctor needs: the file at fault and why.

    `path`: the file at fault, as the kernel had it named; `role`: what that file is to the
    program ("program", "script interpreter", "ELF interpreter", "binfmt_misc interpreter").
    """

    def __init__(
        self, errno: Errno, stage: str, path: bytes, reason: str = "", role: str = "program"
    ) -> None:
        super().__init__(errno)
        self.stage = stage
        self.path = path
        self.reason = reason
        self.role = role
        #: It happened after the point of no return: the task dies of SIGSEGV.
        self.fatal = False


class Arguments(Protocol):
    """argv or envp, wherever its strings lie."""

    def count(self) -> int:
        """Number of strings. Raises EFAULT, E2BIG."""

    def string(self, index: int) -> bytes | None:
        """One string without its NUL; None: longer than MAX_ARG_STRLEN. Raises EFAULT."""


class KernelArguments:
    """Strings that we have already: the first program, the dry run."""

    __slots__ = ("strings",)

    def __init__(self, strings: list[bytes]) -> None:
        self.strings = strings

    def count(self) -> int:
        return len(self.strings)

    def string(self, index: int) -> bytes | None:
        value = self.strings[index]
        return value if len(value) < MAX_ARG_STRLEN else None


class LinuxBinprm:
    """State of one exec. `file` is what is tried now, `interp` the name it goes by.

    `used`: bytes of the new stack's strings, `limit` the most they may take.
    """

    __slots__ = (
        "answers",
        "argv",
        "buf",
        "comm_from_dentry",
        "depth",
        "envp",
        "execfd_creds",
        "executable",
        "file",
        "filename",
        "have_execfd",
        "interp",
        "interpreter",
        "is_check",
        "limit",
        "loader",
        "path_inaccessible",
        "point_of_no_return",
        "preserve_argv0",
        "rewrites",
        "rlimit_stack",
        "role",
        "sink",
        "task",
        "used",
    )

    def __init__(
        self, task: Task, file: File, filename: bytes, rlimit_stack: int, loader: Loader
    ) -> None:
        self.task = task
        self.file = file
        self.filename = filename
        self.interp = filename
        self.rlimit_stack = rlimit_stack
        self.loader = loader
        self.sink: StageSink | None = None
        self.argv: list[bytes] = []
        self.envp: list[bytes] = []
        self.buf = b""
        #: Set by a handler that wants the loop to go on with this file.
        self.interpreter: File | None = None
        #: The file that AT_EXECFD will be open on.
        self.executable: File | None = None
        self.have_execfd = False
        self.execfd_creds = False
        self.path_inaccessible = False
        self.preserve_argv0 = False
        self.comm_from_dentry = False
        self.is_check = False
        self.point_of_no_return = False
        self.limit = 0
        self.used = 0
        self.depth = 0
        #: What `file` is to the program, for messages.
        self.role = "program"
        #: This round's (handler, errno, reason); earlier rounds are in `rewrites`.
        self.answers: list[tuple[str, Errno | None, str]] = []
        #: One per rewrite: (handler, name before, name after).
        self.rewrites: list[tuple[str, bytes, bytes]] = []

    @property
    def comm(self) -> bytes:
        """The new name of the task: begin_new_exec()."""
        if self.comm_from_dentry:
            name = self.file.dentry.name
        else:
            name = self.filename.rpartition(b"/")[2]
        return name[: TASK_COMM_LEN - 1]

    def stage(self, name: str, **facts: object) -> None:
        """Tell the listener, if there is one, what was just done."""
        if self.sink is not None:
            self.sink(name, facts)

    def set_stack_limit(self, argc: int, envc: int) -> None:
        """bprm_stack_limits(). Raises E2BIG where the pointers alone are too many."""
        limit = max(min(STRINGS_CEILING, self.rlimit_stack // 4), STRINGS_FLOOR)
        # An empty argv gets an empty string later: its pointer is counted already.
        pointers = 8 * (max(argc, 1) + envc)
        if limit <= pointers:
            raise self.too_big(
                f"{argc} arguments and {envc} environment strings: the pointers alone take "
                f"{pointers:,} bytes, the limit is {limit:,}"
            )
        self.limit = limit - pointers

    def push(self, length: int, what: str) -> None:
        """Room for a string of `length` bytes with its NUL. Raises E2BIG."""
        if length > MAX_ARG_STRLEN:
            raise self.too_big(f"{what} is {length:,} bytes long with its NUL, at most 131,072 fit")
        self.used += length
        if self.used > self.limit:
            raise self.too_big(
                f"with {what} the strings take {self.used:,} bytes, "
                f"{self.used - self.limit:,} more than the {self.limit:,} that are left for them"
            )
        # The stack grows page by page (8 bytes at its top stay zero), up to RLIMIT_STACK.
        pages = (self.used + 8 + _PAGE - 1) // _PAGE * _PAGE
        if pages > self.rlimit_stack and pages > _PAGE:
            raise self.too_big(
                f"with {what} the strings take {pages:,} bytes of stack, "
                f"RLIMIT_STACK is {self.rlimit_stack:,}"
            )

    def too_big(self, reason: str) -> ExecError:
        """E2BIG with its story."""
        return ExecError(Errno.E2BIG, "arguments", self.filename, reason)

    def copy_strings(self, argv: Arguments, envp: Arguments) -> None:
        """Count, limit and copy in the kernel's order: envp before argv, last string first."""
        argc = argv.count()
        envc = envp.count()
        self.set_stack_limit(argc, envc)
        self.push(len(self.filename) + 1, "the file's name")
        self.envp = self._copy(envp, envc, "environment string")
        self.argv = self._copy(argv, argc, "argument")
        if not argc:
            # Since 5.18: argc is never 0.
            self.push(1, "the empty argv[0]")
            self.argv = [b""]

    def _copy(self, source: Arguments, count: int, what: str) -> list[bytes]:
        strings = []
        for index in range(count - 1, -1, -1):
            value = source.string(index)
            if value is None:
                raise self.too_big(f"{what} {index} is longer than 131,071 bytes")
            self.push(len(value) + 1, f"{what} {index}")
            strings.append(value)
        strings.reverse()
        return strings

    def copy_string_kernel(self, value: bytes) -> None:
        """A new argv[0], before all others: copy_string_kernel()."""
        self.push(len(value) + 1, f"{value[:60]!r}"[1:])
        self.argv.insert(0, value)

    def remove_arg_zero(self) -> None:
        """argv[0] goes, its room with it."""
        if self.argv:
            self.used -= len(self.argv.pop(0)) + 1

    def change_interp(self, name: bytes, interpreter: File, handler: str, role: str) -> None:
        """The loop shall go on with `interpreter`, known as `name`."""
        self.rewrites.append((handler, self.interp, name))
        self.interp = name
        self.interpreter = interpreter
        self.role = role
        self.stage("rewrite", handler=handler, interpreter=name, argv=tuple(self.argv))

    def read_buffer(self) -> None:
        """prepare_binprm(): the first 256 bytes, zero filled."""
        self.buf = self.file.pread(BINPRM_BUF_SIZE, 0).ljust(BINPRM_BUF_SIZE, b"\0")
