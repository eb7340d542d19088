"""Arguments of extended attributes: fs/xattr.c."""

from __future__ import annotations

from typing import Annotated

from youcpu.abi import fcntl
from youcpu.abi.args import Flags
from youcpu.abi.args_io import InputBuffer, OutputBuffer, StringArgument

#: Address of the name.
XattrName = Annotated[int, StringArgument(limit=256)]
#: setxattr(2): its size is the next argument.
XattrValueIn = Annotated[int, InputBuffer()]
#: getxattr(2), listxattr(2): its size is the result.
XattrValueOut = Annotated[int, OutputBuffer()]
XattrFlags = Annotated[int, Flags(fcntl.XATTR_NAMES)]
XattrListOut = Annotated[int, OutputBuffer()]
