"""What the arguments of a system call are, for the calls that the kernel has no handler for.

They answer ENOSYS, and the trace shows them as strace does. The calls that are there say it in
their own declaration. Linux: include/linux/syscalls.h.
"""

from __future__ import annotations

from functools import cache

from youcpu.abi.args import HexLong, Marker, SignedLong

#: Aliases of abi/arguments in order; behind the arrow what the result is, if no plain number.
_SIGNATURES = """
read: Fd ReadBuffer Size
write: Fd WriteBuffer Size
open: Path OpenFlags CreateMode -> Fd
close: Fd
stat: Path StatPtr
fstat: Fd StatPtr
lstat: Path StatPtr
poll: PollFdsPtr UInt Int
lseek: Fd Long Whence
mmap: Addr Size Prot MapFlags Fd HexULong -> Addr
mprotect: Addr Size Prot
munmap: Addr Size
brk: Addr -> Addr
rt_sigaction: Signal SigactionIn SigactionOut Size
rt_sigprocmask: SigprocmaskHow SigsetIn SigsetOut Size
ioctl: Fd IoctlRequest IoctlArg
pread64: Fd ReadBuffer Size Long
pwrite64: Fd WriteBuffer Size Long
readv: Fd IovecOut Int
writev: Fd IovecIn Int
access: Path AccessMode
pipe: PipeFdsPtr
select: Int FdSetPtr FdSetPtr FdSetPtr SelectTimeout
sched_yield:
mremap: Addr Size Size MremapFlags MremapAddr -> Addr
msync: Addr Size MsyncFlags
mincore: Addr Size MincorePtr
madvise: Addr Size Madvice
dup: Fd -> Fd
dup2: Fd Fd -> Fd
pause:
nanosleep: TimespecIn RemainingTimePtr
getitimer: ItimerWhich ItimervalOut
alarm: UInt
setitimer: ItimerWhich ItimervalIn ItimervalOut
getpid:
sendfile: Fd Fd OffsetInOut Size
socket: SocketDomain SocketType SocketProtocol -> Fd
connect: Fd SockaddrPtr Int
accept: Fd SockaddrOut SocklenPtr -> Fd
ioprio_get: IoprioWhich Int
clone: CloneFlags CloneStack CloneParentTid CloneChildTid CloneTls
setsockopt: Fd SocketLevel SocketOption Addr Int
getsockopt: Fd SocketLevel SocketOption Addr SocklenPtr
sendmsg: Fd Addr MsgFlags
recvmsg: Fd Addr MsgFlags
sendto: Fd WriteBuffer Size MsgFlags SockaddrPtr UInt
recvfrom: Fd ReadBuffer Size MsgFlags SockaddrOut SocklenPtr
shutdown: Fd ShutdownHow
bind: Fd SockaddrPtr Int
listen: Fd Int
getsockname: Fd SockaddrOut SocklenPtr
getpeername: Fd SockaddrOut SocklenPtr
socketpair: SocketDomain SocketType SocketProtocol SocketPairPtr
fork:
vfork:
execve: Path StringVector EnvVector
exit: Int
wait4: Pid WaitStatusPtr WaitOptions RusagePtr
kill: Pid Signal
uname: UtsnamePtr
fcntl: Fd FcntlCommand FcntlArg
flock: Fd FlockOperation
fsync: Fd
fdatasync: Fd
truncate: Path Size
ftruncate: Fd Size
getdents: Fd DirentsPtr UInt
getcwd: StringBuffer Size
chdir: Path
fchdir: Fd
rename: Path Path
mkdir: Path Mode
rmdir: Path
creat: Path Mode -> Fd
link: Path Path
unlink: Path
symlink: Path Path
readlink: Path ReadBuffer Size
chmod: Path Mode
fchmod: Fd Mode
chown: Path Uid Gid
fchown: Fd Uid Gid
lchown: Path Uid Gid
umask: Mode -> Mode
gettimeofday: TimevalOut TimezoneOut
getrlimit: RlimitResource RlimitOut
getrusage: RusageWho RusagePtr
sysinfo: SysinfoPtr
times: TmsPtr
getuid:
getgid:
setuid: Uid
setgid: Gid
geteuid:
getegid:
setpgid: Pid Pid
getppid:
getpgrp:
setsid:
setreuid: Uid Uid
setregid: Gid Gid
getgroups: Int GroupsPtr
setgroups: Int GroupsIn
setresuid: Uid Uid Uid
getresuid: IntOut IntOut IntOut
setresgid: Gid Gid Gid
getresgid: IntOut IntOut IntOut
getpgid: Pid
setfsuid: Uid
setfsgid: Gid
getsid: Pid
rt_sigpending: SigsetOut Size
rt_sigtimedwait: SigsetIn SiginfoOut TimespecIn Size -> Signal
rt_sigqueueinfo: Pid Signal SiginfoIn
rt_sigsuspend: SigsetIn Size
sigaltstack: StackIn StackOut
utime: Path UtimbufPtr
mknod: Path MknodMode MknodDevice
personality: Persona -> Persona
statfs: Path StatfsPtr
fstatfs: Fd StatfsPtr
getpriority: PriorityWhich Int
setpriority: PriorityWhich Int Int
sched_setparam: Pid SchedParamIn
sched_getparam: Pid SchedParamOut
sched_setscheduler: Pid SchedPolicy SchedParamIn
sched_getscheduler: Pid -> SchedPolicy
sched_get_priority_max: SchedPolicy
sched_get_priority_min: SchedPolicy
sched_rr_get_interval: Pid TimespecOut
mlock: Addr Size
munlock: Addr Size
mlockall: MlockallFlags
munlockall:
prctl: PrctlOption PrctlArg2 PrctlArg3 PrctlArg4 PrctlArg5
arch_prctl: ArchPrctlCode ArchPrctlAddr
setrlimit: RlimitResource RlimitIn
chroot: Path
sync:
mount: Path Path CString HexULong Addr
umount2: Path UmountFlags
sethostname: CountedString Size
setdomainname: CountedString Size
gettid:
readahead: Fd Long Size
setxattr: Path XattrName XattrValueIn Size XattrFlags
lsetxattr: Path XattrName XattrValueIn Size XattrFlags
fsetxattr: Fd XattrName XattrValueIn Size XattrFlags
getxattr: Path XattrName XattrValueOut Size
lgetxattr: Path XattrName XattrValueOut Size
fgetxattr: Fd XattrName XattrValueOut Size
listxattr: Path XattrListOut Size
llistxattr: Path XattrListOut Size
flistxattr: Fd XattrListOut Size
removexattr: Path XattrName
lremovexattr: Path XattrName
fremovexattr: Fd XattrName
tkill: Pid Signal
time: TimePtr
futex: Addr FutexOp FutexVal FutexTimeoutOrVal2 FutexAddr2 FutexVal3
sched_setaffinity: Pid UInt CpuSetIn
sched_getaffinity: Pid UInt CpuSetOut
epoll_create: Int -> Fd
getdents64: Fd Dirents64Ptr UInt
set_tid_address: Addr
fadvise64: Fd Long Size FadviseAdvice
timer_create: ClockId SigeventPtr TimerIdOut
timer_settime: Int TimerFlags ItimerspecIn ItimerspecOut
timer_gettime: Int ItimerspecOut
timer_getoverrun: Int
timer_delete: Int
clock_settime: ClockId TimespecIn
clock_gettime: ClockId TimespecOut
clock_getres: ClockId TimespecOut
clock_nanosleep: ClockId TimerFlags TimespecIn RemainingTimePtr
exit_group: Int
epoll_wait: Fd EpollEventsPtr Int Int
epoll_ctl: Fd EpollOperation Fd EpollEventPtr
tgkill: Pid Pid Signal
utimes: Path UtimesPtr
waitid: WaitidType Pid SiginfoOut WaitOptions RusagePtr
inotify_init: -> Fd
openat: DirFd Path OpenFlags CreateMode -> Fd
mkdirat: DirFd Path Mode
mknodat: DirFd Path MknodMode MknodDevice
fchownat: DirFd Path Uid Gid AtFlags
futimesat: DirFd PathOrNull UtimesPtr
newfstatat: DirFd Path StatPtr AtFlags
unlinkat: DirFd Path AtFlags
renameat: DirFd Path DirFd Path
linkat: DirFd Path DirFd Path AtFlags
symlinkat: Path DirFd Path
readlinkat: DirFd Path ReadBuffer Size
fchmodat: DirFd Path Mode
faccessat: DirFd Path AccessMode
pselect6: Int FdSetPtr FdSetPtr FdSetPtr PpollTimeout Pselect6Sigmask
ppoll: PollFdsPtr UInt PpollTimeout SigsetIn Size
unshare: UnshareFlags
set_robust_list: RobustListPtr Size
get_robust_list: Pid RobustListOut LongOut
splice: Fd OffsetPtr Fd OffsetPtr Size SpliceFlags
tee: Fd Fd Size SpliceFlags
sync_file_range: Fd Long Long SyncFileRangeFlags
vmsplice: Fd IovecIn ULong SpliceFlags
utimensat: DirFd PathOrNull UtimensPtr AtFlags
epoll_pwait: Fd EpollEventsPtr Int Int SigsetIn Size
signalfd: Fd SigsetIn Size -> Fd
timerfd_create: ClockId TimerfdFlags -> Fd
eventfd: UInt -> Fd
fallocate: Fd FallocateMode Long Long
timerfd_settime: Fd TimerfdFlags ItimerspecIn ItimerspecOut
timerfd_gettime: Fd ItimerspecOut
accept4: Fd SockaddrOut SocklenPtr SocketFlags -> Fd
signalfd4: Fd SigsetIn Size SignalfdFlags -> Fd
eventfd2: UInt EventfdFlags -> Fd
epoll_create1: EpollCreateFlags -> Fd
dup3: Fd Fd PipeFlags -> Fd
pipe2: PipeFdsPtr PipeFlags
inotify_init1: InotifyFlags -> Fd
preadv: Fd IovecOut Int Long
pwritev: Fd IovecIn Int Long
prlimit64: Pid RlimitResource RlimitIn RlimitOut
syncfs: Fd
setns: Fd UnshareFlags
getcpu: IntOut IntOut Addr
renameat2: DirFd Path DirFd Path RenameFlags
seccomp: SeccompOperation Flags32 Addr
getrandom: RandomBuffer Size GetrandomFlags
memfd_create: MemfdName MemfdFlags -> Fd
execveat: DirFd Path StringVector EnvVector AtFlags
membarrier: MembarrierCommand MembarrierFlags MembarrierCpu
mlock2: Addr Size MlockFlags
copy_file_range: Fd OffsetPtr Fd OffsetPtr Size Flags32
preadv2: Fd IovecOut Int Long OffsetHigh RwfFlags
pwritev2: Fd IovecIn Int Long OffsetHigh RwfFlags
pkey_mprotect: Addr Size Prot Int
pkey_alloc: Flags32 PkeyRights
pkey_free: Int
statx: DirFd Path StatxAtFlags StatxMask StatxPtr
rseq: RseqPtr HexUInt Flags32 HexUInt
pidfd_send_signal: Fd Signal SiginfoIn Flags32
pidfd_open: Pid PidfdFlags -> Fd
clone3: Clone3Ptr Size
close_range: UInt UInt CloseRangeFlags
openat2: DirFd Path OpenHowPtr Size -> Fd
faccessat2: DirFd Path AccessMode FaccessatFlags
memfd_secret: MemfdFlags -> Fd
"""


