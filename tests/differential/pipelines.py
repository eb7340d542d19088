"""Commands of a Debian system that make processes and threads, with one possible output.

Each row is run in the directory that workspace.py makes, and a C project beside it; `writes`
says that the command changes it (then it runs with --rw, and the trees are compared as well).
"""

from __future__ import annotations

from debian_commands import Command, row, script

PROJECT = {
    "project/Makefile": (
        "OBJECTS = main.o one.o two.o three.o\n"
        "program: $(OBJECTS)\n\t@$(CC) -o $@ $^\n"
        "%.o: %.c numbers.h\n\t@$(CC) -O1 -c -o $@ $<\n"
    ),
    "project/numbers.h": "int one(void);\nint two(void);\nint three(void);\n",
    "project/main.c": (
        '#include <stdio.h>\n#include "numbers.h"\n'
        'int main(void) { printf("%d\\n", one() + two() * three()); return 5; }\n'
    ),
    "project/one.c": '#include "numbers.h"\nint one(void) { return 1; }\n',
    "project/two.c": '#include "numbers.h"\nint two(void) { return one() + 1; }\n',
    "project/three.c": '#include "numbers.h"\nint three(void) { return two() + 1; }\n',
}

SUBPROCESSES = r"""
import subprocess, os, signal
print(subprocess.run(["sort", "words.txt"], capture_output=True).stdout[:40])
print(subprocess.check_output("head -3 | tr a-z A-Z", shell=True, input=b"a\nb\nc\nd\n"))
p = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
print(p.communicate(b"x" * 200000)[0] == b"x" * 200000, p.returncode)
p = subprocess.Popen(["sleep", "100"]); p.terminate(); print(p.wait())
try: subprocess.run(["sleep", "5"], timeout=0.05)
except subprocess.TimeoutExpired as e: print("timeout", e.cmd)
r, w = os.pipe(); pid = os.fork()
if not pid: os.write(w, b"child"); os._exit(9)
print(os.read(r, 9), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(os.spawnlp(os.P_WAIT, "false", "false"), os.system("exit 4") >> 8)
"""

THREADS = r"""
import threading, queue, concurrent.futures as f
q, lock, out = queue.Queue(), threading.Lock(), []
def work():
    while (n := q.get()) is not None:
        with lock: out.append(n * n)
        q.task_done()
t = [threading.Thread(target=work) for _ in range(8)]
[x.start() for x in t]; [q.put(n) for n in range(200)]; q.join()
[q.put(None) for _ in t]; [x.join() for x in t]; print(sum(out), len(out))
e = threading.Event(); threading.Timer(0.01, e.set).start(); print(e.wait(5), e.wait(0))
b = threading.Barrier(4, timeout=9); s = []
t = [threading.Thread(target=lambda: s.append(b.wait())) for _ in range(4)]
[x.start() for x in t]; [x.join() for x in t]; print(sorted(s))
with f.ThreadPoolExecutor(4) as pool: print(list(pool.map(lambda n: n ** 3, range(9))))
"""

POOL = r"""
import multiprocessing as m, os
def cube(n): return n ** 3
def child(pipe, event, value):
    event.wait(); pipe.send([pipe.recv(), "back"]); value.value += 5
if __name__ == "__main__":
    m.set_start_method("fork")
    with m.Pool(3) as pool: print(pool.map(cube, range(20)), pool.apply_async(cube, (7,)).get())
    a, b = m.Pipe(); e = m.Event(); v = m.Value("i", 2)
    p = m.Process(target=child, args=(b, e, v)); p.start(); a.send({"x": 1}); e.set()
    print(a.recv()); p.join(); print(p.exitcode, v.value)
    q = m.Queue(); p = m.Process(target=q.put, args=("queued",)); p.start(); print(q.get()); p.join()
"""

