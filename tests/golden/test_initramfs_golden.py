"""`youcpu initramfs`: exact text and JSON, the schema."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "initramfs"
SCHEMA = json.loads((ROOT / "docs/schema/initramfs.json").read_text())


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "youcpu", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small root of every kind of file that an ordinary user can make."""
    root = tmp_path_factory.mktemp("initramfs") / "root"
    (root / "bin").mkdir(parents=True)
    (root / "empty").mkdir(mode=0o1777)
    (root / "empty").chmod(0o1777)
    (root / "bin/tool").write_bytes(b"#!/bin/sh\necho tool\n")
    (root / "bin/tool").chmod(0o755)
    (root / "bin/alias").hardlink_to(root / "bin/tool")
    (root / "init").symlink_to("bin/tool")
    (root / "na\nme").write_bytes(b"x")
    (root / "na\nme").chmod(0o600)
    (root / "bin").chmod(0o755)
    root.chmod(0o755)
    os.mkfifo(root / "pipe", 0o644)
    (root / "pipe").chmod(0o644)
    return root


def compare(name: str, text: str, request: pytest.FixtureRequest) -> None:
    path = GOLDEN / name
    if request.config.getoption("--update-golden"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize("kind", ["gzip", "xz", "none", "zstd"])
def test_listing(kind: str, tree: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    output = tmp_path / "out"
    packed = run("initramfs", "--json", "-o", str(output), "--compress", kind, str(tree))
    assert (packed.returncode, packed.stderr) == (0, "")
    document = json.loads(packed.stdout)
    jsonschema.validate(document, SCHEMA)
    assert document["size"] == output.stat().st_size
    listed = run("initramfs", "--list", str(output))
    compare("listing.txt", listed.stdout, request)
    told = json.loads(run("initramfs", "--json", "--list", str(output)).stdout)
    jsonschema.validate(told, SCHEMA)
    assert told["parts"][0]["entries"] == document["entries"]
    assert told["parts"][0]["compression"] == kind
    again = tmp_path / "again"
    run("initramfs", "-o", str(again), "--compress", kind, str(tree))
    assert again.read_bytes() == output.read_bytes()


def test_json(tree: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    output = str(tmp_path / "out")
    run("initramfs", "-o", output, "--compress", "none", str(tree))
    text = run("initramfs", "--json", "--list", output).stdout
    compare("listing.json", text.replace(output, "out"), request)
