"""binfmt_misc against what a 6.18 kernel answered: fixtures/exec/binfmt_misc_cases.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import WORKDIR, add_file, make_dry_run, open_at, run_call, same_as_sample, samples

from youcpu.dry_run import DryRun
from youcpu.kernel.errors import KernelError
from youcpu.kernel.exec.binfmt_misc import parse_command

CASES = samples("binfmt_misc_cases.json")
CONTROL = [case for case in CASES["control"] if "write" in case]
EXEC = [case for case in CASES["exec"] if "call" in case]


def register(dry_run: DryRun, text: str) -> dict[str, Any]:
    """Write a rule; the answer as the samples have it."""
    data = text.encode("latin-1")
    try:
        dry_run.register(data)
    except KernelError as error:
        return {"errno": error.errno.name, "num": int(error.errno)}
    return {"written": len(data)}


@pytest.mark.parametrize("case", CASES["registration"], ids=lambda case: case["desc"])
def test_registration(case: dict[str, Any], tree: Path) -> None:
    dry_run = make_dry_run(tree)
    if isinstance(case["write"], list):
        assert [register(dry_run, text) for text in case["write"]] == case["result"]
        return
    assert register(dry_run, case["write"]) == case["result"]
    names = [entry.rule.name.decode("latin-1") for entry in dry_run.misc.entries]
    assert names == case["entries"]
    if names:
        assert dry_run.misc.entries[0].read().decode("latin-1") == case["entry_file"]


def test_control_in_order(tree: Path) -> None:
    """Each write starts where the last one ended; a rule that was dropped is made anew."""
    dry_run = make_dry_run(tree)
    misc = dry_run.misc
    for case in CONTROL:
        if misc.find(b"k") is None:
            assert register(dry_run, f":k:E::x::{WORKDIR}/I:") == {"written": 32}
        text = case["write"].encode("latin-1")
        entry = misc.find(b"k")
        assert entry is not None
        try:
            if case["file"] == "status":
                misc.write_status(text)
            else:
                misc.write_entry(entry, text)
            result: dict[str, Any] = {"written": len(text)}
        except KernelError as error:
            result = {"errno": error.errno.name, "num": int(error.errno)}
        assert result == case["result"], case["desc"]
        assert misc.read_status().decode() == case["status_after"], case["desc"]
        entry = misc.find(b"k")
        after = entry.read().decode("latin-1") if entry else {"errno": "ENOENT"}
        assert after == case["entry_after"], case["desc"]


def test_four_bytes_are_too_many_for_a_command() -> None:
    with pytest.raises(KernelError, match="EINVAL"):
        parse_command(b"-1\n\n")


@pytest.mark.parametrize("case", EXEC, ids=lambda case: f"{case['id']}-{case['desc'][:40]}")
def test_exec(case: dict[str, Any], tree: Path) -> None:
    for spec in case["files"]:
        add_file(tree, spec)
    if "copy.elfx" in case["call"]["path"]:
        add_file(tree, {"path": case["call"]["path"], "elf": "showargs"})
    call = case["call"]
    dry_run = make_dry_run(tree, cwd=call.get("cwd"))
    assert [register(dry_run, text) for text in case["register"]] == case["register_result"]
    for name, command in case.get("entry_writes", []):
        entry = dry_run.misc.find(name.encode())
        assert entry is not None
        dry_run.misc.write_entry(entry, command.encode())
    if "fd 77" in call.get("atdesc", ""):
        open_at(dry_run, case["files"][-1]["path"], cloexec="CLOEXEC" in call["atdesc"])
    verdict = run_call(dry_run, call, [b"E=1"])
    same_as_sample(verdict, case["result"])


def test_f_holds_the_interpreter(tree: Path) -> None:
    """Samples 51 and 52: it survives unlink, and nobody may write to it."""
    from youcpu.abi.errno import Errno
    from youcpu.abi.fcntl import AT_FDCWD, O_WRONLY
    from youcpu.kernel.vfs.open import do_open

    add_file(tree, {"path": f"{WORKDIR}/Itmp", "elf": "showargs"})
    add_file(tree, {"path": f"{WORKDIR}/m.x", "content": "zzz"})
    dry_run = make_dry_run(tree)
    assert "written" in register(dry_run, f":e:E::x::{WORKDIR}/Itmp:F")
    name = f"{WORKDIR}/Itmp".encode()
    with pytest.raises(KernelError) as caught:
        do_open(dry_run.task, AT_FDCWD, name, O_WRONLY)
    assert caught.value.errno is Errno.ETXTBSY
    (tree / name.decode().lstrip("/")).unlink()
    verdict = dry_run.execve(f"{WORKDIR}/m.x".encode(), [b"A", b"B"])
    assert verdict.outcome == "exec"
    assert verdict.argv == [name, f"{WORKDIR}/m.x".encode(), b"B"]
    entry = dry_run.misc.find(b"e")
    assert entry is not None
    dry_run.misc.remove(entry)
    do_open(dry_run.task, AT_FDCWD, f"{WORKDIR}/m.x".encode(), O_WRONLY)
