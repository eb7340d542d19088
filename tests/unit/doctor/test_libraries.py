"""A library that is not found: the doctor's answer against what the host's own ld.so says."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from youcpu.doctor.libraries import missing_library
from youcpu.dry_run import DryRun


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """main needs libone.so, which needs libtwo.so; nobody is told where they are."""
    if shutil.which("gcc") is None or os.uname().machine != "x86_64":
        pytest.skip("needs gcc for x86-64")
    (tmp_path / "two.c").write_text("int two(void) { return 2; }\n")
    (tmp_path / "one.c").write_text("int two(void); int one(void) { return two(); }\n")
    (tmp_path / "main.c").write_text("int one(void); int main(void) { return one() != 2; }\n")

    def gcc(*words: str) -> None:
        subprocess.run(["gcc", *words], cwd=tmp_path, check=True, capture_output=True)

    gcc("-shared", "-fPIC", "-o", "libtwo.so", "two.c")
    gcc("-shared", "-fPIC", "-o", "libone.so", "one.c", "-L.", "-ltwo")
    gcc("-o", "plain", "main.c", "-L.", "-lone", "-Wl,-rpath-link,.")
    gcc(
        "-o",
        "origin",
        "main.c",
        "-L.",
        "-lone",
        "-Wl,-rpath-link,.",
        "-Wl,--enable-new-dtags,-rpath,$ORIGIN",
    )
    gcc(
        "-o",
        "older",
        "main.c",
        "-L.",
        "-lone",
        "-Wl,-rpath-link,.",
        "-Wl,--disable-new-dtags,-rpath,$ORIGIN",
    )
    return tmp_path


def complaint(path: Path, **environment: str) -> str:
    """What the real loader says; empty where the program runs."""
    result = subprocess.run([str(path)], capture_output=True, check=False, env=environment)
    return "" if result.returncode == 0 else result.stderr.decode()


@pytest.mark.parametrize("name", ["plain", "origin", "older"])
@pytest.mark.parametrize("told", [False, True])
def test_as_the_loader(name: str, told: bool, built: Path) -> None:
    environment = {"LD_LIBRARY_PATH": str(built)} if told else {}
    real = complaint(built / name, **environment)
    place = DryRun()
    path = os.fsencode(built / name)
    verdict = place.execve(path, [b"a"])
    envp = [f"{key}={value}".encode() for key, value in environment.items()]
    found = missing_library(place.task, verdict, envp)
    if found is None:
        assert real == ""
        return
    assert f"{found.path.decode()}: cannot open shared object file" in real
    assert found.mend


def test_where_it_looked(built: Path) -> None:
    place = DryRun()
    verdict = place.execve(os.fsencode(built / "plain"), [b"a"])
    found = missing_library(place.task, verdict, [b"LD_LIBRARY_PATH=/nowhere/at/all"])
    assert found is not None
    assert found.path == b"libone.so"
    assert "'/nowhere/at/all' (LD_LIBRARY_PATH)" in found.reason
    assert "'/usr/lib' (default directory)" in found.reason
    assert "ld.so.cache' (no entry)" in found.reason
    assert "apt-file search libone.so" in found.mend


def test_static_programs_need_nothing(built: Path) -> None:
    place = DryRun()
    elf = bytes.fromhex(
        "7f454c4602010100000000000000000002003e00010000007800400000000000400000000000000000000000"
        "00000000000000004000380001004000000000000100000005000000000000000000000000004000000000000000"
        "400000000000840000000000000084000000000000000010000000000000bf2a000000b83c0000000f05"
    )
    path = built / "static"
    path.write_bytes(elf)
    path.chmod(0o755)
    verdict = place.execve(os.fsencode(path), [b"a"])
    assert verdict.outcome == "exec"
    assert missing_library(place.task, verdict, []) is None
