"""The search loop against what a 6.18 kernel answered: fixtures/exec/shebang_cases.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import WORKDIR, add_file, make_dry_run, open_at, run_call, same_as_sample, samples

from youcpu.abi.fcntl import AT_FDCWD, O_WRONLY
from youcpu.kernel.vfs.open import do_open

CASES = samples("shebang_cases.json")["cases"]


def prepare_descriptors(dry_run: Any, case: dict[str, Any]) -> None:
    """What the sample's words say about fd 77 and about writers."""
    call = case["call"]
    at = call.get("at", "")
    if "/proc/self/fd/77" in call["path"]:
        open_at(dry_run, f"{WORKDIR}/s", cloexec=True)
    if "ETXTBSY" in case["desc"]:
        do_open(dry_run.task, AT_FDCWD, call["path"].encode(), O_WRONLY)
    if "fd 77" not in at:
        return
    if "open(W" in at or f"open({WORKDIR}" in at:
        path = WORKDIR
    elif "open(I" in at:
        path = f"{WORKDIR}/I"
    else:
        path = case["files"][-1]["path"] if len(case["files"]) < 3 else case["files"][1]["path"]
    open_at(dry_run, path, cloexec="CLOEXEC" in at)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['id']}-{case['desc'][:40]}")
def test_as_the_kernel(case: dict[str, Any], tree: Path) -> None:
    for spec in case["files"]:
        add_file(tree, spec)
    call = case["call"]
    dry_run = make_dry_run(tree, call.get("uid", 0), call.get("cwd"))
    prepare_descriptors(dry_run, case)
    verdict = run_call(dry_run, call, [value.encode() for value in call["envp"]])
    same_as_sample(verdict, case["result"])
