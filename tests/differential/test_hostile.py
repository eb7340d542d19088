"""Programs that try to leave the sandbox or to bring us down: none may, and each ends as told.

Sources in fixtures/hostile; each says in its head what it tries, what Linux does, and how it ends.
Each is run in PID, user and mount namespaces of its own (cell.py), so that a hole in the sandbox
cannot take the machine down. Those that are harmless are run natively in such a cell as well, and
must answer the same. Outside of what they may write, every inode of the host must stay as it is.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from c_sources import CSource, sources
from side_by_side import shell_status

CELL = Path(__file__).with_name("cell.py")
NAMESPACES = ("unshare", "-rpf", "--mount-proc")
OUTPUT_BYTES = 8 << 20
SECONDS, MEMORY_MIB = "30", "400"
# What exec-trace answers when --timeout ends a program, and when a wait can never end.
TIMEOUT_STATUS, DEADLOCK_STATUS = 125, 125
STATUS_OF_SIGNAL = {
    "KILL": 137,
    "SEGV": 139,
    "BUS": 135,
    "PIPE": 141,
    "STOP": 147,
}


class Case(NamedTuple):
    source: CSource
    arguments: list[str]

    @property
    def label(self) -> str:
        return " ".join([self.source.name, *self.arguments])


class Verdict(NamedTuple):
    """What came of a run in a cell; `report` is cell.py's."""

    stdout: bytes
    stderr: bytes
    status: int
    report: dict[str, Any]


CASES = [
    Case(source, arguments)
    for source in sources("hostile")
    for arguments in source.alternatives("Run")
]
NATIVE = [case for case in CASES if case.source.told("Judge") == "native"]


@pytest.fixture(scope="session")
def build_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed")
    allowed = subprocess.run([*NAMESPACES, "true"], capture_output=True, check=False)
    if allowed.returncode:
        pytest.skip(f"no namespaces here: {allowed.stderr.decode().strip()}")
    return tmp_path_factory.mktemp("hostile")


def make_room(room: Path) -> Path:
    """`inside`, which is the program's, and `outside`, which is the host's, full of canaries."""
    outside, inside = room / "outside", room / "inside"
    for directory in (outside / "dir", outside / "empty", inside / "dir" / "deeper"):
        directory.mkdir(parents=True)
    for name in ("canary", "hard", "dir/inner", "dir/canary", "program", "empty-file"):
        (outside / name).write_text(f"CANARY of {name}\n")
        (outside / name).chmod(0o640)
    (outside / "program").chmod(0o755)
    os.link(outside / "hard", outside / "hard2")
    # Not each file system has user attributes.
    with contextlib.suppress(OSError):
        os.setxattr(outside / "canary", "user.kept", b"kept")
    (outside / "link-to-canary").symlink_to("canary")
    (outside / "dangling").symlink_to("nowhere")
    os.mkfifo(outside / "fifo", 0o600)
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.getcwd()
        os.chdir(outside)
        listener.bind("socket")
        os.chdir(here)
    links = {
        "link-absolute": outside / "canary",
        "link-relative": "../outside/canary",
        "link-dir": "../outside",
        "link-absolute-dir": outside,
        "link-chain": "link-relative",
        "link-proc": "/proc/self/root/../outside/canary",
        "link-up": "..",
        "dir/link-up-twice": "../..",
        "link-self": "link-self/..",
        "race-link": "../outside",
    }
    for name, target in links.items():
        (inside / name).symlink_to(target)
    for name in ("race", "race-real"):
        (inside / name).mkdir()
    return room


def inodes(directory: Path) -> dict[str, tuple[object, ...]]:
    """Everything that a program could change about what lies below `directory`."""
    found = {}
    for path in [directory, *sorted(directory.rglob("*"))]:
        about = path.lstat()
        held: object = None
        if path.is_symlink():
            held = os.readlink(path)
        elif path.is_file():
            held = path.read_bytes()
        marks = [] if path.is_symlink() else os.listxattr(path)
        found[str(path)] = (
            *(oct(about.st_mode), about.st_uid, about.st_gid, about.st_nlink),
            *(about.st_size, held, sorted(marks)),
            # The cell binds its own socket there, which changes the directory's time.
            *(() if path == directory or path.name == "socket" else (about.st_mtime_ns,)),
        )
    return found


