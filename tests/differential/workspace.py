"""The directory that every command of the differential tests works in: same bytes, same times.

Everything is made from a seed, so that a native run and an emulated one see equal input.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import random
import shutil
import struct
import time
from pathlib import Path

# 2024-02-29 12:34:56 UTC: a leap day, long enough ago for `ls -l` to show the year.
TIMESTAMP = 1709210096

SYLLABLES = tuple(a + b for a in "bdfghklmnprstwz" for b in "aiou")

C_SOURCE = r"""
typedef unsigned long size_t;
extern int printf(const char *, ...);
struct point { int x, y; double weight; };
static const char *const names[] = { "alpha", "beta", "gamma" };
static double norm(const struct point *points, size_t count) {
    double sum = 0.1;
    for (size_t i = 0; i < count; i++)
        sum += points[i].weight * (points[i].x * points[i].x + points[i].y * points[i].y);
    return sum;
}
int fibonacci(int n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }
int main(int argc, char **argv) {
    struct point points[3] = {{1, 2, .5}, {3, 4, .25}, {-5, 6, 1e3}};
    switch (argc) {
    case 1: printf("%s %f\n", names[argc], norm(points, 3)); break;
    case 2: printf("%d\n", fibonacci(argv[1][0] & 15)); break;
    default: return 3;
    }
    return 0;
}
"""

TCL_SCRIPT = r"""
set l {}; foreach w [lsort {pear apple fig}] { lappend l [string toupper $w] }
puts [join $l ,]; puts [expr {2 ** 80 % 1000007}]; puts [regsub -all {a(.)} banana {<\1>}]
set d [dict create a 1 b 2]; dict incr d a 5; puts $d; puts [format %.4f [expr {sqrt(3)}]]; exit 6
"""

BC_SCRIPT = """
scale = 30; 4 * a(1); e(1); sqrt(2); 2 ^ 200; obase = 16; 3735928559; obase = 10
define f(n) { if (n < 2) return 1; return n * f(n - 1); }
f(40); for (i = 0; i < 3; i++) i / 7
"""

ED_SCRIPT = """
/ba/s//BA/gp
5,7d
$a
appended
.
1,3m10
g/^fi/p
w
q
"""

ASSEMBLY = """
    .text
    .globl _start
_start:
    mov $1, %eax
    mov $1, %edi
    lea greeting(%rip), %rsi
    mov $6, %edx
    syscall
    mov $60, %eax
    xor %edi, %edi
    syscall
    .section .rodata
greeting:
    .ascii "hello\\n"
    .size greeting, .-greeting
"""


def words(count: int, seed: int) -> list[str]:
    """`count` made-up words, the same for the same seed; some come more than once."""
    dice = random.Random(seed)
    return ["".join(dice.choices(SYLLABLES, k=dice.randint(1, 3))) for _ in range(count)]


def table(count: int, seed: int) -> str:
    dice = random.Random(seed)
    rows = [
        f"{number},{word},{dice.randint(-500, 99999)},{dice.random():.6f}"
        for number, word in enumerate(words(count, seed), 1)
    ]
    return "id,name,amount,share\n" + "\n".join(rows) + "\n"


def contents() -> dict[str, bytes]:
    """Path below the workspace -> bytes."""
    first, second = words(400, 1), words(400, 2)
    changed = [*first[:100], "inserted", *first[101:300], *first[310:]]
    dice = random.Random(7)
    return {
        "words.txt": "\n".join(first).encode() + b"\n",
        "other.txt": "\n".join(second).encode() + b"\n",
        "changed.txt": "\n".join(changed).encode() + b"\n",
        "sorted1.txt": "\n".join(sorted(set(first))).encode() + b"\n",
        "sorted2.txt": "\n".join(sorted(set(second))).encode() + b"\n",
        "numbers.txt": "".join(f"{dice.randint(-9999, 9999)}\n" for _ in range(500)).encode(),
        "table.csv": table(300, 3).encode(),
        "text.txt": prose().encode(),
        "utf8.txt": "Grüße aus Köln\nнебо\n日本語 テキスト\nnaïve café\n".encode(),
        "tabs.txt": b"a\tb\tc\n\tindented\n        eight\n",
        "data.bin": random.Random(5).randbytes(20_000),
        "zeros.bin": bytes(70_000),
        "records.bin": b"".join(struct.pack("<IHd", n, n * 7 & 0xFFFF, n / 3) for n in range(64)),
        "pairs.txt": b"a b\nb c\na d\nd c\nc e\nb f\n",
        "words.patch": unified_diff(first, changed).encode(),
        "bc.txt": BC_SCRIPT.encode(),
        "ed.txt": ED_SCRIPT.lstrip().encode(),
        "script.tcl": TCL_SCRIPT.encode(),
        "program.c": C_SOURCE.encode(),
        "start.s": ASSEMBLY.encode(),
        "tree/one/a.txt": b"alpha\n",
        "tree/one/b.log": b"beta\nalpha\n",
        "tree/two/three/deep.txt": b"deep alpha water\n",
        "tree/two/empty": b"",
        "tree/.hidden": b"hidden\n",
        "tree/with space/x y.txt": b"blank\n",
    }


def unified_diff(old: list[str], new: list[str]) -> str:
    lines = difflib.unified_diff(old, new, "words.txt", "words.txt", lineterm="")
    return "\n".join(lines) + "\n"


def prose() -> str:
    dice = random.Random(4)
    vocabulary = words(60, 6)
    sentences = [
        " ".join(dice.choices(vocabulary, k=dice.randint(3, 14))).capitalize() + "."
        for _ in range(120)
    ]
    return "\n\n".join(" ".join(sentences[at : at + 6]) for at in range(0, 120, 6)) + "\n"


def make(directory: Path) -> Path:
    """Write the workspace to `directory`, which is emptied first; returns it."""
    shutil.rmtree(directory, ignore_errors=True)
    for name, data in contents().items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o644)
    (directory / "script.sh").write_text("#!/bin/dash -u\necho from $0 $1; exit 3\n")
    (directory / "script.sh").chmod(0o755)
    (directory / "tree/vacant").mkdir()
    (directory / "link").symlink_to("tree/one/a.txt")
    (directory / "tree/up").symlink_to("../words.txt")
    (directory / "dangling").symlink_to("nowhere")
    os.link(directory / "words.txt", directory / "hard")
    for path in sorted(directory.rglob("*"), reverse=True):
        os.utime(path, (TIMESTAMP, TIMESTAMP), follow_symlinks=False)
    os.utime(directory, (TIMESTAMP, TIMESTAMP))
    return directory


def snapshot(directory: Path) -> dict[str, tuple[object, ...]]:
    """Path -> (mode, owner, group, age, what it holds) of everything below `directory`.

    The age is the time of change where a command set it, and "new" where the clock did.
    """
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(directory.rglob("*")):
        about = path.lstat()
        held: object = ""
        if path.is_symlink():
            held = os.readlink(path)
        elif path.is_file():
            held = (about.st_size, hashlib.sha256(path.read_bytes()).hexdigest())
        age = "new" if about.st_mtime > time.time() - 86400 else about.st_mtime_ns
        rights = (oct(about.st_mode), about.st_uid, about.st_gid)
        found[str(path.relative_to(directory))] = (*rights, age, held)
    return found
