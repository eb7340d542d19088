"""Booting: what puts a guest into an empty machine, and what follows it on its way."""
