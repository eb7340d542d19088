"""Bytes of any kind through the exec path: an errno or an answer, never another exception.

Random and mutated first lines, rules and ELF headers; the doctor says something of each.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from youcpu.commands._exec.document import full_document
from youcpu.dry_run import DryRun
from youcpu.formats.binfmt_conf import parse_binfmt_d, parse_debian_binfmt, parse_entry_file
from youcpu.formats.binfmt_rule import RuleError, parse_rule
from youcpu.formats.shebang import parse_shebang
from youcpu.render.binfmt import comparison, fields, refusal
from youcpu.render.exec_story import one_line, story
from youcpu.render.shebang import classes, draw_buffer

SEED = 4711
PIECES = (
    b"#!",
    b"/bin/sh",
    b" ",
    b"\t",
    b"\n",
    b"\r",
    b"\0",
    b"\xff",
    b"\x7fELF",
    b"MZ",
    b"a" * 120,
)
RULE_PIECES = (
    b":",
    b"M",
    b"E",
    b"\\x",
    b"41",
    b"/bin/sh",
    b"PO",
    b"\n",
    b"\0",
    b"name",
    b"-1",
    b"",
)


def rounds(request: pytest.FixtureRequest, few: int) -> int:
    return few * 50 if request.config.getoption("--long") else few


def test_first_lines(request: pytest.FixtureRequest) -> None:
    chance = random.Random(SEED)
    for _ in range(rounds(request, 3000)):
        content = b"#!" * chance.randrange(2) + b"".join(
            chance.choice(PIECES) for _ in range(chance.randrange(12))
        )
        line = parse_shebang(content)
        assert len(classes(line, len(content))) == 256
        assert draw_buffer(line, len(content))
        assert len(line.interpreter) <= 253


def test_rules(request: pytest.FixtureRequest) -> None:
    chance = random.Random(SEED)
    for _ in range(rounds(request, 5000)):
        text = b":n:M:0:A:" * chance.randrange(2) + b"".join(
            chance.choice(RULE_PIECES) for _ in range(chance.randrange(16))
        )
        try:
            rule = parse_rule(text)
        except RuleError as error:
            refusal(text, error)
            continue
        again = parse_entry_file(rule.name, rule.entry_file())
        assert fields(rule)
        assert comparison(rule, b"a.x", bytes(256))
        if again is not None and b"\n" not in rule.interpreter + rule.magic * (rule.kind == "E"):
            assert parse_rule(again[0]).entry_file() == rule.entry_file()


def test_configuration_files(request: pytest.FixtureRequest) -> None:
    chance = random.Random(SEED)
    for _ in range(rounds(request, 2000)):
        content = b"\n".join(
            chance.choice((b"magic", b"extension", b"", b"yes", b"#x", chance.randbytes(9)))
            for _ in range(chance.randrange(12))
        )
        assert all(found.text for found in parse_binfmt_d(content))
        parse_debian_binfmt(b"name", content)
        parse_entry_file(b"name", content)


def test_files(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Whole execs of mutated files, and what is told of them."""
    chance = random.Random(SEED)
    place = DryRun(os.fsencode(tmp_path))
    base = Path(__file__).parents[2] / "fixtures/exec/root/home"
    seeds = [path.read_bytes() for path in sorted(base.iterdir()) if path.is_file()]
    for number in range(rounds(request, 400)):
        content = bytearray(chance.choice(seeds))
        for _ in range(chance.randrange(6)):
            if content:
                content[chance.randrange(len(content))] = chance.choice(b"\0\n #!/\xff\x01\x7f")
        name = f"/f{number}"
        path = tmp_path / name[1:]
        path.write_bytes(content)
        path.chmod(0o755)
        verdict = place.execve(name.encode(), [b"a"])
        document = full_document({}, place, name.encode(), verdict)
        assert (document["fault"] is None) == (verdict.error is None)
        assert one_line(document)
        assert story(document, [(r.path, r.buffer, r.size) for r in verdict.rounds])
        path.unlink()
