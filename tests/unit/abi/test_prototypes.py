"""Numbers, arguments and wrappers of the system calls against those who must know.

The kernel's headers (linux-libc-dev) for the numbers, strace for the number of arguments, the C
library for the wrappers, man-pages for the pages.
"""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from youcpu.abi.prototypes import REGISTERS_X86_64, i386_differences, prototypes
from youcpu.abi.syscall_wrappers import man_page, result_note, wrapper
from youcpu.abi.syscalls import NAMES_I386, NAMES_X86_64, NUMBERS_X86_64

HEADERS = Path("/usr/include/x86_64-linux-gnu/asm")
PAGES = Path("/usr/share/man/man2")
DEFINE = re.compile(r"^#define __NR_(\w+) (\d+)$", re.MULTILINE)


@pytest.mark.parametrize(
    ("header", "names"), [("unistd_64.h", NAMES_X86_64), ("unistd_32.h", NAMES_I386)]
)
def test_numbers_are_those_of_the_kernels_headers(header: str, names: dict[int, str]) -> None:
    """Headers older than Linux 6.18 have fewer calls, never others."""
    path = HEADERS / header
    if not path.exists():
        pytest.skip(f"no {path}: linux-libc-dev is not installed")
    real = {int(number): name for name, number in DEFINE.findall(path.read_text())}
    assert len(real) > 300
    assert {number: names.get(number) for number in real} == real


def test_every_call_has_a_prototype() -> None:
    assert set(prototypes()) == set(NUMBERS_X86_64)
    for name, parameters in prototypes().items():
        names = [parameter.name for parameter in parameters or ()]
        assert len(names) == len(set(names)) <= len(REGISTERS_X86_64), name


def test_declared_handlers_take_as_many_arguments() -> None:
    """rt_sigreturn's handler is given the frame on the stack, which is no argument."""
    from youcpu.kernel.syscalls import load_all
    from youcpu.kernel.syscalls.table import SYSCALLS

    load_all()
    for number, row in SYSCALLS.items():
        # epoll_pwait2's handler does not look at sigsetsize.
        if row.name not in ("rt_sigreturn", "epoll_pwait2"):
            assert len(row.parameters) == len(prototypes()[NAMES_X86_64[number]] or ()), row.name


#: No C library: its start-up would not survive that no call happens.
ALL_CALLS = """
static void call(long n) {
  register long r10 __asm__("r10") = 0x70004, r8 __asm__("r8") = 0x70005;
  register long r9 __asm__("r9") = 0x70006;
  __asm__ volatile("syscall" : "+a"(n) : "D"(0x70001L), "S"(0x70002L), "d"(0x70003L), "r"(r10),
                   "r"(r8), "r"(r9) : "rcx", "r11", "memory");
}
static void call_i386(long n) {
  __asm__ volatile("push %%rbp; mov $0x70006, %%ebp; int $0x80; pop %%rbp" : "+a"(n)
                   : "b"(0x70001L), "c"(0x70002L), "d"(0x70003L), "S"(0x70004L), "D"(0x70005L)
                   : "memory");
}
void _start(void) {
  for (long n = 0; n < 451; n++) {
    if (!I386 && (n < 335 || n > 423) && n != 231 && n != 60 && n != 59)
      call(n);
    if (I386 && n != 1 && n != 252 && n != 11)
      call_i386(n);
  }
  for (;;) call(231);
}
"""
#: What strace shows depends on values, or is not all that there is.
SHOWN_OTHERWISE = {
    "open", "openat", "mq_open", "mknod", "mknodat", "mremap", "futex", "clone", "reboot",
    "membarrier", "preadv", "pwritev", "preadv2", "pwritev2", "rt_sigreturn", "restart_syscall",
}  # fmt: skip


@pytest.mark.parametrize("i386", [False, True])
def test_number_of_arguments_is_straces(tmp_path: Path, i386: bool) -> None:
    """Every call with six registers full; strace keeps each of them from happening."""
    seen = _straced(tmp_path, i386)
    for name, shown in seen.items():
        parameters = prototypes().get(name)
        if i386 and parameters is not None:
            # strace shows a 64-bit number in two registers as one.
            own = i386_differences().get(name, parameters) or ()
            parameters = tuple(found for found in own if not found.name.endswith("_hi"))
        if parameters is not None and name not in SHOWN_OTHERWISE:
            count = len(re.sub(r"\([^)]*\)|/\*.*?\*/", "", shown).split(", "))
            assert count * bool(shown) == len(parameters), (name, shown)


def _straced(directory: Path, i386: bool) -> dict[str, str]:
    """Name of each call -> its arguments as strace shows them."""
    strace, compiler = shutil.which("strace"), shutil.which("gcc")
    if not strace or not compiler:
        pytest.skip("strace and gcc are needed")
    source, program, log = directory / "all.c", directory / "all", directory / "log"
    source.write_text(ALL_CALLS)
    flags = ["-static", "-nostdlib", "-O1", "-fno-stack-protector", f"-DI386={int(i386)}"]
    subprocess.run([compiler, *flags, "-o", program, source], check=True)
    inject = "inject=!exit_group,execve:error=ENOSYS"
    subprocess.run([strace, "-e", inject, "-o", log, program], check=False, timeout=60)
    seen = {}
    for line in log.read_text().splitlines():
        if found := re.match(r"(\w+)\((.*)\) += -1 ENOSYS .*\(INJECTED\)", line):
            seen[found[1]] = found[2]
    if len(seen) < 300:
        pytest.skip("strace may not inject errors here")
    return seen


def test_wrappers_are_exported_by_the_c_library() -> None:
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "gnu_get_libc_version"):
        pytest.skip("the C library is not glibc")
    libc.gnu_get_libc_version.restype = ctypes.c_char_p
    version = tuple(map(int, libc.gnu_get_libc_version().split(b".")[:2]))
    if version < (2, 36):
        pytest.skip(f"glibc {version} is older than the table")
    names = {name for name in prototypes() if wrapper(name)}
    assert not [name for name in names if not hasattr(libc, wrapper(name))]
    # What has none: `exit` is the C library's own exit(3), which makes another call.
    if version == (2, 36):
        without = {name for name, found in prototypes().items() if found is not None} - names
        assert [name for name in without if hasattr(libc, name)] == ["exit"]


def test_pages_are_in_man_pages() -> None:
    if not (PAGES / "execve.2.gz").exists():
        pytest.skip("manpages-dev is not installed")
    pages = [man_page(name) for name in prototypes() if man_page(name)]
    assert not [page for page in pages if not (PAGES / f"{page[:-3]}.2.gz").exists()]


def test_notes_are_of_calls() -> None:
    assert sum(bool(result_note(name)) for name in prototypes()) > 40
