"""Arguments of extended attributes: fs/xattr.c."""

from __future__ import annotations

from typing import Annotated

from youcpu.abi import fcntl
from youcpu.abi.args import Capture, Flags
from youcpu.abi.args_io import InputBuffer, OutputBuffer, StringArgument
from youcpu.abi.values import Address


class XattrBuffer(OutputBuffer):
    """Filled in by the call, unless its size is 0: then only the size is asked."""

    def capture(self, index: int, call: Capture) -> object:
        if not call.raw[index + 1]:
            return Address(call.raw[index])
        return super().capture(index, call)


#: Address of the name.
XattrName = Annotated[int, StringArgument(limit=256)]
#: setxattr(2): its size is the next argument.
XattrValueIn = Annotated[int, InputBuffer()]
#: getxattr(2), listxattr(2): its size is the result.
XattrValueOut = Annotated[int, XattrBuffer()]
XattrFlags = Annotated[int, Flags(fcntl.XATTR_NAMES)]
XattrListOut = Annotated[int, XattrBuffer()]
