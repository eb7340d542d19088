"""The dynamic linker's search for libraries, and why each is found: glibc's elf/dl-load.c.

Nothing is run. The file system is what `Files` says it is, so that another system's tree, of
another machine, is searched as that system's ld.so would.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from youcpu.abi import elf as abi
from youcpu.formats.elf.shared_object import SharedObject
from youcpu.formats.errors import FormatError
from youcpu.formats.ld_so_cache import CacheEntry

# (class, machine): (Debian's multiarch name, flags of ld.so.cache, library directory, platform)
MACHINES: dict[tuple[int, int], tuple[str, int, str, str]] = {
    (2, abi.EM_X86_64): ("x86_64-linux-gnu", 0x0303, "lib64", "x86_64"),
    (1, abi.EM_X86_64): ("x86_64-linux-gnux32", 0x0803, "libx32", "x86_64"),
    (1, abi.EM_386): ("i386-linux-gnu", 0x0003, "lib32", "i686"),
    (2, abi.EM_AARCH64): ("aarch64-linux-gnu", 0x0A03, "lib64", "aarch64"),
    (1, abi.EM_ARM): ("arm-linux-gnueabihf", 0x0903, "lib", "v7l"),
    (2, abi.EM_RISCV): ("riscv64-linux-gnu", 0x1003, "lib64/lp64d", "riscv64"),
    (2, abi.EM_PPC64): ("powerpc64le-linux-gnu", 0x0503, "lib64", "power8"),
    (2, abi.EM_S390): ("s390x-linux-gnu", 0x0403, "lib64", "z13"),
    (1, abi.EM_MIPS): ("mips-linux-gnu", 0x0003, "lib", "mips"),
    (2, abi.EM_MIPS): ("mips64el-linux-gnuabi64", 0x0703, "lib64", "mips"),
}
ARM_SOFT_FLOAT = ("arm-linux-gnueabi", 0x0B03)


class Files(Protocol):
    """A file system to search. Paths are absolute and as the program's system has them."""

    def read(self, path: str) -> memoryview | None:
        """The bytes of a regular file; None if there is none."""

    def identity(self, path: str) -> object:
        """Equal for two names of one file."""

    def real_directory(self, path: str) -> str:
        """The directory of a file, symbolic links resolved: $ORIGIN."""


class Settings(NamedTuple):
    """What the search is told from outside. `hwcaps`: subdirectories, the best first."""

    ld_library_path: list[str]
    preload: list[str]
    cache: list[CacheEntry] | None
    hwcaps: tuple[str, ...] = ()
    lib: str | None = None
    platform: str | None = None


class Attempt(NamedTuple):
    """A place that was looked at for a library."""

    path: str
    source: str
    result: str


class Loaded:
    """An object of the process. `path` is None if it was not found, with the `attempts` made."""

    def __init__(self, name: str, path: str | None, source: str, loader: Loaded | None) -> None:
        self.name, self.path, self.source, self.loader = name, path, source, loader
        self.object: SharedObject | None = None
        self.names = {name}
        self.attempts: list[Attempt] = []
        self.children: list[Loaded] = []


