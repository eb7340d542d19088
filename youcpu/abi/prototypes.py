"""What each x86-64 system call takes, as C writes it: include/linux/syscalls.h (Linux 6.18), man 2.

One line a call: name, then its arguments in the order of the registers. `-`: a number that x86-64
reserves and that has answered ENOSYS ever since (arch/x86/entry/syscalls/syscall_64.tbl).
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

#: Which register carries which argument: `syscall` (rcx is lost to it, hence r10), `int 0x80`.
REGISTERS_X86_64 = ("rdi", "rsi", "rdx", "r10", "r8", "r9")
REGISTERS_I386 = ("ebx", "ecx", "edx", "esi", "edi", "ebp")

_PROTOTYPES = """
read int fd, void *buf, size_t count
write int fd, const void *buf, size_t count
open const char *pathname, int flags, mode_t mode
close int fd
stat const char *pathname, struct stat *statbuf
fstat int fd, struct stat *statbuf
lstat const char *pathname, struct stat *statbuf
poll struct pollfd *fds, unsigned int nfds, int timeout
lseek int fd, off_t offset, int whence
mmap void *addr, size_t length, int prot, int flags, int fd, off_t offset
mprotect void *addr, size_t len, int prot
munmap void *addr, size_t length
brk void *addr
rt_sigaction int signum, const struct sigaction *act, struct sigaction *oldact, size_t sigsetsize
rt_sigprocmask int how, const sigset_t *set, sigset_t *oldset, size_t sigsetsize
rt_sigreturn
ioctl int fd, unsigned int request, unsigned long argp
pread64 int fd, void *buf, size_t count, off_t offset
pwrite64 int fd, const void *buf, size_t count, off_t offset
readv int fd, const struct iovec *iov, int iovcnt
writev int fd, const struct iovec *iov, int iovcnt
access const char *pathname, int mode
pipe int *pipefd
select int nfds, fd_set *readfds, fd_set *writefds, fd_set *exceptfds, struct timeval *timeout
sched_yield
mremap void *old_address, size_t old_size, size_t new_size, int flags, void *new_address
msync void *addr, size_t length, int flags
mincore void *addr, size_t length, unsigned char *vec
madvise void *addr, size_t length, int advice
shmget key_t key, size_t size, int shmflg
shmat int shmid, const void *shmaddr, int shmflg
shmctl int shmid, int cmd, struct shmid_ds *buf
dup int oldfd
dup2 int oldfd, int newfd
pause
nanosleep const struct timespec *req, struct timespec *rem
getitimer int which, struct itimerval *curr_value
alarm unsigned int seconds
setitimer int which, const struct itimerval *new_value, struct itimerval *old_value
getpid
sendfile int out_fd, int in_fd, off_t *offset, size_t count
socket int domain, int type, int protocol
connect int sockfd, const struct sockaddr *addr, int addrlen
accept int sockfd, struct sockaddr *addr, int *addrlen
sendto int sockfd, const void *buf, size_t len, int flags, const struct sockaddr *dest, int addrlen
recvfrom int sockfd, void *buf, size_t len, int flags, struct sockaddr *src, int *addrlen
sendmsg int sockfd, const struct msghdr *msg, int flags
recvmsg int sockfd, struct msghdr *msg, int flags
shutdown int sockfd, int how
bind int sockfd, const struct sockaddr *addr, int addrlen
listen int sockfd, int backlog
getsockname int sockfd, struct sockaddr *addr, int *addrlen
getpeername int sockfd, struct sockaddr *addr, int *addrlen
socketpair int domain, int type, int protocol, int *sv
setsockopt int sockfd, int level, int optname, const void *optval, int optlen
getsockopt int sockfd, int level, int optname, void *optval, int *optlen
clone unsigned long flags, void *stack, int *parent_tid, int *child_tid, unsigned long tls
fork
vfork
execve const char *pathname, char *const *argv, char *const *envp
exit int status
wait4 pid_t pid, int *wstatus, int options, struct rusage *rusage
kill pid_t pid, int sig
uname struct utsname *buf
semget key_t key, int nsems, int semflg
semop int semid, struct sembuf *sops, unsigned int nsops
semctl int semid, int semnum, int cmd, unsigned long arg
shmdt const void *shmaddr
msgget key_t key, int msgflg
msgsnd int msqid, const struct msgbuf *msgp, size_t msgsz, int msgflg
msgrcv int msqid, struct msgbuf *msgp, size_t msgsz, long msgtyp, int msgflg
msgctl int msqid, int cmd, struct msqid_ds *buf
fcntl int fd, unsigned int cmd, unsigned long arg
flock int fd, int operation
fsync int fd
fdatasync int fd
truncate const char *path, off_t length
ftruncate int fd, off_t length
getdents unsigned int fd, struct linux_dirent *dirp, unsigned int count
getcwd char *buf, unsigned long size
chdir const char *path
fchdir int fd
rename const char *oldpath, const char *newpath
mkdir const char *pathname, mode_t mode
rmdir const char *pathname
creat const char *pathname, mode_t mode
link const char *oldpath, const char *newpath
unlink const char *pathname
symlink const char *target, const char *linkpath
readlink const char *pathname, char *buf, size_t bufsiz
chmod const char *pathname, mode_t mode
fchmod int fd, mode_t mode
chown const char *pathname, uid_t owner, gid_t group
fchown int fd, uid_t owner, gid_t group
lchown const char *pathname, uid_t owner, gid_t group
umask mode_t mask
gettimeofday struct timeval *tv, struct timezone *tz
getrlimit unsigned int resource, struct rlimit *rlim
getrusage int who, struct rusage *usage
sysinfo struct sysinfo *info
times struct tms *buf
ptrace long request, pid_t pid, void *addr, void *data
getuid
syslog int type, char *bufp, int len
getgid
setuid uid_t uid
setgid gid_t gid
geteuid
getegid
setpgid pid_t pid, pid_t pgid
getppid
getpgrp
setsid
setreuid uid_t ruid, uid_t euid
setregid gid_t rgid, gid_t egid
getgroups int size, gid_t *list
setgroups int size, const gid_t *list
setresuid uid_t ruid, uid_t euid, uid_t suid
getresuid uid_t *ruid, uid_t *euid, uid_t *suid
setresgid gid_t rgid, gid_t egid, gid_t sgid
getresgid gid_t *rgid, gid_t *egid, gid_t *sgid
getpgid pid_t pid
setfsuid uid_t fsuid
setfsgid gid_t fsgid
getsid pid_t pid
capget struct __user_cap_header_struct *hdrp, struct __user_cap_data_struct *datap
capset struct __user_cap_header_struct *hdrp, const struct __user_cap_data_struct *datap
rt_sigpending sigset_t *set, size_t sigsetsize
rt_sigtimedwait const sigset_t *set, siginfo_t *info, const struct timespec *timeout, \
size_t sigsetsize
rt_sigqueueinfo pid_t tgid, int sig, siginfo_t *info
rt_sigsuspend const sigset_t *mask, size_t sigsetsize
sigaltstack const stack_t *ss, stack_t *old_ss
utime const char *filename, const struct utimbuf *times
mknod const char *pathname, mode_t mode, unsigned int dev
uselib const char *library
personality unsigned int persona
ustat unsigned int dev, struct ustat *ubuf
statfs const char *path, struct statfs *buf
fstatfs int fd, struct statfs *buf
sysfs int option, unsigned long arg1, unsigned long arg2
getpriority int which, int who
setpriority int which, int who, int prio
sched_setparam pid_t pid, const struct sched_param *param
sched_getparam pid_t pid, struct sched_param *param
sched_setscheduler pid_t pid, int policy, const struct sched_param *param
sched_getscheduler pid_t pid
sched_get_priority_max int policy
sched_get_priority_min int policy
sched_rr_get_interval pid_t pid, struct timespec *tp
mlock const void *addr, size_t len
munlock const void *addr, size_t len
mlockall int flags
munlockall
vhangup
modify_ldt int func, void *ptr, unsigned long bytecount
pivot_root const char *new_root, const char *put_old
_sysctl -
prctl int option, unsigned long arg2, unsigned long arg3, unsigned long arg4, unsigned long arg5
arch_prctl int code, unsigned long addr
adjtimex struct timex *buf
setrlimit unsigned int resource, const struct rlimit *rlim
chroot const char *path
sync
acct const char *filename
settimeofday const struct timeval *tv, const struct timezone *tz
mount const char *source, const char *target, const char *type, unsigned long flags, \
const void *data
umount2 const char *target, int flags
swapon const char *path, int swapflags
swapoff const char *path
reboot int magic, int magic2, unsigned int cmd, void *arg
sethostname const char *name, int len
setdomainname const char *name, int len
iopl unsigned int level
ioperm unsigned long from, unsigned long num, int turn_on
create_module -
init_module void *module_image, unsigned long len, const char *param_values
delete_module const char *name, unsigned int flags
get_kernel_syms -
query_module -
quotactl unsigned int cmd, const char *special, int id, void *addr
nfsservctl -
getpmsg -
putpmsg -
afs_syscall -
tuxcall -
security -
gettid
readahead int fd, off_t offset, size_t count
setxattr const char *path, const char *name, const void *value, size_t size, int flags
lsetxattr const char *path, const char *name, const void *value, size_t size, int flags
fsetxattr int fd, const char *name, const void *value, size_t size, int flags
getxattr const char *path, const char *name, void *value, size_t size
lgetxattr const char *path, const char *name, void *value, size_t size
fgetxattr int fd, const char *name, void *value, size_t size
listxattr const char *path, char *list, size_t size
llistxattr const char *path, char *list, size_t size
flistxattr int fd, char *list, size_t size
removexattr const char *path, const char *name
lremovexattr const char *path, const char *name
fremovexattr int fd, const char *name
tkill pid_t tid, int sig
time time_t *tloc
futex uint32_t *uaddr, int futex_op, uint32_t val, const struct timespec *timeout, \
uint32_t *uaddr2, uint32_t val3
sched_setaffinity pid_t pid, unsigned int cpusetsize, const unsigned long *mask
sched_getaffinity pid_t pid, unsigned int cpusetsize, unsigned long *mask
set_thread_area -
io_setup unsigned int nr_events, aio_context_t *ctx
io_destroy aio_context_t ctx
io_getevents aio_context_t ctx, long min_nr, long nr, struct io_event *events, \
struct timespec *timeout
io_submit aio_context_t ctx, long nr, struct iocb **iocbpp
io_cancel aio_context_t ctx, struct iocb *iocb, struct io_event *result
get_thread_area -
lookup_dcookie -
epoll_create int size
epoll_ctl_old -
epoll_wait_old -
remap_file_pages void *addr, size_t size, int prot, size_t pgoff, int flags
getdents64 unsigned int fd, struct linux_dirent64 *dirp, unsigned int count
set_tid_address int *tidptr
restart_syscall
semtimedop int semid, struct sembuf *sops, unsigned int nsops, const struct timespec *timeout
fadvise64 int fd, off_t offset, size_t len, int advice
timer_create clockid_t clockid, struct sigevent *sevp, timer_t *timerid
timer_settime timer_t timerid, int flags, const struct itimerspec *new_value, \
struct itimerspec *old_value
timer_gettime timer_t timerid, struct itimerspec *curr_value
timer_getoverrun timer_t timerid
timer_delete timer_t timerid
clock_settime clockid_t clockid, const struct timespec *tp
clock_gettime clockid_t clockid, struct timespec *tp
clock_getres clockid_t clockid, struct timespec *res
clock_nanosleep clockid_t clockid, int flags, const struct timespec *t, struct timespec *remain
exit_group int status
epoll_wait int epfd, struct epoll_event *events, int maxevents, int timeout
epoll_ctl int epfd, int op, int fd, struct epoll_event *event
tgkill pid_t tgid, pid_t tid, int sig
utimes const char *filename, const struct timeval *times
vserver -
mbind void *addr, unsigned long len, int mode, const unsigned long *nodemask, \
unsigned long maxnode, unsigned int flags
set_mempolicy int mode, const unsigned long *nodemask, unsigned long maxnode
get_mempolicy int *mode, unsigned long *nodemask, unsigned long maxnode, void *addr, \
unsigned long flags
mq_open const char *name, int oflag, mode_t mode, struct mq_attr *attr
mq_unlink const char *name
mq_timedsend mqd_t mqdes, const char *msg_ptr, size_t msg_len, unsigned int msg_prio, \
const struct timespec *abs_timeout
mq_timedreceive mqd_t mqdes, char *msg_ptr, size_t msg_len, unsigned int *msg_prio, \
const struct timespec *abs_timeout
mq_notify mqd_t mqdes, const struct sigevent *sevp
mq_getsetattr mqd_t mqdes, const struct mq_attr *newattr, struct mq_attr *oldattr
kexec_load unsigned long entry, unsigned long nr_segments, struct kexec_segment *segments, \
unsigned long flags
waitid int idtype, pid_t id, siginfo_t *infop, int options, struct rusage *rusage
add_key const char *type, const char *description, const void *payload, size_t plen, \
key_serial_t keyring
request_key const char *type, const char *description, const char *callout_info, \
key_serial_t keyring
keyctl int operation, unsigned long arg2, unsigned long arg3, unsigned long arg4, \
unsigned long arg5
ioprio_set int which, int who, int ioprio
ioprio_get int which, int who
inotify_init
inotify_add_watch int fd, const char *pathname, uint32_t mask
inotify_rm_watch int fd, int wd
migrate_pages int pid, unsigned long maxnode, const unsigned long *old_nodes, \
const unsigned long *new_nodes
openat int dirfd, const char *pathname, int flags, mode_t mode
mkdirat int dirfd, const char *pathname, mode_t mode
mknodat int dirfd, const char *pathname, mode_t mode, unsigned int dev
fchownat int dirfd, const char *pathname, uid_t owner, gid_t group, int flags
futimesat int dirfd, const char *pathname, const struct timeval *times
newfstatat int dirfd, const char *pathname, struct stat *statbuf, int flags
unlinkat int dirfd, const char *pathname, int flags
renameat int olddirfd, const char *oldpath, int newdirfd, const char *newpath
linkat int olddirfd, const char *oldpath, int newdirfd, const char *newpath, int flags
symlinkat const char *target, int newdirfd, const char *linkpath
readlinkat int dirfd, const char *pathname, char *buf, size_t bufsiz
fchmodat int dirfd, const char *pathname, mode_t mode
faccessat int dirfd, const char *pathname, int mode
pselect6 int nfds, fd_set *readfds, fd_set *writefds, fd_set *exceptfds, \
struct timespec *timeout, void *sigmask
ppoll struct pollfd *fds, unsigned int nfds, struct timespec *tmo_p, const sigset_t *sigmask, \
size_t sigsetsize
unshare unsigned long flags
set_robust_list struct robust_list_head *head, size_t len
get_robust_list int pid, struct robust_list_head **head_ptr, size_t *len_ptr
splice int fd_in, off_t *off_in, int fd_out, off_t *off_out, size_t len, unsigned int flags
tee int fd_in, int fd_out, size_t len, unsigned int flags
sync_file_range int fd, off_t offset, off_t nbytes, unsigned int flags
vmsplice int fd, const struct iovec *iov, size_t nr_segs, unsigned int flags
move_pages int pid, unsigned long count, void **pages, const int *nodes, int *status, int flags
utimensat int dirfd, const char *pathname, const struct timespec *times, int flags
epoll_pwait int epfd, struct epoll_event *events, int maxevents, int timeout, \
const sigset_t *sigmask, size_t sigsetsize
signalfd int fd, const sigset_t *mask, size_t sizemask
timerfd_create int clockid, int flags
eventfd unsigned int initval
fallocate int fd, int mode, off_t offset, off_t len
timerfd_settime int fd, int flags, const struct itimerspec *new_value, \
struct itimerspec *old_value
timerfd_gettime int fd, struct itimerspec *curr_value
accept4 int sockfd, struct sockaddr *addr, int *addrlen, int flags
signalfd4 int fd, const sigset_t *mask, size_t sizemask, int flags
eventfd2 unsigned int initval, int flags
epoll_create1 int flags
dup3 unsigned int oldfd, unsigned int newfd, int flags
pipe2 int *pipefd, int flags
inotify_init1 int flags
preadv unsigned long fd, const struct iovec *iov, unsigned long iovcnt, unsigned long pos_l, \
unsigned long pos_h
pwritev unsigned long fd, const struct iovec *iov, unsigned long iovcnt, unsigned long pos_l, \
unsigned long pos_h
rt_tgsigqueueinfo pid_t tgid, pid_t tid, int sig, siginfo_t *info
perf_event_open struct perf_event_attr *attr, pid_t pid, int cpu, int group_fd, \
unsigned long flags
recvmmsg int sockfd, struct mmsghdr *msgvec, unsigned int vlen, unsigned int flags, \
struct timespec *timeout
fanotify_init unsigned int flags, unsigned int event_f_flags
fanotify_mark int fanotify_fd, unsigned int flags, uint64_t mask, int dirfd, \
const char *pathname
prlimit64 pid_t pid, unsigned int resource, const struct rlimit *new_limit, \
struct rlimit *old_limit
name_to_handle_at int dirfd, const char *pathname, struct file_handle *handle, int *mount_id, \
int flags
open_by_handle_at int mount_fd, struct file_handle *handle, int flags
clock_adjtime clockid_t clk_id, struct timex *buf
syncfs int fd
sendmmsg int sockfd, struct mmsghdr *msgvec, unsigned int vlen, unsigned int flags
setns int fd, int nstype
getcpu unsigned int *cpu, unsigned int *node, void *unused
process_vm_readv pid_t pid, const struct iovec *local_iov, unsigned long liovcnt, \
const struct iovec *remote_iov, unsigned long riovcnt, unsigned long flags
process_vm_writev pid_t pid, const struct iovec *local_iov, unsigned long liovcnt, \
const struct iovec *remote_iov, unsigned long riovcnt, unsigned long flags
kcmp pid_t pid1, pid_t pid2, int type, unsigned long idx1, unsigned long idx2
finit_module int fd, const char *param_values, int flags
sched_setattr pid_t pid, struct sched_attr *attr, unsigned int flags
sched_getattr pid_t pid, struct sched_attr *attr, unsigned int size, unsigned int flags
renameat2 int olddirfd, const char *oldpath, int newdirfd, const char *newpath, \
unsigned int flags
seccomp unsigned int operation, unsigned int flags, void *args
getrandom void *buf, size_t buflen, unsigned int flags
memfd_create const char *name, unsigned int flags
kexec_file_load int kernel_fd, int initrd_fd, unsigned long cmdline_len, const char *cmdline, \
unsigned long flags
bpf int cmd, union bpf_attr *attr, unsigned int size
execveat int dirfd, const char *pathname, char *const *argv, char *const *envp, int flags
userfaultfd int flags
membarrier int cmd, unsigned int flags, int cpu_id
mlock2 const void *addr, size_t len, int flags
copy_file_range int fd_in, off_t *off_in, int fd_out, off_t *off_out, size_t len, \
unsigned int flags
preadv2 unsigned long fd, const struct iovec *iov, unsigned long iovcnt, unsigned long pos_l, \
unsigned long pos_h, int flags
pwritev2 unsigned long fd, const struct iovec *iov, unsigned long iovcnt, unsigned long pos_l, \
unsigned long pos_h, int flags
pkey_mprotect void *addr, size_t len, int prot, int pkey
pkey_alloc unsigned long flags, unsigned long access_rights
pkey_free int pkey
statx int dirfd, const char *pathname, unsigned int flags, unsigned int mask, \
struct statx *statxbuf
io_pgetevents aio_context_t ctx, long min_nr, long nr, struct io_event *events, \
struct timespec *timeout, const struct __aio_sigset *sig
rseq struct rseq *rseq, uint32_t rseq_len, int flags, uint32_t sig
uretprobe
pidfd_send_signal int pidfd, int sig, siginfo_t *info, unsigned int flags
io_uring_setup uint32_t entries, struct io_uring_params *p
io_uring_enter unsigned int fd, uint32_t to_submit, uint32_t min_complete, uint32_t flags, \
const void *argp, size_t argsz
io_uring_register unsigned int fd, unsigned int opcode, void *arg, unsigned int nr_args
open_tree int dirfd, const char *pathname, unsigned int flags
move_mount int from_dirfd, const char *from_path, int to_dirfd, const char *to_path, \
unsigned int flags
fsopen const char *fsname, unsigned int flags
fsconfig int fd, unsigned int cmd, const char *key, const void *value, int aux
fsmount int fsfd, unsigned int flags, unsigned int attr_flags
fspick int dirfd, const char *pathname, unsigned int flags
pidfd_open pid_t pid, unsigned int flags
clone3 struct clone_args *cl_args, size_t size
close_range unsigned int first, unsigned int last, unsigned int flags
openat2 int dirfd, const char *pathname, struct open_how *how, size_t size
pidfd_getfd int pidfd, int targetfd, unsigned int flags
faccessat2 int dirfd, const char *pathname, int mode, int flags
process_madvise int pidfd, const struct iovec *iovec, size_t vlen, int advice, \
unsigned int flags
epoll_pwait2 int epfd, struct epoll_event *events, int maxevents, \
const struct timespec *timeout, const sigset_t *sigmask, size_t sigsetsize
mount_setattr int dirfd, const char *pathname, unsigned int flags, struct mount_attr *attr, \
size_t size
quotactl_fd unsigned int fd, unsigned int cmd, int id, void *addr
landlock_create_ruleset const struct landlock_ruleset_attr *attr, size_t size, uint32_t flags
landlock_add_rule int ruleset_fd, int rule_type, const void *rule_attr, uint32_t flags
landlock_restrict_self int ruleset_fd, uint32_t flags
memfd_secret unsigned int flags
process_mrelease int pidfd, unsigned int flags
futex_waitv struct futex_waitv *waiters, unsigned int nr_futexes, unsigned int flags, \
struct timespec *timeout, clockid_t clockid
set_mempolicy_home_node unsigned long start, unsigned long len, unsigned long home_node, \
unsigned long flags
cachestat unsigned int fd, struct cachestat_range *range, struct cachestat *cstat, \
unsigned int flags
fchmodat2 int dirfd, const char *pathname, mode_t mode, unsigned int flags
map_shadow_stack unsigned long addr, unsigned long size, unsigned int flags
futex_wake void *uaddr, unsigned long mask, int nr, unsigned int flags
futex_wait void *uaddr, unsigned long val, unsigned long mask, unsigned int flags, \
struct timespec *timeout, clockid_t clockid
futex_requeue struct futex_waitv *waiters, unsigned int flags, int nr_wake, int nr_requeue
statmount const struct mnt_id_req *req, struct statmount *buf, size_t bufsize, \
unsigned int flags
listmount const struct mnt_id_req *req, uint64_t *mnt_ids, size_t nr_mnt_ids, \
unsigned int flags
lsm_get_self_attr unsigned int attr, struct lsm_ctx *ctx, uint32_t *size, uint32_t flags
lsm_set_self_attr unsigned int attr, struct lsm_ctx *ctx, uint32_t size, uint32_t flags
lsm_list_modules uint64_t *ids, uint32_t *size, uint32_t flags
mseal void *addr, size_t len, unsigned long flags
setxattrat int dirfd, const char *pathname, unsigned int at_flags, const char *name, \
const struct xattr_args *args, size_t size
getxattrat int dirfd, const char *pathname, unsigned int at_flags, const char *name, \
struct xattr_args *args, size_t size
listxattrat int dirfd, const char *pathname, unsigned int at_flags, char *list, size_t size
removexattrat int dirfd, const char *pathname, unsigned int at_flags, const char *name
open_tree_attr int dirfd, const char *pathname, unsigned int flags, struct mount_attr *attr, \
size_t size
file_getattr int dirfd, const char *pathname, struct file_attr *attr, size_t size, \
unsigned int at_flags
file_setattr int dirfd, const char *pathname, struct file_attr *attr, size_t size, \
unsigned int at_flags
"""


class Parameter(NamedTuple):
    """One argument: `type` as C writes it before the name, `const char *`."""

    name: str
    type: str

    @property
    def declaration(self) -> str:
        """As C declares it: `const char *pathname`, `int fd`."""
        return self.type + ("" if self.type.endswith("*") else " ") + self.name


@cache
def prototypes() -> dict[str, tuple[Parameter, ...] | None]:
    """Name of each x86-64 call -> its arguments; None: a reserved number without a call."""
    found: dict[str, tuple[Parameter, ...] | None] = {}
    for line in _PROTOTYPES.strip().splitlines():
        name, _, rest = line.partition(" ")
        found[name] = None if rest == "-" else tuple(_parameters(rest))
    return found


def _parameters(text: str) -> list[Parameter]:
    parameters = []
    for declaration in filter(None, text.split(", ")):
        start = max(declaration.rindex(" "), declaration.rfind("*")) + 1
        parameters.append(Parameter(declaration[start:], declaration[:start].rstrip()))
    return parameters


#: i386 calls of the same name whose registers hold something else: 64-bit numbers in two
#: registers, old calls with all arguments in memory. arch/x86/kernel/sys_ia32.c, fs/select.c.
_I386 = """
mmap struct mmap_arg_struct *arg
select struct sel_arg_struct *arg
clone unsigned long flags, void *stack, int *parent_tid, unsigned long tls, int *child_tid
pread64 int fd, void *buf, size_t count, uint32_t pos_lo, uint32_t pos_hi
pwrite64 int fd, const void *buf, size_t count, uint32_t pos_lo, uint32_t pos_hi
readahead int fd, uint32_t offset_lo, uint32_t offset_hi, size_t count
fadvise64 int fd, uint32_t offset_lo, uint32_t offset_hi, size_t len, int advice
sync_file_range int fd, uint32_t offset_lo, uint32_t offset_hi, uint32_t nbytes_lo, \
uint32_t nbytes_hi, unsigned int flags
fallocate int fd, int mode, uint32_t offset_lo, uint32_t offset_hi, uint32_t len_lo, \
uint32_t len_hi
fanotify_mark int fanotify_fd, unsigned int flags, uint32_t mask_lo, uint32_t mask_hi, int dirfd, \
const char *pathname
set_thread_area struct user_desc *u_info
get_thread_area struct user_desc *u_info
"""


@cache
def i386_differences() -> dict[str, tuple[Parameter, ...]]:
    """Name -> arguments of the i386 calls that differ from the x86-64 call of that name."""
    lines = (line.partition(" ") for line in _I386.strip().splitlines())
    return {name: tuple(_parameters(rest)) for name, _, rest in lines}
