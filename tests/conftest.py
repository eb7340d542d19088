"""Shared by all tests: options, and how to run youcpu as a user does."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from running import Run

# Whoever starts us in the background of a script leaves them ignored, and programs inherit that:
# Ctrl-C would be tested in vain, and strace would tell other calls than on a terminal.
for _signal in (signal.SIGHUP, signal.SIGQUIT, signal.SIGINT):
    if signal.getsignal(_signal) is signal.SIG_IGN:
        signal.signal(_signal, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write golden files anew")
    parser.addoption("--long", action="store_true", help="the long form of seeded tests")


@pytest.fixture(scope="session")
def youcpu() -> Run:
    """Run `youcpu ARGS...` in a process of its own; stdout, stderr and exit code as bytes."""

    def run(
        *args: str, timeout: float = 120, **options: object
    ) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "youcpu", *args]
        options.setdefault("capture_output", True)
        return subprocess.run(command, timeout=timeout, check=False, **options)  # type: ignore[call-overload]

    return run
