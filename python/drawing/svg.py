"""Drawings as SVG, with no more than a script needs to show numbers. Coordinates are pixels.

Light and dark pages get the same file: its background is left out, and lines and letters change their color with the
page (prefers-color-scheme). Fills are given by the script, and have to do on both.
"""

# Each class of a line or a text: its color on a light page, and on a dark one
SHADES = {"ink": ("#1f2328", "#e6edf3"), "faint": ("#59636e", "#9198a1"), "grid": ("#d1d9e0", "#3d444d")}


class Drawing:
    def __init__(self, width, height):
        self.width, self.height = width, height
        self.parts = []

    def text(self, x, y, words, anchor="start", shade="ink", extra=""):
        """Without a shade, `extra` says the color."""
        words = str(words).replace("&", "&amp;").replace("<", "&lt;")
        shaded = f' class="t-{shade}"' if shade else ""
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{shaded}{extra}>{words}</text>')

    def line(self, x1, y1, x2, y2, shade="ink", width=1):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
                          f'class="l-{shade}" stroke-width="{width}" shape-rendering="crispEdges"/>')

    def bar(self, x, y, wide, high, fill):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}" fill="{fill}" '
                          'shape-rendering="crispEdges"/>')

    def curve(self, points, stroke, dots=False):
        way = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{way}" fill="none" stroke="{stroke}" stroke-width="2"/>')
        if dots:
            self.parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{stroke}"/>' for x, y in points]

    def __str__(self):
        rules = [[f".t-{name}{{fill:{color}}} .l-{name}{{stroke:{color}}}" for name, color in
                  ((name, both[dark]) for name, both in SHADES.items())] for dark in (0, 1)]
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" height="{self.height}" '
            f'viewBox="0 0 {self.width} {self.height}" font-family="sans-serif" font-size="13">',
            f"<style>{' '.join(rules[0])} @media (prefers-color-scheme: dark) {{{' '.join(rules[1])}}}</style>",
            *self.parts, "</svg>", "",
        ])
