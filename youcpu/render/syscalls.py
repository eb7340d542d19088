"""System calls as text: a line for each of many, a page for one."""

from __future__ import annotations

from typing import Any

STATES = {"done": "", "missing": "ENOSYS"}


def table(rows: list[dict[str, Any]], summary: bool) -> str:
    """A line a call; `rows` as docs/schema/syscalls.json has them."""
    lines = []
    for row in rows:
        words = ", ".join(argument["name"] for argument in row["arguments"])
        state = STATES.get(row["state"], f"partial: {row['partial']}")
        lines.append(f"{row['number']:>4}  {row['name'] + '(' + words + ')':<58} {state}".rstrip())
    if summary:
        count = {state: sum(row["state"] == state for row in rows) for state in ("done", "partial")}
        lines.append(
            f"{len(rows)} calls: {count['done']} done, {count['partial']} partial, "
            f"{len(rows) - sum(count.values())} answer ENOSYS"
        )
    return "\n".join(lines) + "\n"


def page(row: dict[str, Any]) -> str:
    """One call: its numbers, which register holds what, before and after, and who makes it."""
    call = "int 0x80" if row["abi"] == "i386" else "syscall"
    lines = [f"{row['name']}: number {row['number']} of {row['abi']}, made by `{call}`"]
    if row["reserved"]:
        lines.append("  a reserved number: there is no such call, it answers ENOSYS")
        return "\n".join([*lines, *_around(row)]) + "\n"
    declared = ", ".join(_declaration(argument) for argument in row["arguments"])
    if not row["i386_only"]:
        lines.append(f"  {row['name']}({declared or 'void'})")
    before = [(row["registers"]["number"], "the number", str(row["number"]))]
    before += [(one["register"], one["name"], one["type"]) for one in row["arguments"]]
    width = max(len(name) for _, name, _ in before)
    lines += ["", "before"]
    lines += [f"  {register:<4} {name:<{width}}  {kind}" for register, name, kind in before]
    if row["i386_only"]:
        lines.append("  (its arguments are not in this table: x86-64 has no such call)")
    lines += ["", "after"]
    after = [(row["registers"]["result"], row["result"]), *row["registers"]["changed"].items()]
    lines += [f"  {register:<4} {text}" for register, text in after]
    return "\n".join([*lines, "", *_around(row)]) + "\n"


def _declaration(argument: dict[str, Any]) -> str:
    kind = argument["type"]
    return f"{kind}{'' if kind.endswith('*') else ' '}{argument['name']}"


def _around(row: dict[str, Any]) -> list[str]:
    """Who calls it, where it is described, its other number, what the machine does of it."""
    lines = []
    if not row["reserved"] and not row["i386_only"]:
        made = f"{row['wrapper']}()" if row["wrapper"] else "no wrapper in glibc; syscall(2)"
        if row["library"]:
            made += f", or {row['library']}"
        lines.append(f"  libc    {made}")
    if row["man_page"]:
        lines.append(f"  man     {row['man_page']}")
    for name, key in (("x86-64", "x86_64_number"), ("i386", "i386_number")):
        if row["abi"] != name and row[key] is not None:
            lines.append(f"  {name:<6}  number {row[key]}{_other_arguments(row)}")
    here = {"done": "done", "missing": "ENOSYS"}.get(row["state"], f"partial: {row['partial']}")
    return [*lines, f"  here    {here}"]


def _other_arguments(row: dict[str, Any]) -> str:
    """Arguments of the i386 call, where they are not those of the x86-64 one."""
    other = row["i386_arguments"]
    if row["abi"] == "i386" or other is None:
        return ""
    words = ", ".join(f"{one['register']} {one['name']}" for one in other)
    return f", with {words}"
