"""Regular files of the host that the program may write: reads, writes, mappings, write-back."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import (
    FALLOC_FL_PUNCH_HOLE,
    FALLOC_FL_ZERO_RANGE,
    O_ACCMODE,
    O_RDONLY,
    O_RDWR,
    O_WRONLY,
    SEEK_DATA,
    SEEK_HOLE,
)
from youcpu.hardware.memory import PAGE_SHIFT, PAGE_SIZE, FrameAllocator
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.page_cache import AddressSpace
from youcpu.kernel.vfs.file import File
from youcpu.kernel.vfs.hostfs import host_error
from youcpu.kernel.vfs.inode import Inode

if TYPE_CHECKING:
    from youcpu.kernel.vfs.dcache import Dentry


class DescriptorContent:
    """Pages of a file by a host descriptor that its mappings keep."""

    __slots__ = ("fd",)

    def __init__(self) -> None:
        self.fd = -1

    def fill(self, offset: int, into: memoryview) -> int:
        """Read from the host."""
        try:
            return os.preadv(self.fd, [into], offset) if self.fd >= 0 else 0
        except OSError as error:
            raise host_error(error) from None


class RwRegular(Inode):
    """The part of a regular file that deals with its bytes."""

    mapping: AddressSpace
    #: Host descriptors of its open files, and whether they may write.
    fds: dict[int, bool]
    #: Descriptor of a file just made, for its first open; -1: none.
    fresh: int

    def prepare(self, frames: FrameAllocator) -> None:
        """Set up the page cache."""
        self.fds = {}
        self.fresh = -1
        self.content = DescriptorContent()
        self.mapping = AddressSpace(frames, self.content)

    def open_host(self, flags: int) -> int:
        """A host descriptor of exactly this file."""
        raise KernelError(Errno.ESTALE)

    def keep_mapped(self, fd: int, writable: bool) -> None:
        """A mapping begins: it needs a descriptor as long as there are pages."""
        content = self.content
        if content.fd < 0:
            content.fd = os.dup(fd)
        elif writable:
            old, content.fd = content.fd, os.dup(fd)
            os.close(old)

    def write_back(self) -> None:
        """What shared mappings changed goes to the host."""
        mapping = self.mapping
        if not mapping.dirty or self.content.fd < 0:
            return
        for index in sorted(mapping.dirty):
            if not self.write_page(index):
                return
        # The pages may still be mapped writable: they stay dirty until they are unmapped.
        mapping.dirty = {i for i in mapping.dirty if self._mapped(i)}

    def write_page(self, index: int) -> bool:
        fd = self.content.fd
        frame = self.mapping.pages.get(index)
        if fd < 0 or frame is None:
            return fd >= 0
        count = min(PAGE_SIZE, os.fstat(fd).st_size - (index << PAGE_SHIFT))
        start = frame << PAGE_SHIFT
        try:
            if count > 0:
                os.pwrite(fd, self.sb.kernel.ram.bytes[start : start + count], index << PAGE_SHIFT)
        except OSError:
            return False  # opened for reading only: there was nothing to write
        return True

    def _mapped(self, index: int) -> bool:
        frame = self.mapping.pages.get(index)
        return frame is not None and self.mapping.frames.count(frame) > 1

    def written(self, data: bytes, offset: int) -> None:
        """write(2) changed the file: cached pages follow."""
        pages = self.mapping.pages
        if not pages:
            return
        ram = self.sb.kernel.ram.bytes
        done = 0
        while done < len(data):
            inside = (offset + done) & (PAGE_SIZE - 1)
            count = min(PAGE_SIZE - inside, len(data) - done)
            frame = pages.get((offset + done) >> PAGE_SHIFT)
            if frame is not None:
                start = (frame << PAGE_SHIFT) + inside
                ram[start : start + count] = data[done : done + count]
            done += count

    def truncate(self, size: int) -> None:
        fd, opened = self._writer()
        try:
            self.mapping.zero_tail(os.fstat(fd).st_size)
            self.truncate_host(fd, size)
        finally:
            if opened:
                os.close(fd)

    def _writer(self) -> tuple[int, bool]:
        """A descriptor to write by, and whether the caller must close it."""
        for fd, writable in self.fds.items():
            if writable:
                return fd, False
        return self.open_host(os.O_WRONLY), True

    def truncate_host(self, fd: int, size: int) -> None:
        """Set the length by a descriptor, drop pages beyond."""
        try:
            os.ftruncate(fd, size)
        except OSError as error:
            raise host_error(error) from None
        if size < self.size or self.mapping.pages:
            # A longer file: what mappings wrote behind its old end must not come to light.
            self.mapping.truncate(min(size, self.size))
        self.size = size

    def fallocate(self, mode: int, offset: int, end: int) -> None:
        from youcpu.kernel.vfs.host_calls import host_fallocate

        self.write_back()
        fd, opened = self._writer()
        try:
            host_fallocate(fd, mode, offset, end - offset)
            self.size = os.fstat(fd).st_size
            if mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE):
                self._zero_cached(offset, end)
        except OSError as error:
            raise host_error(error) from None
        finally:
            if opened:
                os.close(fd)

    def _zero_cached(self, offset: int, end: int) -> None:
        """[offset, end) of the file reads as zeros now: cached pages follow."""
        ram = self.sb.kernel.ram.bytes
        for index, frame in self.mapping.pages.items():
            start, stop = max(offset, index << PAGE_SHIFT), min(end, (index + 1) << PAGE_SHIFT)
            if start < stop:
                at = (frame << PAGE_SHIFT) + (start & (PAGE_SIZE - 1))
                ram[at : at + stop - start] = bytes(stop - start)

    def __del__(self) -> None:
        self.write_back()
        self.mapping.release()
        for fd in (self.content.fd, self.fresh):
            if fd >= 0:
                os.close(fd)


class RwFile(File):
    """An open file with a host descriptor of its own."""

    __slots__ = ("fd",)
    inode: RwRegular

    def __init__(self, dentry: Dentry, flags: int) -> None:
        self.fd = -1
        super().__init__(dentry, flags)
        access = flags & O_ACCMODE
        # A shared mapping needs to read; a write-only file needs no more than it asks.
        self.fd = self.inode.open_host(access)
        # Access 3 asks for both rights and gives none.
        self.inode.fds[self.fd] = access in (O_WRONLY, O_RDWR)

    def pread(self, count: int, offset: int) -> bytes:
        if self.inode.mapping.dirty:
            self.inode.write_back()
        try:
            return os.pread(self.fd, count, offset)
        except OSError as error:
            raise host_error(error) from None

    def pwrite(self, data: bytes, offset: int) -> int:
        if not data:
            return 0
        try:
            done = os.pwrite(self.fd, data, offset)
        except OSError as error:
            raise host_error(error) from None
        self.inode.written(data[:done], offset)
        self.inode.size = max(self.inode.size, offset + done)
        return done

    def mmap(self, shared: bool, writable: bool) -> None:
        if self.flags & O_ACCMODE == O_WRONLY:
            raise KernelError(Errno.EACCES)
        writer = shared and self.flags & O_ACCMODE != O_RDONLY
        self.inode.keep_mapped(self.fd, bool(writer))

    def seek(self, offset: int, whence: int) -> int:
        if whence in (SEEK_DATA, SEEK_HOLE):
            try:
                self.pos = os.lseek(self.fd, offset, whence)
            except OSError as error:
                raise host_error(error) from None
            return self.pos
        return super().seek(offset, whence)

    def sync(self) -> None:
        self.inode.write_back()
        try:
            os.fsync(self.fd)
        except OSError as error:
            raise host_error(error) from None

    def __del__(self) -> None:
        self._close()

    def release(self) -> None:
        super().release()
        self.inode.write_back()
        self._close()

    def _close(self) -> None:
        if self.fd >= 0:
            self.inode.fds.pop(self.fd, None)
            os.close(self.fd)
            self.fd = -1