#: Number of arguments of the others; they are shown in hexadecimal.
_COUNTS = {
    0: "vhangup restart_syscall",
    1: "shmdt uselib _sysctl adjtimex acct swapoff iopl get_kernel_syms set_thread_area io_destroy"
    " get_thread_area mq_unlink userfaultfd",
    2: "msgget capget capset ustat pivot_root settimeofday swapon create_module delete_module"
    " io_setup mq_notify inotify_rm_watch fanotify_init clock_adjtime io_uring_setup"
    " fsopen landlock_restrict_self process_mrelease",
    3: "shmget shmat shmctl semget semop msgctl syslog sysfs modify_ldt ioperm init_module"
    " nfsservctl tuxcall security io_submit io_cancel lookup_dcookie set_mempolicy mq_getsetattr"
    " ioprio_set inotify_add_watch open_by_handle_at finit_module sched_setattr bpf open_tree"
    " fsmount fspick pidfd_getfd landlock_create_ruleset",
    4: "semctl msgsnd ptrace reboot quotactl epoll_ctl_old epoll_wait_old semtimedop mq_open"
    " kexec_load request_key migrate_pages rt_tgsigqueueinfo sendmmsg sched_getattr"
    " io_uring_register quotactl_fd landlock_add_rule set_mempolicy_home_node",
    5: "msgrcv query_module getpmsg putpmsg afs_syscall io_getevents remap_file_pages vserver"
    " get_mempolicy mq_timedsend mq_timedreceive add_key keyctl perf_event_open recvmmsg"
    " fanotify_mark name_to_handle_at kcmp kexec_file_load move_mount fsconfig process_madvise"
    " mount_setattr futex_waitv",
}


