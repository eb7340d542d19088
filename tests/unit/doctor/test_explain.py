"""The doctor's sentence for each errno of execve(2): the file at fault and the mend.

Every case is a real exec in a small tree; the errno comes from the search loop itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from explain_cases import CASES, ELF, Place

from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import (
    AT_EMPTY_PATH,
    AT_FDCWD,
    AT_SYMLINK_NOFOLLOW,
    O_CLOEXEC,
    O_RDONLY,
    O_WRONLY,
)
from youcpu.doctor.explain import explain
from youcpu.doctor.finding import Finding
from youcpu.dry_run import DryRun, Verdict
from youcpu.kernel.errors import KernelError
from youcpu.kernel.exec.binprm import ExecError
from youcpu.kernel.vfs.open import do_open


def finding(place: DryRun, path: bytes, verdict: Verdict) -> Finding:
    """What the doctor says; every finding has all three parts."""
    found = explain(place.task, path, verdict)
    assert found is not None
    assert found.reason
    assert found.mend
    assert not found.reason.endswith(".")
    found.notes += (verdict.error.errno.name if verdict.error else "",)
    return found


def explained(place: Place, path: bytes, uid: int = 0, **options: int) -> Finding:
    """What the doctor says of an exec in a fresh dry run."""
    dry_run = place.dry_run(uid)
    return finding(dry_run, path, dry_run.execve(path, [b"a"], [], **options))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize("name", CASES)
def test_sentence(name: str, place: Place) -> None:
    errno, setup, path, reason, mend = CASES[name]
    found = explained(place, setup(place))
    assert found.notes[-1] == errno
    if path:
        assert found.path == path
    assert reason in found.reason
    assert mend in found.mend


def test_directory_without_x_bit(place: Place) -> None:
    """EACCES on the way: the directory is at fault, not the file."""
    path = place.file("shut/tool", ELF)
    (place.root / "shut").chmod(0o644)
    found = explained(place, path, uid=65534)
    assert found.path == b"/shut"
    assert found.mend == "chmod a+x /shut"


def test_x_bit_for_others_only(place: Place) -> None:
    path = place.file("tool", ELF, 0o700)
    if os.getuid() == 65534:
        pytest.skip("the file is ours")
    found = explained(place, path, uid=65534)
    assert "not for user 65534" in found.reason
    assert found.mend.startswith("chmod a+x /tool")


def test_argument_list_too_long(place: Place) -> None:
    """E2BIG names the string, and by how much it is too long."""
    dry_run = place.dry_run()
    verdict = dry_run.execve(b"/bin/sh", [b"a", b"x" * 131072])
    found = finding(dry_run, b"/bin/sh", verdict)
    assert found.notes[-1] == "E2BIG"
    assert "argument 1 is longer than 131,071 bytes" in found.reason
    assert "xargs" in found.mend
    verdict = dry_run.execve(b"/bin/sh", [b"a"] + [b"x" * 100_000] * 21)
    found = finding(dry_run, b"/bin/sh", verdict)
    assert "more than the 2,096,976 that are left for them" in found.reason


def test_text_file_busy(place: Place) -> None:
    """ETXTBSY by a writer on the machine."""
    path = place.file("tool", ELF)
    dry_run = place.dry_run()
    do_open(dry_run.task, AT_FDCWD, path, O_WRONLY)
    found = finding(dry_run, path, dry_run.execve(path, [b"a"]))
    assert found.notes[-1] == "ETXTBSY"
    assert found.path == path
    assert "fuser -v /tool" in found.mend


def test_text_file_busy_by_a_process_of_the_host(tmp_path: Path) -> None:
    """The host's own writers are seen, and named."""
    path = tmp_path / "tool"
    path.write_bytes(ELF)
    path.chmod(0o755)
    code = f"import sys\nf = open({str(path)!r}, 'ab')\nprint('open', flush=True)\nsys.stdin.read()"
    writer = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert writer.stdout is not None
        writer.stdout.readline()
        dry_run = DryRun()
        name = os.fsencode(path)
        verdict = dry_run.execve(name, [b"a"])
        if verdict.outcome == "exec":
            pytest.skip("the host's file system gives no leases")
        found = finding(dry_run, name, verdict)
        assert found.notes[-1] == "ETXTBSY"
        assert f"process {writer.pid}" in found.reason
    finally:
        writer.communicate()


