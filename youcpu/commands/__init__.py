"""One file a subcommand: parse, ask, render, exit code. The file name is the command, `_` read as `-`."""
