"""youcpu boot: options, exit codes, another root, questions to a machine that stands."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from running import Run

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "youcpu/boot"
BUSYBOX = Path("/bin/busybox")
STAGES = ["firmware", "bootloader", "protected", "long", "kernel", "user"]


def test_the_binaries_are_those_of_the_checksums() -> None:
    for line in (PACKAGE / "SHA256SUMS").read_text().splitlines():
        told, name = line.split()
        assert hashlib.sha256((PACKAGE / name).read_bytes()).hexdigest() == told, name


@pytest.mark.parametrize("stage", STAGES)
def test_it_stops_where_a_stage_begins(stage: str, youcpu: Run) -> None:
    done = youcpu("boot", "--json", "--stop-at", stage)
    told = json.loads(done.stdout)
    assert done.returncode == 0
    assert [row["stage"] for row in told["stages"]] == STAGES[: STAGES.index(stage) + 1]
    assert told["end"]["outcome"] == "stopped"


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["--stop-at", "nowhere"], 2, "one of firmware, bootloader"),
        (["--walk", "xyz"], 2, "an address in hexadecimal"),
        (["--memory", "1k"], 2, "from 4M"),
        (["--rootfs", "/no/such"], 2, "not a directory"),
        (["--initrd", "x"], 2, "--initrd goes with --kernel"),
        (["--kernel", "x", "--disk", "y"], 2, "--disk and --kernel: one of them"),
        (["--kernel", "x", "--walk", "0"], 2, "--walk goes with the demonstration or --disk"),
        (["--disk", "y", "--rootfs", "/"], 2, "--rootfs goes with the demonstration"),
        (["--a20-closed"], 2, "--a20-closed goes with --disk"),
        (["--epoch", "-5"], 2, "seconds since 1970"),
        (["disk.img"], 2, "disk.img"),
        (["--stop-at", "firmware", "--walk", "0"], 1, "paging is off"),
        (["-q", "--max-insns", "1000"], 125, "limit"),
        (["-q", "--init", "/no/such"], 1, "Requested init /no/such failed (error -2)"),
        (["--kernel", "/no/such"], 1, "No such file"),
    ],
)
def test_what_is_wrong_is_one_line(words: list[str], code: int, text: str, youcpu: Run) -> None:
    done = youcpu("boot", *words)
    lines = done.stderr.decode().splitlines()
    assert done.returncode == code
    assert any(text in line for line in lines)
    assert not any("Traceback" in line for line in lines)


@pytest.mark.skipif(not BUSYBOX.exists(), reason="busybox-static is not installed")
def test_a_root_of_another(youcpu: Run, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    shutil.copy(BUSYBOX, tmp_path / "bin/busybox")
    for name in ("sh", "mount", "ps", "poweroff", "sleep"):
        (tmp_path / "bin" / name).symlink_to("busybox")
    (tmp_path / "proc").mkdir()
    script = b"mount -t proc proc /proc\necho I am $$\nsleep 0.1 & wait; echo done\npoweroff -f\n"
    done = subprocess.run(
        [sys.executable, "-m", "youcpu", "boot", "-q", "--rootfs", str(tmp_path)],
        input=script, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    console = done.stdout.decode()
    assert (done.returncode, done.stderr) == (0, b"")
    assert "I am 1\n" in console
    assert "done\n" in console
    assert "reboot: Power down" in console
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "proc"]


def test_two_boots_are_alike(youcpu: Run) -> None:
    first, second = (youcpu("boot", "--json").stdout for _ in range(2))
    assert first == second
