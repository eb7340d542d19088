"""fixtures/exec/misc_checks.json: writers, empty interpreters in odd directories, AT_SECURE."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from conftest import WORKDIR, add_file, make_dry_run, samples, tiny_elf

from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import AT_FDCWD, O_WRONLY
from youcpu.kernel.cred import Credentials
from youcpu.kernel.errors import KernelError
from youcpu.kernel.exec.binprm import KernelArguments
from youcpu.kernel.exec.exec import do_execveat_common, finish
from youcpu.kernel.task import Task
from youcpu.kernel.vfs.namei import path_lookup
from youcpu.kernel.vfs.open import do_open
from youcpu.machine import Machine, MachineOptions

CHECKS = {check["desc"]: check["result"] for check in samples("misc_checks.json")["checks"]}
AT_SECURE = 23


def test_empty_interpreter_in_a_deleted_directory(tree: Path) -> None:
    add_file(tree, {"path": f"{WORKDIR}/s", "content": "#!"})
    (tree / "gone").mkdir()
    dry_run = make_dry_run(tree, cwd="/gone")
    (tree / "gone").rmdir()
    verdict = dry_run.execve(f"{WORKDIR}/s".encode(), [b"a"])
    assert verdict.error is not None
    assert verdict.error.errno.name == CHECKS["'#!' (empty interpreter) with deleted cwd"]["errno"]


def test_empty_interpreter_in_a_shut_directory(tree: Path) -> None:
    add_file(tree, {"path": f"{WORKDIR}/s", "content": "#!"})
    (tree / "shut").mkdir()
    dry_run = make_dry_run(tree, uid=65534, cwd=None)
    dry_run.task.cred = Credentials.of(0, 0)
    dry_run.task.fs.cwd = path_lookup(dry_run.task, AT_FDCWD, b"/shut")
    (tree / "shut").chmod(0)
    dry_run.task.cred = Credentials.of(65534, 65534)
    try:
        verdict = dry_run.execve(f"{WORKDIR}/s".encode(), [b"a"])
    finally:
        (tree / "shut").chmod(0o755)
    assert verdict.error is not None
    expected = CHECKS["'#!' with cwd mode 000, uid 65534"]["errno"]
    assert verdict.error.errno.name == expected


def test_elf_interpreter_open_for_writing(tree: Path) -> None:
    base = tiny_elf()
    path = f"{WORKDIR}/ld\0".encode()
    at = 0x40 + 112 + 12
    interp = struct.pack("<IIQQQQQQ", 3, 4, at, at, at, len(path), len(path), 1)
    image = base[:56] + b"\2\0" + base[58:0x40] + interp + base[0x40:] + path
    add_file(tree, {"path": f"{WORKDIR}/t", "hex": image.hex()})
    add_file(tree, {"path": f"{WORKDIR}/ld", "hex": base.hex()})
    dry_run = make_dry_run(tree)
    assert dry_run.execve(f"{WORKDIR}/t".encode(), [b"a"]).outcome == "exec"
    writer = do_open(dry_run.task, AT_FDCWD, f"{WORKDIR}/ld".encode(), O_WRONLY)
    writer.refs += 1
    verdict = dry_run.execve(f"{WORKDIR}/t".encode(), [b"a"])
    assert verdict.error is not None
    expected = CHECKS["exec with PT_INTERP file open for writing"]["errno"]
    assert verdict.error.errno.name == expected
    writer.put()
    assert dry_run.execve(f"{WORKDIR}/t".encode(), [b"a"]).outcome == "exec"


def test_a_running_program_is_not_written(tree: Path) -> None:
    """open(O_WRONLY) of it while it runs, and after an exec that was not followed by a run."""
    place = f"{WORKDIR}/I".encode()
    dry_run = make_dry_run(tree)
    bprm = do_execveat_common(
        dry_run.task,
        AT_FDCWD,
        place,
        KernelArguments([b"I"]),
        KernelArguments([]),
        0,
        8 << 20,
        lambda bprm, image: None,
    )
    with pytest.raises(KernelError) as caught:
        do_open(dry_run.task, AT_FDCWD, place, O_WRONLY)
    assert caught.value.errno is Errno[CHECKS["open(O_WRONLY) of running ELF"]]
    finish(bprm)
    assert CHECKS["open(O_WRONLY) after it exited"] == "ok"
    do_open(dry_run.task, AT_FDCWD, place, O_WRONLY)


def test_a_script_is_written_while_it_is_interpreted(tree: Path) -> None:
    add_file(tree, {"path": f"{WORKDIR}/s", "content": f"#!{WORKDIR}/I\n"})
    script = f"{WORKDIR}/s".encode()
    dry_run = make_dry_run(tree)
    bprm = do_execveat_common(
        dry_run.task,
        AT_FDCWD,
        script,
        KernelArguments([b"s"]),
        KernelArguments([]),
        0,
        8 << 20,
        lambda bprm, image: None,
    )
    assert CHECKS["open(O_WRONLY) of a script being interpreted"] == "ok"
    do_open(dry_run.task, AT_FDCWD, script, O_WRONLY)
    finish(bprm)


class NobodysMachine(Machine):
    """A machine of user 65534."""

    def new_task(self) -> Task:
        task = super().new_task()
        task.cred = Credentials.of(65534, 65534)
        return task


@pytest.mark.parametrize(
    ("mode", "check"),
    [
        (0o4755, "AT_SECURE setuid-root ELF run by uid 65534"),
        (0o755, "AT_SECURE plain ELF run by uid 65534"),
    ],
)
def test_at_secure(mode: int, check: str, tree: Path) -> None:
    if os.getuid() or os.statvfs(tree).f_flag & os.ST_NOSUID:
        pytest.skip("needs a set-user-ID file of root on a file system that honours it")
    (tree / f"{WORKDIR}/I".lstrip("/")).chmod(mode)
    machine = NobodysMachine(MachineOptions(memory=64 << 20, rootfs=os.fsencode(tree), cwd=b"/"))
    try:
        task = machine.execute(f"{WORKDIR}/I".encode(), [b"I"], [])
        auxv = dict(struct.iter_unpack("<QQ", task.mm.auxv))
        assert [f"SECURE {auxv[AT_SECURE]}"] == CHECKS[check]
        assert task.cred.euid == (0 if mode & 0o4000 else 65534)
        assert task.cred.uid == 65534
    finally:
        machine.close()
