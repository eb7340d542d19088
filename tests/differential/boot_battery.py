"""Commands that a booted Linux's shell runs, each with one possible output, and their /init.

What a machine may say its own way (process numbers, sizes of memory, times) is counted, compared
or rounded within the command itself, so that the rest of its output is judged.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

#: Each runs in a shell of its own, in a directory of its own on a tmpfs.
COMMANDS: dict[str, str] = {
    "echo": "echo hello from the shell; echo $((6 * 7)) $0",
    "uname": "uname -srm; uname -n",
    "fork": "for i in 1 2 3 4 5; do (exit $i); echo child $i: $?; done",
    "fork-storm": "i=0; while [ $i -lt 60 ]; do /bin/true; i=$((i + 1)); done; echo $i",
    "pipe": "seq 1 2000 | grep 7 | sed 's/7/seven/' | tail -n 3 | tr a-z A-Z",
    "pipe-large": "dd if=/dev/zero bs=64k count=64 2>/dev/null | tr '\\0' x | wc -c",
    "pipe-status": "false | true; echo $?; set -o pipefail; false | true; echo $?",
    "sigpipe": "yes | head -n 3; (yes; echo status $? >&2) | head -n 1",
    "sleep": "sleep 0.2 && echo slept; sleep 0.3; echo again",
    "background": "(sleep 0.3; echo second) & echo first; wait; echo third",
    "wait-status": "(sleep 0.1; exit 7) & wait $!; echo $?",
    "kill": "sleep 100 & kill $!; wait $!; echo $?",
    "kill-9": "sleep 100 & kill -KILL $!; wait $!; echo $?",
    "trap": "trap 'echo caught USR1' USR1; kill -USR1 $$; echo after; trap 'echo bye' EXIT",
    "trap-term": "sh -c 'trap \"echo term; exit 5\" TERM; while :; do sleep 0.1; done' & "
    "sleep 0.5; kill $!; wait $!; echo $?",
    "stop-continue": "sleep 0.5 & p=$!; sleep 0.2; kill -STOP $p; sleep 0.2; grep State /proc/$p/status; "
    "kill -CONT $p; wait $p; echo $?",
    "timeout": "timeout 0.3 sleep 10; echo $?",
    "jobs": "sleep 0.2 & jobs | wc -l; wait; echo done",
    "here-doc": "x=value; cat <<END\nline one $x\n\tline two\nEND\ncat <<'END'\n$x stays\nEND",
    "fifo": "mkfifo f; (echo through the fifo > f) & cat f; wait; rm f; ls",
    "redirect": "ls /nowhere > out 2>&1; cat out; echo to stderr >&2; cat < out | wc -l",
    "proc-self": "cat /proc/self/cmdline | tr '\\0' ' '; echo; cat /proc/self/comm",
    "proc-maps": "grep -c . /proc/self/maps > n; [ $(cat n) -gt 3 ] && grep -o '\\[.*\\]' "
    "/proc/self/maps | sort -u",
    "proc-filesystems": "cat /proc/filesystems",
    "proc-cmdline": "cat /proc/cmdline",
    "proc-1": "cat /proc/1/comm; grep -E '^(Name|State|PPid|Uid|Threads)' /proc/1/status",
    "proc-mounts": "cat /proc/mounts | cut -d' ' -f1-3",
    "proc-version": "cat /proc/version",
    "proc-sys": "cat /proc/sys/kernel/ostype /proc/sys/kernel/pid_max; "
    "echo newname > /proc/sys/kernel/hostname; hostname; hostname guest",
    "proc-interrupts": "awk '/PIC.*(timer|ttyS0|cascade)/ { print $1, $3, $4 }' /proc/interrupts; "
    "a=$(awk '/PIC *timer/ { print $2 }' /proc/interrupts); sleep 0.2; "
    "b=$(awk '/PIC *timer/ { print $2 }' /proc/interrupts); [ $b -gt $a ] && echo ticking",
    "sysfs": "ls /sys; cat /sys/class/tty/ttyS0/type /sys/class/tty/ttyS0/port",
    "dmesg": "dmesg | grep -c 'Linux version'; dmesg | grep -o 'Run /init as init process'",
    "free": "free | awk '{ print $1, NF }'; free -m | awk '/Mem/ { print ($2 > 100) }'",
    "date": "date -u -d @1767225600; date -u -d '2000-02-29 12:00:00' +%s; "
    "date -u -s '2030-01-02 03:04:05' > /dev/null; date -u +%Y-%m-%dT%H:%M",
    "uptime": "cut -d. -f1 /proc/uptime > a; sleep 1; cut -d. -f1 /proc/uptime > b; "
    "[ $(cat b) -gt $(cat a) ] && echo time passes",
    "dd": "dd if=/dev/zero of=z bs=4k count=256 2>&1 | grep records; ls -l z | awk '{ print $5 }'",
    "dd-seek": "printf abcdef > s; printf XY | dd of=s bs=1 seek=2 conv=notrunc 2>/dev/null; cat s; echo",
    "md5sum": "seq 1 20000 | md5sum; head -c 200000 /dev/zero | sha256sum",
    "crc": "seq 1 10000 > n; cksum n 2>/dev/null || crc32 n; sha1sum n; sha512sum n | cut -c1-32",
    "sort": "seq 1 300 | shuf -i 1-1 > /dev/null; seq 1 300 | sort -r | sort -n | tail -n 2; "
    "printf 'b\\na\\nc\\na\\n' | sort | uniq -c",
    "awk": "seq 1 1000 | awk '{ s += $1; q += $1 * $1 } END { print s, q, s / NR, q / 7 }'",
    "awk-float": "awk 'BEGIN { for (x = 1; x < 9; x++) y = y / 3 + 1 / x; "
    'printf "%.15f %e %g %d\\n", y, y * 1e10, 1 / 3, 7 % 3 }\'',
    "sed": "printf 'one two\\nthree four\\n' | sed -e 's/\\(.*\\) \\(.*\\)/\\2 \\1/' -n -e 2p",
    "bc": "echo '2^100; scale=20; 1/7' | bc",
    "tar": "mkdir d; echo a > d/a; ln -s a d/l; tar -cf t.tar d; rm -r d; tar -xf t.tar; "
    "ls d; cat d/l; tar -tf t.tar",
    "gzip": "seq 1 20000 > n; gzip n; gunzip -c n.gz | md5sum; zcat n.gz | tail -n 1",
    "bzip2-xz": "seq 1 5000 > n; bzip2 -k n; bunzip2 -c n.bz2 | cmp - n && echo same",
    "cpio": "mkdir -p d/e; echo x > d/e/f; find d | sort | cpio -o -H newc 2>/dev/null > a; rm -r d; "
    "cpio -id < a 2>/dev/null; cat d/e/f",
    "find": "mkdir -p a/b/c; touch a/1 a/b/2 a/b/c/3; find a | sort; find a -type f | wc -l",
    "mount-tmpfs": "mkdir m; mount -t tmpfs -o size=1m none m; df -k m | awk 'NR == 2 { print $2 }'; "
    "dd if=/dev/zero of=m/f bs=64k count=32 2>&1 | grep -o 'No space.*'; umount m; ls m",
    "links": "echo x > f; ln f g; ln -s f h; stat -c '%h %s' f g; readlink h; cat h",
    "modes": "umask 027; touch f; mkdir d; ls -ld f d | awk '{ print $1 }'; chmod 4755 f; "
    "stat -c %a f",
    "mknod": "mknod n c 1 3; echo gone > n; cat n | wc -c; stat -c '%t %T %F' n",
    "su": "mkdir -p /etc; echo 'root:x:0:0::/:/bin/sh' > /etc/passwd; "
    "echo 'nobody:x:99:99::/:/bin/sh' >> /etc/passwd; su nobody -c 'id -u; echo no > /denied'; "
    "echo $?",
    "chroot": "mkdir -p r/bin; cp /bin/busybox r/bin/; chroot r /bin/busybox ls /; echo $?",
    "setuid-file": "cp /bin/busybox s; chown 99:99 s; chmod 4755 s; ls -l s | awk '{ print $1, $3 }'",
    "exec": "(exec sh -c 'echo replaced $1' x arg); echo $?; exec /nowhere; echo not reached",
    "not-executable": "echo text > f; ./f; echo $?; chmod +x f; ./f; echo $?; nosuchcommand; echo $?",
    "script": "printf '#!/bin/sh\\necho script $1 $#\\n' > s; chmod +x s; ./s a b; echo $?",
    "segv": "sh -c 'kill -SEGV $$'; echo $?; sh -c 'kill -ABRT $$'; echo $?",
    "ulimit": "(ulimit -n 5; ulimit -n; cat /dev/null 5< /dev/null); ulimit -f 1; "
    "dd if=/dev/zero of=f bs=4k count=2 2>&1 | grep -o 'records.*'; echo $?",
    "stty": "stty < /dev/console | head -n 1; stty -a < /dev/console 2>&1 | grep -o 'isig icanon'",
    "tty": "tty; [ -t 0 ] || echo no terminal; ls -l /dev/console | awk '{ print $5, $6 }'",
    "loopback": "ifconfig lo up; ping -c 2 127.0.0.1 | grep -o '2 packets received'; "
    "(echo over tcp | nc -l -p 99 > got) & sleep 0.3; echo data | nc -w 1 127.0.0.1 99; wait; "
    "cat got",
    "environment": "A=1 sh -c 'echo $A'; env -i B=2 env; export C=3; sh -c 'echo $C'",
    "large-file": "head -c 4000000 /dev/zero > big; md5sum big | cut -c1-32; rm big",
    "sync": "sync; echo 3 > /proc/sys/vm/drop_caches; echo $?",
    "renice": "renice -n 7 -p $$ > /dev/null 2>&1; awk '{ print $19 }' /proc/$$/stat",
    "strings": "printf 'abc\\001def\\377longer text\\0' | strings -n 4; printf '\\001\\002' | xxd -p",
    "diff": "seq 1 5 > a; seq 2 6 > b; diff a b | grep '^[-+][0-9]'; cmp a a && echo equal; "
    "diff a b | patch a | wc -l; cmp a b && echo patched",
    "test": "[ 3 -gt 2 ] && [ abc = abc ] && [ ! -e nothing ] && echo true; expr 7 \\* 6",
    "printf": "printf '%05d|%-6s|%x|%c|%b\\n' 42 ab 255 xyz 'a\\tb'",
    "recursion": "f() { [ $1 -le 1 ] && echo 1 || echo $(($1 * $(f $(($1 - 1))))); }; f 12",
    "read": "printf 'a b c\\nd e\\n' | while read x y; do echo \"$y-$x\"; done",
    "case": "for w in abc 12 .x; do case $w in [0-9]*) echo n;; .*) echo dot;; *) echo w;; esac; done",
}

#: Where a command's output lies in the console's log.
BEGIN, END = "=== ", "--- "
#: The kernel's own lines come between: `dmesg -n 1` leaves those of its greatest need.
_PRINTK = re.compile(r"\[ *\d+\.\d{6}\] [^\n]*\n")

_INIT = r"""#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
hostname guest
dmesg -n 1
for file in /battery/*; do
    name=${file##*/}
    mkdir /tmp/work
    cd /tmp/work
    echo "=== $name"
    sh $file </dev/null 2>&1
    echo "--- $name $?"
    cd /
    rm -rf /tmp/work
