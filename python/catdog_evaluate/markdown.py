"""Writes a page as Markdown. Figures are files beside it."""

from collections.abc import Iterable

from catdog_evaluate.document import Block, Bullets, Figure, Heading, Paragraph


def page(blocks: Iterable[Block]) -> str:
    """Returns the page."""
    return "\n\n".join(map(written, blocks)) + "\n"


def written(block: Block) -> str:
    """Returns one part of the page."""
    if isinstance(block, Heading):
        return f"{'#' * block.level} {block.text}"
    if isinstance(block, Paragraph):
        return block.text
    if isinstance(block, Bullets):
        return "\n".join(f"- {item}" for item in block.items)
    if isinstance(block, Figure):
        return f"![{block.alternative}]({block.name})\n\n{block.caption}"
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in block.rows]
    columns = "".join("---|" if column < block.left else "---:|" for column in range(len(block.rows[0])))
    return "\n".join([lines[0], "|" + columns, *lines[1:]])
