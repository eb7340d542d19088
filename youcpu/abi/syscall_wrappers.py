"""How C reaches a system call, and what its raw result is: glibc 2.36, man-pages 6.03.

The judge of the names is the C library itself: a wrapper is a symbol that it exports.
"""

from __future__ import annotations

#: Calls whose wrapper has another name than the call.
_OTHER_NAME = {
    "rt_sigaction": "sigaction",
    "rt_sigprocmask": "sigprocmask",
    "rt_sigpending": "sigpending",
    "rt_sigtimedwait": "sigtimedwait",
    "rt_sigqueueinfo": "sigqueue",
    "rt_sigsuspend": "sigsuspend",
    "rt_tgsigqueueinfo": "pthread_sigqueue",
    "fadvise64": "posix_fadvise",
    "exit_group": "_exit",
    "newfstatat": "fstatat",
    "pselect6": "pselect",
    "signalfd4": "signalfd",
    "eventfd2": "eventfd",
    "mq_getsetattr": "mq_setattr",
    "faccessat2": "faccessat",
    "syslog": "klogctl",
}

#: Calls without a wrapper in glibc 2.36; syscall(2) reaches them.
_NO_WRAPPER = frozenset(
    """
    exit rt_sigreturn getdents uselib ustat sysfs tkill futex io_setup io_destroy io_getevents
    io_submit io_cancel set_tid_address restart_syscall mbind set_mempolicy get_mempolicy
    kexec_load add_key request_key keyctl ioprio_set ioprio_get migrate_pages set_robust_list
    get_robust_list move_pages perf_event_open kcmp finit_module sched_setattr sched_getattr
    seccomp kexec_file_load bpf userfaultfd membarrier io_pgetevents rseq uretprobe
    io_uring_setup io_uring_enter io_uring_register clone3 openat2 quotactl_fd
    landlock_create_ruleset landlock_add_rule landlock_restrict_self memfd_secret futex_waitv
    set_mempolicy_home_node cachestat fchmodat2 map_shadow_stack futex_wake futex_wait
    futex_requeue statmount listmount lsm_get_self_attr lsm_set_self_attr lsm_list_modules mseal
    setxattrat getxattrat listxattrat removexattrat open_tree_attr file_getattr file_setattr
    """.split()  # noqa: SIM905
)

#: Another library that wraps them.
_LIBRARIES = {
    "libaio": "io_setup io_destroy io_getevents io_submit io_cancel io_pgetevents",
    "liburing": "io_uring_setup io_uring_enter io_uring_register",
    "libnuma": "mbind set_mempolicy get_mempolicy migrate_pages move_pages",
    "libkeyutils": "add_key request_key keyctl",
    "libbpf": "bpf",
    "libseccomp": "seccomp",
}

#: Calls that man-pages 6.03 has no page for.
_NO_PAGE = frozenset(
    """
    epoll_ctl_old epoll_wait_old io_pgetevents rseq uretprobe io_uring_setup io_uring_enter
    io_uring_register open_tree move_mount fsopen fsconfig fsmount fspick quotactl_fd
    process_mrelease futex_waitv set_mempolicy_home_node cachestat fchmodat2 map_shadow_stack
    futex_wake futex_wait futex_requeue statmount listmount lsm_get_self_attr lsm_set_self_attr
    lsm_list_modules mseal setxattrat getxattrat listxattrat removexattrat open_tree_attr
    file_getattr file_setattr
    """.split()  # noqa: SIM905
)

