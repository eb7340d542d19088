"""Tables of names: compared with the rules of strace's printflags and printxval."""

from __future__ import annotations

import pytest

from youcpu.abi import fcntl, mman, signal, socket, time
from youcpu.abi.names import NameTable, named


def test_bits_by_name_and_the_rest() -> None:
    found = mman.PROT_NAMES.flags(mman.PROT_READ | mman.PROT_EXEC | 0x40)
    assert (found.names, found.rest, found.value) == (("PROT_READ", "PROT_EXEC"), 0x40, 0x45)


def test_no_bits_have_the_name_of_zero_if_there_is_one() -> None:
    assert mman.PROT_NAMES.flags(0).names == ("PROT_NONE",)
    assert mman.MREMAP_NAMES.flags(0).names == ()


def test_a_set_of_bits_comes_before_its_members() -> None:
    assert fcntl.O_NAMES.flags(fcntl.O_SYNC).names == ("O_SYNC",)
    assert fcntl.O_NAMES.flags(fcntl.O_DSYNC).names == ("O_DSYNC",)
    assert fcntl.O_NAMES.flags(fcntl.O_TMPFILE).names == ("O_TMPFILE",)


def test_choices() -> None:
    assert fcntl.SEEK_NAMES.choice(2).name == "SEEK_END"
    assert fcntl.SEEK_NAMES.choice(9).name is None
    assert socket.AF_NAMES.value("AF_NETLINK") == 16
    with pytest.raises(KeyError):
        socket.AF_NAMES.value("AF_NONE")


def test_tables_do_not_grow_without_end() -> None:
    table = NameTable("X_???", [("X", 1)])
    for value in range(5000):
        assert table.flags(value).value == value
        assert table.choice(value).value == value
    assert len(table._flags) <= 1024
    assert len(table._choices) <= 1024


def test_named_takes_the_constants_of_a_module() -> None:
    table = named(vars(time), "CLOCK_???", "CLOCK_TAI CLOCK_REALTIME")
    assert table.pairs == (("CLOCK_TAI", 11), ("CLOCK_REALTIME", 0))


@pytest.mark.parametrize(
    ("number", "name"),
    [(1, "SIGHUP"), (29, "SIGIO"), (32, "SIGRTMIN"), (33, "SIGRT_1"), (64, "SIGRT_32"), (65, "65")],
)
def test_signal_names(number: int, name: str) -> None:
    assert signal.signal_name(number) == name


def test_default_actions() -> None:
    actions = {number: signal.default_action(number).value for number in range(1, 65)}
    assert actions[11] == "core"
    assert actions[9] == actions[34] == "terminate"
    assert [number for number, action in actions.items() if action == "ignore"] == [17, 23, 28]
    assert [number for number, action in actions.items() if action == "stop"] == [19, 20, 21, 22]
    assert actions[18] == "continue"
