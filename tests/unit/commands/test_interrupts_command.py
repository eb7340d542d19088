"""`youcpu interrupts` and `youcpu rings`: what is refused, and the documents by their schemas."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from youcpu.cli import main
from youcpu.interrupt_lab.programs import PROGRAMS

ROOT = Path(__file__).parents[3]
SCHEMAS = {
    name: Draft202012Validator(json.loads((ROOT / f"docs/schema/{name}.json").read_text()))
    for name in ("interrupts", "rings")
}
L4 = str(ROOT / "fixtures/paging/l4-80m/tables.elf.xz")


@pytest.mark.parametrize(
    "arguments",
    [
        ["interrupts"],
        ["interrupts", "--lab", "--table", "tss", "--table", "msr"],
        ["interrupts", "--vector", "14"],
        ["interrupts", "--dump", L4],
        ["interrupts", "--list"],
        ["interrupts", "--compare", "doors"],
        ["interrupts", "--compare", "doors", "--vendor", "amd"],
        *(["interrupts", "--run", name] for name in PROGRAMS),
        ["rings"],
        ["rings", "--vendor", "amd"],
    ],
)
def test_documents(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments, "--json"]) == 0
    SCHEMAS[arguments[0]].validate(json.loads(capsys.readouterr().out))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["interrupts", "--run", "pagefault"], "did you mean page-fault?"),
        (["interrupts", "--run", "zzz"], "--list tells what there is"),
        (["interrupts", "--run", "int80", "--table", "idt"], "not with --run"),
        (["interrupts", "--run", "int80", "--compare", "doors"], "ask for one of them"),
        (["interrupts", "--run", "int80", "--json", "--svg", "-"], "ask for one of them"),
        (["interrupts", "--run", "int80", "--vendor", "via"], "none of intel, amd"),
        (["interrupts", "--compare", "windows"], "none of doors"),
        (["interrupts", "--table", "ldt"], "none of idt, gdt, tss, msr"),
        (["interrupts", "--vector", "256"], "not a number from 0 to 255"),
        (["interrupts", "--vector", "3", "--table", "idt"], "ask for one of them"),
        (["interrupts", "--lab", "--dump", L4], "one source"),
        (["interrupts", "--cpu", "1"], "wants --dump"),
        (["interrupts", "--symbols", "System.map"], "wants --dump"),
        (["interrupts", "--svg", "-"], "wants --run"),
        (["interrupts", "--explain"], "wants --run"),
        (["interrupts", "--vendor", "amd"], "wants --run or --compare"),
        (["interrupts", "int80"], "unexpected operand"),
        (["interrupts", "--colour", "always"], "did you mean --color?"),
        (["rings", "cly"], "did you mean cli?"),
        (["rings", "--vendor", "via"], "none of intel, amd"),
    ],
)
def test_wrong_usage(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err
    assert printed.err.startswith(f"youcpu {arguments[0]}: ")


def test_dumps_that_do_not_tell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = tmp_path / "raw"
    raw.write_bytes(bytes(4096))
    for arguments, said in (
        (["--dump", str(raw)], "without CPU notes"),
        (["--dump", str(tmp_path / "none")], "No such file"),
        (["--dump", L4, "--cpu", "7"], "no CPU 7"),
        (["--dump", L4, "--symbols", str(raw)], f"{raw}: "),
        (["--dump", L4, "--symbols", str(tmp_path / "none")], "No such file"),
    ):
        assert main(["interrupts", *arguments]) == 1
        printed = capsys.readouterr()
        assert printed.out == ""
        assert said in printed.err


def test_a_picture_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import xml.etree.ElementTree as ElementTree

    target = tmp_path / "run.svg"
    for name in ("triple-fault", "sysenter", "keyboard"):
        assert main(["interrupts", "--run", name, "--svg", str(target)]) == 0
        texts = "".join(ElementTree.parse(target).getroot().itertext())
        assert name in texts
        assert "ring 3" in texts
    assert main(["interrupts", "--run", "int80", "--svg", str(tmp_path / "no" / "where")]) == 1
    assert "No such file" in capsys.readouterr().err


def test_what_the_two_vendors_do(capsys: pytest.CaptureFixture[str]) -> None:
    ends = {}
    for vendor in ("intel", "amd"):
        main(["interrupts", "--run", "sysenter", "--vendor", vendor, "--json"])
        ends[vendor] = json.loads(capsys.readouterr().out)["end"]
    assert ends == {"intel": "returned", "amd": "signalled"}


def test_the_programs_list_is_what_is_played(capsys: pytest.CaptureFixture[str]) -> None:
    main(["interrupts", "--list", "--json"])
    names = [row["name"] for row in json.loads(capsys.readouterr().out)["runs"]]
    assert names == list(PROGRAMS)
    assert main(["interrupts", "--run", "--json"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)["runs"]] == names
    assert main(["interrupts", "--run"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == names
