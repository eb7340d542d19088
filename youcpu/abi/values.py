"""Values of a trace: what an argument means, before any renderer gives it a look.

Plain int and bytes are values too: a decimal number, and a path (never cut).
"""

from __future__ import annotations

from typing import Final

from youcpu.record import record


class Address(int):
    """A pointer; 0 is NULL."""

    __slots__ = ()


class Hex(int):
    """A number that people read in hexadecimal."""

    __slots__ = ()


class Permissions(int):
    """Permission bits alone, octal: mode of mkdir(2)."""

    __slots__ = ()


class FileMode(int):
    """st_mode: type and permission bits."""

    __slots__ = ()


class Device(int):
    """dev_t as user space encodes it: st_dev."""

    __slots__ = ()


class Date(int):
    """Seconds since 1970 as a date alone."""

    __slots__ = ()


class GroupMask(int):
    """Netlink groups, hexadecimal with at least six digits."""

    __slots__ = ()


class LongPath(bytes):
    """The start of a path that is longer than any may be."""

    __slots__ = ()


class Mask(int):
    """A signal set: bit n-1 is signal n."""

    __slots__ = ()


class Product(int):
    """A limit in KiB, written as `8192*1024`."""

    __slots__ = ()


class WaitStatus(int):
    """What wait4(2) stores: exit code or signal."""

    __slots__ = ()


@record(frozen=True)
class FlagSet:
    """Bits by name, in strace's order; `rest` has no name. `hint`: their family, `MAP_???`."""

    value: int
    names: tuple[str, ...]
    rest: int
    hint: str


@record(frozen=True)
class Choice:
    """One of many by name; None: not one of them."""

    value: int
    name: str | None
    hint: str
    #: How strace writes a number without a name.
    decimal: bool = False


@record
class Text:
    """Bytes of memory: a buffer or a string. `length` is the whole, `data` may be its start."""

    data: bytes
    length: int
    #: What stands before the quotes: `@` of an abstract socket.
    prefix: str = ""
    #: Never cut, however few bytes are wanted.
    whole: bool = False
    #: Random bytes: always hexadecimal.
    random: bool = False


@record
class Descriptor:
    """A file descriptor and the path behind it (None: not open)."""

    number: int
    path: bytes | None
    #: AT_FDCWD by name.
    name: str | None = None


@record
class Array:
    """Elements in a row; `more`: there are others that are not shown."""

    items: tuple[object, ...]
    more: bool = False
    #: Where memory ended before the array did; 0: it did not.
    broken_at: int = 0


@record
class Members:
    """A set of numbers: descriptors of select(2), CPUs."""

    items: tuple[object, ...]


@record
class Struct:
    """A C structure. `brief`: the fields to show when not all are wanted, None: all of them."""

    fields: dict[str, object]
    brief: tuple[str, ...] | None = None


@record
class Shifted:
    """A part of a number: `21<<MAP_HUGE_SHIFT`."""

    value: object
    shift: int | str


@record
class Named:
    """An argument that is written with its name: clone(2)."""

    name: str
    value: object


@record
class Noted:
    """A value with a comment behind it: `0x7ffd... /* 23 vars */`."""

    value: object
    note: str


@record
class Dated:
    """A value that is a time since 1970, worth saying as a date; `fraction` has `digits`."""

    value: object
    seconds: int
    fraction: int
    digits: int


@record
class Changed:
    """A value that the call replaced: `[128 => 16]`."""

    before: object
    after: object


@record
class Either:
    """Alternatives joined with `|`: socket type and flags."""

    parts: tuple[object, ...]


@record
class Indexed:
    """Elements with the names of their indices: `[[VINTR]=0x3, ...]`."""

    items: tuple[tuple[str, object], ...]


@record
class Call:
    """A value as the C expression that makes it: `htons(80)`."""

    function: str
    arguments: tuple[object, ...]
    #: It says for itself what it fills in: no field name in front.
    bare: bool = False


@record
class Remark:
    """What a result means: `(flags O_RDWR)`, `(in [3], left {...})`; values by label."""

    parts: dict[str, object]


class Omitted:
    """The type of OMITTED."""

    __slots__ = ()


class Pending:
    """The type of PENDING."""

    __slots__ = ()


#: An argument that this form of the call does not have: mode without O_CREAT.
OMITTED: Final = Omitted()
#: An argument that only the return of the call makes known.
PENDING: Final = Pending()
