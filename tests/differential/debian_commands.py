"""Commands of a Debian system which answer the same each time and make no process or thread.

Each row is run in the directory that workspace.py makes. `stdin` names a file of it, `writes`
says that the command changes it (then the two trees are compared as well).
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

# The compiler proper: gcc itself only starts it, in a process of its own.
CC1 = next((str(path) for path in sorted(Path("/usr/lib/gcc").glob("*/*/cc1"))), "cc1")


@dataclass(frozen=True)
class Command:
    name: str
    argv: tuple[str, ...]
    stdin: str | None
    writes: bool


def row(name: str, line: str, stdin: str | None = None, writes: bool = False) -> Command:
    return Command(name, tuple(shlex.split(line)), stdin, writes)


def script(name: str, interpreter: str, text: str, writes: bool = False) -> Command:
    return Command(name, (*shlex.split(interpreter), text), None, writes)


SHELL_LOOP = r"""
set -u; total=0; declare -A seen
while IFS=, read -r id name amount share; do
  [[ $id =~ ^[0-9]+$ ]] || continue
  (( total += amount )); seen[$name]=$(( ${seen[$name]:-0} + 1 ))
done < table.csv
printf '%d %d %q %s\n' "$total" "${#seen[@]}" "it's a $'tab'" "${name:-none}"
for f in tree/*/*; do printf '<%s>' "${f##*/}"; done; echo
case $total in -*) echo neg;; *) echo "pos ${total: -2}";; esac
cat_here() { local line; while read -r line; do echo "${line^^}"; done; }; cat_here <<E
a here document with $total
E
trap 'echo bye' EXIT; exit 7
"""

DASH_SCRIPT = r"""
n=0; while [ $n -lt 20 ]; do n=$((n+1)); case $n in *3) continue;; 17) break;; esac; done
set -- one "two three" four; echo "$# $2 $n"; shift; printf '%s|' "$@"; echo
x=${HOME:-unset}; echo "${x#/}" "${y:=assigned}$y"; umask; test -d tree -a -L link && echo ok
echo written > new.txt; read -r back < new.txt; echo "$back"; command -v cd; exit 4
"""

AWK_REPORT = r"""
BEGIN { FS = "," } NR > 1 { count[$2]++; sum[$2] += $3; if ($3 > max) { max = $3; who = $2 } }
END { for (k in count) n++; printf "%d %s %d %.3f %s\n", n, who, max, sum[who] / 7, toupper(who)
      print substr("abcdef", 2, 3), index("banana", "nan"), length("xyz"), 2 ^ 10, 17 % 5
      s = "a-b-c"; gsub(/-/, "+", s); print s, match("foobar", /o+/), RSTART, RLENGTH
      print sin(1), cos(1), atan2(1, 2), exp(1), log(10), sqrt(2), int(-3.7) }
