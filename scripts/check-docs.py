#!/usr/bin/python3
"""Checks the documentation: links, anchors, and the error messages of the troubleshooting page.

Usage: scripts/check-docs.py [--book DIR]

Without an option, it checks the Markdown files of the repository:
  - every relative link and image of README.md, CONTRIBUTING.md, SECURITY.md, CHANGELOG.md, models/ and docs/
    leads to a file, and every anchor to a heading of that file; external links are not fetched
  - docs/SUMMARY.md names every page of docs/guide and docs/design
  - every file that a page includes with {{#include FILE}} exists
  - docs/guide/troubleshooting.md has a row for every message in the source code, and no row for a message that does
    not exist

--book DIR works on the book that mdbook wrote into DIR instead. Pages link to files outside docs/, for example to
examples/embed.rs. mdbook does not copy these files. The script copies them into DIR/repository and changes the links.

Exit code 1: there are problems. They are printed one per line.
"""

from __future__ import annotations

import argparse
import html
import os
import pathlib
import re
import shutil
import sys
import urllib.parse
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
TROUBLESHOOTING = DOCS / "guide" / "troubleshooting.md"
PAGES = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]
EXTERNAL = re.compile(r"^[a-z][a-z0-9+.-]*:", re.IGNORECASE)
LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)")


# --- Markdown ----------------------------------------------------------------------------------------


def without_code(text: str) -> str:
    """Returns the text with code blocks and code spans blanked, and as many lines as before."""
    lines: list[str] = []
    fence: str | None = None
    for line in text.splitlines():
        mark = re.match(r"\s*(```+|~~~+)", line)
        if fence:
            if mark and mark.group(1).startswith(fence):
                fence = None
            lines.append("")
        elif mark:
            fence = mark.group(1)
            lines.append("")
        else:
            # The text of a link may be code; only its brackets matter here.
            lines.append("" if line.startswith("    ") else re.sub(r"`[^`]*`", "code", line))
    return "\n".join(lines)


def anchors_of(path: pathlib.Path) -> set[str]:
    """Returns the anchors of a page's headings, as mdBook and code hosting sites make them."""
    anchors: set[str] = set()
    fence = False
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            fence = not fence
        heading = None if fence else re.match(r"#+\s+(.*)", line)
        if heading is None:
            continue
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.group(1)).strip().lower()
        anchor = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        count = 0
        while (unique := anchor if count == 0 else f"{anchor}-{count}") in anchors:
            count += 1
        anchors.add(unique)
    return anchors


def links_of(path: pathlib.Path) -> Iterator[tuple[int, str]]:
    """Yields (line number, target) of every link and image of a page."""
    text = without_code(path.read_text(encoding="utf-8"))
    for match in LINK.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, html.unescape(match.group(1))


def pages() -> list[pathlib.Path]:
    """Returns the Markdown files whose links are checked."""
    files = [ROOT / name for name in PAGES]
    return [file for file in files if file.exists()] + sorted(ROOT.glob("models/**/*.md")) + sorted(DOCS.rglob("*.md"))


def link_problems() -> Iterator[str]:
    """Yields the links whose file or anchor does not exist."""
    for page in pages():
        for number, target in links_of(page):
            if EXTERNAL.match(target):
                continue
            file, _, anchor = target.partition("#")
            place = f"{page.relative_to(ROOT)}:{number}"
            path = (page.parent / urllib.parse.unquote(file)).resolve() if file else page
            if not path.exists():
                yield f"{place}: {target}: the file does not exist"
            elif anchor and path.suffix == ".md" and anchor not in anchors_of(path):
                yield f"{place}: {target}: the file has no such heading"


def book_problems() -> Iterator[str]:
    """Yields the pages that SUMMARY.md does not name, and files that a page includes and that do not exist."""
    named = {(DOCS / target).resolve() for _, target in links_of(DOCS / "SUMMARY.md")}
    for page in sorted([*DOCS.glob("guide/*.md"), *DOCS.glob("design/*.md")]):
        if page not in named:
            yield f"docs/SUMMARY.md does not name {page.relative_to(DOCS)}"
    for page in DOCS.rglob("*.md"):
        for file in re.findall(r"\{\{#include ([^}:]+)", page.read_text(encoding="utf-8")):
            if not (page.parent / file.strip()).exists():
                yield f"{page.relative_to(ROOT)}: {file}: the included file does not exist"


# --- error messages ----------------------------------------------------------------------------------