class Process:
    """The program with all that ld.so would load for it, in its order (`objects`)."""

    def __init__(self, program: SharedObject, files: Files, settings: Settings) -> None:
        self.files, self.settings = files, settings
        self.program = program
        self.main = Loaded(program.path, program.path, "the program", None)
        self.main.object = program
        self.objects: list[Loaded] = [self.main]
        self.missing: list[Loaded] = []
        self._identities: dict[object, Loaded] = {files.identity(program.path): self.main}
        self.interpreter: Loaded | None = None
        kind = (program.elf.header.ident[4], program.elf.machine)
        self.multiarch, self.cache_flags, self.lib, self.platform = MACHINES.get(
            kind, ("", 0, "lib", "")
        )
        if program.elf.machine == abi.EM_ARM and not program.elf.header.flags & 0x400:
            self.multiarch, self.cache_flags = ARM_SOFT_FLOAT
        self.musl = "ld-musl" in (program.interpreter or "")
        self._load()

    @property
    def default_directories(self) -> list[str]:
        """Where ld.so looks last: Debian's directories, then those of the others."""
        if self.musl:
            return ["/lib", "/usr/local/lib", "/usr/lib"]
        own = [f"/lib/{self.multiarch}", f"/usr/lib/{self.multiarch}"] if self.multiarch else []
        lib = [f"/{self.lib}", f"/usr/{self.lib}"] if self.lib != "lib" else []
        return [*own, *lib, "/lib", "/usr/lib"]

    def _load(self) -> None:
        program = self.program
        if program.interpreter:
            self.interpreter = Loaded(
                program.interpreter, program.interpreter, "PT_INTERP", self.main
            )
            self._open(self.interpreter)
        queue: deque[Loaded] = deque()
        for name in self.settings.preload:
            found = self._find(name, self.main, "LD_PRELOAD")
            if found is not None:
                self.main.children.append(found)
                queue.append(found)
        queue.appendleft(self.main)
        started: set[int] = set()
        while queue:
            loaded = queue.popleft()
            if id(loaded) in started or loaded.object is None:
                continue
            started.add(id(loaded))
            for name in loaded.object.needed:
                child = self._find(name, loaded, "")
                loaded.children.append(child)
                queue.append(child)

    def _find(self, name: str, loader: Loaded, preload: str) -> Loaded:
        known = self._by_name(name)
        if known is not None:
            return known
        found = Loaded(name, None, preload, loader)
        for path, source in self.candidates(name, loader):
            shared, result = self._try(path)
            found.attempts.append(Attempt(path, source, result))
            if shared is None:
                continue
            identity = self.files.identity(path)
            same = self._identities.get(identity)
            if same is not None:
                same.names.add(name)
                if same is self.interpreter and same not in self.objects:
                    self.objects.append(same)
                return same
            found.path, found.object = path, shared
            found.source = source if not preload else f"{preload}, {source}"
            self._identities[identity] = found
            self.objects.append(found)
            return found
        found.source = "not found"
        self.missing.append(found)
        return found

    def _by_name(self, name: str) -> Loaded | None:
        """An object that is there already under that name, or whose soname it is."""
        every = [*self.objects, *self.missing]
        if self.interpreter is not None:
            every.append(self.interpreter)
        for loaded in every:
            soname = loaded.object.soname if loaded.object is not None else None
            if name in loaded.names or (soname == name and "/" not in name):
                loaded.names.add(name)
                if loaded is self.interpreter and loaded not in self.objects:
                    self.objects.append(loaded)
                return loaded
        if self.musl and name.startswith("libc.") and self.interpreter is not None:
            # musl's libc and its dynamic linker are one file.
            return self.interpreter
        return None

    def _open(self, loaded: Loaded) -> None:
        assert loaded.path is not None
        shared, result = self._try(loaded.path)
        loaded.attempts.append(Attempt(loaded.path, loaded.source, result))
        loaded.object = shared
        if shared is None:
            loaded.path = None
            self.missing.append(loaded)
        else:
            self._identities[self.files.identity(loaded.path)] = loaded

    def _try(self, path: str) -> tuple[SharedObject | None, str]:
        data = self.files.read(path)
        if data is None:
            return None, "no such file"
        try:
            shared = SharedObject(path, data)
        except FormatError as error:
            return None, error.reason
        if shared.kind != self.program.kind:
            return None, "for another machine"
        return shared, "found"

    # --- where to look ---

    def candidates(self, name: str, loader: Loaded) -> Iterator[tuple[str, str]]:
        """(path, source) in the order of _dl_map_object."""
        if "/" in name:
            yield self.expand(name, loader), "its path"
            return
        if self.musl:
            yield from self._musl_candidates(name, loader)
            return
        requester = loader.object
        assert requester is not None
        if requester.runpath is None:
            yield from self._rpaths(name, loader)
        yield from self._in(self.settings.ld_library_path, name, "LD_LIBRARY_PATH", loader)
        if requester.runpath is not None:
            directories = requester.runpath.split(":")
            yield from self._in(directories, name, f"RUNPATH of {loader.name}", loader)
        yield from self._cached(name, requester.nodeflib)
        if not requester.nodeflib:
            for directory in self.default_directories:
                yield f"{directory}/{name}", "default directory"

    def _rpaths(self, name: str, loader: Loaded) -> Iterator[tuple[str, str]]:
        """RPATH of who asks and of those who loaded it, unless they have a RUNPATH."""
        chain: list[Loaded] = []
        current: Loaded | None = loader
        while current is not None:
            chain.append(current)
            current = current.loader
        if self.main not in chain:
            chain.append(self.main)
        for owner in chain:
            shared = owner.object
            if shared is not None and shared.rpath is not None and shared.runpath is None:
                directories = shared.rpath.split(":")
                yield from self._in(directories, name, f"RPATH of {owner.name}", owner)

    def _in(
        self, directories: list[str], name: str, source: str, owner: Loaded
    ) -> Iterator[tuple[str, str]]:
        for directory in directories:
            # An empty element is the current directory.
            expanded = self.expand(directory, owner) if directory else "."
            for hwcap in self.settings.hwcaps:
                yield f"{expanded}/glibc-hwcaps/{hwcap}/{name}", source
            yield f"{expanded.rstrip('/') or ''}/{name}", source

    def _cached(self, name: str, nodeflib: bool) -> Iterator[tuple[str, str]]:
        ranks = {hwcap: rank for rank, hwcap in enumerate((*self.settings.hwcaps, ""))}
        found = [
            entry
            for entry in self.settings.cache or ()
            if entry.name == name and entry.flags == self.cache_flags and entry.hwcap in ranks
        ]
        for entry in sorted(found, key=lambda entry: ranks[entry.hwcap])[:1]:
            directory = entry.path.rsplit("/", 1)[0]
            if not nodeflib or directory not in self.default_directories:
                yield entry.path, "ld.so.cache"

    def _musl_candidates(self, name: str, loader: Loaded) -> Iterator[tuple[str, str]]:
        """musl (ldso/dynlink.c): LD_LIBRARY_PATH, then RPATH or RUNPATH up the chain."""
        yield from self._in(self.settings.ld_library_path, name, "LD_LIBRARY_PATH", loader)
        owner: Loaded | None = loader
        while owner is not None:
            shared = owner.object
            path = (shared.runpath or shared.rpath) if shared is not None else None
            if path is not None:
                yield from self._in(path.split(":"), name, f"RPATH of {owner.name}", owner)
            owner = owner.loader
        for directory in self.default_directories:
            yield f"{directory}/{name}", "default directory"

    def expand(self, path: str, owner: Loaded) -> str:
        """$ORIGIN, $LIB and $PLATFORM, with or without braces."""
        if "$" not in path or owner.path is None:
            return path
        lib = self.settings.lib or (f"lib/{self.multiarch}" if self.multiarch else "lib")
        values = {
            "ORIGIN": self.files.real_directory(owner.path),
            "LIB": lib,
            "PLATFORM": self.settings.platform or self.platform,
        }
        for name, value in values.items():
            path = path.replace(f"${{{name}}}", value).replace(f"${name}", value)
        return path
