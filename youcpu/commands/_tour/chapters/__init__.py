"""The six chapters, after the parts of the article."""

from __future__ import annotations

from youcpu.commands._tour.chapters import (
    basics,
    elf_lord,
    forks_and_cows,
    slice_dat_time,
    translator,
)
from youcpu.commands._tour.chapters import how_to_run_a_program as how_to_run
from youcpu.commands._tour.model import Chapter

CHAPTERS: tuple[Chapter, ...] = (
    Chapter(
        1, "basics", "The basics: bytes, rings, system calls", "Part 1: The \"Basics\"",
        basics.screens, basics.QUESTIONS,
    ),
    Chapter(
        2, "slice-dat-time", "Slice dat time: many programs, one CPU", "Part 2: Slice Dat Time",
        slice_dat_time.screens, slice_dat_time.QUESTIONS,
    ),
    Chapter(
        3, "how-to-run-a-program", "How to run a program", "Part 3: How to Run a Program",
        how_to_run.screens, how_to_run.QUESTIONS,
    ),
    Chapter(
        4, "elf-lord", "Becoming an elf-lord", "Part 4: Becoming an Elf-Lord",
        elf_lord.screens, elf_lord.QUESTIONS,
    ),
    Chapter(
        5, "translator", "The translator in your computer",
        "Part 5: The Translator in Your Computer",
        translator.screens, translator.QUESTIONS,
    ),
    Chapter(
        6, "forks-and-cows", "Forks and cows", "Part 6: Let's Talk About Forks and Cows",
        forks_and_cows.screens, forks_and_cows.QUESTIONS,
    ),
)  # fmt: skip


def find(word: str) -> Chapter | None:
    """By number, name, or the beginning or a part of the name: `3`, `elf-lord`, `elf`, `cows`."""
    word = word.lower().replace("_", "-").replace(" ", "-")
    exact = [chapter for chapter in CHAPTERS if word in (str(chapter.number), chapter.name)]
    close = [chapter for chapter in CHAPTERS if len(word) > 2 and word in chapter.name]
    found = exact or close
    return found[0] if len(found) == 1 else None
