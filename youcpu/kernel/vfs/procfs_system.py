"""System-wide files of /proc: fs/proc/meminfo.c, stat.c, uptime.c, loadavg.c, version.c, sysctl."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from youcpu.kernel.vfs.kmsg import ProcKmsgInode
from youcpu.kernel.vfs.procfs import ProcDir
from youcpu.kernel.vfs.procfs_ipc import SYSCTLS, sysvipc

if TYPE_CHECKING:
    from youcpu.kernel.kernel import Kernel

_NS = 1_000_000_000
_FILESYSTEMS = b"".join(
    b"nodev\t%s\n" % name
    for name in (b"proc", b"devtmpfs", b"tmpfs", b"sysfs", b"pipefs", b"sockfs", b"overlay")
)
#: What Unicorn's CPU can: Haswell without AVX.
_CPU_FLAGS = (
    "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse"
    " sse2 syscall nx rdtscp lm constant_tsc rep_good nopl cpuid pni pclmulqdq ssse3 cx16 sse4_1"
    " sse4_2 movbe popcnt aes rdrand hypervisor lahf_lm abm bmi1 bmi2 erms"
)


def add_system_files(root: ProcDir, kernel: Kernel) -> None:
    """All files of /proc that belong to no process."""
    contents: dict[bytes, Callable[[Kernel], bytes]] = {
        b"cmdline": lambda k: k.command_line + b"\n",
        b"cpuinfo": cpuinfo,
        b"devices": lambda k: (
            b"Character devices:\n  1 mem\n  5 /dev/tty\n136 pts\n\nBlock devices:\n"
        ),
        b"filesystems": lambda k: _FILESYSTEMS,
        b"loadavg": loadavg,
        b"meminfo": meminfo,
        b"stat": stat,
        b"swaps": swaps,
        b"uptime": uptime,
        b"version": version,
    }
    for name, content in contents.items():
        root.file(name, content, kernel)
    root.makers[b"kmsg"] = (8, lambda: ProcKmsgInode(root.sb, root.sb.new_ino(), 0o100400))
    root.symlink_to(b"mounts", lambda task, _: b"self/mounts")
    root.directory(b"sys", lambda: sysctl_tree(root, kernel))
    root.directory(b"sysvipc", lambda: sysvipc(root, kernel))


def meminfo(kernel: Kernel) -> bytes:
    """Memory of the machine, in KiB."""
    total, free = kernel.frames.total * 4, kernel.frames.available * 4
    swap_total = swap_free = 0
    reclaim = kernel.reclaim
    if reclaim is not None:
        # What programs may have is all they see.
        total, free = reclaim.limit * 4, (reclaim.limit - len(reclaim.pages)) * 4
        swap_total, swap_free = reclaim.swap.slots * 4, reclaim.swap.free * 4
    values = {
        "MemTotal": total,
        "MemFree": free,
        "MemAvailable": free,
        "Buffers": 0,
        "Cached": 0,
        "SwapCached": 0,
        "Active": total - free,
        "Inactive": 0,
        "SwapTotal": swap_total,
        "SwapFree": swap_free,
        "Dirty": 0,
        "Writeback": 0,
        "AnonPages": total - free,
        "Mapped": 0,
        "Shmem": 0,
        "Slab": kernel.vfs.kmem.used >> 10,
        "CommitLimit": total // 2,
        "Committed_AS": total - free,
        "VmallocTotal": 34359738367,
    }
    return "".join(f"{name + ':':<16}{value:8} kB\n" for name, value in values.items()).encode()


def swaps(kernel: Kernel) -> bytes:
    """The swap area, sizes in KiB: mm/swapfile.c swap_show()."""
    text = b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
    reclaim = kernel.reclaim
    if reclaim is None or not reclaim.swap.slots:
        return text
    sizes = reclaim.swap.slots * 4, reclaim.swap.used * 4
    return text + b"/dev/swap%s partition\t%d\t\t%d\t\t-2\n" % (b" " * 31, *sizes)


def uptime(kernel: Kernel) -> bytes:
    """Seconds since power-on, and of idling."""
    return f"{_hundredths(kernel.clock.monotonic_ns())} {_hundredths(_idle_ns(kernel))}\n".encode()


def _hundredths(ns: int) -> str:
    return f"{ns // _NS}.{ns % _NS // 10_000_000:02}"


def _idle_ns(kernel: Kernel) -> int:
    return kernel.scheduler.load.idle_ns


def _running(kernel: Kernel) -> int:
    return max(1, sum(1 for task in kernel.tasks.values() if task.state == "R"))


def loadavg(kernel: Kernel) -> bytes:
    """Averages, runnable and all threads, the last PID."""
    running = _running(kernel)
    load = kernel.scheduler.load
    load.advance(kernel.clock.monotonic_ns(), running)
    threads = len(kernel.tasks) + len(kernel.kernel_threads)
    return f"{load.text()} {running}/{threads} {kernel.last_pid}\n".encode()


def version(kernel: Kernel) -> bytes:
    """The banner."""
    return kernel.banner()


def _release(kernel: Kernel) -> bytes:
    return kernel.release


def stat(kernel: Kernel) -> bytes:
    """CPU time in ticks of 10 ms, and the time of power-on."""
    now = kernel.clock.monotonic_ns()
    idle = _idle_ns(kernel)
    boot = (kernel.clock.realtime_ns() - now) // _NS
    times = f"{(now - idle) // 10_000_000} 0 0 {idle // 10_000_000} 0 0 0 0 0 0"
    return (
        f"cpu  {times}\ncpu0 {times}\nintr 0\nctxt {kernel.scheduler.switches}\nbtime {boot}\n"
        f"processes {kernel.total_forks}\nprocs_running {_running(kernel)}\nprocs_blocked 0\n"
    ).encode()


def cpuinfo(kernel: Kernel) -> bytes:
    """The one CPU."""
    fields = {
        "processor": 0,
        "vendor_id": "GenuineIntel",
        "cpu family": 6,
        "model": 60,
        "model name": "youcpu (Unicorn)",
        "stepping": 1,
        "cpu MHz": "2500.000",
        "cache size": "16384 KB",
        "physical id": 0,
        "siblings": 1,
        "core id": 0,
        "cpu cores": 1,
        "apicid": 0,
        "fpu": "yes",
        "fpu_exception": "yes",
        "cpuid level": 13,
        "wp": "yes",
        "flags": _CPU_FLAGS,
        "bugs": "",
        "bogomips": "5000.00",
        "clflush size": 64,
        "cache_alignment": 64,
        "address sizes": "40 bits physical, 48 bits virtual",
    }
    lines = [
        f"{name}{chr(9) * (2 if len(name) < 8 else 1)}: {value}" for name, value in fields.items()
    ]
    return "\n".join(lines).encode() + b"\n\n"


def _sysctls(kernel: Kernel) -> dict[bytes, dict[bytes, bytes]]:
    return {
        b"fs": {
            b"file-max": b"9223372036854775807",
            b"nr_open": b"1048576",
            b"pipe-max-size": b"1048576",
            b"protected_hardlinks": b"1",
            b"protected_symlinks": b"0",
            b"suid_dumpable": b"0",
        },
        b"kernel": {
            b"cap_last_cap": b"40",
            b"core_pattern": b"core",
            b"core_uses_pid": b"0",
            **SYSCTLS,
            b"ngroups_max": b"65536",
            b"osrelease": _release(kernel),
            b"ostype": b"Linux",
            b"overflowgid": b"65534",
            b"overflowuid": b"65534",
            b"pid_max": b"4194304",
            b"randomize_va_space": b"2" if kernel.aslr else b"0",
            b"sched_autogroup_enabled": b"0",
            b"tainted": b"0",
            b"threads-max": b"16384",
            b"version": b"#1 SMP PREEMPT_DYNAMIC",
        },
        b"vm": {
            b"max_map_count": b"65530",
            b"mmap_min_addr": b"4096",
            b"overcommit_kbytes": b"0",
            b"overcommit_memory": b"0",
            b"overcommit_ratio": b"50",
            b"swappiness": b"60",
        },
    }


def sysctl_tree(root: ProcDir, kernel: Kernel) -> ProcDir:
    """/proc/sys: values to read."""
    top = ProcDir(root.sb)
    for group, values in _sysctls(kernel).items():
        directory = ProcDir(root.sb)
        for name, value in values.items():
            directory.file(name, lambda text: text + b"\n", value)
        if group == b"kernel":
            directory.file(b"hostname", lambda k: k.hostname + b"\n", kernel)
            directory.file(b"domainname", lambda k: k.domainname + b"\n", kernel)
            directory.directory(b"random", lambda: _random(root, kernel))
        top.directory(group, lambda directory=directory: directory)  # type: ignore[misc]
    return top


def _random(root: ProcDir, kernel: Kernel) -> ProcDir:
    directory = ProcDir(root.sb)
    boot = _uuid(kernel)
    directory.file(b"boot_id", lambda text: text, boot)
    directory.file(b"uuid", _uuid, kernel)
    directory.file(b"entropy_avail", lambda text: text, b"256\n")
    directory.file(b"poolsize", lambda text: text, b"256\n")
    return directory


def _uuid(kernel: Kernel) -> bytes:
    """A random UUID, version 4, of the machine's generator."""
    raw = bytearray(kernel.random.randbytes(16))
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}\n".encode()
