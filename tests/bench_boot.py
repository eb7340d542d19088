"""A real Linux to its /init beside QEMU's TCG, and what doors cost a guest's kernel."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "differential"), str(HERE / "unit/hardware")]

from qemu_boot import KERNEL, why_not  # noqa: E402
from tables import CODE0, CODE3, HANDLER, USER_CODE, Tables  # noqa: E402

from youcpu.hardware.cpu import CS, EFER, RBX, RIP, RSP  # noqa: E402
from youcpu.hardware.delivery import Cause, Kind, take  # noqa: E402
from youcpu.hardware.registers import LSTAR, STAR  # noqa: E402

#: Seconds to /init, and how many times QEMU's time.
BOUND_S, BOUND_RATIO = 8.0, 4.0
APPEND = "console=ttyS0 nolapic noapic acpi=off nordrand nokaslr panic=-1"
_INIT = "#!/bin/busybox sh\necho /init runs\n/bin/busybox reboot -f\n"
_ROUNDS = 20_000
_LONG_LOOP = 20_000_000
_DONE = 0x21


def initrd(directory: Path) -> Path:
    """An initramfs whose /init says so and restarts the machine."""
    root = directory / "root"
    (root / "bin").mkdir(parents=True)
    (root / "dev").mkdir()
    (root / "bin/busybox").write_bytes(Path("/usr/bin/busybox").read_bytes())
    (root / "init").write_text(_INIT)
    for path in (root / "bin/busybox", root / "init"):
        path.chmod(0o755)
    packed = directory / "initrd"
    command = [sys.executable, "-m", "youcpu", "initramfs", "-o", str(packed), str(root)]
    subprocess.run(command, check=True)
    return packed


def seconds_to(command: list[str], text: bytes) -> tuple[float, str]:
    """Wall-clock seconds until a program prints `text`, and the rest of its output after it."""
    begin = time.perf_counter()
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        seen = b""
        while text not in seen:
            piece = process.stdout.read1(65536)  # type: ignore[attr-defined]
            if not piece:
                break
            seen = seen[-len(text) :] + piece
        taken = time.perf_counter() - begin
        _, errors = process.communicate()
    return (taken if text in seen else float("inf")), errors.decode()


def boots() -> int:
    """Both boots, twice in turn; 1 where a bound is missed."""
    with tempfile.TemporaryDirectory() as name:
        packed = initrd(Path(name))
        shared = ["-kernel", str(KERNEL), "-initrd", str(packed), "-append", APPEND]
        qemu = [
            *("qemu-system-x86_64", "-M", "isapc", "-accel", "tcg", "-cpu", "Nehalem"),
            *("-m", "256", "-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio"),
            *shared,
        ]
        ours = [
            *(sys.executable, "-m", "youcpu", "boot", "--quiet"),
            *(f"-{word}" if word in ("-kernel", "-initrd", "-append") else word for word in shared),
        ]
        runs = [
            (seconds_to(ours, b"/init runs")[0], seconds_to(qemu, b"/init runs")[0])
            for _ in range(2)
        ]
    mine, theirs = (min(run[i] for run in runs) for i in (0, 1))
    ratio = min(a / b for a, b in runs)
    late = mine > BOUND_S or ratio > BOUND_RATIO
    mark = "  TOO SLOW" if late else ""
    print(f"{'Debian kernel to /init':<46} {mine:8.2f} s")
    print(
        f"{'  qemu-system-x86_64, TCG, in the same run':<46} {theirs:8.2f} s, {ratio:.2f} x{mark}"
    )
    return int(late)


def guest(
    code: str, handler: str, handler_vector: int, ring: int = 0, rounds: int = _ROUNDS
) -> tuple[Tables, float]:
    """CPU seconds of a guest's loop of `rounds`, which may go through a door each time."""
    t = Tables(ring=ring)
    t.silicon.attach()
    t.gate(handler_vector, dpl=3)
    t.gate(_DONE, offset=HANDLER + 0x800, dpl=3)
    t.poke(HANDLER, bytes.fromhex(handler))
    t.poke(HANDLER + 0x800, bytes.fromhex("faf4"))  # cli; hlt
    t.poke(t.state[RIP], bytes.fromhex(code) + bytes.fromhex("cd21"))
    t.state[RBX] = rounds
    t.state[EFER] |= 1
    t.state[STAR] = CODE3 << 48 | CODE0 << 32
    t.state[LSTAR] = HANDLER
    begin = time.process_time()
    t.cpu.run(1_000_000_000)
    seconds = time.process_time() - begin
    assert t.cpu.halted, "the loop did not come to its end"
    assert not t.state[RBX], "the loop was left early"
    return t, seconds


def doors() -> None:
    """Microseconds each: deliveries, a page fault, a system call of the guest."""
    t = Tables(ring=3)
    t.gate(0x30)
    state, rsp = t.state, t.state[RSP]
    before = t.cpu.snapshot()
    begin = time.process_time()
    for _ in range(_ROUNDS):
        take(t.cpu, t.memory, Cause(0x30, Kind.EXTERNAL))
        state[CS], state[RSP], state[RIP] = CODE3 | 3, rsp, USER_CODE
    delivery = time.process_time() - begin
    t.cpu.load(before)
    loop = "48ffcb"  # dec rbx
    rows = {
        "interrupt delivery, the CPU's part": delivery,
        "  int 0x80, iretq in the guest": guest("cd80" + loop + "75f9", "48cf", 0x80, 3)[1],
        # mov eax, [0x300000]; the handler steps over it.
        "  page fault, iretq": guest(
            "8b042500003000" + loop + "75f4", "4883442408 07 4883c408 48cf", 14, 3
        )[1],
        "  syscall, sysretq": guest("0f05" + loop + "75f9", "480f07", 0x80, 3)[1],
    }
    for name, seconds in rows.items():
        print(f"{name:<46} {seconds / _ROUNDS * 1e6:8.2f} us")
    # add rcx, rcx eight times, dec rbx, jnz: ten instructions a round.
    seconds = guest("4801c9" * 8 + loop + "75e3", "48cf", 0x80, 3, _LONG_LOOP)[1]
    print(f"{'instructions a second, a loop of ten':<46} {_LONG_LOOP * 10 / seconds / 1e6:8.0f} M")


def main() -> int:
    """Print the figures; 1 if one is over its bound."""
    doors()
    reason = why_not()
    if reason is not None:
        print(f"Debian kernel to /init: not measured: {reason}")
        return 0
    return boots()


if __name__ == "__main__":
    sys.exit(main())
