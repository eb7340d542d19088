"""Exact output of the demonstration's boot: report, console, document, picture.

Firmware, disk, init and services are committed binaries and time is virtual: the same bytes on
every host. `--update-golden` writes the files and the picture anew.
"""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from running import Run

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "boot"
PICTURE = "docs/pictures/boot.svg"
SCHEMA = json.loads((ROOT / "docs/schema/boot.json").read_text())
CASES: dict[str, tuple[str, ...]] = {
    "report": ("-o", "-"),
    "explain": ("--explain", "-o", "-"),
    "color": ("--color", "always", "-o", "-"),
    "json": ("--json",),
    "stopped": ("--stop-at", "long", "--walk", "7c00", "--walk", "ffffffff81000000", "-o", "-"),
    "no-init": ("--init", "/no/such", "-o", "-"),
    "disk": ("--disk", "fixtures/boot/images/disks/ring3-64.img", "-o", "-"),
    "disk-text": ("--disk", "fixtures/boot/images/disks/text.img", "-o", "-"),
    "disk-fault": ("--disk", "fixtures/boot/images/broken/stack-nowhere.img", "-o", "-"),
    "disk-json": ("--disk", "fixtures/boot/images/broken/no-pae.img", "--json"),
}
FAILING = ("no-init", "disk-fault", "disk-json")


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str, youcpu: Run, pytestconfig: pytest.Config) -> None:
    done = youcpu("boot", *CASES[name], cwd=ROOT)
    assert done.returncode == int(name in FAILING)
    text = done.stdout.decode()
    path = GOLDEN / f"{name}.txt"
    if pytestconfig.getoption("--update-golden"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()
    if name.endswith("json"):
        jsonschema.validate(json.loads(text), SCHEMA)


def test_the_picture_is_the_one_in_the_documentation(
    youcpu: Run, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    youcpu("boot", "--quiet", "--svg", str(tmp_path / "boot.svg"), cwd=ROOT)
    drawn = (tmp_path / "boot.svg").read_text()
    if pytestconfig.getoption("--update-golden"):
        (ROOT / PICTURE).write_text(drawn)
    assert drawn == (ROOT / PICTURE).read_text()