class Unimplemented:
    """A row of the table without a handler."""

    __slots__ = ("name", "number", "parameters", "plan", "returns")

    def __init__(
        self, number: int, name: str, parameters: tuple[tuple[str, Marker], ...], returns: Marker
    ) -> None:
        self.number = number
        self.name = name
        self.parameters = parameters
        self.returns = returns
        #: trace/capture keeps what it compiled here.
        self.plan: object = None


@cache
def _signatures() -> dict[str, str]:
    lines = (line.partition(":") for line in _SIGNATURES.strip().splitlines())
    return {name: signature for name, _, signature in lines}


def marker_of(alias: str) -> Marker:
    """The marker of an alias of abi/arguments. Raises AttributeError."""
    from youcpu.abi import arguments

    marker = getattr(arguments, alias).__metadata__[0]
    assert isinstance(marker, Marker)
    return marker


def unimplemented(number: int, name: str) -> Unimplemented:
    """The row of a call without a handler.

    One that nobody knows has six arguments, in hexadecimal.
    """
    signature = _signatures().get(name)
    if signature is None:
        count = next((n for n, names in _COUNTS.items() if name in names.split()), 6)
        shown = tuple((f"arg{index}", HexLong()) for index in range(count))
        return Unimplemented(number, name, shown, SignedLong())
    arguments, _, returns = signature.partition("->")
    parameters = tuple((f"arg{i}", marker_of(alias)) for i, alias in enumerate(arguments.split()))
    return Unimplemented(
        number, name, parameters, marker_of(returns.strip()) if returns else SignedLong()
    )
