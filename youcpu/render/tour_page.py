"""The tour as one HTML page that needs nothing else: no script, no request, pictures inside."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from html import escape
from typing import Any

from youcpu.render.ansi_html import ansi_to_html

#: Nothing may be fetched from anywhere: pictures are data, the style sheet stands in the page.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
TITLE = "What exactly happens when I run this program?"
STYLE = """
:root { color-scheme: light dark; --text: #1d2330; --dim: #5b6475; --back: #fbfaf7;
  --card: #ffffff; --line: #dcd8cd; --code: #f3f1ea; --accent: #0b5cad;
  --c0: #1d2330; --c1: #b3261e; --c2: #1d6b2f; --c3: #825500; --c4: #1a56b8; --c5: #8a2a8f;
  --c6: #00687a; --c7: #5b6475; }
@media (prefers-color-scheme: dark) { :root { --text: #e4e6eb; --dim: #9aa4b5; --back: #14171d;
  --card: #1b1f27; --line: #333a47; --code: #11141a; --accent: #7db4f5;
  --c0: #9aa4b5; --c1: #ff8a80; --c2: #86d993; --c3: #e8c06a; --c4: #8ab4f8; --c5: #e0a3e6;
  --c6: #6fd3e0; --c7: #e4e6eb; } }
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--back); color: var(--text);
  font: 1.05rem/1.6 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
a { color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.skip { position: absolute; left: -99rem; } .skip:focus { left: 1rem; top: 1rem; }
.page { display: grid; grid-template-columns: 17rem minmax(0, 1fr); max-width: 88rem;
  margin: 0 auto; }
nav { padding: 2rem 1rem 2rem 1.5rem; font-size: .92rem; }
nav > div { position: sticky; top: 1.5rem; max-height: calc(100vh - 3rem); overflow-y: auto; }
nav ol { list-style: none; margin: 0; padding: 0; } nav li { margin: .1rem 0; }
nav a { display: block; padding: .15rem .4rem; text-decoration: none; border-radius: .3rem; }
nav a:hover { background: var(--code); } nav ol ol { padding-left: .8rem; }
nav ol ol a { color: var(--dim); } nav > div > ol > li { margin-bottom: .7rem; }
nav summary { font-weight: 600; cursor: pointer; }
main { padding: 2rem 2rem 5rem; min-width: 0; max-width: 66rem; }
h1 { font-size: 2.1rem; line-height: 1.2; margin: 0 0 .6rem; text-wrap: balance; }
h2 { font-size: 1.6rem; line-height: 1.25; margin: 4rem 0 .2rem; padding-top: 1.2rem;
  border-top: 3px solid var(--accent); text-wrap: balance; }
h3 { font-size: 1.15rem; margin: 0 0 .5rem; }
h3 .number { color: var(--dim); font-weight: 400; margin-right: .5rem; }
p { margin: .6rem 0; max-width: 46rem; } .dim { color: var(--dim); }
.sources { font-size: .86rem; color: var(--dim); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
  padding: 1.2rem 1.4rem; margin: 1.4rem 0; }
.question { border-left: 4px solid var(--accent); }
code, pre, samp { font-family: ui-monospace, "Cascadia Mono", "DejaVu Sans Mono", Menlo,
  Consolas, monospace; }
p code, summary code, li code { background: var(--code); border-radius: .25rem;
  padding: .08em .3em; font-size: .9em; overflow-wrap: anywhere; }
.run { margin: .9rem 0; border: 1px solid var(--line); border-radius: .45rem; overflow: hidden; }
.line { margin: 0; padding: .5rem .8rem; background: var(--code); white-space: pre-wrap;
  overflow-wrap: anywhere; font-size: .88rem; line-height: 1.5; font-weight: 600; }
.line::before { content: "$ "; color: var(--dim); font-weight: 400; }
.output { margin: 0; padding: .6rem .8rem; overflow-x: auto; font-size: .8rem; line-height: 1.45;
  border-top: 1px solid var(--line); }
.more { color: var(--dim); font-style: italic; }
figure { margin: .9rem 0; overflow-x: auto; background: #fff; border: 1px solid var(--line);
  border-radius: .45rem; padding: .5rem; }
figure img { display: block; color-scheme: light; width: 100%; min-width: 40rem; height: auto; }
summary { cursor: pointer; font-weight: 600; } details.answer { margin-top: .8rem; }
.b { font-weight: 700; } .d { color: var(--dim); } .u { text-decoration: underline; }
.c0 { color: var(--c0); } .c1 { color: var(--c1); } .c2 { color: var(--c2); }
.c3 { color: var(--c3); } .c4 { color: var(--c4); } .c5 { color: var(--c5); }
.c6 { color: var(--c6); } .c7 { color: var(--c7); }
@media (max-width: 60rem) { .page { display: block; } nav { padding: 1rem 1rem 0; }
  nav > div { position: static; max-height: none; } nav ol ol { display: none; }
  main { padding: 1rem 1rem 4rem; }
  h1 { font-size: 1.6rem; } h2 { font-size: 1.35rem; margin-top: 2.5rem; }
  .card { padding: 1rem; } .output { font-size: .72rem; } }
@media print { nav, .skip { display: none; } .page { display: block; } }
"""
INTRODUCTION = """Six chapters after the parts of the article <cite>Putting the You in CPU</cite>.
Everything below was run by youcpu on the machine that made this page: each line behind a
<code>$</code> can be typed as it stands, in a directory that
<code>youcpu tour --programs DIR</code> fills with the tour's two small programs.
Addresses differ from host to host."""


def page(document: dict[str, Any]) -> str:
    """The page of a tour, by docs/schema/tour.json, with its answers; output may be coloured."""
    return "".join(_page(document))


def _page(document: dict[str, Any]) -> Iterator[str]:
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
    yield f'<link rel="icon" href="data:,">\n<title>youcpu tour: {TITLE}</title>\n'
    yield f"<style>{STYLE}</style>\n</head>\n<body>\n"
    yield '<a class="skip" href="#tour">To the tour</a>\n<div class="page">\n'
    yield from _contents(document["chapters"])
    yield f'<main id="tour">\n<h1>{TITLE}</h1>\n<p>{INTRODUCTION}</p>\n'
    for chapter in document["chapters"]:
        yield from _chapter(chapter)
    yield "</main>\n</div>\n</body>\n</html>\n"


def _contents(chapters: list[dict[str, Any]]) -> Iterator[str]:
    yield '<nav aria-label="Contents"><div><details open><summary>Contents</summary>\n<ol>\n'
    for chapter in chapters:
        number = chapter["number"]
        yield f'<li><a href="#c{number}">{number}. {escape(chapter["title"])}</a>\n<ol>\n'
        for place, screen in enumerate(chapter["screens"], 1):
            yield f'<li><a href="#c{number}-{place}">{escape(screen["title"])}</a></li>\n'
        if chapter["questions"]:
            yield f'<li><a href="#c{number}-questions">Questions</a></li>\n'
        yield "</ol></li>\n"
    yield "</ol></details></div></nav>\n"


def _chapter(chapter: dict[str, Any]) -> Iterator[str]:
    number = chapter["number"]
    yield f'<section aria-labelledby="c{number}">\n'
    yield f'<h2 id="c{number}">{number}. {escape(chapter["title"])}</h2>\n'
    yield f'<p class="dim">after {escape(chapter["part"])}</p>\n'
    for place, screen in enumerate(chapter["screens"], 1):
        yield f'<article class="card" id="c{number}-{place}">\n<h3><span class="number">'
        yield f"{number}.{place}</span>{escape(screen['title'])}</h3>\n"
        yield from _screen(screen)
        yield "</article>\n"
    for place, question in enumerate(chapter["questions"], 1):
        name = f' id="c{number}-questions"' if place == 1 else ""
        yield f'<article class="card question"{name}>\n'
        yield f'<h3><span class="number">{number}.{place}</span>Question</h3>\n'
        yield from _question(question)
        yield "</article>\n"
    yield "</section>\n"


def _screen(screen: dict[str, Any]) -> Iterator[str]:
    yield _paragraph(screen["before"])
    for shown in screen["shown"]:
        yield from _shown(shown)
    if screen["after"]:
        yield _paragraph(screen["after"])
    if screen["sources"]:
        yield f'<p class="sources">{escape("; ".join(screen["sources"]))}</p>\n'


def _question(question: dict[str, Any]) -> Iterator[str]:
    yield _paragraph(question["prompt"])
    for shown in question["shown"]:
        yield from _shown(shown)
    yield '<details class="answer"><summary>Answer</summary>\n'
    yield f"<p><code>{escape(str(question['answer']))}</code></p>\n"
    yield _paragraph(str(question["why"]))
    if question["line"]:
        yield f'<div class="run"><pre class="line">{escape(question["line"])}</pre></div>\n'
    yield "</details>\n"


def _shown(shown: dict[str, Any]) -> Iterator[str]:
    yield f'<div class="run">\n<pre class="line">{escape(shown["line"])}</pre>\n'
    if shown["output"]:
        # Wide output scrolls by the arrow keys, too.
        yield '<pre class="output" tabindex="0" role="region" aria-label="output">'
        more = f'<span class="more">… {shown["left_out"]} more lines</span>'
        lines = [ansi_to_html(line) for line in shown["output"]]
        if shown["left_out"]:
            lines.insert(0 if shown["cut"] == "above" else len(lines), more)
        yield "\n".join(lines) + "</pre>\n"
    yield "</div>\n"
    if shown["picture"]:
        data = b64encode(shown["picture"].encode()).decode()
        what = escape(f"The same as a picture: {shown['line']}", quote=True)
        yield '<figure tabindex="0" aria-label="picture">'
        yield f'<img alt="{what}" src="data:image/svg+xml;base64,{data}"></figure>\n'


def _paragraph(text: str) -> str:
    """Prose; what stands in backquotes is code."""
    parts = [escape(part, quote=False) for part in text.split("`")]
    marked = (f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))
    return f"<p>{''.join(marked)}</p>\n"
