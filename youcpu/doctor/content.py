"""ENOEXEC: what the file is instead, and how to run it all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.doctor.finding import Finding, quoted, shown
from youcpu.doctor.rules import rules_for
from youcpu.formats import elf_exec
from youcpu.formats.exec_identity import describe_elf, elf_machine, identify
from youcpu.formats.shebang import Refusal, parse_shebang
from youcpu.formats.shell_text import looks_binary

if TYPE_CHECKING:
    from youcpu.dry_run import Round
    from youcpu.kernel.task import Task

UTF8_BOM = b"\xef\xbb\xbf"


def noexec_finding(task: Task, found: Round) -> Finding:
    """Why no format takes the file of this round."""
    head = found.buffer[: min(found.size, len(found.buffer))]
    name = found.path
    if not head:
        return Finding(name, f"{shown(name)} is empty", "write the program into it")
    if head.startswith(elf_exec.ELFMAG):
        return _elf(task, found, head)
    if head.startswith(b"#!"):
        return _shebang(found)
    if head.startswith(UTF8_BOM):
        return _bom(name, head)
    known = identify(head)
    if known is not None:
        what, mend = known
        return _with_rules(task, found, Finding(name, f"{shown(name)} is {what}", mend))
    stripped = head.lstrip()
    if stripped.startswith(b"#!"):
        return Finding(
            name,
            f"{shown(name)} starts with blanks ({len(head) - len(stripped)}) before '#!', "
            "which must be the first two bytes",
            f"sed -i '1{{/^[[:space:]]*$/d}};s/^[[:space:]]*#!/#!/' {quoted(name)}",
        )
    if looks_binary(head):
        finding = Finding(
            name,
            f"{shown(name)} is neither ELF nor a script with '#!', and no rule matches it",
            "register a binfmt_misc rule for its format, or call its interpreter yourself",
        )
    else:
        finding = Finding(
            name,
            f"{shown(name)} is text without a '#!' line",
            f"write #!/bin/sh (or its interpreter) as the first line, or run: sh {quoted(name)}",
        )
    return _with_rules(task, found, finding)


def _bom(name: bytes, head: bytes) -> Finding:
    if head[3:5] == b"#!":
        return Finding(
            name,
            f"{shown(name)} starts with a UTF-8 byte order mark (EF BB BF) before its '#!'",
            f"sed -i '1s/^\\xEF\\xBB\\xBF//' {quoted(name)}",
        )
    return Finding(
        name,
        f"{shown(name)} starts with a UTF-8 byte order mark and has no '#!'",
        f"run: sh {quoted(name)}, or give it a first line '#!' without the mark",
    )


def _shebang(found: Round) -> Finding:
    name = found.path
    refusal = parse_shebang(found.buffer).refusal
    if refusal is Refusal.CUT:
        return Finding(
            name,
            f"in {shown(name)} the interpreter's path does not end within the first 256 bytes: "
            "at most 253 bytes fit, and the kernel does not run a cut path",
            "make a symbolic link to the interpreter at a shorter path and name that, "
            "or use #!/usr/bin/env NAME",
        )
    return Finding(
        name,
        f"in {shown(name)} '#!' is followed by no interpreter",
        f"write the interpreter's path after '#!' in the first line of {quoted(name)}",
    )


def _elf(task: Task, found: Round, head: bytes) -> Finding:
    name = found.path
    reasons = {answer.handler: answer.reason for answer in found.answers}
    reason = reasons.get("elf", "")
    machine = elf_machine(head)
    if machine is None:
        return Finding(
            name, f"{shown(name)} is cut: {len(head)} bytes are no ELF header", "get the file again"
        )
    _, number, kind = machine
    if kind not in (elf_exec.ET_EXEC, elf_exec.ET_DYN):
        mend = "link it: cc -o PROGRAM FILE.o" if kind == 1 else "run the program that it came from"
        return Finding(name, f"{shown(name)} is {describe_elf(head)}", mend)
    native = (elf_exec.EM_X86_64, elf_exec.EM_386, elf_exec.EM_486)
    if number not in native or head[5] == 2:
        finding = Finding(
            name,
            f"{shown(name)} is {describe_elf(head)}, this machine is x86-64",
            "install qemu-user-static (it registers rules for foreign programs), "
            "or get the program built for x86-64",
        )
        return _with_rules(task, found, finding)
    if number != elf_exec.EM_X86_64:
        reason = reasons.get("compat_elf", reason)
    return Finding(
        name,
        f"{shown(name)} is an ELF file that the kernel refuses: {reason}",
        "get the file again, or build it anew: its ELF header is damaged",
    )


def _with_rules(task: Task, found: Round, finding: Finding) -> Finding:
    """Name the rules of this host that would take the file."""
    notes = []
    for known in rules_for(task, found.buffer, found.path):
        rule = known.rule
        assert rule is not None
        state = {None: "configured", True: "registered", False: "switched off"}[known.enabled]
        notes.append(
            f"rule {shown(rule.name)} ({state}, {shown(known.source)}) would take it: "
            f"{shown(rule.interpreter)}"
        )
        if known.enabled is None and len(notes) == 1:
            line = f"tail -n +{known.line} {quoted(known.source)} | head -n 1"
            finding.mend = (
                "register the rule: systemctl restart systemd-binfmt, or as root: "
                f"{line} > /proc/sys/fs/binfmt_misc/register"
            )
    finding.notes += tuple(notes)
    return finding
