"""All system calls of files: importing this fills the table with them."""

from youcpu.kernel.syscalls import (  # noqa: F401
    attr,
    eventpoll,
    fcntl,
    inotify,
    ioctl,
    mount,
    namei,
    net,
    open,
    pipe,
    read_write,
    readdir,
    select,
    signalfd,
    splice,
    stat,
    sync,
    timerfd,
    utimes,
    xattr,
)