done
for file in /guest/*; do
    [ -x $file ] || continue
    echo "=== guest-${file##*/}"
    timeout 60 $file </dev/null 2>&1
    echo "--- guest-${file##*/} $?"
done
echo "ready for commands"
setsid cttyhack sh
@END@
"""
_ENDS = {"reboot": "reboot -f", "poweroff": "poweroff -f", "exit": "exec true"}


def write_root(directory: Path, end: str = "reboot", guests: list[Path] | None = None) -> Path:
    """A root directory with busybox, the battery, the guest programs and /init.

    After them a shell reads the console; when it exits, `end` follows: reboot, poweroff, exit.
    """
    for name in ("bin", "proc", "sys", "dev", "tmp", "battery", "guest"):
        (directory / name).mkdir(parents=True)
    _copy("/usr/bin/busybox", directory / "bin/busybox")
    _executable(directory / "init", _INIT.replace("@END@", _ENDS[end]))
    for number, (name, script) in enumerate(COMMANDS.items(), 1):
        (directory / "battery" / f"{number:02d}-{name}").write_text(script + "\n")
    for guest in guests or []:
        _copy(guest, directory / "guest" / guest.name)
    return directory


def _copy(source: str | Path, target: Path) -> None:
    target.write_bytes(Path(source).read_bytes())
    target.chmod(0o755)


def _executable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(os.stat(path).st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


def sections(console: str) -> dict[str, tuple[str, str]]:
    """Output and exit status of each command in a console's log, in its order."""
    found: dict[str, tuple[str, str]] = {}
    name, lines = "", []
    for line in _PRINTK.sub("", console.replace("\r\n", "\n")).split("\n"):
        if line.startswith(BEGIN):
            name, lines = line[len(BEGIN) :].strip(), []
        elif name and line.startswith(END + name + " "):
            found[name] = ("\n".join(lines), line.rsplit(" ", 1)[1])
            name = ""
        elif name:
            lines.append(line)
    return found
