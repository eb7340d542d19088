"""What the ELF handlers refuse, against a 6.18 kernel: fixtures/exec/elf_cases.json.

A dry run stops before the point of no return: a sample that ran, or was killed after it,
must come out as "exec"; one with an errno must have that errno.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import WORKDIR, add_file, elf_image, make_dry_run, moved, samples

CASES = samples("elf_cases.json")["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['id']}-{case['desc'][:40]}")
def test_as_the_kernel(case: dict[str, Any], tree: Path) -> None:
    mode = {"ELF mode 0111": "0o111", "ELF mode 0644": "0o644"}.get(case["desc"][:13], "0o755")
    path = f"{WORKDIR}/t.elf"
    for spec in case.get("files", []):
        add_file(tree, {**spec, "hex": moved(bytes.fromhex(spec["hex"])).hex()})
    add_file(tree, {"path": path, "hex": elf_image(case).hex(), "mode": mode})
    dry_run = make_dry_run(tree, case.get("uid", 0), WORKDIR)
    verdict = dry_run.execve(path.encode(), [b"t"])
    expected = case["result"].get("errno", "exec")
    got = verdict.error.errno.name if verdict.error else verdict.outcome
    assert got == expected
