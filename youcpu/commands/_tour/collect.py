"""A chapter as a document: screens run, questions made (docs/schema/tour.json)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

from youcpu.commands._tour.guide import ESCAPES, Guide, Missing
from youcpu.commands._tour.model import Chapter, Question, Screen, Shown

#: How many questions a chapter asks when it is walked through; --quiz asks all kinds.
ASKED = 2
WORKERS = 2


def screen_documents(chapter: Chapter, guide: Guide) -> Iterator[dict[str, Any]]:
    """Each screen as its commands have run; the last one may say what the host has not."""
    try:
        for screen in chapter.screens(guide):
            yield screen_document(screen, guide)
    except Missing as missing:
        yield {
            "title": "Not on this host",
            "before": f"{str(missing)[0].upper()}{str(missing)[1:]}. The rest of the chapter needs "
            "it.",
            "shown": [],
            "after": "",
            "sources": [],
        }


def screen_document(screen: Screen, guide: Guide) -> dict[str, Any]:
    return {
        "title": screen.title,
        "before": screen.before,
        "shown": [shown_document(shown, guide) for shown in screen.shown],
        "after": screen.after,
        "sources": list(screen.sources),
    }


def shown_document(shown: Shown, guide: Guide) -> dict[str, Any]:
    """The command line with its output, cut to the lines that are to be seen."""
    result = guide.run(shown)
    lines = [line.replace("\t", "        ") for line in result.text.split("\n")]
    while lines and not ESCAPES.sub("", lines[-1]).strip():
        lines.pop()
    while lines and not ESCAPES.sub("", lines[0]).strip():
        lines.pop(0)
    left_out = max(len(lines) - shown.lines, 0)
    kept = lines[-shown.lines :] if shown.last else lines[: shown.lines]
    return {
        "line": shown.line,
        "output": kept,
        "left_out": left_out,
        "cut": "above" if shown.last else "below",
        "code": result.code,
        "picture": result.picture or None,
    }


def questions_of(chapter: Chapter, guide: Guide, seed: int, count: int) -> list[Question]:
    """`count` questions of the chapter (0: one of each kind); the same seed gives the same ones."""
    chance = Random(f"{seed} {chapter.name}")
    makers = list(chapter.questions)
    chance.shuffle(makers)
    found: list[Question] = []
    for make in makers:
        if count and len(found) == count:
            break
        try:
            found.append(make(guide, chance))
        except Missing:
            continue
    return found


def question_document(question: Question, guide: Guide, solve: bool) -> dict[str, Any]:
    """The answer is left out unless `solve`."""
    return {
        "prompt": question.prompt,
        "shown": [shown_document(shown, guide) for shown in question.shown],
        "kind": question.kind,
        "answer": question.answer if solve else None,
        "why": question.why if solve else None,
        "line": question.line if solve else None,
    }


def chapter_document(
    chapter: Chapter, guide: Guide, seed: int, quiz: bool, solve: bool
) -> dict[str, Any]:
    """The whole chapter; with `quiz` its questions only, one of each kind."""
    questions = questions_of(chapter, guide, seed, 0 if quiz else ASKED)
    return {
        "number": chapter.number,
        "name": chapter.name,
        "title": chapter.title,
        "part": chapter.part,
        "screens": [] if quiz else list(screen_documents(chapter, guide)),
        "questions": [question_document(question, guide, solve) for question in questions],
    }


def tour_document(
    chapters: list[Chapter], guide: Guide, seed: int, quiz: bool, solve: bool
) -> dict[str, Any]:
    """Several chapters; as the time goes into commands of their own, two at once."""
    with ThreadPoolExecutor(WORKERS) as pool:
        made = pool.map(lambda one: chapter_document(one, guide, seed, quiz, solve), chapters)
        try:
            return {"schema": "youcpu.tour", "version": 1, "seed": seed, "chapters": list(made)}
        except BaseException:
            guide.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
