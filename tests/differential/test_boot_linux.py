"""Debian's kernel on our board and under QEMU: the same log, shell, guest programs.

One boot of each is shared by all tests, over the processes of pytest-xdist as well.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from boot_battery import COMMANDS, sections, write_root
from boot_differences import guest_lines, kernel_log, unexplained
from qemu_boot import KERNEL, Boot, qemu_boot, why_not
from running import Run

GUESTS = sorted((Path(__file__).parents[2] / "fixtures/guest/bin").iterdir())
# The kernel's own list of its symbols, kinds and addresses; too much for a board in a test.
KALLSYMS = b"echo 1 > /proc/sys/kernel/kptr_restrict; grep -v '\\[' /proc/kallsyms | md5sum\n"
TYPED = [(b"ready for commands", b"echo typed $((6*7))\n"), (b"typed 42", b"exit\n")]

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


class Shared:
    """Results that are made once for all processes of a test run."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        base = factory.getbasetemp()
        self.directory = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def once(self, name: str, make: Callable[[], bytes]) -> bytes:
        """The bytes of that name; the first who asks makes them, the others wait."""
        path = self.directory / f"boot-{name}"
        with (self.directory / f"boot-{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                path.write_bytes(make())
            return path.read_bytes()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    return Shared(tmp_path_factory)


@pytest.fixture
def initrd(shared: Shared, youcpu: Run, tmp_path: Path) -> Path:
    def make() -> bytes:
        root = write_root(tmp_path / "root", guests=GUESTS)
        done = youcpu("initramfs", str(root))
        assert (done.returncode, done.stderr) == (0, b"")
        return bytes(done.stdout)

    path = tmp_path / "initrd"
    path.write_bytes(shared.once("initrd", make))
    return path


@pytest.fixture
def qemu(shared: Shared, initrd: Path) -> Boot:
    typed = [TYPED[0], (b"typed 42", KALLSYMS), (b"  -\r\n", b"exit\n")]
    boot = shared.once("qemu", lambda: pickle.dumps(qemu_boot(initrd, typed=typed)))
    return pickle.loads(boot)  # type: ignore[no-any-return]


@pytest.fixture
def board(shared: Shared, initrd: Path) -> Boot:
    from board_boot import board_boot

    # QEMU's machine is restarted, ours switched off; a panic in test_broken_kernels restarts ours.
    typed = [TYPED[0], (b"typed 42", b"poweroff -f\n")]
    boot = shared.once("board", lambda: pickle.dumps(board_boot(initrd, typed=typed)))
    return pickle.loads(boot)  # type: ignore[no-any-return]


def test_both_end_as_they_were_told(qemu: Boot, board: Boot) -> None:
    assert (qemu.ended, board.ended) == ("exit", "halted")
    assert "reboot: Restarting system" in qemu.text
    assert board.text.endswith("reboot: System halted\n")


def test_the_kernel_says_the_same(qemu: Boot, board: Boot) -> None:
    theirs, ours = kernel_log(qemu.text), kernel_log(board.text)
    assert len(ours) > 150
    assert unexplained(theirs, ours) == []


def test_the_shell_does_the_same(qemu: Boot, board: Boot) -> None:
    theirs, ours = sections(qemu.text), sections(board.text)
    names = [f"{number:02d}-{name}" for number, name in enumerate(COMMANDS, 1)]
    assert [name for name in theirs if name[0].isdigit()] == names
    wrong = {
        name: (theirs[name], ours.get(name)) for name in names if theirs[name] != ours.get(name)
    }
    assert not wrong


def test_commands_are_typed(board: Boot) -> None:
    assert "\ntyped 42\n" in board.text


@pytest.mark.parametrize("program", [path.name for path in GUESTS])
def test_guest_programs_see_the_same(program: str, qemu: Boot, board: Boot) -> None:
    theirs, ours = (sections(boot.text)[f"guest-{program}"] for boot in (qemu, board))
    assert theirs[1] == ours[1] == "0"
    assert guest_lines(program, ours[0]) == guest_lines(program, theirs[0])


def test_kallsyms_as_the_kernel_has_them(qemu: Boot) -> None:
    """/proc/kallsyms of the running kernel, by its digest: every symbol, its kind and address."""
    from youcpu.kernel_image import read_kernel, read_symbols

    found = read_symbols(read_kernel(str(KERNEL)), str(KERNEL))
    text = "".join(f"{s.address:016x} {s.kind} {s.name}\n" for s in found.symbols)
    assert f"\n{hashlib.md5(text.encode()).hexdigest()}  -\n" in qemu.text


def test_two_boots_are_the_same_byte_for_byte(
    initrd: Path, board: Boot, request: pytest.FixtureRequest
) -> None:
    from board_boot import board_boot

    until = None if request.config.getoption("--long") else b"--- 06-"
    again = board_boot(initrd, typed=list(TYPED), until=until)
    whole = board.console
    if until is None:
        assert again.ended == "exit"
        again.console = again.console[: again.console.rfind(b"exit\r\n")]
    assert len(again.console) > 15000
    assert whole.startswith(again.console)


@pytest.mark.parametrize("kind", ["gzip", "xz", "zstd", "none"])
def test_linux_unpacks_what_we_pack(
    kind: str, youcpu: Run, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A dynamically linked program as /init, in each compression, under QEMU."""
    if not request.config.getoption("--long"):
        pytest.skip("each wants a whole boot: --long")
    path = tmp_path / "initrd"
    assert youcpu("initramfs", "-o", str(path), "--compress", kind, "/bin/ls").returncode == 0
    boot = qemu_boot(path)
    assert boot.ended == "exit"
    after = boot.text.split("Run /init as init process\n")[1]
    # The kernel gives its init the words of the command line that it does not know itself.
    assert "/init: cannot access 'nokaslr': No such file or directory\n" in after
