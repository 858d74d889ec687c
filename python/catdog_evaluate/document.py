"""The parts of a page. markdown.py and webpage.py each write them in their own format."""

from typing import NamedTuple


class Heading(NamedTuple):
    """A heading; the page begins with the only one of level 1."""

    level: int
    text: str


class Paragraph(NamedTuple):
    """A paragraph of plain text."""

    text: str


class Bullets(NamedTuple):
    """A list of sentences."""

    items: list[str]


class Table(NamedTuple):
    """A table. The first row is the header, the first cell of each other row is the header of the row.

    The first `left` columns hold text, the others numbers.
    """

    rows: list[list[str]]
    left: int = 1


class Figure(NamedTuple):
    """A PNG image with its file name, a caption, and a text that replaces it.

    The details of a `detailed` one cannot be seen when it is as narrow as a phone.
    """

    name: str
    caption: str
    alternative: str
    data: bytes
    detailed: bool = False


Block = Heading | Paragraph | Bullets | Table | Figure
