"""Terminals: include/uapi/asm-generic/termbits.h."""

from __future__ import annotations

import struct

from youcpu.abi.names import NameTable, named
from youcpu.abi.structs import Termios
from youcpu.abi.values import Either, Hex, Indexed, Struct

IGNBRK = 0o1
BRKINT = 0o2
IGNPAR = 0o4
PARMRK = 0o10
INPCK = 0o20
ISTRIP = 0o40
INLCR = 0o100
IGNCR = 0o200
ICRNL = 0o400
IUCLC = 0o1000
IXON = 0o2000
IXANY = 0o4000
IXOFF = 0o10000
IMAXBEL = 0o20000
IUTF8 = 0o40000

OPOST = 0o1
OLCUC = 0o2
ONLCR = 0o4
OCRNL = 0o10
ONOCR = 0o20
ONLRET = 0o40
OFILL = 0o100
OFDEL = 0o200

CBAUD = 0o10017
CSIZE = 0o60
CS8 = 0o60
B38400 = 0o17
CSTOPB = 0o100
CREAD = 0o200
PARENB = 0o400
PARODD = 0o1000
HUPCL = 0o2000
CLOCAL = 0o4000
CIBAUD = 0o2003600000
CMSPAR = 0o10000000000
CRTSCTS = 0o20000000000
IBSHIFT = 16

ISIG = 0o1
ICANON = 0o2
XCASE = 0o4
ECHO = 0o10
ECHOE = 0o20
ECHOK = 0o40
ECHONL = 0o100
NOFLSH = 0o200
TOSTOP = 0o400
ECHOCTL = 0o1000
ECHOPRT = 0o2000
ECHOKE = 0o4000
FLUSHO = 0o10000
PENDIN = 0o40000
IEXTEN = 0o100000
EXTPROC = 0o200000

_IFLAG = named(
    globals(),
    "",
    "IGNBRK BRKINT IGNPAR PARMRK INPCK ISTRIP INLCR IGNCR ICRNL IUCLC IXON IXANY IXOFF IMAXBEL"
    " IUTF8",
)
_OFLAG = named(globals(), "", "OPOST OLCUC ONLCR OCRNL ONOCR ONLRET OFILL OFDEL")
_CFLAG = named(globals(), "", "CSTOPB CREAD PARENB PARODD HUPCL CLOCAL CMSPAR CRTSCTS")
_LFLAG = named(
    globals(),
    "",
    "ISIG ICANON XCASE ECHO ECHOE ECHOK ECHONL NOFLSH IEXTEN ECHOCTL ECHOPRT ECHOKE FLUSHO PENDIN"
    " TOSTOP EXTPROC",
)
TCOOFF, TCOON, TCIOFF, TCION = range(4)
TCIFLUSH, TCOFLUSH, TCIOFLUSH = range(3)
TCXONC_NAMES = named(globals(), "TC???", "TCOOFF TCOON TCIOFF TCION")
TCFLSH_NAMES = named(globals(), "TC???", "TCIFLUSH TCOFLUSH TCIOFLUSH")
_MODEM = "LE DTR RTS ST SR CTS CAR RNG DSR - - - - OUT1 OUT2 LOOP"
MODEM_NAMES = NameTable(
    "TIOCM_???",
    [(f"TIOCM_{name}", 1 << bit) for bit, name in enumerate(_MODEM.split()) if name != "-"],
)
#: Delays of c_oflag: (bits, names by value).
_DELAYS = tuple(
    (mask, NameTable(hint, [(name, index * step) for index, name in enumerate(names.split())]))
    for mask, step, hint, names in (
        (0o400, 0o400, "NL?", "NL0 NL1"),
        (0o3000, 0o1000, "CR?", "CR0 CR1 CR2 CR3"),
        (0o14000, 0o4000, "TAB?", "TAB0 TAB1 TAB2 XTABS"),
        (0o20000, 0o20000, "BS?", "BS0 BS1"),
        (0o40000, 0o40000, "VT?", "VT0 VT1"),
        (0o100000, 0o100000, "FF?", "FF0 FF1"),
    )
)
_RATES = "0 50 75 110 134 150 200 300 600 1200 1800 2400 4800 9600 19200 38400"
_FAST_RATES = (
    "57600 115200 230400 460800 500000 576000 921600 1000000 1152000 1500000 2000000 2500000"
    " 3000000 3500000 4000000"
)
_BAUD = NameTable(
    "B???",
    [
        *((f"B{rate}", value) for value, rate in enumerate(_RATES.split())),
        ("BOTHER", 0o10000),
        *((f"B{rate}", value) for value, rate in enumerate(_FAST_RATES.split(), 0o10001)),
    ],
)
_CHARACTER_SIZE = NameTable("CS?", [("CS5", 0), ("CS6", 0o20), ("CS7", 0o40), ("CS8", 0o60)])
_LINE = NameTable("N_???", [("N_TTY", 0), ("N_SLIP", 1), ("N_PPP", 3)])
#: Indices of c_cc.
_CHARACTERS = (
    "VINTR VQUIT VERASE VKILL VEOF VTIME VMIN VSWTC VSTART VSTOP VSUSP VEOL VREPRINT VDISCARD"
    " VWERASE VLNEXT VEOL2"
)


def termios_struct(termios: Termios) -> Struct:
    """c_cc and the line discipline only in the long form."""
    names = _CHARACTERS.split()
    return Struct(
        {
            "c_iflag": _IFLAG.flags(termios.c_iflag),
            "c_oflag": _output_flags(termios.c_oflag),
            "c_cflag": _control_flags(termios.c_cflag),
            "c_lflag": _LFLAG.flags(termios.c_lflag),
            "c_line": _LINE.choice(termios.c_line),
            "c_cc": Indexed(
                tuple(
                    (names[at] if at < len(names) else str(at), Hex(character))
                    for at, character in enumerate(termios.c_cc)
                )
            ),
        },
        ("c_iflag", "c_oflag", "c_cflag", "c_lflag"),
    )


def termio_struct(data: bytes) -> Struct:
    """struct termio of System V: TCGETA."""
    iflag, oflag, cflag, lflag, line = struct.unpack_from("<HHHHB", data)
    return termios_struct(Termios(iflag, oflag, cflag, lflag, line, data[9:17]))


def _output_flags(flags: int) -> Either:
    parts: list[object] = []
    for mask, names in _DELAYS:
        parts.append(names.choice(flags & mask))
        flags &= ~mask
    return Either((*parts, _OFLAG.flags(flags)))


def _control_flags(flags: int) -> Either:
    parts: list[object] = [_BAUD.choice(flags & CBAUD)]
    if flags & CIBAUD:
        rate = _BAUD.choice((flags & CIBAUD) >> IBSHIFT)
        parts.append(rate)
    parts.append(_CHARACTER_SIZE.choice(flags & CSIZE))
    return Either((*parts, _CFLAG.flags(flags & ~(CBAUD | CIBAUD | CSIZE))))
