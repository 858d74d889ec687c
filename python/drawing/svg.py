"""Draws simple SVG figures of numbers. Coordinates are pixels.

One file fits light and dark pages: it has no background, and lines and texts change their color with the page
(prefers-color-scheme). The caller chooses the fills, which have to be visible on both.
"""

from collections.abc import Iterable

# The colors of each shade of lines and texts, on a light and on a dark page.
SHADES = {"ink": ("#1f2328", "#e6edf3"), "faint": ("#59636e", "#9198a1"), "grid": ("#d1d9e0", "#3d444d")}


class Drawing:
    """An SVG drawing; str() returns the document."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.parts: list[str] = []

    def text(
        self, x: float, y: float, words: object, anchor: str = "start", shade: str | None = "ink", extra: str = ""
    ) -> None:
        """Adds a text. `extra` has further SVG attributes, among them the fill if `shade` is None."""
        words = str(words).replace("&", "&amp;").replace("<", "&lt;")
        shaded = f' class="t-{shade}"' if shade else ""
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{shaded}{extra}>{words}</text>')

    def line(self, x1: float, y1: float, x2: float, y2: float, shade: str = "ink", width: float = 1) -> None:
        """Adds a straight line."""
        self.parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
            f'class="l-{shade}" stroke-width="{width}" shape-rendering="crispEdges"/>'
        )

    def bar(self, x: float, y: float, width: float, height: float, fill: str) -> None:
        """Adds a filled rectangle."""
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}" '
            'shape-rendering="crispEdges"/>'
        )

    def curve(self, points: Iterable[tuple[float, float]], stroke: str, dots: bool = False) -> None:
        """Adds a line through all points, with a dot at each one if `dots` is set."""
        corners = list(points)
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{stroke}" stroke-width="2"/>')
        if dots:
            self.parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{stroke}"/>' for x, y in corners]

    def __str__(self) -> str:
        light, dark = (
            " ".join(
                f".t-{name}{{fill:{colors[page]}}} .l-{name}{{stroke:{colors[page]}}}"
                for name, colors in SHADES.items()
            )
            for page in (0, 1)
        )
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" height="{self.height}" '
                f'viewBox="0 0 {self.width} {self.height}" font-family="sans-serif" font-size="13">',
                f"<style>{light} @media (prefers-color-scheme: dark) {{{dark}}}</style>",
                *self.parts,
                "</svg>",
                "",
            ]
        )
