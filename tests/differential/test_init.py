"""From kernel_init to the machine's end: Linux under QEMU, and PID 1 of a PID namespace, judge."""

from __future__ import annotations

import hashlib
import os
import pty
import re
import shutil
import subprocess
import sys
import tty
from pathlib import Path

import pytest
import qemu_boot
from booting import BUSYBOX, boot, busybox_root

from youcpu.booted_machine import BootedMachine, ConsoleLine
from youcpu.formats.cpio import CpioEntry, CpioWriter
from youcpu.machine import MachineOptions

ROOT = Path(__file__).parents[2]
INIT = ROOT / "fixtures/init/init"
#: What the kernel takes, what goes to init as argument and as variable, what is dropped.
WORDS = (
    'early init=/nothing foo=bar "quoted words=x y" single BOOT_IMAGE=/x mod.param=1 HOME=/root '
    'v="a b" PATH=/x nosuchflag foo=again -- tail "two words" k=v -- lost'
)
_TIME = re.compile(r"^\[ *\d+\.\d{6}\] ", re.MULTILINE)

busybox = pytest.mark.skipif(not BUSYBOX.exists(), reason="busybox-static is not installed")


@pytest.fixture
def init_root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    shutil.copy(INIT, root / "init")
    return root


def said(console: str) -> list[str]:
    """What kernel and init say of init, without times and the last words of the machine."""
    lines = _TIME.sub("", console).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("Run /init"))
    unknown = [line for line in lines if line.startswith("Unknown kernel command line")]
    return unknown + [line for line in lines[start:] if line and not line.startswith("reboot: ")]


def test_the_committed_init_is_the_one_of_the_checksum() -> None:
    expected = (INIT.parent / "SHA256SUMS").read_text().split()[0]
    assert hashlib.sha256(INIT.read_bytes()).hexdigest() == expected


@pytest.mark.skipif(qemu_boot.why_not() is not None, reason=str(qemu_boot.why_not()))
def test_init_does_as_under_linux_in_qemu(init_root: Path, tmp_path: Path) -> None:
    append = f"{qemu_boot.APPEND} loglevel=8 {WORDS}"
    initrd = tmp_path / "initrd"
    data = INIT.read_bytes()
    with initrd.open("wb") as archive:
        writer = CpioWriter(archive.write)
        writer.add(CpioEntry(b"init", 0o100755, len(data), data=data))
        writer.close()
    linux = qemu_boot.qemu_boot(initrd, append=append)
    outcome, ours = boot(init_root, append)
    assert said(ours) == said(linux.text)
    assert outcome.how == "power off"
    assert "reboot: Power down" in ours


def test_init_says_the_same_every_time(init_root: Path) -> None:
    assert boot(init_root, "loglevel=8") == boot(init_root, "loglevel=8")


def _without_glibcs_signals(text: str) -> str:
    """Signals 32 and 33 are ignored or not as whoever started the tests has them."""
    return re.sub(
        r"(?<=SigIgn:\t)\w{16}", lambda found: f"{int(found[0], 16) & ~(3 << 31):016x}", text
    )


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")
def test_rules_of_pid_1_as_in_a_pid_namespace(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "proc").mkdir(parents=True)
    program = root / "rules"
    source = ROOT / "fixtures/init/rules.c"
    built = subprocess.run(
        ["gcc", "-static", "-O1", "-o", program, source], capture_output=True, check=False
    )
    if built.returncode:
        pytest.skip("no static libc")
    native = subprocess.run(
        ["unshare", "-Urpfm", "--mount-proc", program], capture_output=True, text=True, check=False
    )
    if native.returncode != 5:
        pytest.skip(f"no PID namespace: {native.stderr.strip()}")
    outcome, console = boot(root, "quiet rdinit=/rules")
    assert [line for line in console.splitlines() if not _TIME.match(line)] == (
        _without_glibcs_signals(native.stdout).splitlines()
    )
    assert outcome.text == "Attempted to kill init! exitcode=0x00000500"


INITTAB = """\
::sysinit:/bin/mount -t proc proc /proc
ttyS0::askfirst:-/bin/sh
::shutdown:/bin/umount -a -r
"""


