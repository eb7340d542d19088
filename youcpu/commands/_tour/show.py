"""The tour as text: screens, questions, and the walk through them on a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from youcpu.commands._tour.collect import (
    ASKED,
    question_document,
    questions_of,
    screen_documents,
)
from youcpu.commands._tour.guide import Guide
from youcpu.commands._tour.model import Chapter, Question
from youcpu.render.color import paint

WIDTH = 78
BOLD, DIM, GREEN, RED, CYAN = "1", "2", "32", "31", "36"


class Quit(Exception):
    """The user has had enough."""


class Text:
    """Renders documents of the tour."""

    def __init__(self, color: bool) -> None:
        self.color = color

    def heading(self, text: str) -> str:
        """A line across."""
        return paint(f"── {text} ".ljust(WIDTH, "─"), BOLD, self.color)

    def chapter(self, document: dict[str, Any]) -> str:
        """The name of a chapter."""
        title = f"{document['number']}. {document['title']}"
        return "\n".join(
            [
                paint(title, BOLD, self.color),
                paint("═" * len(title), BOLD, self.color),
                paint(f"after {document['part']}", DIM, self.color),
            ]
        )

    def screen(self, document: dict[str, Any], number: str) -> str:
        """One screen."""
        lines = [
            self.heading(f"{number}  {document['title']}"),
            "",
            *self.paragraph(document["before"]),
        ]
        for shown in document["shown"]:
            lines += ["", *self.shown(shown)]
        if document["after"]:
            lines += ["", *self.paragraph(document["after"])]
        if document["sources"]:
            lines += [paint(f"[{'; '.join(document['sources'])}]", DIM, self.color)]
        return "\n".join(lines)

    def shown(self, document: dict[str, Any]) -> Iterator[str]:
        """A command line and what it answered."""
        yield "  " + paint(f"$ {document['line']}", CYAN, self.color)
        left_out = paint(f"  … {document['left_out']} more lines", DIM, self.color)
        if document["left_out"] and document["cut"] == "above":
            yield left_out
        for line in document["output"]:
            yield f"  {line}".rstrip()
        if document["left_out"] and document["cut"] == "below":
            yield left_out

    def question(self, document: dict[str, Any], number: str) -> str:
        """A question, with its answer where the document has it."""
        lines = [self.heading(f"Question {number}"), "", *self.paragraph(document["prompt"])]
        for shown in document["shown"]:
            lines += ["", *self.shown(shown)]
        if document["answer"] is not None:
            lines += ["", *self.answer(document["answer"], document["why"], document["line"])]
        return "\n".join(lines)

    def answer(self, answer: str, why: str, line: str) -> Iterator[str]:
        """The answer, the reason, and the command that shows it."""
        yield "  " + paint(answer, GREEN, self.color)
        yield from self.paragraph(why)
        if line:
            yield "  " + paint(f"$ {line}", CYAN, self.color)

    def paragraph(self, text: str) -> list[str]:
        """Wrapped; what stands in backquotes is bold at a terminal."""
        lines = textwrap.wrap(text, WIDTH, break_on_hyphens=False, break_long_words=False)
        if not self.color:
            return lines
        parts = "\n".join(lines).split("`")
        return "".join(
            paint(part, BOLD, True) if index % 2 else part for index, part in enumerate(parts)
        ).split("\n")


def piped(document: dict[str, Any], color: bool) -> Iterator[str]:
    """The whole document as text."""
    text = Text(color)
    for chapter in document["chapters"]:
        yield text.chapter(chapter)
        for number, screen in enumerate(chapter["screens"], 1):
            yield text.screen(screen, f"{chapter['number']}.{number}")
        for number, question in enumerate(chapter["questions"], 1):
            yield text.question(question, f"{chapter['number']}.{number}")


class Walk:
    """The tour on a terminal: a screen at a time, answers checked."""

    def __init__(self, guide: Guide, seed: int, color: bool) -> None:
        self.guide = guide
        self.seed = seed
        self.text = Text(color)
        self.right = self.asked = 0

    def chapter(self, chapter: Chapter, quiz: bool) -> None:
        """Raises Quit."""
        print("\n" + self.text.chapter({**_head(chapter)}) + "\n")
        if not quiz:
            self._screens(chapter)
        for number, question in enumerate(
            questions_of(chapter, self.guide, self.seed, 0 if quiz else ASKED), 1
        ):
            self._ask(question, f"{chapter.number}.{number}")

    def _screens(self, chapter: Chapter) -> None:
        """Forward with Enter, back with b."""
        source = screen_documents(chapter, self.guide)
        seen: list[dict[str, Any]] = []
        place = 0
        while True:
            if place == len(seen):
                following = next(source, None)
                if following is None:
                    return
                seen.append(following)
            print(self.text.screen(seen[place], f"{chapter.number}.{place + 1}") + "\n")
            key = _input("Enter: on   b: back   q: quit  ").strip().lower()
            if key in ("q", "quit"):
                raise Quit
            place = max(place - 1, 0) if key in ("b", "back") else place + 1
            print()

    def _ask(self, question: Question, number: str) -> None:
        document = question_document(question, self.guide, solve=False)
        print(self.text.question(document, number) + "\n")
        given = _input("Your answer (Enter alone shows it, q quits): ")
        if given.strip().lower() in ("q", "quit"):
            raise Quit
        self.asked += 1
        if given.strip() and question.check(given):
            self.right += 1
            print(paint("Right.", GREEN, self.text.color))
        elif given.strip():
            print(paint("No.", RED, self.text.color))
        print("\n".join(self.text.answer(question.answer, question.why, question.line)) + "\n")

    def score(self) -> str:
        """How many answers were right."""
        return f"{self.right} of {self.asked} right (seed {self.seed})"


def _head(chapter: Chapter) -> dict[str, Any]:
    return {"number": chapter.number, "title": chapter.title, "part": chapter.part}


def _input(prompt: str) -> str:
    """One line from the terminal. Raises Quit at its end."""
    try:
        return input(prompt)
    except EOFError:
        print()
        raise Quit from None
