"""Exact output of `youcpu shebang` and `youcpu binfmt-misc`, and their schemas.

All files lie in fixtures/exec/root (made by fixtures/exec/make_root.py), which is the root
of the lookups. `--update-golden` writes the golden files anew.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "exec"
TREE = "fixtures/exec/root"
AARCH64 = f"{TREE}/usr/lib/binfmt.d/qemu-aarch64.conf"

#: name: (exit code, command line)
CASES: dict[str, tuple[int, tuple[str, ...]]] = {
    "shebang-tool": (0, ("shebang", "--root", TREE, "/home/tool", "a b", "c")),
    "shebang-argv0": (0, ("shebang", "--root", TREE, "--argv0", "x", "/bin/sh", "y")),
    "shebang-chain": (0, ("shebang", "--root", TREE, "/home/chain5")),
    "shebang-depth": (1, ("shebang", "--root", TREE, "/home/chain2")),
    "shebang-dos": (1, ("shebang", "--root", TREE, "/home/dos")),
    "shebang-cut": (1, ("shebang", "--root", TREE, "/home/cut")),
    "shebang-long-argument": (0, ("shebang", "--root", TREE, "/home/long-argument")),
    "shebang-env": (0, ("shebang", "--root", TREE, "/home/env")),
    "shebang-plain": (1, ("shebang", "--root", TREE, "/home/plain")),
    "shebang-windows": (1, ("shebang", "--root", TREE, "/home/windows.exe")),
    "shebang-arm": (1, ("shebang", "--root", TREE, "/home/arm")),
    "shebang-json": (0, ("shebang", "--root", TREE, "--json", "/home/tool", "a")),
    "shebang-json-fault": (1, ("shebang", "--root", TREE, "--json", "/home/musl")),
    "shebang-json-shell": (1, ("shebang", "--root", TREE, "--json", "/home/bom")),
    "shebang-binfmt": (
        0,
        ("shebang", "--root", TREE, "--binfmt", ":w:M::MZ::/bin/sh:P", "/home/windows.exe", "a"),
    ),
    "shebang-files": (
        1,
        (
            "shebang",
            "--root",
            TREE,
            "--files",
            "/home/tool",
            "/home/bom",
            "/home/self",
            "/home/nix",
            "/home/loop",
            "/home/dangling",
            "/home/bare",
            "/home/python",
            "/home/not-executable",
        ),
    ),
    "binfmt-check": (
        1,
        (
            "binfmt-misc",
            "check",
            "--root",
            TREE,
            ":e:E::exe::/bin/sh:FP",
            ":e:E::x::/bin/sh:",
            ":m:M:0x4:MZ::/bin/sh:",
            r":m:M::MZ:\xff:/bin/sh:",
            ":m:E::x::/bin/sh:Q",
            ":m:E::x::/no:F",
        ),
    ),
    "binfmt-check-json": (
        0,
        ("binfmt-misc", "check", "--json", "--root", TREE, ":e:E::x::/bin/sh:C"),
    ),
    "binfmt-check-json-refused": (1, ("binfmt-misc", "check", "--json", ":e:M::::/bin/sh::")),
    "binfmt-explain": (0, ("binfmt-misc", "explain", "--rules", AARCH64)),
    "binfmt-explain-json": (0, ("binfmt-misc", "explain", "--json", "--rules", AARCH64)),
    "binfmt-match": (
        0,
        (
            "binfmt-misc",
            "match",
            "--root",
            TREE,
            "--rule",
            r":w:M:1:Z\x90:\xff\xf0:/bin/sh:P",
            "--rule",
            ":j:E::class::/bin/sh:",
            "/home/windows.exe",
            "a",
        ),
    ),
    "binfmt-match-none": (
        1,
        (
            "binfmt-misc",
            "match",
            "--root",
            TREE,
            "--rule",
            ":w:M::MX::/bin/sh:",
            "/home/windows.exe",
        ),
    ),
    "binfmt-match-json": (
        0,
        (
            "binfmt-misc",
            "match",
            "--json",
            "--root",
            TREE,
            "--rule",
            ":j:E::class::/bin/sh:O",
            "/home/Main.class",
        ),
    ),
    "binfmt-list": (0, ("binfmt-misc", "list", "--rules", f"{TREE}/usr/lib/binfmt.d")),
    "binfmt-list-json": (
        0,
        ("binfmt-misc", "list", "--json", "--rules", f"{TREE}/usr/lib/binfmt.d"),
    ),
}
SCHEMAS = {"youcpu.shebang": "shebang.json", "youcpu.binfmt-misc": "binfmt-misc.json"}


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "100"}


def run(*words: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "youcpu", *words]
    return subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, check=False)


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str, pytestconfig: pytest.Config) -> None:
    code, words = CASES[name]
    result = run(*words)
    text = result.stdout.decode() + result.stderr.decode()
    path = GOLDEN / f"{name}.txt"
    if pytestconfig.getoption("--update-golden"):
        path.write_text(text)
    assert text == path.read_text()
    assert result.returncode == code


@pytest.mark.parametrize("name", [name for name in CASES if "json" in name])
def test_json_follows_its_schema(name: str) -> None:
    from jsonschema import Draft202012Validator

    document = json.loads((GOLDEN / f"{name}.txt").read_text())
    schema = json.loads((ROOT / "docs/schema" / SCHEMAS[document["schema"]]).read_text())
    Draft202012Validator.check_schema(schema)
    assert not list(Draft202012Validator(schema).iter_errors(document))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("shebang",), "which file?"),
        (("shebang", "--jsn", "x"), "did you mean --json?"),
        (("shebang", "--argv0"), "--argv0 wants NAME"),
        (("shebang", "--json=1", "x"), "--json takes no value"),
        (("shebang", "--root", "/nonexistent", "x"), "/nonexistent"),
        (("shebang", "--binfmt", ":x", "y"), "EINVAL"),
        (("binfmt-misc",), "check, explain, match or list?"),
        (("binfmt-misc", "chek"), "no action 'chek'"),
        (("binfmt-misc", "check"), "check which RULE?"),
        (("binfmt-misc", "list", "x"), "list takes no operand"),
    ],
)
def test_wrong_usage(words: tuple[str, ...], message: str) -> None:
    result = run(*words)
    assert result.returncode == 2
    assert message in result.stderr.decode()
    assert not result.stdout


def test_standard_input() -> None:
    command = [sys.executable, "-m", "youcpu", "shebang", "--root", TREE, "--json", "-", "a"]
    result = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, check=False,
        input=b"#!/bin/sh -x\n",
    )  # fmt: skip
    assert result.returncode == 0
    document = json.loads(result.stdout)
    assert document["argv"] == ["/bin/sh", "-x", "/dev/fd/0", "a"]
    assert document["execfn"] == "/dev/fd/0"


def test_a_rule_from_standard_input_may_hold_anything() -> None:
    command = [sys.executable, "-m", "youcpu", "binfmt-misc", "check", "--json", "-"]
    rule = b"\0e\0E\0\0x\0\0/bin/true\0"
    result = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, check=False, input=rule
    )
    assert result.returncode == 0
    assert json.loads(result.stdout)["entry_file"].startswith("enabled\ninterpreter /bin/true\n")


@pytest.mark.parametrize("words", [("shebang", "/bin/sh"), ("binfmt-misc", "list")])
def test_nothing_heavy_is_imported(words: tuple[str, ...]) -> None:
    """Start-up: neither the CPU's library nor those of the file formats, nor typer."""
    code = (
        "import sys\nfrom youcpu.cli import main\nmain(sys.argv[1:])\n"
        "heavy = {'unicorn', 'lief', 'capstone', 'elftools', 'typer', 'dataclasses', 'argparse'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, *words]
    result = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, check=False)
    assert result.stderr.decode().strip() == ""
