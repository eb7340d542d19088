"""The tree that the samples of fixtures/exec were taken in, and a dry run that has it as its /."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from youcpu.abi.fcntl import AT_EMPTY_PATH, AT_FDCWD, O_RDONLY
from youcpu.dry_run import DryRun, Verdict
from youcpu.kernel.cred import Credentials
from youcpu.kernel.exec.binprm import ExecError
from youcpu.kernel.exec.open import AT_EXECVE_CHECK
from youcpu.kernel.vfs.open import do_open

FIXTURES = Path(__file__).parents[4] / "fixtures/exec"
WORKDIR = "/oracle/shebang/wdir"
#: The directory's inode for the time of one test.
SampleTree = Callable[[list[dict[str, Any]]], Path]


def samples(name: str) -> Any:
    """A file of fixtures/exec."""
    return json.loads((FIXTURES / name).read_text())


def tiny_elf() -> bytes:
    """A static ELF of 132 bytes that the kernel takes."""
    return bytes.fromhex(samples("elf_cases.json")["bases"]["base1"])


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Root of a file system that has the samples' directory with I, d, ff and nx in it."""
    workdir = tmp_path / WORKDIR.lstrip("/")
    workdir.mkdir(parents=True)
    add_file(tmp_path, {"path": f"{WORKDIR}/I", "elf": "showargs", "mode": "0o755"})
    add_file(tmp_path, {"path": f"{WORKDIR}/nx", "elf": "showargs", "mode": "0o644"})
    (workdir / "d").mkdir()
    os.mkfifo(workdir / "ff", 0o755)
    tmp_path.chmod(0o755)
    return tmp_path


def add_file(root: Path, spec: dict[str, Any]) -> None:
    """Make one file as a sample describes it."""
    path = root / spec["path"].encode("latin-1").decode("utf-8").lstrip("/")
    if path.is_symlink() or path.exists():
        path.unlink()
    if "symlink" in spec:
        path.symlink_to(spec["symlink"])
    elif spec.get("fifo"):
        os.mkfifo(path, 0o755)
    else:
        if "elf" in spec:
            content = tiny_elf()
        elif "hex" in spec:
            content = bytes.fromhex(spec["hex"])
        else:
            content = spec["content"].encode("latin-1")
        path.write_bytes(content)
        path.chmod(int(spec.get("mode", "0o755"), 8))


def latin(values: list[str]) -> list[bytes]:
    """Strings of the samples as bytes."""
    return [value.encode("latin-1") for value in values]


def run_call(dry_run: DryRun, call: dict[str, Any], envp: list[bytes] | None = None) -> Verdict:
    """Make the call of a sample: execve or execveat, with what its "at" says in words."""
    at = call.get("at") or call.get("atdesc") or ""
    dirfd, flags = AT_FDCWD, 0
    if "fd 77" in at or "fd 999" in at:
        dirfd = 999 if "fd 999" in at else 77
    if "AT_EMPTY_PATH" in at or (dirfd == 77 and not call["path"] and "flags 0" not in at):
        flags = AT_EMPTY_PATH
    if "AT_EXECVE_CHECK" in at:
        flags |= AT_EXECVE_CHECK
    if "flags=1" in at:
        flags |= 1
    argv = latin(call["argv"] or [])
    return dry_run.execve(call["path"].encode("latin-1"), argv, envp, dirfd=dirfd, flags=flags)


def open_at(dry_run: DryRun, path: str, fd: int = 77, cloexec: bool = False) -> None:
    """Put an open file at a descriptor."""
    file = do_open(dry_run.task, AT_FDCWD, path.encode("latin-1"), O_RDONLY)
    dry_run.task.files.limit = max(dry_run.task.files.limit, fd + 1)
    dry_run.task.files.replace(fd, file, cloexec)


def make_dry_run(root: Path, uid: int = 0, cwd: str | None = None) -> DryRun:
    """A dry run with `root` as its /."""
    return DryRun(os.fsencode(root), cwd.encode() if cwd else None, Credentials.of(uid, uid))


def same_as_sample(verdict: Verdict, result: dict[str, Any]) -> None:
    """Every value of the sample's result that a dry run can know."""
    assert verdict.outcome == result["outcome"], verdict.error
    if verdict.outcome == "errno":
        assert verdict.error is not None
        assert verdict.error.errno.name == result["errno"]
        if isinstance(verdict.error, ExecError):
            assert verdict.error.stage
    if verdict.outcome != "exec":
        return
    assert verdict.execfn.decode("latin-1") == result["execfn"]
    assert verdict.comm.decode("latin-1") == result["comm"]
    assert verdict.at_flags == result["at_flags"]
    assert verdict.execfd == result["execfd"]
    assert verdict.exe.decode("latin-1") == result["exe"]
    if "argv" in result:
        assert [value.decode("latin-1") for value in verdict.argv] == result["argv"]
    if "argv_lens" in result:
        shown = len(result["argv_lens"])
        assert [len(value) for value in verdict.argv[:shown]] == result["argv_lens"]
        assert len(verdict.argv) == result["argc"]


def moved(image: bytes) -> bytes:
    """The images were made in another directory, whose name is as long as WORKDIR."""
    return image.replace(b"/tmp/anchor-kernel/w", WORKDIR.encode())


def elf_image(case: dict[str, Any]) -> bytes:
    """The program of a sample. Of long ones the sample holds the head and says how it goes on."""
    if case.get("image_hex") is not None:
        return moved(bytes.fromhex(case["image_hex"]))
    head = moved(bytes.fromhex(case["image_head_hex"]))
    size = case["image_len"]
    if "e_phnum" in case["desc"]:
        # PT_NULL entries all alike, then the code.
        code = bytes.fromhex("bf2a000000b83c0000000f05")
        entry = head[0x78:0xB0]
        return (head[:0x78] + entry * 1200)[: size - len(code)] + code
    if "4095 chars" in case["desc"]:
        return head[:0x300] + f"{WORKDIR}/ld43".encode().rjust(4095, b"/") + b"\0"
    fill = b"\xff" if "tail" in case["desc"] else b"\0"
    return head.ljust(size, fill)
