"""The kernel's command line: kernel/params.c, lib/cmdline.c next_arg(), init/main.c.

    console=ttyS0 quiet init=/bin/sh FOO="a b" single -- -x

What the kernel knows it keeps. Of the rest NAME=VALUE goes to the environment of init, a bare
word to its arguments, a name with a dot nowhere; behind `--` all are arguments.
"""

from __future__ import annotations

from collections.abc import Iterator

from youcpu.abi.boot_parameters import CORE_PARAMETERS, EARLY_PARAMETERS, SETUP_PARAMETERS
from youcpu.kernel.printk import (
    CONSOLE_LOGLEVEL_DEBUG,
    CONSOLE_LOGLEVEL_DEFAULT,
    CONSOLE_LOGLEVEL_QUIET,
)
from youcpu.record import field, record

#: COMMAND_LINE_SIZE of x86.
COMMAND_LINE_SIZE = 2048
#: CONFIG_INIT_ENV_ARG_LIMIT: arguments, and variables, that init can get.
MAX_INIT_ARGS = 32
_BLANKS = b" \t\n\v\f\r\xa0"
_BOOT_LOADERS = (b"BOOT_IMAGE", b"kexec")
_SETUP_WITH_VALUE = tuple(name for name in sorted(SETUP_PARAMETERS) if name.endswith("="))

Argument = tuple[bytes, bytes | None]


def next_arg(line: bytes) -> tuple[Argument, bytes]:
    """The first argument of a line without leading blanks, and the rest: next_arg()."""
    quoted = line.startswith(b'"')
    text = line[1:] if quoted else line
    in_quote, equals, end = quoted, 0, len(text)
    for i, byte in enumerate(text):
        if byte in _BLANKS and not in_quote:
            end = i
            break
        if byte == 0x3D and not equals:
            equals = i
        if byte == 0x22:
            in_quote = not in_quote
    word, rest = text[:end], text[end + 1 :].lstrip(_BLANKS)
    if not equals:
        return (word[:-1] if quoted and word.endswith(b'"') else word, None), rest
    name, value = word[:equals], word[equals + 1 :]
    if value.startswith(b'"'):
        value = value[1:]
        if value.endswith(b'"'):
            value = value[:-1]
            quoted = False
    if quoted and value.endswith(b'"'):
        value = value[:-1]
    return (name, value), rest


def split_arguments(line: bytes) -> Iterator[Argument | bytes]:
    """Each argument of a line; at `--` the rest of it as it stands, and no more."""
    rest = line.lstrip(_BLANKS)
    while rest:
        argument, rest = next_arg(rest)
        if argument == (b"--", None):
            yield rest
            return
        yield argument


@record
class BootParameters:
    """What the command line says. Paths as given; `init` and `rdinit` None: not given."""

    line: bytes = b""
    init: bytes | None = None
    rdinit: bytes | None = None
    #: argv[1:] of init, and its environment.
    arguments: list[bytes] = field(default_factory=list)
    environment: list[bytes] = field(default_factory=lambda: [b"HOME=/", b"TERM=linux"])
    #: Words that the kernel does not know, in the order that it names them.
    unknown: list[bytes] = field(default_factory=list)
    loglevel: int = CONSOLE_LOGLEVEL_DEFAULT
    ignore_loglevel: bool = False
    panic_timeout: int = 0
    #: mem=: no memory from this address on; None: all of it.
    memory_limit: int | None = None
    hostname: bytes | None = None
    #: "init" or "env" and the word that was one too many: the boot ends with it.
    too_many: tuple[str, bytes] | None = None
    consoles: list[bytes] = field(default_factory=list)

    @classmethod
    def parse(cls, line: bytes) -> BootParameters:
        """Read a command line; it is cut as a boot loader's would be."""
        found = cls(line[: COMMAND_LINE_SIZE - 1].split(b"\0")[0])
        after_dashes = b""
        for argument in split_arguments(found.line):
            if isinstance(argument, bytes):
                after_dashes = argument
            else:
                found._take(*argument)
        found.unknown = found.arguments + found.environment[2:]
        for argument in split_arguments(after_dashes):
            # set_init_arg(): behind the dashes nothing is the kernel's. Second ones end the line.
            if not isinstance(argument, bytes):
                name, value = argument
                found._add_argument(name if value is None else name + b"=" + value)
        return found

    def _take(self, name: bytes, value: bytes | None) -> None:
        if self._known(name, value):
            return
        if b"." in name or name.startswith(_BOOT_LOADERS) or self.too_many is not None:
            return  # an unused parameter of a module, or the boot loader's own mark
        if value is None:
            self._add_argument(name)
            return
        variable = name + b"="
        for i, other in enumerate(self.environment):
            if other.startswith(variable):
                self.environment[i] = variable + value
                return
        if len(self.environment) > MAX_INIT_ARGS:
            self.too_many = ("env", variable + value)
        self.environment.append(variable + value)

    def _add_argument(self, word: bytes) -> None:
        # argv[0] counts.
        if len(self.arguments) >= MAX_INIT_ARGS:
            self.too_many = self.too_many or ("init", word)
        self.arguments.append(word)

    def _known(self, name: bytes, value: bytes | None) -> bool:
        """Whether the kernel takes it itself: parse_early_param(), obsolete_checksetup()."""
        text = name.decode("latin-1")
        given = value or b""
        match text:
            case "init" if value is not None:
                # A boot loader may have put words before: they are not for this init.
                self.init, self.arguments = given, []
            case "rdinit" if value is not None:
                self.rdinit, self.arguments = given, []
            case "quiet":
                self.loglevel = CONSOLE_LOGLEVEL_QUIET
            case "debug":
                self.loglevel = CONSOLE_LOGLEVEL_DEBUG
            case "loglevel":
                number = _integer(given)
                self.loglevel = self.loglevel if number is None else number
            case "ignore_loglevel":
                self.ignore_loglevel = True
            case "panic":
                self.panic_timeout = _integer(given) or 0
            case "mem":
                self.memory_limit = memparse(given) or self.memory_limit
            case "hostname":
                self.hostname = given[:64]
            case "console" if value is not None:
                self.consoles.append(given)
            case _:
                return _is_parameter(text, value is not None)
        return True


def _is_parameter(name: str, with_value: bool) -> bool:
    """Names with - and _ exchanged are the same (parameq())."""
    names = {name, name.replace("-", "_"), name.replace("_", "-")}
    if names & EARLY_PARAMETERS or names & CORE_PARAMETERS or names & SETUP_PARAMETERS:
        return True
    return with_value and any(other + "=" in _SETUP_WITH_VALUE for other in names)


def _integer(text: bytes) -> int | None:
    """get_option(): the number at the start, decimal, octal or hexadecimal."""
    try:
        return int(text.split(b",")[0], 0)
    except ValueError:
        return None


def memparse(text: bytes) -> int:
    """`64M`, `0x1000`: bytes, 0 where no number is there. lib/cmdline.c memparse()."""
    units = {b"k": 10, b"m": 20, b"g": 30, b"t": 40, b"p": 50, b"e": 60}
    shift = units.get(text[-1:].lower(), 0)
    number = _integer(text[:-1] if shift else text)
    return (number or 0) << shift
