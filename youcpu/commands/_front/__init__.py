"""The front door: hints, the tables of all commands, completion scripts."""
