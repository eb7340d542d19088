"""From a file name to a running image: fs/exec.c and the binary formats."""
