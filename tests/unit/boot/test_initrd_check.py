"""Why a kernel finds no init: a sentence for each cause."""

from __future__ import annotations

import gzip
import stat
from pathlib import Path

import pytest

from youcpu.boot.initrd_check import initrd_remarks
from youcpu.formats.cpio import CpioEntry, CpioWriter

HELLO = (Path(__file__).parents[3] / "fixtures/hello/hello").read_bytes()
CONSOLE = b"console=ttyS0"


def initrd(*files: tuple[str, int, bytes]) -> bytes:
    pieces: list[bytes] = []
    writer = CpioWriter(pieces.append)
    for name, mode, data in files:
        writer.add(CpioEntry(name.encode(), mode, len(data), data=data))
    writer.close()
    # The same bytes each time: they name the tests.
    return gzip.compress(b"".join(pieces), mtime=0)


def program(name: str = "init", mode: int = 0o755, data: bytes = HELLO) -> tuple[str, int, bytes]:
    return name, stat.S_IFREG | mode, data


AARCH64 = HELLO[:18] + b"\xb7\0" + HELLO[20:]
LINK = ("init", stat.S_IFLNK | 0o777, b"/bin/none")


@pytest.mark.parametrize(
    ("data", "command_line", "remark"),
    [
        (initrd(program()), CONSOLE, None),
        (initrd(program(data=b"#!/bin/sh -e\n"), program("bin/sh")), CONSOLE, None),
        (initrd(program("other")), CONSOLE + b" rdinit=/other", None),
        (None, CONSOLE, "there is no initrd, and so no /init"),
        (b"rubbish", CONSOLE, "the initrd is damaged at offset 0x0: no cpio archive"),
        (initrd(program())[:200], CONSOLE, "the initrd is damaged at offset 0x0: damaged gzip"),
        (initrd(program("sbin/init")), CONSOLE, "there is no /init in the initrd"),
        (initrd(program()), b"rdinit=/no", "there is no /no in the initrd"),
        (initrd(LINK), CONSOLE, "there is no /init in the initrd"),
        (initrd(("init", stat.S_IFDIR | 0o755, b"")), CONSOLE, "is no regular file: drwxr-xr-x"),
        (initrd(program(mode=0o644)), CONSOLE, "is not executable: its mode is -rw-r--r--"),
        (initrd(program(data=b"echo\n")), CONSOLE, "is no program and no script"),
        (initrd(program(data=AARCH64)), CONSOLE, "is a program for AArch64"),
        (initrd(program(data=b"#!/bin/sh\n")), CONSOLE, "/init wants /bin/sh, which is not in"),
        (
            initrd(program(data=b"#!/bin/sh\n"), program("bin/sh", 0o600)),
            CONSOLE,
            "/bin/sh in the initrd is not executable",
        ),
    ],
)
def test_remarks(data: bytes | None, command_line: bytes, remark: str | None) -> None:
    remarks = initrd_remarks(data, command_line)
    if remark is None:
        assert remarks == []
    else:
        assert len(remarks) == 1
        assert remark in remarks[0]


def test_a_dynamic_program_without_its_loader() -> None:
    ls = Path("/bin/ls").read_bytes()
    if b"ld-linux" not in ls:
        pytest.skip("/bin/ls is not dynamically linked here")
    (remark,) = initrd_remarks(initrd(program(data=ls)), CONSOLE)
    assert "wants /lib64/ld-linux-x86-64.so.2, which is not in the initrd" in remark