PERL_FORKS = r"""
$| = 1; for my $n (1..3) { my $p = fork // die; if (!$p) { exit $n * 2 } waitpid $p, 0; print $? >> 8, "\n" }
my @lines = `sort -r pairs.txt`; print @lines[0..1]; open my $h, "-|", "wc", "-l", "words.txt"; print <$h>;
open $h, "|-", "tr a-z A-Z"; print $h "up\n"; close $h; print system("false") >> 8, "\n";
$SIG{CHLD} = sub { print "reaped\n" }; my $p = fork; exit 0 if !$p; sleep 2; kill 0, $$; waitpid $p, 0; exit 3
"""

JOBS = r"""
set -m 2>/dev/null; sleep 0.2 & sleep 0.1 & wait; echo waited
(exit 6) & wait $!; echo $?; { sleep 5; echo never; } & kill $!; wait $! 2>/dev/null; echo $?
sleep 3 & p=$!; kill -STOP $p; kill -CONT $p; kill -KILL $p; wait $p 2>/dev/null; echo $?
coproc cat; echo through >&${COPROC[1]}; read -r x <&${COPROC[0]}; echo $x; kill $COPROC_PID
"""

TRAPS = r"""
trap 'echo usr1' USR1; trap 'echo exit $?' EXIT; trap 'echo err' ERR
kill -USR1 $$; (kill -USR1 $$); false; sh -c 'kill -TERM $$'; echo $?
( trap 'echo inner; exit 8' TERM; kill -TERM $BASHPID; echo not here ); echo $?
trap '' INT; kill -INT $$; bash -c 'kill -INT $$; echo inherited'; exit 2
"""

GIT = (
    "export HOME=$PWD GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_DATE='1700000000 +0000' "
    "GIT_COMMITTER_DATE='1700000000 +0000'; mkdir r && cd r && git init -q -b main . && "
    "git config user.name a && git config user.email a@b && cp ../words.txt ../tree/one/a.txt . && "
    "git add . && git commit -qm first && sort -o words.txt words.txt && git diff --stat && "
    "git commit -qam second && git log --format='%H %s' && git checkout -q -b side HEAD~1 && "
    "git rev-list --count --all && git status --short --branch && git show --stat HEAD | tail -3"
)


def bash(name: str, text: str, writes: bool = False) -> Command:
    return script(name, "bash -c", text, writes)


