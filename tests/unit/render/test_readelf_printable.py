"""Names made fit to print, against what GNU readelf 2.40's print_symbol does."""

from __future__ import annotations

import pytest

from youcpu.render.readelf.options import Options
from youcpu.render.readelf.printable import Printer, section_name


def printer(**settings: object) -> Printer:
    options = Options()
    for name, value in settings.items():
        setattr(options, name, value)
    return Printer(options)


def test_names_are_cut_with_a_mark_unless_wide_or_silent() -> None:
    name = "a_name_of_twenty_five_chars"
    assert printer().symbol(21, name) == "a_name_of_twenty[...]"
    assert printer(mark_truncation=False).symbol(21, name) == name[:21]
    assert printer(wide=True).symbol(21, name) == name
    assert printer().symbol(-8, "abc") == "abc     "
    assert printer().symbol(0, "abc") == ""


def test_control_characters_never_reach_the_terminal() -> None:
    assert printer().symbol(21, "a\x01b\x1b[31m") == "a^Ab^[[31m"
    assert section_name("a\x02\xe4") == "a^B<E4>"


@pytest.mark.parametrize(
    ("mode", "shown"),
    [("escape", "f\\u00e9"), ("hex", "f<0xc3a9>"), ("invalid", "f{0xc3a9}"), ("default", "f\xc3")],
)
def test_unicode_by_mode(mode: str, shown: str) -> None:
    # By default GNU readelf 2.40 prints the first byte of a character, in a UTF-8 locale.
    assert printer(unicode=mode, utf8=True, wide=True).symbol(21, "f\xc3\xa9") == shown


def test_other_locales_print_every_byte() -> None:
    assert printer(wide=True).symbol(21, "f\xc3\xa9") == "f\xc3\xa9"
