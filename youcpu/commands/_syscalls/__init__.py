"""Parts of youcpu syscalls."""
