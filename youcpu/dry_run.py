"""Exec without a CPU: files and the search loop of the kernel, stopped before an image is mapped.

`youcpu shebang`, `youcpu binfmt-misc` and the doctor ask here. The loop, the handlers and
the file tree are those of the machine; there is only no RAM to speak of and nothing to run.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, cast

from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import AT_EMPTY_PATH, AT_FDCWD, O_RDONLY
from youcpu.hardware.memory import FrameAllocator, Ram
from youcpu.kernel.cred import Credentials
from youcpu.kernel.errors import KernelError
from youcpu.kernel.exec.binfmt_misc import BinfmtMisc
from youcpu.kernel.exec.binprm import KernelArguments
from youcpu.kernel.exec.exec import check_name, do_execveat_common, finish
from youcpu.kernel.vfs.dcache import Dentry, d_path
from youcpu.kernel.vfs.fdtable import FdTable
from youcpu.kernel.vfs.mount import MountOptions, Vfs
from youcpu.kernel.vfs.namei import FsStruct, path_lookup
from youcpu.kernel.vfs.tmpfs import MemFile, TmpFs

if TYPE_CHECKING:
    from youcpu.kernel.exec.binfmt_elf import ElfImage
    from youcpu.kernel.exec.binprm import LinuxBinprm
    from youcpu.kernel.kernel import Kernel
    from youcpu.kernel.task import Task, ThreadGroup

#: Default soft RLIMIT_STACK of Linux.
RLIMIT_STACK = 8 << 20
_RAM = 32 << 20
#: Of a program on standard input so much is kept: its headers count.
MAX_CONTENT = 8 << 20
#: AT_FLAGS: the interpreter gets the program's argv[0] (flag P of binfmt_misc).
AT_FLAGS_PRESERVE_ARGV0 = 1


class Answer:
    """What one format said to one file; `errno` None: it took it."""

    __slots__ = ("errno", "handler", "reason")

    def __init__(self, handler: str, errno: Errno | None, reason: str) -> None:
        self.handler = handler
        self.errno = errno
        self.reason = reason


class Round:
    """One file of the chain: its name, its first 256 bytes, its size, who was asked.

    `rule`: name of the binfmt_misc rule that took it; `elf_interpreter`: its PT_INTERP.
    """

    __slots__ = ("answers", "buffer", "elf_interpreter", "path", "rule", "size")

    def __init__(self, path: bytes, buffer: bytes, size: int) -> None:
        self.path = path
        self.buffer = buffer
        self.size = size
        self.answers: list[Answer] = []
        self.rule: bytes | None = None
        self.elf_interpreter: bytes | None = None

    @property
    def format(self) -> str | None:
        """The format that took the file; None: all refused it, or it failed on the way."""
        last = self.answers[-1] if self.answers else None
        return last.handler if last is not None and last.errno is None else None


class Verdict:
    """How an exec would end. `outcome`: "exec", "errno" or "returned-0" (AT_EXECVE_CHECK).

    The values after `error` are valid for "exec" only; `execfd` None: no AT_EXECFD.
    """

    __slots__ = (
        "argv",
        "at_flags",
        "comm",
        "error",
        "exe",
        "execfd",
        "execfn",
        "image",
        "outcome",
        "rounds",
    )

    def __init__(self, outcome: str, rounds: list[Round], error: KernelError | None = None) -> None:
        self.outcome = outcome
        self.rounds = rounds
        self.error = error
        self.argv: list[bytes] = []
        self.execfn = b""
        self.comm = b""
        self.exe = b""
        self.at_flags = 0
        self.execfd: int | None = None
        self.image: ElfImage | None = None


class _Clock:
    """Time stands still."""

    def realtime_ns(self) -> int:
        return 0

    def monotonic_ns(self) -> int:
        return 0


class _FilesKernel:
    """The part of the machine's Kernel that the file tree and exec ask."""

    def __init__(self) -> None:
        self.ram = Ram(_RAM)
        self.frames = FrameAllocator(self.ram)
        self.clock = _Clock()
        self.tasks: dict[int, Task] = {}
        self.groups: dict[int, ThreadGroup] = {}
        self.hostname = b"youcpu"
        self.domainname = b"(none)"
        self.binfmt_misc = BinfmtMisc()
        self.vfs = Vfs(cast("Kernel", self))

    def find_task(self, pid: int) -> Task | None:
        return self.tasks.get(pid)


class _FilesTask:
    """The part of a Task that path lookup and exec ask. It has no memory: exec stops before."""

    def __init__(self, kernel: _FilesKernel, cred: Credentials) -> None:
        self.kernel = kernel
        self.pid = self.tgid = 1
        self.exited = False
        self.cred = cred
        self.files = FdTable()
        self.fs = FsStruct(kernel.vfs.root, kernel.vfs.root)


