"""`python -m youcpu`."""

from youcpu.cli import entry_point

entry_point()
