"""The file system that ld.so would see: this machine's, or a directory that stands for its root."""

from __future__ import annotations

import os

from youcpu.commands.elf.input import read_file
from youcpu.formats.errors import FormatError

LINK_LIMIT = 40  # as Linux's MAXSYMLINKS


class Tree:
    """Files below `root`. Paths in and out are those of the system whose root it is."""

    def __init__(self, root: str) -> None:
        self.root = os.path.realpath(root)
        self._seen: dict[str, memoryview | None] = {}

    def outside(self, path: str) -> str:
        """Where a path of the tree is on this machine, symbolic links followed inside the tree."""
        if self.root == "/":
            return path
        parts = [part for part in path.split("/") if part not in ("", ".")]
        resolved: list[str] = []
        links = 0
        while parts:
            part = parts.pop(0)
            if part == "..":
                del resolved[-1:]
                continue
            here = os.path.join(self.root, *resolved, part)
            if os.path.islink(here) and links < LINK_LIMIT:
                links += 1
                target = os.readlink(here)
                if target.startswith("/"):
                    resolved = []
                parts = [p for p in target.split("/") if p not in ("", ".")] + parts
            else:
                resolved.append(part)
        return os.path.join(self.root, *resolved)

    def read(self, path: str) -> memoryview | None:
        if path not in self._seen:
            try:
                self._seen[path] = read_file(self.outside(path))
            except (OSError, FormatError):
                self._seen[path] = None
        return self._seen[path]

    def identity(self, path: str) -> object:
        try:
            status = os.stat(self.outside(path))
        except OSError:
            return path
        return status.st_dev, status.st_ino

    def real_directory(self, path: str) -> str:
        real = os.path.realpath(self.outside(path))
        if self.root != "/":
            real = "/" + os.path.relpath(real, self.root)
        return os.path.dirname(real)