class DryRun:
    """A place to exec from: root, working directory, identity, binfmt_misc rules."""

    def __init__(
        self,
        root: bytes = b"/",
        cwd: bytes | None = None,
        cred: Credentials | None = None,
    ) -> None:
        kernel = _FilesKernel()
        self.vfs = kernel.vfs
        self.vfs.mount_all(MountOptions(root))
        self.misc = kernel.binfmt_misc
        cred = cred or Credentials.of(os.geteuid(), os.getegid(), tuple(os.getgroups()))
        self.task = cast("Task", _FilesTask(kernel, cred))
        kernel.tasks[self.task.pid] = self.task
        if cwd is not None:
            self.task.fs.cwd = path_lookup(self.task, AT_FDCWD, cwd)

    def register(self, rule: bytes) -> None:
        """Write a rule to `register`. Raises KernelError as the kernel would."""
        self.misc.register(self.task, rule)

    def execve(
        self,
        path: bytes,
        argv: list[bytes],
        envp: list[bytes] | None = None,
        *,
        dirfd: int = AT_FDCWD,
        flags: int = 0,
        rlimit_stack: int = RLIMIT_STACK,
    ) -> Verdict:
        """What the kernel would answer."""
        recorder = _Recorder()
        try:
            check_name(path, flags)
            bprm = do_execveat_common(
                self.task,
                dirfd,
                path,
                KernelArguments(argv),
                KernelArguments(envp or []),
                flags,
                rlimit_stack,
                recorder.load,
                recorder.stage,
            )
        except KernelError as error:
            return Verdict("errno", recorder.rounds, error)
        verdict = self._verdict(bprm, recorder)
        finish(bprm)
        return verdict

    def exec_content(self, content: bytes, argv: list[bytes]) -> Verdict:
        """fexecve of a file without a name that holds `content`, open at descriptor 0."""
        memory = TmpFs(self.task.kernel, "tmpfs", 0)
        inode = memory.make(stat.S_IFREG | 0o755, self.task.cred, None)
        assert isinstance(inode, MemFile)
        inode.write_at(content[:MAX_CONTENT], 0)
        file = inode.open(Dentry(b"stdin", inode), O_RDONLY, self.task)
        self.task.files.replace(0, file)
        return self.execve(b"", argv, dirfd=0, flags=AT_EMPTY_PATH)

    def _verdict(self, bprm: LinuxBinprm, recorder: _Recorder) -> Verdict:
        if bprm.is_check:
            return Verdict("returned-0", recorder.rounds)
        verdict = Verdict("exec", recorder.rounds)
        verdict.argv = bprm.argv
        verdict.execfn = bprm.filename
        verdict.comm = bprm.comm
        verdict.exe = d_path(bprm.file.dentry, self.task.fs.root)[0]
        if bprm.file.dentry.deleted:
            verdict.exe += b" (deleted)"
        if bprm.preserve_argv0:
            verdict.at_flags = AT_FLAGS_PRESERVE_ARGV0
        if bprm.have_execfd:
            verdict.execfd = self._free_fd()
        verdict.image = recorder.image
        return verdict

    def _free_fd(self) -> int:
        """Lowest descriptor that is free once close-on-exec ones are closed; 0-2 are in use."""
        kept = {0, 1, 2, *self.task.files.files} - self.task.files.cloexec
        return next(fd for fd in range(len(kept) + 1) if fd not in kept)


class _Recorder:
    """Listens to the stages of one exec, and takes the image instead of a loader."""

    def __init__(self) -> None:
        self.rounds: list[Round] = []
        self.image: ElfImage | None = None

    def load(self, bprm: LinuxBinprm, image: ElfImage) -> None:
        """The loader of a dry run: nothing is mapped."""
        self.image = image

    def stage(self, name: str, facts: dict[str, object]) -> None:
        """A StageSink."""
        if name == "buffer":
            self.rounds.append(
                Round(
                    cast(bytes, facts["path"]),
                    cast(bytes, facts["buffer"]),
                    cast(int, facts["size"]),
                )
            )
        elif name == "answer":
            errno = cast("Errno | None", facts["errno"])
            self.rounds[-1].answers.append(
                Answer(cast(str, facts["handler"]), errno, cast(str, facts["reason"]))
            )
        elif name == "rule":
            self.rounds[-1].rule = cast(bytes, facts["rule"])
        elif name == "interpreter":
            self.rounds[-1].elf_interpreter = cast(bytes, facts["path"])
