"""Directory entries: fs/dcache.c, fs/d_path.c. A place in the one tree of names.

A dentry holds its parent, a parent knows its children weakly: what nobody uses goes,
but for the ring of the last ones looked up (`DentryRing`).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from youcpu.kernel.vfs.inode import Inode

#: Strong references to dentries lately used; bounds the cache of names.
RING = 4096


class Dentry:
    """A name in a directory and its inode. The root of a mount has `covers`."""

    __slots__ = (
        "__weakref__",
        "children",
        "covers",
        "deleted",
        "inode",
        "linkable",
        "mounted",
        "name",
        "parent",
    )

    def __init__(self, name: bytes, inode: Inode, parent: Dentry | None = None) -> None:
        self.name = name
        self.inode = inode
        self.parent = parent
        self.children: WeakValueDictionary[bytes, Dentry] | None = None
        #: Root of the file system mounted here.
        self.mounted: Dentry | None = None
        #: The mount point that this root covers.
        self.covers: Dentry | None = None
        #: The name was removed while in use.
        self.deleted = False
        #: Made by O_TMPFILE: may get a name though it has none (I_LINKABLE).
        self.linkable = False

    def child(self, name: bytes) -> Dentry | None:
        """The cached entry `name`."""
        return self.children.get(name) if self.children is not None else None

    def add(self, name: bytes, inode: Inode) -> Dentry:
        """Enter `name`, now known to be `inode`."""
        dentry = Dentry(name, inode, self)
        if self.children is None:
            self.children = WeakValueDictionary()
        self.children[name] = dentry
        return dentry

    def drop(self, name: bytes) -> None:
        """The name is gone (unlink, rename over it): its users see "(deleted)"."""
        dentry = self.children.pop(name, None) if self.children is not None else None
        if dentry is not None:
            dentry.deleted = True

    def move(self, to: Dentry, name: bytes) -> None:
        """rename(2): the same dentry at its new place."""
        if self.parent is not None and self.parent.children is not None:
            self.parent.children.pop(self.name, None)
        to.drop(name)
        self.parent = to
        self.name = name
        if to.children is None:
            to.children = WeakValueDictionary()
        to.children[name] = self

    def swap(self, other: Dentry) -> None:
        """RENAME_EXCHANGE: both dentries stay, their places change."""
        for place in (self, other):
            if place.parent is not None and place.parent.children is not None:
                place.parent.children.pop(place.name, None)
        self.parent, other.parent = other.parent, self.parent
        self.name, other.name = other.name, self.name
        for place in (self, other):
            if place.parent is not None:
                if place.parent.children is None:
                    place.parent.children = WeakValueDictionary()
                place.parent.children[place.name] = place


class DentryRing:
    """Keeps the last RING dentries alive."""

    __slots__ = ("ring",)

    def __init__(self) -> None:
        self.ring: OrderedDict[Dentry, None] = OrderedDict()

    def touch(self, dentry: Dentry) -> None:
        """`dentry` was just looked up anew."""
        self.ring[dentry] = None
        if len(self.ring) > RING:
            self.ring.popitem(last=False)

    def forget(self, dentry: Dentry) -> None:
        """Its name is gone: what it held must not live on here."""
        self.ring.pop(dentry, None)


def follow_mount(dentry: Dentry) -> Dentry:
    """The root of what is mounted here, the topmost one; the place itself without any."""
    while dentry.mounted is not None:
        dentry = dentry.mounted
    return dentry


def follow_up(dentry: Dentry) -> Dentry | None:
    """The directory above, across mounts; None at the very top."""
    while dentry.parent is None:
        if dentry.covers is None:
            return None
        dentry = dentry.covers
    return dentry.parent


def d_path(dentry: Dentry, root: Dentry) -> tuple[bytes, bool]:
    """Absolute path as seen from `root`, and whether `root` was met on the way up.

    Nameless files (pipes, sockets, anonymous inodes) give their name, "pipe:[7]".
    " (deleted)" is the caller's business.
    """
    names: list[bytes] = []
    place: Dentry | None = dentry
    while place is not None and place is not root:
        if place.parent is None:
            if place.covers is None:
                if place.name:
                    return place.name, False
                break
            place = place.covers
            continue
        names.append(place.name)
        place = place.parent
    return b"/" + b"/".join(reversed(names)), place is root
