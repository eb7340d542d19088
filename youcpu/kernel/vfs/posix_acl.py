"""Access control lists as extended attributes: fs/posix_acl.c.

struct posix_acl_xattr_header   version 2                       u32
struct posix_acl_xattr_entry    tag u16, permissions u16, id u32, for each entry
"""

from __future__ import annotations

import struct

from youcpu.abi.errno import Errno
from youcpu.kernel.errors import KernelError

ACL_ACCESS, ACL_DEFAULT = b"system.posix_acl_access", b"system.posix_acl_default"
POSIX_ACLS = (ACL_ACCESS, ACL_DEFAULT)
#: Bytes before the first entry.
ACL_HEADER = 4
_VERSION = 2
_ENTRY = struct.Struct("<HHI")
_USER_OBJ, _GROUP_OBJ, _OTHER = 0x01, 0x04, 0x20
#: ACL_USER, ACL_GROUP, ACL_MASK
_MORE = (0x02, 0x08, 0x10)


def equivalent_mode(data: bytes) -> int | None:
    """posix_acl_equiv_mode(): the permission bits that say the same; None: it says more.

    Raises KernelError(EINVAL), or EOPNOTSUPP for another version.
    """
    if len(data) < ACL_HEADER or (len(data) - ACL_HEADER) % _ENTRY.size:
        raise KernelError(Errno.EINVAL)
    if int.from_bytes(data[:ACL_HEADER], "little") != _VERSION:
        raise KernelError(Errno.EOPNOTSUPP)
    shifts = {_USER_OBJ: 6, _GROUP_OBJ: 3, _OTHER: 0}
    mode, more = 0, False
    for tag, rights, _ in _ENTRY.iter_unpack(data[ACL_HEADER:]):
        if tag in shifts and rights <= 7:
            mode |= rights << shifts.pop(tag)
        elif tag in _MORE and rights <= 7:
            more = True
        else:
            raise KernelError(Errno.EINVAL)
    if shifts:
        raise KernelError(Errno.EINVAL)
    return None if more else mode
