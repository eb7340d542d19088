"""formats/shebang against the rules of fs/binfmt_script.c and what a 6.18 kernel answered."""

from __future__ import annotations

import pytest

from youcpu.formats.shebang import BINPRM_BUF_SIZE, Refusal, parse_shebang

ACCEPTED = [
    (b"#!/I\n", b"/I", None),
    (b"#! \t/I \t a  b \t\n", b"/I", b"a  b"),
    (b"#!/I", b"/I", None),
    (b"#!/I ", b"/I", b""),
    (b"#!/I a ", b"/I", b"a "),
    (b"#!/I a\r\n", b"/I", b"a\r"),
    (b"#!/I\r\n", b"/I\r", None),
    (b"#!", b"", None),
    (b"#!   ", b"", None),
    (b"#!\0\n", b"", None),
    (b"#! \0abc\n", b"", None),
    (b"#!/I\0zz\n", b"/I", None),
    (b"#!/I a\0b c\n", b"/I", b"a"),
    (b"#!/I a \0 b\n", b"/I", b"a "),
    (b"#!" + b"i" * 253 + b"\n", b"i" * 253, None),
    (b"#!" + b"i" * 253 + b" x\n", b"i" * 253, None),
    (b"#!" + b"i" * 252 + b" arg\n", b"i" * 252, None),
    (b"#!" + b"i" * 251 + b" arg\n", b"i" * 251, b"a"),
    (b"#!/I " + b"x" * 300, b"/I", b"x" * 250),
    (b"#!/I" + b" " * 251 + b"x", b"/I", None),
]
REFUSED = [
    (b"", Refusal.MAGIC),
    (b"#", Refusal.MAGIC),
    (b" #!/I\n", Refusal.MAGIC),
    (b"\xef\xbb\xbf#!/I\n", Refusal.MAGIC),
    (b"#!\n", Refusal.NO_NAME),
    (b"#! \t \n", Refusal.NO_NAME),
    (b"#!" + b" " * 254, Refusal.ALL_BLANK),
    (b"#!" + b"i" * 254, Refusal.CUT),
    (b"#!" + b"i" * 254 + b"\n", Refusal.CUT),
    (b"#!" + b"i" * 300 + b" x\n", Refusal.CUT),
]


@pytest.mark.parametrize(("head", "interpreter", "argument"), ACCEPTED)
def test_accepted(head: bytes, interpreter: bytes, argument: bytes | None) -> None:
    line = parse_shebang(head)
    assert (line.refusal, line.interpreter, line.argument) == (None, interpreter, argument)


@pytest.mark.parametrize(("head", "refusal"), REFUSED)
def test_refused(head: bytes, refusal: Refusal) -> None:
    assert parse_shebang(head).refusal is refusal


def test_positions_point_into_the_buffer() -> None:
    line = parse_shebang(b"#!  /bin/env\tx y  \nmore")
    assert len(line.buffer) == BINPRM_BUF_SIZE
    assert (line.name_span, line.argument_span) == ((4, 12), (13, 16))
    assert (line.end, line.newline) == (16, 18)
