"""formats/binfmt_rule against the strings that a 6.18 kernel took or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from youcpu.formats.binfmt_rule import RuleError, parse_rule, unescape_hex

CASES = json.loads((Path(__file__).parents[3] / "fixtures/exec/binfmt_misc_cases.json").read_text())
#: Refused by what parse_rule does not know: files, and names that exist.
LATER = {"EEXIST", "EACCES", "ENAMETOOLONG", "ENOENT"}
STRINGS = [case for case in CASES["registration"] if isinstance(case["write"], str)]


@pytest.mark.parametrize("case", STRINGS, ids=lambda case: case["desc"])
def test_as_the_kernel(case: dict[str, Any]) -> None:
    text = case["write"].encode("latin-1")
    if case["result"].get("errno") == "EINVAL":
        with pytest.raises(RuleError):
            parse_rule(text)
        return
    rule = parse_rule(text)
    if case["result"].get("errno") in LATER:
        return
    assert rule.entry_file().decode("latin-1") == case["entry_file"]
    assert rule.name.decode("latin-1") == case["entries"][0]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (b":a:E::x::i", "length"),
        (b":" * 1921, "length"),
        (b"::E::x::/bin/true:", "name"),
        (b":a/b:E::x::/bin/true:", "name"),
        (b":a:Q::x::/bin/true:", "type"),
        (b":a:EE::x::/bin/true:", "type"),
        (b":a:M:0x1:x::/bin/true:", "offset"),
        (b":a:M:2147483648:x::/bin/true:", "offset"),
        (b":a:M:::/bin/true::::", "magic"),
        (b":a:M::\\xg0::/bin/true:", "magic"),
        (b":a:M::ab:c:/bin/true:", "mask"),
        (b":a:E::x::::::::", "interpreter"),
        (b":a:E::x::/bin/true:Z", "flags"),
        (b":a:E::x::/bin/true", "end"),
        # A flag as the delimiter, with and without a newline: seen on 6.18.
        (b"PaPEPPxPP/bin/trueP", "delimiter"),
        (b"FaFEFFxFF/bin/trueFO\n", "delimiter"),
        (b"\na\nE\n\nx\n\n/bin/true\n", "end"),
    ],
)
def test_which_field_is_wrong(text: bytes, field: str) -> None:
    with pytest.raises(RuleError) as caught:
        parse_rule(text)
    assert caught.value.field == field


def test_offset_may_end_in_a_newline() -> None:
    assert parse_rule(b":a:M:5\n:x::/bin/true:").offset == 5


def test_delimiter_that_is_a_hexadecimal_digit() -> None:
    # scanarg() does not look for the delimiter within the two digits of \x.
    assert parse_rule(b"4a4M44\\x4144/bin/true4").magic == b"A"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (rb"\x41\x00B", b"A\0B"),
        (rb"\\x41", rb"\\x41"),
        (b"A\\", b"A\\"),
        (rb"\q\n", rb"\q\n"),
        (b"A\0B", b"A"),
    ],
)
def test_only_hexadecimal_escapes(field: bytes, value: bytes) -> None:
    assert unescape_hex(field) == value


def test_match_looks_at_masked_bits_only() -> None:
    rule = parse_rule(rb":m:M:1:\x40\x00:\xfe\x00:/bin/true:")
    assert rule.matches(b"x", b"?A?".ljust(256, b"\0"))
    assert not rule.matches(b"x", b"?B?".ljust(256, b"\0"))


def test_extension_is_what_follows_the_last_dot() -> None:
    rule = parse_rule(b":e:E::gz::/bin/true:")
    empty = bytes(256)
    assert rule.matches(b"a.tar.gz", empty)
    assert not rule.matches(b"a.GZ", empty)
    assert not rule.matches(b"gz", empty)
