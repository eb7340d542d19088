"""Runs the tour's command lines, each as a user would type it, in a directory of the tour's own."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from threading import Lock
from typing import Any

from youcpu.commands._tour.model import Shown
from youcpu.record import record

PROGRAMS = os.path.join(os.path.dirname(__file__), "programs")
#: The same time in each run, so that two tours on one host are alike.
EPOCH = "1700000000"
SECONDS = 60
COMMAND = re.compile(r"\byoucpu ([a-z][a-z-]+)")
ESCAPES = re.compile("\x1b\\[[0-9;]*m")
ELF_X86_64 = (b"\x7fELF\x02", b"\x3e\x00")


class Missing(Exception):
    """The host has not what a screen needs; the text says what."""


@record(frozen=True)
class Result:
    """What a command line answered: its output with colour, exit code, and the SVG it drew."""

    line: str
    text: str
    code: int
    picture: str

    @property
    def plain(self) -> str:
        """Without colour."""
        return ESCAPES.sub("", self.text)


class Guide:
    """The tour's directory with its programs, and what was run there. A context manager."""

    def __init__(self, color: bool = False, directory: str = "") -> None:
        """`directory`: where to work; it stays. Without one it is temporary."""
        self.color = color
        self._kept = bool(directory)
        self._stopped = False
        self._results: dict[str, Result] = {}
        self._lock = Lock()
        #: (line, exit code) of commands that did not end as the tour expects.
        self.unexpected: list[tuple[str, int]] = []
        self.ran: list[str] = []
        self.directory = directory
        self._door = ""

    def __enter__(self) -> Guide:
        try:
            self.directory = self.directory or tempfile.mkdtemp(prefix="youcpu-tour-")
            for name in os.listdir(PROGRAMS):
                place = os.path.join(self.directory, name)
                shutil.copyfile(os.path.join(PROGRAMS, name), place)
                os.chmod(place, 0o755)
            self._door = tempfile.mkdtemp(prefix="youcpu-door-")
            self._make_door()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        if self._door:
            shutil.rmtree(self._door, ignore_errors=True)
        if self.directory and not self._kept:
            shutil.rmtree(self.directory, ignore_errors=True)

    def stop(self) -> None:
        """Nothing more is run: the user has had enough."""
        self._stopped = True

    def _make_door(self) -> None:
        """`youcpu` in the tour's PATH: this interpreter with this package."""
        here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(__file__))))
        path = os.path.join(self._door, "youcpu")
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(
                f"#!/bin/sh\nPYTHONPATH={shlex.quote(here)} "
                f'exec {shlex.quote(sys.executable)} -m youcpu "$@"\n'
            )
        os.chmod(path, 0o755)

    def run(self, shown: Shown | str) -> Result:
        """The result of a command line; each is run once."""
        shown = Shown(shown) if isinstance(shown, str) else shown
        with self._lock:
            known = self._results.get(shown.line)
        if known is not None:
            return known
        if self._stopped:
            raise Missing("the tour was stopped")
        result = self._run(shown)
        with self._lock:
            self._results[shown.line] = result
            self.ran.append(shown.line)
            if result.code not in shown.codes:
                self.unexpected.append((shown.line, result.code))
        return result

    def _run(self, shown: Shown) -> Result:
        picture = os.path.join(self.directory, shown.picture) if shown.picture else ""
        try:
            done = subprocess.run(
                ["/bin/sh", "-c", self._colored(shown.line) if self.color else shown.line],
                cwd=self.directory,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=SECONDS,
                check=False,
            )
            text, code = done.stdout.decode("utf-8", "replace"), done.returncode
        except subprocess.TimeoutExpired:
            text, code = f"(no end within {SECONDS} seconds)\n", -1
        drawn = ""
        if picture and os.path.exists(picture):
            with open(picture, encoding="utf-8") as file:
                drawn = file.read()
        return Result(shown.line, text.replace(self.directory, "~/tour"), code, drawn)

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self._door}:/usr/local/bin:/usr/bin:/bin",
            "HOME": self.directory,
            "LANG": "C.UTF-8",
            "SOURCE_DATE_EPOCH": EPOCH,
        }

    def _colored(self, line: str) -> str:
        """With --color always for the commands that know it: at a terminal they would color."""

        def always(found: re.Match[str]) -> str:
            return found[0] + (" --color always" if _knows_color(found[1]) else "")

        return COMMAND.sub(always, line)

    def json(self, line: str, codes: tuple[int, ...] = (0,)) -> Any:
        """The document that a command line prints, colour aside. Raises Missing."""
        # What a program says on the way goes to stderr.
        result = self.run(Shown(f"{line} 2> /dev/null", codes=codes))
        try:
            return json.loads(result.plain)
        except ValueError:
            raise Missing(f"`{line}` gave no answer: {result.plain.strip()[:200]}") from None

    def events(self, line: str) -> list[Any]:
        """JSON Lines among its output."""
        lines = self.run(line).plain.splitlines()
        return [json.loads(row) for row in lines if row.startswith("{")]

    def system(self, *names: str) -> str:
        """The path of the first of these programs that this host has for x86-64. Raises Missing."""
        for name in names:
            for directory in ("/bin", "/usr/bin"):
                path = f"{directory}/{name}"
                if _is_x86_64(path):
                    return path
        raise Missing(f"this host has no x86-64 program {' or '.join(names)}")


def _is_x86_64(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            head = file.read(20)
    except OSError:
        return False
    return head[:5] == ELF_X86_64[0] and head[18:20] == ELF_X86_64[1]


def _knows_color(name: str) -> bool:
    from youcpu.cli import command_names
    from youcpu.commands._front.tables import table_of

    if name not in command_names():
        return False
    return any("--color" in option.names for option in table_of(name, "").options)
