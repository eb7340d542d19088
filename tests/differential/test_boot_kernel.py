"""`youcpu boot --kernel` on Debian's own kernel: stages, console, determinism, snapshots.

One boot with JSON; one that is saved at /init and gone on with in another process. Both give
the same console, byte for byte. What the guest's commands print is judged by QEMU elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from boot_battery import _copy, _executable
from kernel_files import bzimage, payload, vmlinux
from qemu_boot import APPEND, KERNEL

CLI = [sys.executable, "-m", "youcpu", "boot"]
REASON = "no kernel in .cache/linux (tests/fetch-kernel.sh downloads Debian's)"
needs_kernel = pytest.mark.skipif(
    not KERNEL.exists() or not Path("/usr/bin/busybox").exists(), reason=REASON
)
INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
echo "init runs"
export PS1='$ '
setsid cttyhack sh
"""
TYPED = b"""echo $((6 * 7)); cat /proc/uptime
sleep 2; date -u
seq 1 2000 | md5sum
(sleep 5; echo later) & wait
read line
what was typed
echo "$line"
poweroff -f
"""


def boot(*arguments: str | Path, typed: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run the command; what is typed comes from a file, as on `< FILE`."""
    return subprocess.run(
        [*CLI, *map(str, arguments)], input=typed, capture_output=True, timeout=300, check=False
    )


@pytest.fixture(scope="session")
def boots(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A directory with what the boots left; made once, whichever worker comes first."""
    root = tmp_path_factory.getbasetemp()
    directory = (root if worker_id == "master" else root.parent) / "boot-linux"
    try:
        directory.mkdir()
    except FileExistsError:
        deadline = time.monotonic() + 280
        while not (directory / "done").exists():
            assert time.monotonic() < deadline, "the worker that boots has not come to its end"
            time.sleep(0.2)
        return directory
    try:
        _boot_both(directory)
    finally:
        (directory / "done").touch()
    return directory


def _boot_both(directory: Path) -> None:
    tree = directory / "root"
    for name in ("bin", "proc", "dev"):
        (tree / name).mkdir(parents=True)
    _copy("/usr/bin/busybox", tree / "bin/busybox")
    _executable(tree / "init", INIT)
    initrd = directory / "initrd"
    subprocess.run(
        [sys.executable, "-m", "youcpu", "initramfs", "-o", str(initrd), str(tree)], check=True
    )
    common = ("--kernel", KERNEL, "--initrd", initrd, "--append", APPEND)
    whole = boot(*common, "--json", typed=TYPED)
    (directory / "whole.json").write_bytes(whole.stdout)
    (directory / "whole.code").write_text(f"{whole.returncode} {whole.stderr.decode()}")
    first = boot(*common, "--until", "init runs", "--save", directory / "snapshot")
    second = boot("--resume", directory / "snapshot", typed=TYPED)
    (directory / "two.log").write_bytes(first.stdout + second.stdout)
    codes = f"{first.returncode} {second.returncode} {second.stderr.decode()}"
    (directory / "two.code").write_text(codes)


@pytest.fixture
def events(boots: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (boots / "whole.json").read_text().splitlines()]


def console(events: list[dict[str, object]]) -> str:
    return "".join(str(event["text"]) for event in events if event["event"] == "output")


@needs_kernel
def test_the_shell_runs_and_the_machine_halts(boots: Path, events: list[dict[str, object]]) -> None:
    text = console(events).replace("\r\n", "\n")
    assert (boots / "whole.code").read_text().startswith("0 ")
    assert events[-1]["outcome"] == "halted"
    digest = hashlib.md5(b"".join(b"%d\n" % i for i in range(1, 2001))).hexdigest()
    for line in ("42\n", f"{digest}  -\n", "later\n", "\nwhat was typed\n"):
        assert line in text
    assert "Jan  1 00:00:0" in text  # the clock of --epoch's default goes by virtual time
    assert text.endswith("reboot: System halted\n")


@needs_kernel
def test_stages_come_in_order_with_the_first_system_calls(
    events: list[dict[str, object]],
) -> None:
    stages = [event for event in events if event["event"] == "linux_stage"]
    assert [event["stage"] for event in stages] == [
        "start_kernel", "rest_init", "kernel_init", "free_initmem", "run_init_process", "user",
    ]  # fmt: skip
    times = [event["time_ns"] for event in events if "time_ns" in event]
    assert times == sorted(times)  # type: ignore[type-var]
    assert [event["cpl"] for event in stages] == [0] * 5 + [3]
    calls = [event["name"] for event in events if event["event"] == "guest_syscall"]
    # A static busybox of glibc begins so.
    assert calls[:3] == ["brk", "brk", "arch_prctl"]
    assert len(calls) == 8


@needs_kernel
def test_json_follows_its_schema(events: list[dict[str, object]]) -> None:
    import jsonschema

    path = Path(__file__).parents[2] / "docs/schema/boot-linux.json"
    validator = jsonschema.Draft202012Validator(json.loads(path.read_text()))
    for event in events:
        validator.validate(event)


@needs_kernel
def test_two_boots_one_of_them_through_a_snapshot_give_the_same_console(
    boots: Path, events: list[dict[str, object]]
) -> None:
    assert (boots / "two.code").read_text().startswith("0 0 ")
    assert (boots / "two.log").read_bytes() == console(events).encode("latin-1")


@needs_kernel
@pytest.mark.parametrize("damage", ["flip", "cut", "version", "magic", "empty"])
def test_damaged_snapshots_are_refused(boots: Path, tmp_path: Path, damage: str) -> None:
    data = bytearray((boots / "snapshot").read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 1
    elif damage == "cut":
        del data[-1000:]
    elif damage == "version":
        data[16] += 1
    elif damage == "magic":
        data[:4] = b"QEVM"
    else:
        data.clear()
    path = tmp_path / "snapshot"
    path.write_bytes(data)
    done = boot("--resume", path)
    assert done.returncode == 1
    assert done.stdout == b""
    assert done.stderr.decode().count("\n") == 1
    assert str(path) in done.stderr.decode()


@needs_kernel
def test_a_terminal(boots: Path) -> None:
    """Keys go to the guest, Ctrl-C too; Ctrl-A x ends; the terminal is as it was."""
    import termios

    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    with subprocess.Popen(
        [*CLI, "--resume", str(boots / "snapshot")], stdin=slave, stdout=slave, stderr=slave
    ) as process:
        seen = b""

        def wait_for(text: bytes) -> None:
            nonlocal seen
            deadline = time.monotonic() + 120
            while text not in seen:
                assert time.monotonic() < deadline, seen
                if select.select([master], [], [], 1)[0]:
                    seen += os.read(master, 65536)
            seen = seen[seen.index(text) + len(text) :]

        wait_for(b"$ ")
        os.write(master, b"echo $((40 + 2))\r")
        wait_for(b"\r\n42\r\n")
        os.write(master, b"sleep 1000\r")
        wait_for(b"1000\r\n")
        time.sleep(0.5)
        os.write(master, b"\x03")
        wait_for(b"^C")
        wait_for(b"$ ")
        os.write(master, b"\x01x")
        assert process.wait(timeout=60) == 0
    assert termios.tcgetattr(slave) == before
    os.close(master)
    os.close(slave)


# -- what cannot be booted --


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A kernel that is whole and halts at once."""
    path = tmp_path / "vmlinuz"
    path.write_bytes(bzimage(payload(vmlinux(b"\xfa\xf4"), "gzip")))
    return path


def refused(*arguments: str | Path) -> str:
    done = boot(*arguments)
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 1
    assert len(lines) == 1
    assert done.stdout == b""
    return lines[0]


def test_a_kernel_that_only_halts(small: Path) -> None:
    done = boot("--kernel", small)
    assert (done.returncode, done.stderr) == (0, b"youcpu boot: the guest halted its processor\n")


def test_truncated_image(small: Path) -> None:
    small.write_bytes(small.read_bytes()[:3000])
    assert "truncated" in refused("--kernel", small)


def test_other_machines_and_other_files(small: Path, tmp_path: Path) -> None:
    small.write_bytes(bzimage(payload(vmlinux(machine=183), "gzip")))
    assert "AArch64" in refused("--kernel", small)
    small.write_bytes(b"no kernel at all")
    assert str(small) in refused("--kernel", small)
    assert "No such file" in refused("--kernel", tmp_path / "nothing")
    assert "Is a directory" in refused("--kernel", tmp_path)


def test_initrd_over_the_end_of_ram(small: Path, tmp_path: Path) -> None:
    initrd = tmp_path / "initrd"
    initrd.write_bytes(b"070701" + bytes(20 << 20))
    message = refused("--kernel", small, "--initrd", initrd, "--memory", "32M")
    assert "does not fit" in message
    assert "No such file" in refused("--kernel", small, "--initrd", tmp_path / "nothing")


def test_too_little_memory(small: Path) -> None:
    assert "16 MiB" in refused("--kernel", small, "--memory", "16M")


def test_too_long_a_command_line(small: Path) -> None:
    assert "at most 2047" in refused("--kernel", small, "--append", "x" * 2048)


def test_a_triple_fault_is_explained(small: Path) -> None:
    small.write_bytes(bzimage(payload(vmlinux(b"\x0f\x0b"), "gzip")))  # ud2 without an IDT
    message = refused("--kernel", small)
    assert "triple fault" in message
    assert "vector 6" in message


@pytest.mark.parametrize(("options", "words"), [
    (("--max-insns", "50000"), "--max-insns"), (("--timeout", "0.3"), "--timeout"),
])  # fmt: skip
def test_limits_end_an_endless_loop(small: Path, options: tuple[str, ...], words: str) -> None:
    small.write_bytes(bzimage(payload(vmlinux(b"\xeb\xfe"), "gzip")))
    done = boot("--kernel", small, *options)
    assert done.returncode == 125
    assert words in done.stderr.decode()


@pytest.mark.parametrize("options", [
    ("--max-insns", "no"), ("--timeout", "-1"), ("--stop-at", "nowhere"), ("--epoch", "x"),
    ("--memory", "1Q"), ("--resume", "x"),
])  # fmt: skip
def test_wrong_usage(small: Path, options: tuple[str, str]) -> None:
    done = boot("--kernel", small, *options)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
