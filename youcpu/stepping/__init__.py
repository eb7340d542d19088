"""One program, instruction by instruction, forwards and back: the fetch-execute cycle."""