@busybox
@pytest.mark.parametrize(
    ("command", "how", "words"),
    [
        ("poweroff", "power off", "Power down"),
        ("reboot", "restart", "Restarting system"),
        ("halt", "halt", "System halted"),
    ],
)
def test_busybox_init_shuts_the_machine_down(
    command: str, how: str, words: str, tmp_path: Path
) -> None:
    root = busybox_root(tmp_path / "root")
    (root / "etc").mkdir()
    (root / "proc").mkdir()
    (root / "etc/inittab").write_text(INITTAB)
    typed = f"\ntty; ps -o pid,ppid,tty,comm; {command}\n".encode()
    outcome, console = boot(root, "quiet", typed)
    assert outcome.how == how
    lines = console.splitlines()
    assert "/dev/ttyS0" in lines
    tree = [line.split() for line in lines if re.fullmatch(r" +\d+ +\d .*", line)]
    assert [row[1:] for row in tree] == [
        ["0", "?", "init"], ["0", "?", "kthreadd"], ["1", "4,64", "sh"], [tree[2][0], "4,64", "ps"],
    ]  # fmt: skip
    assert lines[-1].endswith(f"reboot: {words}")


SCRIPT = """\
#!/bin/sh
mount -t proc proc /proc; mount -t devtmpfs dev /dev
(sleep 1 & exec sleep 2) &
sleep 3
ps -o pid,ppid,stat,comm
echo "pgrep: $(pidof sh)"
(exec sleep 100) & sleep 1
killall sleep; sleep 1
cat /proc/1/comm /proc/2/comm; cat /proc/2/cmdline
cut -d' ' -f1-9 /proc/2/stat
cat /proc/cmdline
echo "<6>hello from init" > /dev/kmsg; dmesg | tail -1
free | awk '/Mem:/ {print ($2 > 60000), ($2 == $3 + $4)}'
uptime | sed 's/.*load/load/'
top -n1 -b | awk 'NR > 4 {print $NF}' | sort -u
kill -9 1; kill -STOP 1; echo alive
exec poweroff -f
"""


@busybox
def test_tools_read_a_proc_that_is_true(tmp_path: Path) -> None:
    root = busybox_root(tmp_path / "root")
    (root / "proc").mkdir()
    (root / "init").write_text(SCRIPT)
    (root / "init").chmod(0o755)
    outcome, console = boot(root, "quiet console=ttyS0")
    lines = _TIME.sub("", console).splitlines()
    assert outcome.how == "power off"
    tree = [line.split() for line in lines if re.fullmatch(r" +\d+ +\d+ [A-Z].*", line)]
    by_name = {row[3]: row for row in tree}
    assert by_name["init"][:3] == ["1", "0", "S"]
    assert by_name["kthreadd"][:3] == ["2", "0", "SW"]
    # The subshell became a sleep and is init's child; what it left was reaped by the shell.
    assert "2 (kthreadd) S 0 0 0 0 -1 2129984" in lines
    assert "quiet console=ttyS0" in lines
    assert any(line.endswith("hello from init") for line in lines)
    assert "1 1" in lines
    assert "load average: 0.00, 0.00, 0.00" in lines
    assert "alive" in lines
    assert lines[-1] == "reboot: Power down"


@busybox
def test_typed_signals_reach_the_foreground(tmp_path: Path) -> None:
    root = busybox_root(tmp_path / "root")
    (root / "init").write_text(
        "#!/bin/sh\nmount -t devtmpfs d /dev\n"
        "setsid sh -c 'exec sh -i </dev/ttyS0 >/dev/ttyS0 2>&1'\nexec poweroff -f\n"
    )
    (root / "init").chmod(0o755)
    master, slave = pty.openpty()
    tty.setraw(slave)
    seen = bytearray()
    prompts = 0

    def send(data: bytes) -> None:
        nonlocal prompts
        seen.extend(data)
        if b"# " in data:
            prompts += 1
            if prompts == 1:
                os.write(master, b"echo $((1+1)); while :; do :; done\n")
            elif prompts == 2:
                os.write(master, b"echo back $?; sleep 9 & jobs; exit\n")
        elif data == b"2\r\n":
            os.write(master, b"\x03")

    options = MachineOptions(rootfs=os.fsencode(root), memory=64 << 20, epoch_ns=0, timeout_s=60)
    machine = BootedMachine.power_on(options, b"quiet", None, ConsoleLine(send, slave))
    outcome = machine.run()
    machine.close()
    os.close(master)
    os.close(slave)
    text = seen.decode().replace("\r\n", "\n")
    assert outcome.how == "power off", text
    assert "^C" in text
    assert "back 130" in text
    assert re.search(r"\[1\]\+ +Running +sleep 9", text)


