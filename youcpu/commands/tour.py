"""The article in six chapters, on the programs of this machine.

Stage: learn
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from youcpu.commands._tour.model import Chapter

NAME = "tour"
OPERANDS = "basics slice-dat-time how-to-run-a-program elf-lord translator forks-and-cows"
INTERSPERSED = True


def command(
    chapters: Annotated[
        list[str] | None, typer.Argument(help="By number or name.", metavar="[CHAPTER]...")
    ] = None,
    list_chapters: Annotated[
        bool, typer.Option("--list", help="The chapters, a line each.")
    ] = False,
    quiz: Annotated[
        bool, typer.Option("--quiz", help="Only questions, on fresh real data.")
    ] = False,
    seed: Annotated[
        int | None,
        typer.Option("--seed", help="Of the questions (another each time).", metavar="N"),
    ] = None,
    solve: Annotated[bool, typer.Option("--solve", help="Answer the questions.")] = False,
    html: Annotated[
        str, typer.Option("--html", help="One self-contained page, with pictures.", metavar="FILE")
    ] = "",
    json_output: Annotated[
        bool, typer.Option("--json", help="One JSON document (docs/schema/tour.json).")
    ] = False,
    programs: Annotated[
        str,
        typer.Option("--programs", help="Put the tour's own programs into DIR.", metavar="DIR"),
    ] = "",
    color: Annotated[
        str, typer.Option("--color", help="auto, always or never.", metavar="WHEN")
    ] = "auto",
) -> int:
    """Six chapters after the parts of the article Putting the You in CPU. Each screen runs a
    command of youcpu on a program of this machine and says what was to be seen, with the source
    of the fact. At a terminal Enter goes on and answers are checked; else all is printed at once.
    """
    if color not in ("auto", "always", "never"):
        return _wrong(f"--color {color}: auto, always or never")
    chosen = _chosen(chapters or [])
    if isinstance(chosen, str):
        return _wrong(chosen)
    if list_chapters and json_output:
        return _wrong("--list is a line a chapter: not with --json")
    if html and (json_output or quiz):
        return _wrong("--html is the whole tour: not with --json or --quiz")
    if list_chapters:
        for one in chosen:
            print(f"{one.number}  {one.name:<21} {one.title}")
        return 0
    if programs:
        return _unpack(programs)
    if seed is None:
        seed = int.from_bytes(os.urandom(2), "little") if quiz else 0
    if html:
        return _page(chosen, seed, html)
    interactive = sys.stdin.isatty() and sys.stdout.isatty() and not solve and not json_output
    painted = color == "always" or (color == "auto" and _may_color() and not json_output)
    if interactive:
        return _walk(chosen, seed, quiz, painted)
    return _print(chosen, seed, quiz, solve, json_output, painted)


def _chosen(words: list[str]) -> list[Chapter] | str:
    """The chapters that are asked for, or what is wrong."""
    from youcpu.commands._tour.chapters import CHAPTERS, find

    if not words:
        return list(CHAPTERS)
    found = [find(word) for word in words]
    for word, chapter in zip(words, found, strict=True):
        if chapter is None:
            from difflib import get_close_matches

            near = get_close_matches(word, [one.name for one in CHAPTERS], n=1, cutoff=0.4)
            hint = f"did you mean {near[0]}?" if near else "1 to 6, or a name: youcpu tour --list"
            return f"no chapter '{word}'; {hint}"
    return [chapter for chapter in found if chapter is not None]


def _wrong(reason: str) -> int:
    sys.stderr.write(f"youcpu tour: {reason}\nTry 'youcpu tour --help'.\n")
    return 2


def _may_color() -> bool:
    plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain


def _unpack(directory: str) -> int:
    from youcpu.commands._tour.guide import Guide

    try:
        os.makedirs(directory, exist_ok=True)
        with Guide(directory=directory):
            pass
    except OSError as error:
        print(f"youcpu tour: {directory}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def _walk(chapters: list[Chapter], seed: int, quiz: bool, color: bool) -> int:
    from youcpu.commands._tour.guide import Guide
    from youcpu.commands._tour.show import Quit, Walk

    with Guide(color) as guide:
        walk = Walk(guide, seed, color)
        try:
            for chapter in chapters:
                walk.chapter(chapter, quiz)
        except Quit:
            pass
        if walk.asked:
            print(walk.score())
        return _complain(guide.unexpected)


def _print(
    chapters: list[Chapter], seed: int, quiz: bool, solve: bool, as_json: bool, color: bool
) -> int:
    from youcpu.commands._tour.collect import tour_document
    from youcpu.commands._tour.guide import Guide
    from youcpu.commands._tour.show import piped

    with Guide(color) as guide:
        document = tour_document(chapters, guide, seed, quiz, solve)
    if as_json:
        import json

        print(json.dumps(document, indent=1, ensure_ascii=False))
    else:
        print("\n\n".join(piped(document, color)))
        if quiz and not solve:
            names = " ".join(one.name for one in chapters) if len(chapters) < 6 else ""
            again = f"youcpu tour {names} --quiz --seed {seed} --solve".replace("  ", " ")
            print(f"\nThe answers: {again}")
    return _complain(guide.unexpected)


def _page(chapters: list[Chapter], seed: int, path: str) -> int:
    from youcpu.commands._tour.collect import tour_document
    from youcpu.commands._tour.guide import Guide
    from youcpu.render.tour_page import page

    try:
        if path != "-":
            open(path, "a").close()
    except OSError as error:
        print(f"youcpu tour: {path}: {error.strerror}", file=sys.stderr)
        return 1
    if sys.stderr.isatty():
        print("youcpu tour: running its commands ...", file=sys.stderr)
    with Guide(color=True) as guide:
        text = page(tour_document(chapters, guide, seed, quiz=False, solve=True))
    try:
        if path == "-":
            sys.stdout.write(text)
        else:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
    except BrokenPipeError:
        raise
    except OSError as error:
        print(f"youcpu tour: {path}: {error.strerror}", file=sys.stderr)
        return 1
    return _complain(guide.unexpected)


def _complain(unexpected: list[tuple[str, int]]) -> int:
    """Commands that did not end as they should: the tour is not whole then."""
    for line, code in unexpected:
        print(f"youcpu tour: `{line}` ended with {code}", file=sys.stderr)
    return 1 if unexpected else 0
