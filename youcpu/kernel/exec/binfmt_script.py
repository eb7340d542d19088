"""Script interpreters: fs/binfmt_script.c load_script()."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.formats.shebang import parse_shebang
from youcpu.kernel.exec.binprm import ExecError
from youcpu.kernel.exec.open import open_exec

if TYPE_CHECKING:
    from youcpu.kernel.exec.binprm import LinuxBinprm


def load_script(bprm: LinuxBinprm) -> None:
    """Put interpreter and argument before the script's name; the loop goes on. Raises ExecError."""
    line = parse_shebang(bprm.buf)
    if line.refusal is not None:
        raise ExecError(Errno.ENOEXEC, "script", bprm.interp, line.refusal.value, bprm.role)
    if bprm.path_inaccessible:
        raise ExecError(
            Errno.ENOENT,
            "script",
            bprm.interp,
            "the script is open close-on-exec: its interpreter could not open it again",
            bprm.role,
        )
    script = bprm.interp
    bprm.remove_arg_zero()
    bprm.copy_string_kernel(script)
    argument = line.argument
    if argument is not None:
        bprm.copy_string_kernel(argument)
    name = line.interpreter
    bprm.copy_string_kernel(name)
    interpreter = open_exec(bprm.task, name, "script interpreter")
    bprm.change_interp(name, interpreter, "script", "script interpreter")
