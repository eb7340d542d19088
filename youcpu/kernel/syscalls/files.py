"""All system calls of files: importing this fills the table with them."""

from youcpu.kernel.syscalls import (  # noqa: F401
    fcntl,
    ioctl,
    open,
    read_write,
    readdir,
    stat,
    xattr,
)
