"""One file a subcommand: parse, ask, render, exit code. `_` in a name is `-` when typed."""