"""

GAWK_SORTED = r"""
BEGIN { PROCINFO["sorted_in"] = "@ind_str_asc" } { seen[$1]++ }
END { for (k in seen) print k, seen[k] }
"""

PYTHON_TYPES = r"""
import json, re, struct, collections, itertools, functools, decimal, fractions, math, datetime
decimal.getcontext().prec = 40
print(decimal.Decimal(2).sqrt(), fractions.Fraction(3, 7) + 1, math.pi, math.lgamma(5.5), 0.1 + 0.2)
print(json.dumps({"a": [1, 2.5, None], "ü": "日本"}, sort_keys=True), 2 ** 300, -7 // 2)
print(collections.Counter("mississippi").most_common(2), struct.pack("<dI", 1.5, 7).hex())
print(datetime.date(2024, 2, 29) + datetime.timedelta(days=366), f"{1234567.891:,.2f}", 1e308 * 10)
print(sorted(re.findall(r"\b(\w)(\w+)", "the quick brown fox")), list(itertools.permutations("ab")))
print(functools.reduce(lambda a, b: a * b % 1000003, range(1, 2000)), hash((1, 2, 3)))
"""

PYTHON_LIBRARIES = r"""
import zlib, hashlib, bz2, lzma, csv, io, base64, random, sqlite3, xml.etree.ElementTree as tree
data = open("data.bin", "rb").read()
print(zlib.crc32(data), len(zlib.compress(data, 6)), hashlib.blake2b(data).hexdigest()[:16])
print(len(bz2.compress(data)), len(lzma.compress(data)), base64.b64encode(data[:9]))
print(sum(int(r["amount"]) for r in csv.DictReader(open("table.csv"))))
random.seed(3); print(random.random(), random.sample(range(100), 5), random.gauss(0, 1))
base = sqlite3.connect(":memory:"); base.execute("create table t(a, b)")
base.executemany("insert into t values (?, ?)", [(i, i * i) for i in range(100)])
print(base.execute("select count(*), sum(b), max(a) from t where a % 3 = 0").fetchone())
print([e.tag for e in tree.fromstring("<a><b/><c x='1'/></a>").iter()])
"""

PYTHON_FILES = r"""
import os, pathlib, tempfile, shutil, stat, mmap, sys, select, time
for root, dirs, files in sorted(os.walk("tree")): print(root, sorted(dirs), sorted(files))
p = pathlib.Path("made"); p.mkdir(); (p / "f").write_text("text\n"); os.chmod(p / "f", 0o640)
os.rename(p / "f", p / "g"); os.symlink("g", p / "l"); print((p / "l").read_text())
with open(p / "g", "r+b") as f, mmap.mmap(f.fileno(), 0) as m: m[0:4] = b"TEXT"
print((p / "g").read_bytes(), oct(os.stat(p / "g").st_mode), sorted(os.listdir(p)))
shutil.copytree("tree", "copy", symlinks=True); shutil.rmtree(p); print(os.path.exists(p))
r, w = os.pipe()
os.write(w, b"through"); print(os.read(r, 9), select.select([r], [w], [], 0)[1] == [w])
start = time.monotonic(); time.sleep(0.05); print(time.monotonic() - start >= 0.05)
try: open("/nonexistent/x")
except OSError as e: print(e.errno, e.strerror)
sys.exit(9)
"""

PERL_SCRIPT = r"""
use strict; use warnings; use POSIX qw(floor strftime); use Digest::SHA qw(sha1_hex);
use List::Util qw(sum max first); use Data::Dumper; $Data::Dumper::Sortkeys = 1;
open my $in, "<", "words.txt" or die; my %n; while (<$in>) { chomp; $n{$_}++ } close $in;
my @top = (sort { $n{$b} <=> $n{$a} || $a cmp $b } keys %n)[0 .. 4]; print "@top\n";
print sha1_hex(join ",", @top), " ", floor(-2.5), " ", strftime("%F %T", gmtime(86400 * 365)), "\n";
print Dumper({ a => [1, 2], b => \"x" }), sprintf("%.15g %e %s\n", 1 / 3, 12345.678, 1e21);
(my $t = "The cat sat") =~ s/(\w+) (\w+)/$2 $1/; print "$t ", scalar reverse("abc"), "\n";
print sum(1 .. 100), " ", max(3, 9, 2), " ", first { $_ > 3 } (1 .. 9); print "\n"; exit 5;
"""

SQL = """
create table t(id integer primary key, name text, amount real);
insert into t(name, amount) values ('one', 1.5), ('two', -2.25), ('three', 1e10);
with recursive n(x) as (select 1 union all select x + 1 from n where x < 50)
  insert into t(name, amount) select 'n' || x, x * x from n;
create index i on t(name);
select count(*), sum(amount), group_concat(name, '-') from t where id < 6;
select name, round(amount / 7, 4) from t order by name desc limit 5; pragma integrity_check;
"""

FILE_COMMANDS = [
    row("cat", "cat -A tabs.txt utf8.txt link"),
    row("ls-plain", "ls"),
    row("ls-long", "ls -la"),
    row("ls-recursive", "ls -RFx1 tree"),
    row("ls-etc", "ls -la /etc"),
    row("ls-sorted", "ls -lSrh --time-style=full-iso --group-directories-first"),
    row("ls-missing", "ls nothing tree/one dangling"),
    row("stat", "stat -c '%n %F %s %a %U:%G %h %y' words.txt tree link hard"),
    row("stat-L", "stat -L -c '%F %s' link"),
    row("readlink", "readlink -f link tree/up dangling ."),
    row("realpath", "realpath --relative-to=tree/two words.txt tree/one/../two"),
    row("cp-archive", "cp -av tree copy", writes=True),
    row("cp-sparse", "cp --sparse=always zeros.bin sparse.bin", writes=True),
    row("mv-backup", "mv -v --backup=numbered words.txt other.txt", writes=True),
    row("rm-recursive", "rm -rfv tree dangling", writes=True),
    row("ln", "ln -sfv tree/two dangling", writes=True),
    row("mkdir", "mkdir -pvm 750 new/a/b new/c", writes=True),
    row("rmdir", "rmdir --ignore-fail-on-non-empty tree tree/vacant", writes=True),
    row("touch", "touch -d '2020-01-02 03:04:05' words.txt created", writes=True),
    row("chmod", "chmod -v u=rw,go= words.txt tree/one/a.txt", writes=True),
    row("install", "install -v -D -m 711 data.bin new/bin/data", writes=True),
    row("truncate", "truncate -s -100 data.bin zeros.bin", writes=True),
    row("dd", "dd if=data.bin bs=512 skip=3 count=5 status=none conv=swab"),
    row("split", "split -n l/4 -d --verbose words.txt part.", writes=True),
    row("csplit", "csplit -z -k text.txt '/^$/' '{*}'", writes=True),
    row("tee", "tee -a words.txt second.txt", stdin="tabs.txt", writes=True),
    row("du", "du -a --apparent-size -b tree/one tree/two/three/deep.txt"),
    row("find-all", "find . -mindepth 1 -printf '%p %y %m %s %l\\n'"),
    row(
        "find-tests", "find tree ( -name '*.txt' -o -type l ) -newermt 2020-01-01 -size -2k -print0"
    ),
    row("find-delete", "find tree -name '*.log' -delete", writes=True),
    row("file", "file words.txt data.bin utf8.txt program.c link tree /bin/ls /usr/bin/ldd"),
    row("tar-create", "tar --sort=name -cvf out.tar tree words.txt link", writes=True),
    row("tar-stdout", "tar --sort=name --owner=0 --group=0 -cf - tree"),
    row("zip", "zip -X -r out.zip tree words.txt", writes=True),
    row("cmp", "cmp -l words.txt changed.txt"),
    row("diff-unified", "diff -u --label a --label b words.txt changed.txt"),
    row("diff-recursive", "diff -rq tree tree/one"),
    row("namei", "namei -m tree/two/three/deep.txt"),
    row("test-true", "test -f words.txt -a ! -d words.txt -a words.txt -ef hard"),
    row("pwd", "/bin/pwd -P"),
    row("mktemp-short", "mktemp -u shortXX"),
]

TEXT_COMMANDS = [
    row("echo", "/bin/echo -e 'a\\tb\\x41\\0101'"),
    row("printf", "/usr/bin/printf '%05.2f|%-8s|%x|%q\\n' 3.14159 left 255 \"it's\""),
    row("sort-numeric", "sort -n --parallel=1 -S 2M numbers.txt"),
    row("sort-fields", "sort -t, -k3,3gr -k2,2 table.csv"),
    row("sort-unique", "sort -uo sorted.txt words.txt other.txt", writes=True),
    row("uniq", "uniq -c", stdin="sorted1.txt"),
    row("wc", "wc words.txt utf8.txt data.bin"),
    row("head-tail", "head -n -390 words.txt other.txt"),
    row("tail", "tail -c +19990 data.bin"),
    row("cut", "cut -d, -f2,4 --output-delimiter=: table.csv"),
    row("paste", "paste -d'|,' words.txt numbers.txt other.txt"),
    row("join", "join -a1 -v2 sorted1.txt sorted2.txt"),
    row("comm", "comm --total sorted1.txt sorted2.txt"),
    row("tr", "tr -cs 'a-m' '[\\n*]'", stdin="words.txt"),
    row("tac", "tac words.txt"),
    row("nl", "nl -ba -w4 text.txt"),
    row("fmt", "fmt -w 50 text.txt"),
    row("fold", "fold -sw 33 text.txt"),
    row("pr", "pr -3 -l 40 -D fixed words.txt"),
    row("ptx", "ptx -w 60 tabs.txt"),
    row("expand", "expand -t 4 tabs.txt"),
    row("column", "column -t -s, table.csv"),
    row("od", "od -A x -t x1z -t d2 -t f8 records.bin"),
    row("xxd", "xxd -c 20 -g 4 records.bin"),
    row("hexdump", "hexdump -C data.bin"),
    row("base64", "base64 -w 60 data.bin"),
    row("shuf", "shuf --random-source=data.bin words.txt"),
    row("seq", "seq -f '%07.2f' -s ' ' 1 0.37 9"),
    row("factor", "factor 1234567890 18446744073709551557 97 340282366920938463463374607"),
    row("numfmt", "numfmt --to=iec --field=3 -d, --header", stdin="table.csv"),
    row("tsort", "tsort", stdin="pairs.txt"),
    row("expr", "expr 7 '*' ( 3 + 4 ) '%' 10"),
    row("grep-regex", "grep -nE '^(ba|de)+[aeiou]?$' words.txt"),
    row("grep-recursive", "grep -rHc alpha tree"),
    row("grep-perl", "grep -oP '(?<=ba)\\w{2}(?!k)' words.txt"),
    row("grep-none", "grep -q unfindable words.txt"),
    row("sed-script", "sed -n -e '/^b/{s/a/A/2;p}' -e '$=' -e '5,9!b' -e 'y/abc/xyz/;p' words.txt"),
    row("sed-inplace", "sed -i.bak -E 's/(.)(.)/\\2\\1/g;3d' words.txt", writes=True),
    row("mawk", f"mawk {shlex.quote(AWK_REPORT)} table.csv"),
    row("gawk", f"gawk {shlex.quote(AWK_REPORT)} table.csv"),
    row("gawk-sorted", f"gawk {shlex.quote(GAWK_SORTED)} words.txt"),
    row("iconv", "iconv -f UTF-8 -t UTF-16LE utf8.txt"),
    row("rev", "rev utf8.txt"),
    row("jq", "jq -cn '[range(5)|{n:., s:(.*.|tostring)}]|map(select(.n%2==0))'"),
    row("ed", "ed -s words.txt", stdin="ed.txt", writes=True),
    row("patch", "patch -b words.txt", stdin="words.patch", writes=True),
]  # fmt: skip

DATA_COMMANDS = [
    row("gzip", "gzip -9nc words.txt"),
    row("gunzip", "gzip -dc /usr/share/doc/bash/changelog.Debian.gz"),
    row("bzip2", "bzip2 -kc data.bin"),
    row("xz", "xz -T1 -kc -6 zeros.bin"),
    row("xz-bad", "xz -dc words.txt"),
    row("zstd", "zstd --single-thread --no-asyncio -qc -5 data.bin"),
    row("lz4", "lz4 -qc words.txt -"),
    row("md5sum", "md5sum data.bin words.txt"),
    row("sha256sum", "sha256sum --tag data.bin zeros.bin"),
    row("b2sum", "b2sum data.bin"),
    row("cksum", "cksum data.bin words.txt"),
    row("openssl-digest", "openssl dgst -sha3-256 data.bin"),
    row("openssl-cipher", f"openssl enc -aes-256-cbc -K {'0a1b2c3d' * 8} -iv 99 -in words.txt"),
    row("sqlite3", f"sqlite3 :memory: {shlex.quote(SQL)}"),
    row("sqlite3-file", f"sqlite3 -batch base.db {shlex.quote(SQL)}", writes=True),
    row("bc", "bc -l", stdin="bc.txt"),
    row("cc1", f"{CC1} -quiet -O2 program.c -o -"),
    row("cc1-error", f"{CC1} -quiet words.txt -o -"),
    row("as", "as -o start.o start.s", writes=True),
    row("ld", "ld -o joined -r /usr/lib/x86_64-linux-gnu/crt1.o", writes=True),
    row("readelf", "readelf -aW /bin/true"),
    row("objdump", "objdump -d --no-show-raw-insn /bin/true"),
    row("nm", "nm -D --with-symbol-versions /lib/x86_64-linux-gnu/libc.so.6"),
    row("strings", "strings -n 12 -t x /bin/true"),
    row("size", "size -A /bin/true"),
    row("strip", "strip -o stripped /usr/lib/x86_64-linux-gnu/crt1.o", writes=True),
    row("ar", "ar rcD lib.a words.txt data.bin", writes=True),
    row("c++filt", "c++filt _ZNSt6vectorIiSaIiEE9push_backERKi _Z3foov"),
    row("git-hash", "git hash-object words.txt data.bin"),
    row("infocmp", "infocmp -1 xterm"),
]

SYSTEM_COMMANDS = [
    row("true", "true"),
    row("false", "false"),
    row("date", "date -u -d '2024-02-29 12:00 + 1 year' '+%F %T %A %j %s'"),
    row("date-zone", "date -d @1700000000 --rfc-3339=seconds"),
    row("id", "id"),
    row("env-chain", "env -i A=1 B=two env"),
    row("nice-chain", "nice -n 30 nice"),
    row("nohup-chain", "nohup printenv LANG TZ"),
    row("uname", "uname -sm"),
    row("locale", "locale"),
    row("locale-all", "locale -k LC_TIME"),
    row("getconf", "getconf PAGESIZE"),
    row("getconf-path", "getconf NAME_MAX /"),
    row("getent", "getent passwd root daemon"),
    row("dpkg-query", "dpkg-query -W bash coreutils"),
    row("ldconfig", "ldconfig -p"),
    row("tty", "tty"),
    row("ld.so", "/lib64/ld-linux-x86-64.so.2 /bin/echo through the loader"),
    row("ld.so-list", "/lib64/ld-linux-x86-64.so.2 --verify /bin/ls"),
    row("make-dry", "make -n -f /dev/null nothing"),
]

SCRIPTS = [
    script("bash-script", "bash -c", SHELL_LOOP),
    script("bash-posix", "bash --posix -c", "echo $((0x1f ** 2)) ${PWD##*/}; set -e; false; echo"),
    script("dash-script", "dash -c", DASH_SCRIPT, writes=True),
    script("busybox-sh", "busybox sh -c", DASH_SCRIPT, writes=True),
    row("busybox-awk", f"busybox awk {shlex.quote(AWK_REPORT)} table.csv"),
    row("busybox-sed", "busybox sed -n 's/ba/BA/gp' words.txt"),
    row("busybox-ls", "busybox ls -la tree"),
    row("busybox-sha512", "busybox sha512sum data.bin zeros.bin"),
    row("busybox-tar", "busybox tar -cf out.tar tree/one words.txt", writes=True),
    row("busybox-hexdump", "busybox hexdump -C records.bin"),
    script("python-types", "/usr/bin/python3 -c", PYTHON_TYPES),
    script("python-libraries", "/usr/bin/python3 -c", PYTHON_LIBRARIES),
    script("python-files", "/usr/bin/python3 -I -c", PYTHON_FILES, writes=True),
    script("python-error", "/usr/bin/python3 -I -c", "import os\ndef f(): return 1 / 0\nf()"),
    script("python-signal", "/usr/bin/python3 -c", "import os; print(1, flush=True); os.abort()"),
    row("python-module", "/usr/bin/python3 -m json.tool --compact", stdin="records.bin"),
    script("perl-script", "perl -e", PERL_SCRIPT),
    row("perl-oneliner", "perl -lane 'print scalar(@F), \" $F[0]\" if $. % 7 == 0' text.txt"),
    row("tclsh", "tclsh /dev/stdin", stdin="script.tcl"),
    row("shebang", "./script.sh argument"),
]  # fmt: skip

COMMANDS = [*FILE_COMMANDS, *TEXT_COMMANDS, *DATA_COMMANDS, *SYSTEM_COMMANDS, *SCRIPTS]