def run_in_cell(case: Case, room: Path, command: list[str], cwd: str) -> Verdict:
    files = {name: str(room.parent / name) for name in ("stdout", "stderr", "report")}
    order = room.parent / "order.json"
    seconds = int(case.source.told("Seconds", SECONDS))
    order.write_text(
        json.dumps(
            {
                "command": [*command, str(room), "{victim}", "{port}", "{socket}", *case.arguments],
                "cwd": cwd,
                "room": str(room),
                "race": str(room / "inside") if case.source.told("Racer") else "",
                "seconds": seconds,
                "bytes": OUTPUT_BYTES,
                **files,
            }
        )
    )
    subprocess.run(
        [*NAMESPACES, sys.executable, str(CELL), str(order)], check=True, timeout=seconds + 30
    )
    report = json.loads(Path(files["report"]).read_text())
    return Verdict(
        Path(files["stdout"]).read_bytes(),
        Path(files["stderr"]).read_bytes(),
        shell_status(report["status"]),
        report,
    )


def run_hostile(case: Case, program: Path, room: Path) -> Verdict:
    """The program under youcpu in a cell, with the options that its source asks for."""
    inside = str(room / "inside")
    options = [word.replace("{inside}", inside) for word in case.source.told("Options").split()]
    path = str(program)
    if "--rootfs" in options:
        shutil.copy(program, inside)
        path = "/" + program.name
    command = [
        *(sys.executable, "-m", "youcpu", "exec-trace", "--quiet", "--clear-env"),
        *(*options, "--", path),
    ]
    return run_in_cell(case, room, command, inside)


def accepted(ends: str) -> set[int]:
    """Exit codes that `exit 0 | signal KILL | timeout` allows."""
    codes: set[int] = set()
    for end in ends.split("|"):
        kind, _, which = end.strip().partition(" ")
        if kind == "timeout":
            codes.add(TIMEOUT_STATUS)
        elif kind == "deadlock":
            codes.add(DEADLOCK_STATUS)
        elif which == "any":
            codes |= set(range(126)) if kind == "exit" else set(range(129, 193))
        else:
            codes.add(int(which) if kind == "exit" else STATUS_OF_SIGNAL[which])
    return codes


def assert_held(case: Case, verdict: Verdict) -> None:
    """The sandbox held, and so did we: nothing heard, nobody killed, no traceback, in bounds."""
    report = verdict.report
    assert b"Traceback" not in verdict.stderr, verdict.stderr[-3000:].decode(errors="replace")
    assert b"ESCAPED" not in verdict.stdout, verdict.stdout.decode(errors="replace")
    assert not report["hung"], f"not ended after {report['seconds']:.0f} s"
    assert report["heard"] == []
    assert report["victim_lives"]
    assert report["peak_mib"] <= int(case.source.told("Memory", MEMORY_MIB))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_sandbox_holds(case: Case, build_directory: Path, tmp_path: Path) -> None:
    flags = case.source.alternatives("Build")[0] or ["-static"]
    program = case.source.compile(flags, build_directory)
    room = make_room(tmp_path / "room")
    before = inodes(room / "outside")
    verdict = run_hostile(case, program, room)
    assert_held(case, verdict)
    assert inodes(room / "outside") == before
    assert not [path for path in (room / "inside").rglob("*") if is_device(path)]
    if case.source.told("Judge") == "native":
        assert_as_natively(case, program, tmp_path, verdict)
    else:
        stdout = verdict.stdout[-2000:].decode(errors="replace")
        assert verdict.status in accepted(case.source.told("Ends")), (
            stdout,
            verdict.stderr[-2000:],
        )


def assert_as_natively(case: Case, program: Path, directory: Path, verdict: Verdict) -> None:
    (directory / "native").mkdir()
    room = make_room(directory / "native" / "room")
    native = run_in_cell(case, room, [str(program)], str(room / "inside"))
    assert verdict.stdout.decode(errors="replace") == native.stdout.decode(errors="replace")
    assert verdict.status == native.status
    assert verdict.stderr == native.stderr


def is_device(path: Path) -> bool:
    mode = path.lstat().st_mode
    return stat.S_ISCHR(mode) or stat.S_ISBLK(mode)


def test_there_are_forty_programs_and_each_is_judged() -> None:
    assert len(sources("hostile")) >= 40
    for source in sources("hostile"):
        assert source.told("Linux"), source.name
        assert source.told("Judge") in ("native", "stated"), source.name
        assert source.told("Judge") == "native" or accepted(source.told("Ends")), source.name