@busybox
def test_a_program_may_end_the_machine_that_runs_it() -> None:
    command = [sys.executable, "-m", "youcpu", "exec-trace", "-e", "trace=reboot", "--"]
    done = subprocess.run(
        [*command, str(BUSYBOX), "poweroff", "-f"], capture_output=True, text=True, check=False
    )
    assert done.returncode == (0 if os.getuid() == 0 else 1)
    if done.returncode == 0:
        assert done.stderr.splitlines() == [
            "reboot(LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_POWER_OFF) = ?",
            "youcpu exec-trace: the program ended the machine: power off",
        ]


TREE = """\
#!/bin/sh
mount -t proc proc /proc; mount -t devtmpfs dev /dev
echo begin; exec 2>/dev/null
(sleep 30 & exec sleep 40) & sleep 1
setsid sleep 50 &
sh -c 'sleep 60; true' &
sleep 1
ps -o pid,ppid,pgid,sid,stat,tty,comm,args
cut -d' ' -f1-8 /proc/1/stat; cut -d' ' -f1-9,18-20 /proc/2/stat
F="^(Name|Umask|State|PPid|TracerPid|Uid|FDSize|Threads|Sig|Shd)"
grep -E "$F" /proc/1/status /proc/2/status |
	grep -v SigQ
wc -c < /proc/2/cmdline; readlink /proc/2/exe; echo "exe $?"; readlink /proc/1/exe
tr '\\0' ' ' < /proc/1/environ; echo
ls /proc/2/fd; readlink /proc/2/cwd
pidof sh > /dev/null; echo "pidof $?"
kill -9 1; kill -STOP 1; kill 1; kill -HUP 1; echo "kill $?"
kill -9 2; echo "kill kthreadd $?"
killall sleep; echo "killall $?"; sleep 1
ps -o pid,ppid,stat,comm > /list; cat /list
sh -c 'kill -9 $$'; echo "killed $?"
echo "<5>a line" > /dev/kmsg; dmesg | tail -1 | cut -c16-
dmesg -r | tail -1 | cut -c1-4
uptime | sed 's/.* users/users/; s/:.*//'
echo end
exec reboot -f
"""


def process_lines(console: str) -> list[str]:
    """Between begin and end: PIDs renumbered as they appear, without the kernel's own threads."""
    lines = console.splitlines()
    lines = lines[lines.index("begin") + 1 : lines.index("end")]
    known = {"0": "0", "1": "1", "2": "2"}
    shown = []
    for line in lines:
        row = line.split()
        if len(row) > 3 and row[0].isdigit() and row[1].isdigit():
            if row[1] == "2":
                continue
            for i, word in enumerate(row):
                if word.isdigit() and i < 4:
                    row[i] = known.setdefault(word, f"pid{len(known)}")
            line = " ".join(row)
        shown.append(line)
    return shown


@busybox
@pytest.mark.skipif(qemu_boot.why_not() is not None, reason=str(qemu_boot.why_not()))
def test_processes_look_as_under_linux_in_qemu(tmp_path: Path) -> None:
    root = busybox_root(tmp_path / "root")
    (root / "proc").mkdir()
    (root / "dev").mkdir()
    (root / "init").write_text(TREE)
    (root / "init").chmod(0o755)
    initrd = tmp_path / "initrd"
    packing = [sys.executable, "-m", "youcpu", "initramfs", str(root), "-o", str(initrd)]
    subprocess.run(packing, check=True, capture_output=True)
    linux = qemu_boot.qemu_boot(initrd, append=f"{qemu_boot.APPEND} quiet")
    outcome, ours = boot(root, "quiet nordrand nokaslr")
    assert "\n".join(process_lines(ours)) == "\n".join(process_lines(linux.text))
    assert outcome.how == "restart"
