"""Who a task acts as: include/linux/cred.h."""

from __future__ import annotations

#: include/uapi/linux/capability.h: capabilities 0-40 of Linux 5.9 and later.
ALL_CAPABILITIES = (1 << 41) - 1
CAP_CHOWN = 0
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
CAP_FOWNER = 3
CAP_FSETID = 4
CAP_KILL = 5
CAP_SETGID = 6
CAP_SETUID = 7
CAP_NET_BIND_SERVICE = 10
CAP_NET_ADMIN = 12
CAP_NET_RAW = 13
CAP_IPC_LOCK = 14
CAP_IPC_OWNER = 15
CAP_SYS_RAWIO = 17
CAP_SYS_PTRACE = 19
CAP_SYS_ADMIN = 21
CAP_SYS_NICE = 23
CAP_SYS_RESOURCE = 24
CAP_MKNOD = 27
CAP_SYS_BOOT = 22
CAP_SYSLOG = 34


class Credentials:
    """Real, effective, saved and file-system ids; `groups` are the supplementary ones."""

    __slots__ = (
        "effective",
        "egid",
        "euid",
        "fsgid",
        "fsuid",
        "gid",
        "groups",
        "sgid",
        "suid",
        "uid",
    )

    def __init__(
        self,
        uid: int,
        gid: int,
        euid: int,
        egid: int,
        suid: int,
        sgid: int,
        fsuid: int,
        fsgid: int,
        groups: tuple[int, ...] = (),
        effective: int = 0,
    ) -> None:
        self.uid = uid
        self.gid = gid
        self.euid = euid
        self.egid = egid
        self.suid = suid
        self.sgid = sgid
        self.fsuid = fsuid
        self.fsgid = fsgid
        self.groups = groups
        self.effective = effective

    def prepare(self) -> Credentials:
        """A copy to be changed: prepare_creds()."""
        return Credentials(*[getattr(self, name) for name in _FIELDS])

    @classmethod
    def of(cls, uid: int, gid: int, groups: tuple[int, ...] = ()) -> Credentials:
        """All ids alike; root has every capability."""
        capabilities = ALL_CAPABILITIES if uid == 0 else 0
        return cls(uid, gid, uid, gid, uid, gid, uid, gid, groups, capabilities)

    def as_real(self) -> Credentials:
        """What access(2) checks by: the real ids; root's capabilities by the real uid."""
        if self.fsuid == self.uid and self.fsgid == self.gid:
            return self
        new = self.prepare()
        new.fsuid, new.fsgid = self.uid, self.gid
        if self.uid:
            new.effective = 0
        return new

    def capable(self, capability: int) -> bool:
        """Whether the effective set has it (inside this machine only)."""
        return bool(self.effective >> capability & 1)


#: In the order of the constructor.
_FIELDS = ("uid", "gid", "euid", "egid", "suid", "sgid", "fsuid", "fsgid", "groups", "effective")