COMMANDS = [
    bash("ls-sort-head", "ls | sort -r | head -5"),
    bash("grep-sort-uniq", "grep -o '[a-z]*' words.txt | sort | uniq -c | sort -rn | head -7"),
    bash("yes-head", "yes | head -1000 | wc -l"),
    bash("pipestatus", "false | true | (exit 3) | cat; echo ${PIPESTATUS[@]}"),
    bash("pipefail", "set -o pipefail; seq 100000 | head -2; echo $?"),
    bash("substitution", "x=$(ls tree | wc -l); echo \"$x $(echo $(echo deep))\" `echo ticks`"),
    bash("process-substitution", "diff <(sort words.txt) <(sort other.txt) | head -9; exit 4"),
    bash("here-document", "tr a-z A-Z <<E | rev\nhere $((6 * 7)) $(echo document)\nE"),
    bash("tee", "seq 50 | tee >(wc -l >&2) | tail -2 | tee copy.txt; cat copy.txt", writes=True),
    bash("jobs", JOBS),
    bash("traps", TRAPS),
    bash("subshells", "(cd tree; pwd | wc -c; (exit 9)); echo $?; { echo a; echo b; } | cat -n"),
    bash("loop-of-processes", "for i in $(seq 20); do /bin/echo $i; done | paste -sd+ | bc"),
    bash("while-read", "seq 30 | while read n; do expr $n '*' 2; done | tail -3"),
    bash("exec-chain", "exec env A=1 nice -n 5 sh -c 'echo $A; exec sh -c \"exit 12\"'"),
    bash("background-output", "{ sleep 0.3; echo second; } & { sleep 0.1; echo first; } & wait"),
    bash("read-timeout", "sleep 5 | { read -t 0.1 x; echo $?; kill %1 2>/dev/null; }; echo done"),
    bash("signals-of-children", "for s in TERM KILL SEGV; do bash -c \"kill -$s \\$\\$\"; echo $?; done 2>&1 | grep -o '[0-9]*$'"),
    bash("timeout", "timeout 0.2 sleep 9; echo $?; timeout -s KILL 0.1 sleep 9; echo $?"),
    bash("fifo", "mkfifo f; seq 9 > f & sort -rn f | head -2; wait; rm f"),
    bash("xargs-parallel", "seq 40 | xargs -P 4 -n 3 echo | sort -n | md5sum"),
    bash("xargs-fails", "seq 5 | xargs -n 1 sh -c 'exit $(($0 % 3))'; echo $?"),
    bash("find-exec", "find tree -type f -exec wc -c {} \\; | sort; find tree -name '*.txt' -exec cat {} +"),
    bash("tar-gzip", "tar cf - tree | gzip -9 | gunzip | tar tf - | sort"),
    bash("tar-xz", "tar cJf - words.txt | tar xJOf - | cmp - words.txt && echo same"),
    bash("tar-extract", "mkdir out && tar cf - tree words.txt | tar xf - -C out && ls -R out", writes=True),
    bash("sqlite", "sqlite3 :memory: 'create table t(a,b)' '.mode csv' '.import table.csv t2' 'select count(*), max(amount) from t2' | tee /dev/fd/2"),
    bash("awk-pipes", "awk 'BEGIN { while ((\"ls tree\" | getline x) > 0) n++; print n; print 3 | \"cat -A\"; close(\"cat -A\"); print system(\"exit 7\") }'"),
    bash("sed-runs", "sed -n '1{e echo from sed\np}' pairs.txt"),
    bash("setsid", "setsid -w sh -c 'echo $(($(ps -o sid= $$ 2>/dev/null || echo 0) >= 0)); exit 3'; echo $?"),
    bash("nohup", "nohup sh -c 'echo kept; kill -HUP $$; echo alive' 2>/dev/null"),
    bash("flock", "flock lock sh -c 'echo locked; flock -n lock true; echo $?'", writes=True),
    bash("make-parallel", "make -s -j2 -C project && project/program; echo $?", writes=True),
    bash("make-dry", "make -n -C project | md5sum; make -C project -q; echo $?"),
    bash("git", GIT, writes=True),
    bash("gcc-run", "gcc -x c - -o prog <<< 'int main(){return 42;}' && ./prog; echo $?", writes=True),
    script("dash-pipeline", "dash -c", "ls | while read f; do [ -d $f ] && echo $f; done; sleep 1 & wait $!; echo $?"),
    script("busybox-sh", "busybox sh -c", "for i in 3 1 2; do echo $i; done | busybox sort | busybox tr '\\n' ' '; busybox ls tree | busybox wc -l; (exit 5); echo $?"),
    script("perl-forks", "perl -e", PERL_FORKS),
    script("python-subprocess", "python3 -c", SUBPROCESSES),
    script("python-threading", "python3 -c", THREADS),
    script("python-multiprocessing", "python3 -c", POOL),
    script("python-asyncio", "python3 -c", "import asyncio\nasync def f():\n p = await asyncio.create_subprocess_exec('tr', 'a', 'b', stdin=-1, stdout=-1)\n print(await p.communicate(b'banana'), p.returncode)\n print(await asyncio.gather(*(asyncio.to_thread(pow, n, 2) for n in range(5))))\nasyncio.run(f())"),
    row("split-filter", "split -n l/3 --filter='wc -l' words.txt"),
    row("sort-compress", "sort -S 8k --compress-program=gzip --parallel=2 words.txt"),
    row("env-split", "env -S 'sh -c \"echo $0; exit 11\" name'"),
]  # fmt: skip
