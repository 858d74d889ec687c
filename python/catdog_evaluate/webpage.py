"""Writes a page as HTML in one file, which contains its images and style sheet.

The page loads nothing: its policy forbids everything but its own images and style. It follows the light or dark mode of
the browser. Tables and images that are wider than the screen scroll, also with the keyboard.
"""

import base64
import html
from collections.abc import Iterable, Iterator

from catdog_evaluate.document import Block, Bullets, Figure, Heading, Paragraph, Table

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
STYLE = """
:root { color-scheme: light dark; --page: #fff; --text: #1c1f23; --line: #c9ced6; --head: #f0f2f5; --focus: #0b57d0; }
@media (prefers-color-scheme: dark) {
  :root { --page: #16181c; --text: #e4e6ea; --line: #454b55; --head: #242830; --focus: #8ab4f8; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 1rem/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1rem; overflow-wrap: break-word; }
h1, h2 { line-height: 1.25; }
h2 { margin: 2rem 0 0.5rem; }
li { margin: 0.4rem 0; }
.scroll { overflow-x: auto; }
.scroll:focus-visible { outline: 2px solid var(--focus); outline-offset: 2px; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, td { padding: 0.35rem 0.7rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { font-weight: 600; }
thead th { background: var(--head); }
tbody th { min-width: 6rem; }
.number { text-align: right; white-space: nowrap; }
figure { margin: 1.5rem 0; }
img { display: block; max-width: 100%; height: auto; padding: 0.5rem; background: #fff; border: 1px solid var(--line); }
figcaption { margin-top: 0.4rem; }
@media (max-width: 32rem) {
  th, td { padding: 0.3rem 0.4rem; font-size: 0.9rem; }
}
"""


def page(blocks: Iterable[Block]) -> str:
    """Returns the page."""
    parts = list(blocks)
    title = next(block.text for block in parts if isinstance(block, Heading))
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{html.escape(title)}</title>",
        f"<style>{STYLE}</style>",
        "</head>",
        "<body>",
        "<main>",
        *body(parts),
        "</main>",
        "</body>",
        "</html>",
    ]
    return "\n".join(lines) + "\n"


def body(blocks: Iterable[Block]) -> Iterator[str]:
    """Returns the lines of the page's body. What scrolls is labeled by the heading before it."""
    headings = 0
    for block in blocks:
        if isinstance(block, Heading):
            headings += 1
            yield f'<h{block.level} id="part-{headings}">{html.escape(block.text)}</h{block.level}>'
        elif isinstance(block, Paragraph):
            yield f"<p>{html.escape(block.text)}</p>"
        elif isinstance(block, Bullets):
            yield "<ul>"
            yield from (f"<li>{html.escape(item)}</li>" for item in block.items)
            yield "</ul>"
        elif isinstance(block, Figure):
            yield "<figure>"
            yield from scrolling([image(block)], f"part-{headings}") if block.detailed else [image(block)]
            yield f"<figcaption>{html.escape(block.caption)}</figcaption>"
            yield "</figure>"
        else:
            yield from scrolling(table(block, f"part-{headings}"), f"part-{headings}")


def scrolling(lines: Iterable[str], heading: str) -> Iterator[str]:
    """Returns the lines in a region that scrolls if it is too wide. `heading` is the id of its label."""
    yield f'<div class="scroll" role="region" aria-labelledby="{heading}" tabindex="0">'
    yield from lines
    yield "</div>"


def image(block: Figure) -> str:
    """Returns the image of a figure, with its content."""
    source = "data:image/png;base64," + base64.b64encode(block.data).decode()
    pixels = int.from_bytes(block.data[16:20], "big")  # the width, in the first chunk of a PNG file
    style = f' style="min-width: min(48rem, {pixels}px)"' if block.detailed else ""
    return f'<img src="{source}" alt="{html.escape(block.alternative)}"{style}>'


def table(block: Table, heading: str) -> Iterator[str]:
    """Returns the lines of a table. `heading` is the id of the heading that labels it."""

    def cell(kind: str, column: int, text: str, scope: str = "") -> str:
        number = ' class="number"' if column >= block.left else ""
        return f"<{kind}{scope}{number}>{html.escape(text)}</{kind}>"

    header, *rows = block.rows
    yield f'<table aria-labelledby="{heading}">'
    columns = "".join(cell("th", column, text, ' scope="col"') for column, text in enumerate(header))
    yield f"<thead><tr>{columns}</tr></thead>"
    yield "<tbody>"
    for first, *others in rows:
        cells = [cell("th", 0, first, ' scope="row"')]
        cells += [cell("td", column, text) for column, text in enumerate(others, 1)]
        yield f"<tr>{''.join(cells)}</tr>"
    yield "</tbody>"
    yield "</table>"