STRING = r'"((?:[^"\\]|\\.)*)"'
# The text of an error type, and a warning about a model.
MESSAGE = re.compile(rf"(?:#\[error\(|warnings\.push\(format!\()\s*{STRING}", re.DOTALL)
# What an element posts on the bus.
POSTED = re.compile(r"element_imp_(?:warning|error)!\((.*?)\);", re.DOTALL)
# Rows about messages of GStreamer.
OF_GSTREAMER = ("no element", "gst-inspect-1.0 -b", "not-negotiated")


def plain(code: str) -> str:
    """Returns Rust code or a string literal with the arguments of messages replaced by `…`."""
    text = re.sub(r"\\\n\s*", "", code)
    text = text.replace('\\"', "'").replace("{{", "\x01").replace("}}", "\x02")
    text = re.sub(r'\{[^{}"\n]*\}', "…", text)
    return re.sub(r"\s+", " ", text.replace("\x01", "{").replace("\x02", "}"))


def source_files() -> dict[pathlib.Path, str]:
    """Returns {file: its code without the unit tests}."""
    files = sorted([*ROOT.glob("src/**/*.rs"), *ROOT.glob("crates/*/src/**/*.rs")])
    return {file: file.read_text(encoding="utf-8").split("#[cfg(test)]\nmod tests")[0] for file in files}


def patterns() -> Iterator[str]:
    """Yields the messages of the troubleshooting page: the first code span in the first column of its tables."""
    column = False
    for line in TROUBLESHOOTING.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if not line.startswith("|"):
            column = False
        elif cells[0] == "message":
            column = True
        elif column and not line.startswith("|---"):
            pattern = re.search(r"`([^`]+)`", cells[0])
            if pattern and not pattern.group(1).startswith(OF_GSTREAMER):
                yield pattern.group(1)


def is_in(pattern: str, text: str) -> bool:
    """Returns whether one string of `text` contains the fixed parts of `pattern` in their order."""
    return re.search('[^"]*?'.join(map(re.escape, pattern.split("…"))), text) is not None


def message_problems() -> Iterator[str]:
    """Yields the messages without a row, and rows without a message."""
    rows = list(patterns())
    sources = source_files()
    for file, code in sources.items():
        texts = MESSAGE.findall(code)
        for posted in POSTED.findall(code):
            texts += re.findall(STRING, posted, re.DOTALL)
        for text in map(plain, texts):
            is_fixed = len(re.sub(r"[…\W]", "", text)) > 3
            if is_fixed and not any(is_in(row, text) for row in rows):
                yield f"docs/guide/troubleshooting.md has no row for: {text}  ({file.relative_to(ROOT)})"
    everything = "\n".join(map(plain, sources.values()))
    for row in rows:
        if not is_in(row, everything):
            yield f"docs/guide/troubleshooting.md: no message in the source code contains: {row}"


# --- the built book ----------------------------------------------------------------------------------


def repository_file(page: pathlib.Path, target: str, book: pathlib.Path) -> pathlib.Path | None:
    """Returns the file of the repository that a link of the built page leads to, or None if it is in the book."""
    source = (DOCS / page.parent.relative_to(book) / urllib.parse.unquote(target)).resolve()
    if (page.parent / urllib.parse.unquote(target)).exists() and DOCS in source.parents:
        return None
    # mdbook changes the suffix of every link to a Markdown file.
    for candidate in (source, source.with_suffix(".md")):
        if candidate.exists() and ROOT in candidate.parents:
            return candidate
    return None


def copy_linked_files(book: pathlib.Path) -> list[str]:
    """Copies the files outside docs/ that the book links to, and changes the links. Returns the problems."""
    problems = []
    for page in sorted(book.rglob("*.html")):
        if page.name in ("404.html", "toc.html"):
            continue
        text = page.read_text(encoding="utf-8")
        for attribute, target in set(re.findall(r'\b(href|src)="([^"]*)"', text)):
            file, _, anchor = html.unescape(target).partition("#")
            if not file or EXTERNAL.match(file) or (page.parent / urllib.parse.unquote(file)).exists():
                continue
            source = repository_file(page, file, book)
            if source is None or source.is_dir():
                problems.append(f"{page.relative_to(book)}: {target}: neither in the book nor a file of the repository")
                continue
            copy = book / "repository" / source.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
            link = os.path.relpath(copy, page.parent) + (f"#{anchor}" if anchor else "")
            text = text.replace(f'{attribute}="{target}"', f'{attribute}="{html.escape(link)}"')
        page.write_text(text, encoding="utf-8")
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--book", type=pathlib.Path, metavar="DIR")
    given = parser.parse_args()
    if given.book:
        problems = copy_linked_files(given.book.resolve())
    else:
        problems = [*link_problems(), *book_problems(), *message_problems()]
    for problem in problems:
        print(problem)
    print(f"check-docs: {len(problems)} problems" if problems else "check-docs: no problem")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
