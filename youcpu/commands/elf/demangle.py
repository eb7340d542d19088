"""C++ names as they were written, by the demangler of the C++ library at hand (Itanium C++ ABI)."""

from __future__ import annotations

from collections.abc import Callable


def demangler() -> Callable[[str], str | None] | None:
    """A function from a name to what it stands for; None for a name that is not mangled.

    None, and names stay as they are, on a machine without a C++ library.
    """
    import ctypes

    try:
        demangle = ctypes.CDLL("libstdc++.so.6").__cxa_demangle
        free = ctypes.CDLL(None).free
    except (OSError, AttributeError):
        return None
    demangle.restype = ctypes.c_void_p
    free.argtypes = [ctypes.c_void_p]
    known: dict[str, str | None] = {}

    def readable(name: str) -> str | None:
        # __cxa_demangle takes "i" for int, too: only _Z marks a function or an object.
        if not name.startswith("_Z"):
            return None
        if name not in known:
            status = ctypes.c_int()
            text = demangle(name.encode("latin-1"), None, None, ctypes.byref(status))
            known[name] = None
            if text:
                known[name] = (ctypes.string_at(text)).decode("latin-1")
                free(text)
        return known[name]

    return readable
