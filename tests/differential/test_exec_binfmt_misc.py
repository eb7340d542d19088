"""Random binfmt_misc rules against the host's kernel, in a user and mount namespace of their own.

Registration (errno, the entry's file), then execs of random files under the rules.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from exec_host import HostKernel, compile_c

from youcpu.dry_run import DryRun
from youcpu.kernel.errors import KernelError

SEED = 1996
MOUNT = b"/proc/sys/fs/binfmt_misc"
UNSHARE = (
    "unshare",
    "-Urm",
    "sh",
    "-c",
    f'mount -t binfmt_misc none {MOUNT.decode()} && exec "$0"',
)
BYTES = [
    b"A",
    b"B",
    b"\\x00",
    b"\\x41",
    b"\\xff",
    b"\\",
    b"\\q",
    b"\\x4",
    b"\0",
    b"/",
    b"\xe9",
    b" ",
]


@pytest.fixture
def namespace(tmp_path: Path) -> tuple[HostKernel, Path]:
    """A host kernel with an empty binfmt_misc, and the directory to work in."""
    launch = compile_c("launch", tmp_path)
    compile_c("showargs", tmp_path, "-static", "-nostdlib", "-fno-stack-protector")
    if shutil.which("unshare") is None:
        pytest.skip("unshare(1) is missing")
    probe = subprocess.run(
        [*UNSHARE[:-1], UNSHARE[-1].replace('exec "$0"', "true")], check=False, capture_output=True
    )
    if probe.returncode:
        reason = probe.stderr.decode().strip().splitlines()
        pytest.skip(f"no binfmt_misc in a user namespace here: {reason[-1] if reason else '?'}")
    directory = tmp_path / "w"
    directory.mkdir()
    (tmp_path / "showargs").rename(directory / "I")
    return HostKernel(launch, directory, UNSHARE), directory


class Rules:
    """Random register strings, most of them right."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.interpreter = os.fsencode(directory) + b"/I"

    def rule(self, number: int) -> bytes:
        pick, chance = self.random.choice, self.random.random
        name = b"r%d" % number if chance() < 0.9 else pick([b"", b".", b"..", b"a/b", b"n" * 256])
        kind = pick([b"M", b"M", b"E"]) if chance() < 0.95 else pick([b"", b"m", b"ME", b"X"])
        offset = (
            b""
            if chance() < 0.5
            else pick(
                [b"0", b"1", b"4", b"+3", b"-0", b"-1", b"255", b"256", b"0x1", b" 1", b"1\n", b"x"]
            )
        )
        magic = b"".join(pick(BYTES) for _ in range(self.random.randrange(0, 5)))
        if kind == b"E":
            magic = pick([b"x", b"y", b"z", b"a/b", b"", b".x", b"X", b"x\0"])
        mask = (
            b"" if chance() < 0.6 else pick([b"\\xff", b"\\x00\\xff", b"\\xf0", b"A", b"\\xff" * 4])
        )
        interpreter = (
            self.interpreter
            if chance() < 0.85
            else pick([b"", b"/nonexistent", b"I", b"/tmp", self.interpreter + b"/x"])
        )
        flags = b"".join(pick([b"P", b"O", b"C", b"F"]) for _ in range(self.random.randrange(0, 3)))
        if chance() < 0.1:
            flags += pick([b"\n", b"\n\n", b"X", b":", b" ", b"p"])
        delimiter = (
            b":" if chance() < 0.8 else pick([b",", b"|", b" ", b"\0", b"E", b"4", b"P", b"\n"])
        )
        text = delimiter + delimiter.join([name, kind, offset, magic, mask, interpreter, flags])
        return text[: self.random.randrange(len(text))] if chance() < 0.03 else text