#: What the raw call answers where it is not what the wrapper's page says, or where RAX, RCX and
#: R11 do not simply hold result, return address and flags. man 2 of each, "C library/kernel
#: differences"; arch/x86/entry/entry_64.S.
_NOTES = {
    "read": "the bytes read; 0 at the end of the file",
    "write": "the bytes written, which may be fewer than asked for",
    "open": "the descriptor; glibc's open() uses openat",
    "stat": "0; glibc's stat() has used newfstatat since 2.33",
    "lstat": "0; glibc's lstat() has used newfstatat since 2.33",
    "fstat": "0; glibc's fstat() has used newfstatat since 2.33",
    "mmap": "the address; an error is -4095 to -1 here too, glibc makes MAP_FAILED of it",
    "brk": "the end of the heap as it is now: on failure the old one, never -errno; "
    "brk(3)'s 0 and sbrk are glibc's",
    "rt_sigreturn": "never returns to its caller: all registers come from the signal frame; "
    "the C library's restorer calls it behind a handler",
    "ioctl": "what the request says",
    "fcntl": "what the command says",
    "shmat": "the address",
    "select": "ready descriptors; the kernel writes the time left into timeout",
    "pause": "-EINTR, once a handler has run",
    "clone": "the child's thread ID for the caller, 0 in the child; "
    "glibc's clone() takes a function and another order of arguments",
    "clone3": "the child's thread ID for the caller, 0 in the child; "
    "used by pthread_create and posix_spawn",
    "fork": "the child's PID for the parent, 0 in the child; glibc's fork() uses clone",
    "vfork": "the child's PID for the parent, which waits for its exec or exit; 0 in the child",
    "execve": "on success never returns: the new program starts with all registers 0 but "
    "rip, rsp, cs, ss and rflags",
    "execveat": "on success never returns: the new program starts with all registers 0 but "
    "rip, rsp, cs, ss and rflags",
    "exit": "never returns; it ends one thread, exit(3) and _exit(2) use exit_group",
    "exit_group": "never returns; it ends all threads of the process",
    "wait4": "the PID of the child that changed; glibc's wait() and waitpid() use it",
    "getcwd": "the length with its NUL; glibc's getcwd() gives the pointer",
    "getpriority": "20 minus the nice value, 1 to 40, so that no answer looks like an error",
    "setfsuid": "the old fsuid, also where it was not allowed: there is no error",
    "setfsgid": "the old fsgid, also where it was not allowed: there is no error",
    "sched_getaffinity": "the bytes written to mask; glibc gives 0",
    "sched_setscheduler": "0; the old policy is not told",
    "personality": "the old persona",
    "umask": "the old mask; it cannot fail",
    "getpid": "the PID; it cannot fail",
    "time": "seconds since 1970; glibc asks the vDSO, without a system call",
    "gettimeofday": "0; glibc asks the vDSO, without a system call",
    "clock_gettime": "0; glibc asks the vDSO, without a system call",
    "getcpu": "0; glibc asks the vDSO, without a system call",
    "futex": "what the operation says: 0 for a wake-up of a waiter, the woken for a waker",
    "set_tid_address": "the caller's thread ID; it cannot fail",
    "set_robust_list": "0; the C library calls it as each thread starts",
    "rseq": "0; the C library calls it as each thread starts",
    "restart_syscall": "what the interrupted call answers; the kernel puts its number into RAX "
    "after SIGCONT",
    "signalfd": "the descriptor; glibc's signalfd() uses signalfd4",
    "eventfd": "the descriptor; glibc's eventfd() uses eventfd2",
    "pselect6": "ready descriptors; the sixth register points to the mask and its size, and the "
    "kernel writes the time left into timeout",
    "ppoll": "ready descriptors; the kernel writes the time left into tmo_p",
    "preadv": "the bytes read; pos_l alone counts on x86-64, pos_h is shifted out",
    "pwritev": "the bytes written; pos_l alone counts on x86-64, pos_h is shifted out",
    "accept": "the new descriptor",
    "openat": "the lowest free descriptor; glibc's open() uses it as well",
    "ptrace": "0; the PEEK requests store the word at data, glibc's return it",
    "reboot": "does not return where it works; magic must be 0xfee1dead",
    "tkill": "0; tgkill(2) has replaced it",
    "uretprobe": "made by the kernel's own return probe, an error from anywhere else",
}


def wrapper(name: str) -> str:
    """The function of glibc that makes the call, "" where there is none."""
    if name in _NO_WRAPPER or name not in _called():
        return ""
    return _OTHER_NAME.get(name, name)


#: Functions of the C library that are no wrappers, with the calls that they end in on x86-64.
_MADE_OF = {
    "wait": "wait4", "waitpid": "wait4", "execv": "execve", "execl": "execve", "execvp": "execve",
    "execlp": "execve", "fexecve": "execveat", "malloc": "brk and mmap", "free": "munmap",
    "sbrk": "brk", "fopen": "openat", "printf": "write", "puts": "write", "sleep":
    "clock_nanosleep", "usleep": "clock_nanosleep", "opendir": "openat", "readdir": "getdents64",
    "pthread_create": "clone3", "posix_spawn": "clone3", "system": "clone3 and execve",
    "signal": "rt_sigaction", "raise": "tgkill", "abort": "tgkill", "exit": "exit_group",
    "send": "sendto", "recv": "recvfrom", "isatty": "ioctl", "getaddrinfo": "socket and sendto",
}  # fmt: skip


def made_of(function: str) -> str:
    """The calls that a function of the C library ends in, "" where it is not known here."""
    if function in _MADE_OF:
        return _MADE_OF[function]
    return " or ".join(name for name in _called() if wrapper(name) == function)


def library(name: str) -> str:
    """A library other than libc that wraps the call, or ""."""
    return next((found for found, names in _LIBRARIES.items() if name in names.split()), "")


def man_page(name: str) -> str:
    """The page that tells of it, `execve(2)`, or ""."""
    if name in _NO_PAGE:
        return ""
    return f"{name}(2)"


def result_note(name: str) -> str:
    """What RAX holds after the raw call, where more is to be said than `the result`."""
    return _NOTES.get(name, "")


def _called() -> frozenset[str]:
    """The calls that are more than a reserved number."""
    from youcpu.abi.prototypes import prototypes

    return frozenset(name for name, found in prototypes().items() if found is not None)
