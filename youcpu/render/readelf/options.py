"""What is to be shown and how: the state that readelf's command line sets."""

from __future__ import annotations

from collections.abc import Callable

VIEWS = frozenset(
    {
        "arch",
        "archive_index",
        "dyn_syms",
        "dynamic",
        "groups",
        "header",
        "histogram",
        "lto_syms",
        "notes",
        "relocs",
        "sections",
        "segments",
        "syms",
        "unwind",
        "version",
    }
)


class Options:
    """`views` is the set of names out of VIEWS; the dumps are (how, section) in order."""

    def __init__(self) -> None:
        self.views: set[str] = set()
        self.dumps: list[tuple[str, str]] = []
        self.debug: set[str] = set()
        self.wide = False
        self.details = False
        self.use_dynamic = False
        self.decompress = False
        self.mark_truncation = True
        self.lint = False
        self.json = False
        self.strict = False
        self.sym_base = 0
        self.unicode = "default"
        self.utf8 = False
        self.demangle: Callable[[str], str | None] | None = None

    def shows(self, view: str) -> bool:
        return view in self.views

    @property
    def header(self) -> bool:
        return "header" in self.views

    def without(self, *views: str) -> Options:
        """The same, less some views: for a file whose tables they need cannot be read."""
        rest = Options()
        rest.__dict__.update(self.__dict__)
        rest.views = self.views.difference(views)
        if "dumps" in views:
            rest.dumps, rest.debug = [], set()
        return rest