def test_rules_as_the_host(
    namespace: tuple[HostKernel, Path], request: pytest.FixtureRequest
) -> None:
    kernel, directory = namespace
    rules = Rules(directory, SEED)
    place = DryRun(cwd=os.fsencode(directory))
    count = 20_000 if request.config.getoption("--long") else 1_000
    accepted = 0
    with kernel as host:
        for number in range(count):
            text = rules.rule(number)
            answer = host.ask(b"w", MOUNT + b"/register", text)
            try:
                place.register(text)
                got = None
            except KernelError as error:
                got = error.errno.name
            assert got == answer.errno, (SEED, number, text)
            if got is None:
                accepted += 1
                entry = place.misc.entries[0]
                shown = host.ask(b"r", MOUNT + b"/" + entry.rule.name)
                assert entry.read() == shown.data, (SEED, number, text)
            if number % 20 == 19:
                compare_execs(host, place, directory, rules.random, number)
                host.ask(b"w", MOUNT + b"/status", b"-1")
                place.misc.write_status(b"-1")
    assert count // 6 < accepted < count - count // 10


def compare_execs(
    host: HostKernel, place: DryRun, directory: Path, chance: random.Random, number: int
) -> None:
    """Ten random files under the rules that are there now."""
    for i in range(10):
        suffix = chance.choice(["", ".x", ".y", ".X", ".x.z", "."])
        path = directory / f"f{number}.{i}{suffix}"
        content = bytes(chance.choice(b"AB\0\xff/\\ ") for _ in range(chance.randrange(8)))
        if chance.random() < 0.2:
            content = b"#!" + os.fsencode(directory) + b"/I arg\n"
        path.write_bytes(content)
        path.chmod(0o755)
        name = os.fsencode(path)
        answer = host.execve(name, [b"A", b"B"])
        verdict = place.execve(name, [b"A", b"B"])
        got = verdict.error.errno.name if verdict.error else None
        rules = [entry.rule for entry in place.misc.entries]
        assert got == answer.errno, (SEED, number, name, content, rules)
        if got is None:
            told = (verdict.at_flags, verdict.execfd, verdict.execfn, verdict.comm, verdict.argv)
            assert told == answer.told(), (SEED, number, content, rules)
        path.unlink()


def test_the_live_rules_count(tmp_path: Path) -> None:
    """`list` shows what the kernel has, and `shebang` answers with it."""
    if shutil.which("unshare") is None:
        pytest.skip("unshare(1) is missing")
    file = tmp_path / "a.zz"
    file.write_text("zz")
    file.chmod(0o755)
    youcpu = f"{sys.executable} -m youcpu"
    script = (
        f"mount -t binfmt_misc none {MOUNT.decode()} || exit 77\n"
        f"echo ':zz:M:1:z::/bin/echo:P' > {MOUNT.decode()}/register\n"
        f"echo ':off:E::off::/bin/echo:' > {MOUNT.decode()}/register\n"
        f"echo 0 > {MOUNT.decode()}/off\n"
        f"{youcpu} binfmt-misc list --json\n{youcpu} shebang --json {file} x\n{file} x"
    )
    result = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", script],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    if result.returncode == 77 or b"unshare" in result.stderr:
        pytest.skip(f"not allowed here: {result.stderr.decode().strip()}")
    decoder = json.JSONDecoder()
    text = result.stdout.decode()
    listed, end = decoder.raw_decode(text)
    verdict, end = decoder.raw_decode(text, end + 1)
    rules = {rule["name"]: rule for rule in listed["rules"] if rule["state"] != "configured"}
    assert (rules["zz"]["state"], rules["off"]["state"]) == ("enabled", "disabled")
    assert (rules["zz"]["magic"], rules["zz"]["offset"], rules["zz"]["flags"]) == ("7a", 1, "P")
    assert verdict["chain"][0]["rule"] == "zz"
    # What echo got is what it prints, but for its own name.
    assert " ".join(verdict["argv"][1:]) == f"{file} {file} x"
    assert text[end:].strip() == f"{file} {file} x"
