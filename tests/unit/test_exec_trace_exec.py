"""The exec path through `youcpu exec-trace`: --binfmt, --explain, the doctor when exec fails."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from running import Run


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """A script, one with DOS line ends, and a file that only a rule can run."""
    for name, content in (
        ("tool", "#!/bin/echo -n\n"),
        ("dos", "#!/bin/sh\r\n"),
        ("a.zz", "zz"),
    ):
        (tmp_path / name).write_text(content, newline="")
        (tmp_path / name).chmod(0o755)
    if os.uname().machine != "x86_64" or not os.path.exists("/bin/echo"):
        pytest.skip("needs an x86-64 Linux host with /bin/echo")
    return tmp_path


def test_script(scripts: Path, youcpu: Run) -> None:
    result = youcpu("exec-trace", "-q", str(scripts / "tool"), "a", "b")
    assert (result.returncode, result.stdout) == (0, f"{scripts}/tool a b".encode())


def test_rule(scripts: Path, youcpu: Run) -> None:
    rule = ":zz:E::zz::/bin/echo:P"
    result = youcpu("exec-trace", "-q", "--binfmt", rule, str(scripts / "a.zz"), "b")
    path = str(scripts / "a.zz")
    assert (result.returncode, result.stdout.decode()) == (0, f"{path} {path} b\n")


def test_refused_rule(scripts: Path, youcpu: Run) -> None:
    result = youcpu("exec-trace", "-q", "--binfmt", ":zz:", "/bin/echo")
    assert result.returncode == 125
    assert b"--binfmt :zz:: EINVAL" in result.stderr


def test_files_of_the_instance(scripts: Path, youcpu: Run) -> None:
    """What a program reads below /proc/sys/fs/binfmt_misc."""
    rule = rb":zz:M:1:\x00z:\xff\x0f:/bin/echo:O"
    place = "/proc/sys/fs/binfmt_misc"
    result = youcpu(
        "exec-trace",
        "-q",
        "--binfmt",
        os.fsdecode(rule),
        "/bin/cat",
        f"{place}/status",
        f"{place}/zz",
    )
    assert result.stdout.decode() == (
        "enabled\nenabled\ninterpreter /bin/echo\nflags: O\noffset 1\nmagic 007a\nmask ff0f\n"
    )


def test_a_program_registers_a_rule(scripts: Path, youcpu: Run) -> None:
    """The write and the exec that it leads to, in one process: dash's own echo, then exec."""
    place = "/proc/sys/fs/binfmt_misc"
    script = f"echo ':zz:E::zz::/bin/echo:' > {place}/register && exec ./a.zz b"
    result = youcpu("exec-trace", "-q", "/bin/sh", "-c", script, cwd=scripts, env=environment())
    assert (result.returncode, result.stdout) == (0, b"./a.zz b\n"), result.stderr


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


def test_the_doctor_comes_by_itself(scripts: Path, youcpu: Run) -> None:
    result = youcpu("exec-trace", "-q", str(scripts / "dos"))
    assert result.returncode == 127
    text = result.stderr.decode()
    assert "ENOENT: No such file or directory" in text
    assert "DOS line end" in text
    assert "dos2unix" in text


def test_explain_tells_the_story_before_the_run(scripts: Path, youcpu: Run) -> None:
    result = youcpu("exec-trace", "-q", "--explain", str(scripts / "tool"), "x")
    assert result.returncode == 0
    text = result.stderr.decode()
    assert f"1. {scripts}/tool: a script" in text
    assert "2. /bin/echo: an ELF program" in text
    assert f'argv   ["/bin/echo", "-n", "{scripts}/tool", "x"]' in text