def test_noexec_mount(tmp_path: Path) -> None:
    """A file system of the host that is mounted noexec, in a namespace of our own."""
    unshare = ["unshare", "-Urm", "sh", "-c"]
    mount = f"mount -t tmpfs -o noexec,mode=755 none {tmp_path}"
    try:
        probe = subprocess.run([*unshare, mount], check=False, capture_output=True)
    except FileNotFoundError:
        pytest.skip("unshare(1) is missing")
    if probe.returncode:
        pytest.skip("mounting is not allowed here: " + probe.stderr.decode().strip())
    tool = tmp_path / "tool"
    command = f"{sys.executable} -m youcpu shebang --json {tool}"
    script = f"{mount} && printf '#!/bin/sh\\n' > {tool} && chmod +x {tool} && {command}"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    result = subprocess.run([*unshare, script], check=False, capture_output=True, env=environment)
    document = json.loads(result.stdout)
    assert document["errno"] == "EACCES"
    assert document["fault"]["path"] == str(tool)
    assert f"mounted noexec at '{tmp_path}'" in document["fault"]["reason"]
    assert f"remount,exec {tmp_path}" in document["fault"]["mend"]


def test_close_on_exec(place: Place) -> None:
    """execveat of a script by a descriptor that would be closed."""
    path = place.file("s", b"#!/bin/sh\n")
    dry_run = place.dry_run()
    file = do_open(dry_run.task, AT_FDCWD, path, O_RDONLY | O_CLOEXEC)
    dry_run.task.files.replace(9, file, True)
    verdict = dry_run.execve(b"", [b"a"], dirfd=9, flags=AT_EMPTY_PATH)
    found = finding(dry_run, b"", verdict)
    assert found.notes[-1] == "ENOENT"
    assert found.path == b"/dev/fd/9"
    assert "O_CLOEXEC" in found.mend


def test_link_not_followed(place: Place) -> None:
    found = explained(place, place.link("l", "bin/sh"), flags=AT_SYMLINK_NOFOLLOW)
    assert found.notes[-1] == "ELOOP"
    assert "AT_SYMLINK_NOFOLLOW" in found.reason


def test_bad_descriptor_and_flags(place: Place) -> None:
    dry_run = place.dry_run()
    found = finding(dry_run, b"x", dry_run.execve(b"x", [b"a"], dirfd=55))
    assert found.notes[-1] == "EBADF"
    found = finding(dry_run, b"/bin/sh", dry_run.execve(b"/bin/sh", [b"a"], flags=2))
    assert found.notes[-1] == "EINVAL"
    assert "flags 0x2" in found.reason


def test_rules_of_binfmt_misc(place: Place) -> None:
    """The rule's interpreter is at fault; a rule that is only configured is named."""
    path = place.file("a.zz", b"zz")
    dry_run = place.dry_run()
    dry_run.register(b":zz:E::zz::/usr/bin/zz-run:")
    found = finding(dry_run, path, dry_run.execve(path, [b"a"]))
    assert found.notes[-1] == "ENOENT"
    assert found.path == b"/usr"
    assert "'zz'" in found.reason
    assert "/proc/sys/fs/binfmt_misc/zz" in found.mend
    place.file("usr/lib/binfmt.d/yy.conf", b"# yy\n:yy:E::yy::/bin/sh:\n", 0o644)
    found = explained(place, place.file("a.yy", b"\0y"))
    assert "rule 'yy' (configured" in found.notes[0]
    assert "systemd-binfmt" in found.mend


def test_script_behind_a_rule_with_o(place: Place) -> None:
    place.file("run", b"#!/bin/sh\n")
    path = place.file("a.zz", b"zz")
    dry_run = place.dry_run()
    dry_run.register(b":zz:E::zz::/run:O")
    found = finding(dry_run, path, dry_run.execve(path, [b"a"]))
    assert found.notes[-1] == "ENOEXEC"
    assert "flag O" in found.reason


@pytest.mark.parametrize("errno", ["EAGAIN", "EFAULT", "ENOMEM", "EMFILE", "ENFILE", "EPERM"])
def test_errors_without_a_file(errno: str, place: Place) -> None:
    """What only a running system provokes still has a sentence and a mend."""
    dry_run = place.dry_run()
    error = KernelError(Errno[errno])
    found = finding(dry_run, b"/bin/sh", Verdict("errno", [], error))
    assert found.reason != error.errno.text


def test_killed_after_the_point_of_no_return(place: Place) -> None:
    error = ExecError(Errno.EINVAL, "loader", b"/bin/sh", "its segments cannot be mapped")
    error.fatal = True
    dry_run = place.dry_run()
    found = finding(dry_run, b"/bin/sh", Verdict("errno", [], error))
    assert "SIGSEGV" in found.reason


def test_nothing_is_wrong(place: Place) -> None:
    dry_run = place.dry_run()
    assert explain(dry_run.task, b"/bin/sh", dry_run.execve(b"/bin/sh", [b"a"])) is None
