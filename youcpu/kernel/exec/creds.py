"""Who the new program acts as: fs/exec.c bprm_fill_uid(), security/commoncap.c."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from youcpu.kernel.cred import ALL_CAPABILITIES
from youcpu.kernel.exec.host_facts import mounted_with

if TYPE_CHECKING:
    from youcpu.kernel.cred import Credentials
    from youcpu.kernel.exec.binprm import LinuxBinprm


def exec_credentials(bprm: LinuxBinprm) -> Credentials:
    """Identity after set-user-ID bits of the image, not of scripts: bprm_creds_from_file().

    With flag C of binfmt_misc the bits of the file that the rule took count.
    File capabilities (security.capability) are not looked at.
    """
    old = bprm.task.cred
    euid, egid = old.euid, old.egid
    file = bprm.file
    if bprm.execfd_creds and bprm.executable is not None:
        file = bprm.executable
    inode = file.inode
    if not bprm.task.no_new_privs and not mounted_with(inode) & os.ST_NOSUID:
        if inode.mode & stat.S_ISUID:
            euid = inode.uid
        # Set-group-ID without the group's x bit once meant mandatory locking.
        if inode.mode & (stat.S_ISGID | stat.S_IXGRP) == stat.S_ISGID | stat.S_IXGRP:
            egid = inode.gid
    new = old.prepare()
    new.euid = new.suid = new.fsuid = euid
    new.egid = new.sgid = new.fsgid = egid
    new.effective = ALL_CAPABILITIES if euid == 0 else 0
    return new
