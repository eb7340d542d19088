"""Chapter 6, after part 6 of the article: fork, copy-on-write, the first process."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from youcpu.commands._tour.guide import Guide, Missing
from youcpu.commands._tour.model import Question, Screen, Shown

FAMILY = "youcpu fork-tree --clear-env --json --cow -o - -- ./family"
CALLS = "trace=clone,clone3,fork,vfork,execve,wait4,exit_group"


def screens(guide: Guide) -> Iterator[Screen]:
    """From one process to a family, and whose the memory is."""
    sh = guide.system("sh")
    yield from _family(sh)
    yield from _cows(guide)
    yield from _first()


def _family(sh: str) -> Iterator[Screen]:
    yield Screen(
        "fork returns twice",
        "A shell starts a child for what stands in parentheses. Who gets which number?",
        (Shown(f"youcpu exec-trace -e {CALLS} {sh} -c '(exit 3); echo $?'", 12),),
        "The parent gets the child's PID, the child gets 0: so each knows which one it is. Only "
        "the calling thread is cloned. PIDs go up and around, per namespace; glibc makes fork by "
        "the call clone.",
        ("fork(2)", "kernel/fork.c, kernel/pid.c (Linux 6.18)"),
    )
    yield Screen(
        "fork, then exec",
        "A pipeline of two programs: the shell clones itself, and each clone replaces itself.",
        (
            Shown(
                f"youcpu fork-tree --svg family.svg -- {sh} -c 'ls / | wc -l; (exit 3); :'",
                8,
                (0,),
                "family.svg",
            ),
        ),
        "`→` is an exec. Every process but the first and the kernel's own threads came about so.",
        ("execve(2)", "kernel/fork.c, copy_process() (Linux 6.18)"),
    )


def _cows(guide: Guide) -> Iterator[Screen]:
    yield Screen(
        "Nothing is copied until someone writes",
        "`family` forks two children and a grandchild; all write to pages that they had in common. "
        "fork copied the tables, not the pages, and took away the right to write.",
        (Shown("youcpu fork-tree --clear-env --cow -- ./family", 20),),
        "A write there is a page fault like any other. The kernel copies the page for the writer; "
        "the others keep the frame. The last one that has it needs no copy: it just gets the right "
        "to write back, `reused`. Shared mappings are not touched by any of this.",
        ("mm/memory.c, do_wp_page() (Linux 6.18)", "include/linux/mm.h, is_cow_mapping()"),
    )
    page, pids = _page_of_many(guide)
    yield Screen(
        "One address, several frames",
        f"The same page, {page}, seen through the tables of two of the processes at the moment "
        "when the first one waits.",
        tuple(
            Shown(
                f"youcpu pagewalk --clear-env --process {pid} --at syscall:wait4 {page[2:]} "
                "-- ./family",
                2,
                last=True,
            )
            for pid in pids
        ),
        "Their tables are their own: CR3 is another after a switch from one process to another. "
        "(Not all switches change it: threads of a process share the tables.)",
        ("arch/x86/mm/tlb.c, switch_mm_irqs_off() (Linux 6.18)",),
    )
    yield Screen(
        "Whose frames are they in the end?",
        "Each process with its frames when the first one ended.",
        (Shown("youcpu fork-tree --clear-env --frames -- ./family", 24),),
        "The kernel counts how many tables name a frame. When the count is 0 the frame is free.",
        ("mm/rmap.c (Linux 6.18)",),
    )


def _first() -> Iterator[Screen]:
    yield Screen(
        "How did we get here?",
        "The first process has no parent that could have forked it. From the CPU's first "
        "instruction to init, with a firmware, a boot loader and a kernel on an empty machine:",
        (Shown("youcpu boot --svg boot.svg", 110, (0,), "boot.svg"),),
        "The CPU begins in real mode. The loader turns on PAE, long mode and paging; the kernel "
        "looks for init, first /init of an initramfs, then where `init=` says, /sbin/init, "
        "/etc/init, /bin/init, /bin/sh. Signals whose default action would end PID 1 are dropped, "
        "SIGKILL too; should init end, the kernel panics.",
        ("init/main.c, kernel_init() (Linux 6.18)", "Intel SDM vol. 3A, 10.8.5 (IA-32e mode)"),
    )


def _document(guide: Guide) -> Any:
    return guide.json(FAMILY, (0, 3))


def _page_of_many(guide: Guide) -> tuple[str, list[int]]:
    """A page that was copied, and two processes that have it."""
    for row in _document(guide)["cow"]:
        if row["outcome"] == "copy" and row["sharers"] and row["user"]:
            return row["page"], [row["sharers"][0], row["pid"]]
    raise Missing("no page was copied")


# -- questions -----------------------------------------------------------------------------


def ask_return(guide: Guide, chance: Random) -> Question:
    """What fork returns, with the PIDs of a real run."""
    document = _document(guide)
    forks = [row for row in document["processes"] if row["parent"]]
    child = chance.choice(forks)
    in_child = chance.random() < 0.5
    who = f"process {child['pid']}" if in_child else f"process {child['parent']}"
    return Question(
        f"Process {child['parent']} calls fork, and process {child['pid']} comes about. What does "
        f"the call return in {who}?",
        (),
        "0" if in_child else str(child["pid"]),
        "number",
        "The child's PID in the parent, 0 in the child.",
        "youcpu exec-trace -e trace=fork ./family",
    )


def ask_frame(guide: Guide, chance: Random) -> Question:
    """Copied or reused."""
    row = chance.choice(_document(guide)["cow"])
    others = row["sharers"]
    has = (
        "also in the tables of " + " and ".join(map(str, others))
        if others
        else "in nobody else's tables any more"
    )
    return Question(
        f"Process {row['pid']} writes to the page {row['page']}, which fork made "
        f"read-only. Its frame {row['source'] or 'of a file'} is {has}. "
        "Is the page copied, or is the frame reused?",
        (),
        {"copy": "copied", "reuse": "reused"}[row["outcome"]],
        "words",
        "It is copied while others have the frame; the last one takes it over.",
        "youcpu fork-tree --clear-env --cow -- ./family",
    )


def ask_status(guide: Guide, chance: Random) -> Question:
    """The word that wait4 stores."""
    code = chance.randrange(1, 120)
    sh = guide.system("sh")
    by_signal = chance.random() < 0.4
    signal, name = chance.choice([(9, "KILL"), (15, "TERM"), (2, "INT"), (1, "HUP")])
    command = f"kill -{name} $$" if by_signal else f"exit {code}"
    end = f"is killed by signal {signal}, SIG{name}" if by_signal else f"calls exit({code})"
    return Question(
        f"A child {end}. Which number does wait4 store for its parent (hexadecimal or decimal)?",
        (),
        f"{signal if by_signal else code << 8:#x}",
        "number",
        "The exit code is in bits 8 to 15, the signal in the lowest 7; the macros of wait(2) take "
        "them apart.",
        f"youcpu exec-trace -e trace=wait4 {sh} -c '({command}); echo $?'",
    )


QUESTIONS = (ask_return, ask_frame, ask_status)
