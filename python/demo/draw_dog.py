"""Draws the golden retriever of the demo clip.

Usage: PYTHONPATH=python /usr/bin/python3 -m demo.draw_dog

Writes dog-1-body.svg and the parts above it to the current folder. In the functions, `x` and `y` are maps of pixel
coordinates, `u` and `v` the same in the units of the drawing.
"""

import numpy as np

from demo import fur
from demo.fur import Map, Points

WIDTH, HEIGHT = 640, 680
# The origin is the middle of the head.
CX, CY, SCALE = 320.0, 222.0, 1.12
PLACEMENT = fur.Placement(CX, CY, SCALE)
place, relief = PLACEMENT.place, PLACEMENT.relief


def mirrored(half: list[tuple[float, float]]) -> Points:
    """Returns a closed outline from its right half, which goes from top to bottom."""
    return half + [(-u, v) for u, v in reversed(half) if u > 0]


def body(x: Map, y: Map, u: Map, v: Map, random: np.random.RandomState) -> str:
    """Draws the body."""
    shape = mirrored(
        [(0, 30), (60, 40), (84, 90), (100, 135), (126, 185), (140, 240), (148, 330), (152, 420), (0, 425)]
    )
    mask, _ = fur.inside(x, y, place(shape), 2.0)
    height = relief(
        x,
        y,
        [
            (0, 120, 92, 110, 60, 10, 0),
            (0, 190, 72, 110, 50, 36, 0),
            (-92, 260, 54, 110, 55, 0, 6),
            (92, 260, 54, 110, 55, 0, -6),
            (-42, 370, 38, 130, 46, 36, 0),
            (42, 370, 38, 130, 46, 36, 0),
        ],
    ) + 5 * fur.noise(x.shape, 30, random)
    color = fur.plain(x, (196, 148, 94))
    color = fur.mix(color, (226, 190, 140), fur.spot(u, v, 0, 200, 66, 120, 0, 0.6))
    color = fur.mix(color, (178, 126, 76), fur.spot(np.abs(u), v, 120, 220, 34, 110, 0, 0.7) * 0.7)
    shadow = 1 - 0.34 * fur.spot(u, v, 8, 118, 100, 44, 0, 0.8)
    wave = 0.45 * np.sin(v * 0.10 + 2.4 * fur.noise(x.shape, 45, random))
    direction = fur.unit(u * 0.004 + wave * 0.4, 1.0)
    length = 26 + 8 * fur.spot(u, v, 0, 200, 70, 110, 0, 0.6)
    return fur.Coat(mask, color * fur.light(height, 5) * shadow[..., None], direction, length, v, 111, 0.2, 0.16).svg()


def ear(x: Map, y: Map, u: Map, v: Map, side: int, seed: int, random: np.random.RandomState) -> str:
    """Draws an ear: `side` is 1 for the right one of the drawing, -1 for the left one."""
    shape = [
        (58, -80),
        (75, -90),
        (97, -80),
        (113, -46),
        (120, -4),
        (117, 32),
        (105, 56),
        (94, 52),
        (85, 26),
        (77, -8),
        (72, -40),
        (60, -64),
    ]
    mask, edge = fur.inside(x, y, place([(side * a, b) for a, b in shape]), 2.0)
    s = side * u
    mask = mask * np.maximum(fur.smoothstep(60, 84, s), fur.smoothstep(-66, -36, v) * fur.smoothstep(60, 68, s))
    height = 26 * np.sqrt(np.clip(edge, 0, 30) / 30.0) + 3 * fur.noise(x.shape, 20, random)
    color = fur.plain(x, (180, 126, 74))
    color = fur.mix(color, (154, 102, 56), fur.spot(s, v, 104, 36, 26, 40, 0, 0.7) * 0.8)
    color = fur.mix(color, (200, 150, 96), fur.spot(s, v, 80, -74, 30, 30, 0, 0.8) * 0.9)
    bend = 0.35 * np.sin(v * 0.07 + 1.5 * fur.noise(x.shape, 30, random))
    direction = fur.unit(side * (0.95 - 0.011 * (v + 90)) + 0.35 * bend, 1.0)
    length = 13 + 10 * fur.smoothstep(-60, 50, v)
    return fur.Coat(mask, color * fur.light(height, 3), direction, length, v, seed, 0.15, 0.13).svg()


# The relief of the head.
BUMPS: list[fur.Bump] = [
    (0, -40, 90, 78, 62, 0, 0),
    (-33, -58, 28, 20, 14, 46, 14),
    (33, -58, 28, 20, 14, 46, -14),
    (-56, 14, 40, 50, 34, 8, 0),
    (56, 14, 40, 50, 34, 8, 0),
    (0, 0, 19, 52, 46, 48, 0),
    (0, 38, 35, 42, 56, 72, 0),
    (-24, 62, 28, 34, 46, 80, -8),
    (24, 62, 28, 34, 46, 80, 8),
]


def paint_head(x: Map, y: Map, u: Map, v: Map) -> tuple[Map, tuple[Map, Map], Map]:
    """Returns the lit color of the head, the direction of its hair, and the distance from the nose."""
    a = np.abs(u)
    color = fur.plain(x, (206, 158, 102))
    color = fur.mix(color, (190, 138, 84), fur.spot(u, v, 0, -88, 60, 30, 0, 0.7) * 0.8)
    color = fur.mix(color, (228, 186, 128), fur.spot(a, v, 58, 20, 34, 50, 0, 0.7) * 0.8)
    color = fur.mix(color, (224, 186, 136), fur.spot(a, v, 31, -59, 17, 11, -15, 0.7) * 0.6)
    color = fur.mix(color, (230, 202, 160), fur.spot(u, v, 0, 54, 54, 46, 0, 0.5))
    color = fur.mix(color, (196, 140, 82), fur.spot(u, v, 0, -30, 12, 42, 0, 0.8) * 0.6)
    color = fur.mix(color, (120, 80, 48), fur.spot(a, v, 35, -36, 20, 15, 8, 0.5) * 0.5)
    color = fur.mix(color, (136, 88, 50), fur.spot(a, v, 22, -16, 6, 18, -14, 0.7) * 0.5)
    shade = fur.light(relief(x, y, BUMPS), 3)
    dx, dy = fur.unit(u, v - 28)
    back = fur.smoothstep(40, 80, a) * fur.smoothstep(-60, 10, v)
    dx, dy = fur.unit(dx + 0.2 * back * np.sign(u), dy + 0.9 * back)
    return color * shade, (dx, dy), np.hypot(u, v - 32)


def skull(x: Map, y: Map, u: Map, v: Map) -> str:
    """Draws the head without muzzle and jaw."""
    shape = mirrored([(0, -104), (32, -102), (58, -91), (77, -68), (85, -30), (86, 24), (78, 74), (58, 108), (0, 124)])
    mask, _ = fur.inside(x, y, place(shape), 2.5)
    color, direction, reach = paint_head(x, y, u, v)
    a = np.abs(u)
    shadow = 1 - 0.45 * fur.spot(a, v, 78, -6, 16, 62, 4, 0.9)
    shadow *= 1 - 0.3 * fur.spot(a, v, 44, 96, 34, 28, 0, 0.8)
    length = 4 + 5.5 * fur.smoothstep(20, 110, reach) + 12 * fur.smoothstep(50, 110, v + 0.5 * a)
    return fur.Coat(mask, color * shadow[..., None], direction, length, reach, 121, 0.10, 0.09).svg(1.05)


def jaw(x: Map, y: Map, u: Map, v: Map) -> str:
    """Draws the lower jaw."""
    shape = mirrored([(0, 84), (40, 74), (43, 98), (37, 122), (22, 137), (0, 142)])
    mask, _ = fur.inside(x, y, place(shape), 2.0)
    height = relief(x, y, [(0, 112, 40, 34, 34, 10, 0)])
    color = fur.plain(x, (206, 166, 118))
    shadow = 1 - 0.45 * fur.spot(u, v, 0, 98, 46, 22, 0, 0.8)
    direction = fur.unit(u * 0.015, 1.0)
    return fur.Coat(mask, color * fur.light(height, 3) * shadow[..., None], direction, 9, v, 131, 0.2, 0.14).svg()


def muzzle(x: Map, y: Map, u: Map, v: Map) -> str:
    """Draws the muzzle."""
    shape = mirrored(
        [(0, -38), (15, -32), (23, -8), (33, 14), (46, 38), (54, 66), (51, 84), (40, 95), (25, 95), (10, 87), (0, 80)]
    )
    mask, edge = fur.inside(x, y, place(shape), 2.5)
    color, direction, reach = paint_head(x, y, u, v)
    a = np.abs(u)
    rim = fur.smoothstep(7, 0, edge) * fur.smoothstep(64, 78, v)
    color = fur.mix(color, (70, 46, 36), rim * 0.75)
    for row, (v0, count) in enumerate(((58, 3), (67, 4), (76, 3))):
        for i in range(count):
            color = fur.mix(
                color, (120, 82, 56), fur.spot(a, v, 20 + 7.5 * i + 2 * row, v0 + i, 2.0, 1.7, 0, 0.8) * 0.7
            )
    length = 4.5 + 4 * fur.smoothstep(20, 60, reach)
    return fur.Coat(mask, color, direction, length, reach, 141, 0.14, 0.1).svg(1.1)


DEFS = """
<radialGradient id="iris" cx="0.5" cy="0.62" r="0.55">
 <stop offset="0" stop-color="#7a4520"/><stop offset="0.6" stop-color="#532b12"/><stop offset="1" stop-color="#1d0e07"/>
</radialGradient>
<radialGradient id="nose" cx="0.42" cy="0.22" r="0.85">
 <stop offset="0" stop-color="#5b5654"/><stop offset="0.35" stop-color="#2b2727"/><stop offset="1" stop-color="#0b0909"/>
</radialGradient>
<linearGradient id="tongue" x1="0" y1="0" x2="0" y2="1">
 <stop offset="0" stop-color="#8d4148"/><stop offset="0.3" stop-color="#c96f76"/><stop offset="0.8" stop-color="#e3949a"/><stop offset="1" stop-color="#cf7b84"/>
</linearGradient>
<filter id="soft" x="-50%" y="-50%" width="200%" height="200%"><feGaussianBlur stdDeviation="0.9"/></filter>
<filter id="mild" x="-50%" y="-50%" width="200%" height="200%"><feGaussianBlur stdDeviation="1.8"/></filter>
<filter id="softer" x="-50%" y="-50%" width="200%" height="200%"><feGaussianBlur stdDeviation="3"/></filter>
"""


def path(points: Points, close: bool = True) -> str:
    """Returns the SVG path data of a curve in units."""
    return fur.outline(place(points), close)


def blob(
    u: float, v: float, ru: float, rv: float, fill: str, opacity: float = 1.0, soft: str = "soft", turn: int = 0
) -> str:
    """Returns an ellipse with a soft edge; `soft` is the id of a filter, `turn` is in degrees."""
    cx, cy = CX + SCALE * u, CY + SCALE * v
    shape = 'cx="%.1f" cy="%.1f" rx="%.1f" ry="%.1f"' % (cx, cy, SCALE * ru, SCALE * rv)
    style = 'fill="%s" opacity="%.2f" filter="url(#%s)"' % (fill, opacity, soft)
    return '<ellipse %s %s transform="rotate(%d %.1f %.1f)"/>' % (shape, style, turn, cx, cy)


def mouth() -> str:
    """Draws the open mouth with teeth and tongue."""
    out = [
        '<path d="%s" fill="#2a0f10" filter="url(#soft)"/>'
        % path(mirrored([(0, 76), (47, 76), (42, 98), (30, 114), (0, 121)]))
    ]
    for side in (-1, 1):
        out.append(
            '<path d="%s" fill="#e9e0cc" filter="url(#soft)"/>'
            % path([(side * 27, 110), (side * 29, 101), (side * 32, 108)])
        )
    out.append(
        '<path d="%s" fill="url(#tongue)" filter="url(#soft)"/>'
        % path(mirrored([(0, 86), (20, 88), (25, 108), (24, 134), (16, 152), (0, 158)]))
    )
    out.append(
        '<path d="%s" fill="none" stroke="#9c4a54" stroke-width="2.6" opacity="0.7" filter="url(#soft)"/>'
        % path([(0, 90), (1, 112), (0, 144)], False)
    )
    out.append(blob(-11, 130, 4, 17, "#ffdcdc", 0.4, "softer"))
    out.append(blob(12, 134, 3.5, 13, "#ffdcdc", 0.3, "softer"))
    return "\n".join(out)


def eye(side: int, random: np.random.RandomState) -> str:
    """Draws an eye: `side` is 1 for the right one of the drawing, -1 for the left one."""

    def m(points: Points) -> Points:
        return [(side * a, b) for a, b in points]

    almond = m([(23, -31), (27.5, -40), (35, -44.5), (42.5, -42.5), (48, -34.5), (44, -28.5), (36, -25.5), (28.5, -27)])
    rim = m(
        [(19.5, -29), (25.5, -42.5), (35, -47.5), (44.5, -45), (51.5, -34.5), (46, -26.2), (36, -22.6), (26.8, -24.6)]
    )
    out = ['<path d="%s" fill="#17100d" filter="url(#soft)"/>' % path(rim)]
    out.append('<clipPath id="eye%d"><path d="%s"/></clipPath><g clip-path="url(#eye%d)">' % (side, path(almond), side))
    out.append(blob(side * 35, -35, 20, 16, "#6a5246"))
    out.append(
        '<circle cx="%.1f" cy="%.1f" r="%.1f" fill="url(#iris)"/>'
        % (CX + SCALE * side * 35.3, CY - SCALE * 35.5, SCALE * 11.5)
    )
    out.append(blob(side * 35.3, -35.5, 5.6, 5.6, "#050303"))
    out.append(blob(side * 35.3, -44, 15, 4.5, "#050303", 0.7))
    out.append(blob(side * 35.3 - 3.8, -39.5, 2.7, 2.4, "#f4f8fc", 0.95))
    out.append(blob(side * 35.3 + 4, -29.5, 4, 2, "#d8b090", 0.4))
    out.append("</g>")
    roots, tips = m([(20, -37), (27, -46), (37, -50), (50, -44)]), m([(19, -46), (27, -56), (40, -60), (58, -52)])
    out.append(fur.strands(random, place(roots), place(tips), (190, 146, 94), 1.2, 1.8, 0.7, 110))
    roots, tips = m([(23, -23), (33, -20), (42, -22), (51, -29)]), m([(24, -14), (35, -11), (46, -13), (60, -22)])
    out.append(fur.strands(random, place(roots), place(tips), (196, 154, 104), 1.2, 1.8, 0.6, 110))
    return "\n".join(out)


def face(random: np.random.RandomState) -> str:
    """Draws eyes, lips, nose and whiskers."""
    out = [eye(-1, random), eye(1, random)]
    out.append(
        '<path d="%s" fill="none" stroke="#2a1a16" stroke-width="3" opacity="0.9" stroke-linecap="round" filter="url(#soft)"/>'
        % path([(0, 50), (0, 80)], False)
    )
    lip = [(0, 80), (10, 88), (25, 96), (40, 96), (51, 86), (55, 74)]
    for side in (-1, 1):
        out.append(
            '<path d="%s" fill="none" stroke="#241512" stroke-width="2.8" opacity="0.9" stroke-linecap="round" filter="url(#soft)"/>'
            % path([(side * a, b) for a, b in lip], False)
        )
    nose = mirrored([(0, 13), (14, 13.5), (24.5, 20), (28, 31), (22.5, 41), (11, 47), (0, 52)])
    out.append(
        '<path d="%s" fill="#120d0c" opacity="0.8" filter="url(#soft)"/>'
        % path([(a * 1.05, 32 + (b - 32) * 1.05) for a, b in nose])
    )
    out.append('<path d="%s" fill="url(#nose)" filter="url(#soft)"/>' % path(nose))
    for side in (-1, 1):
        out.append(
            '<path d="%s" fill="#000" filter="url(#soft)"/>'
            % path(
                [
                    (side * a, b)
                    for a, b in [(7.5, 34), (10, 28.5), (16, 27), (20.5, 30.5), (26, 37), (20, 37.5), (13, 39)]
                ]
            )
        )
    out.append(
        '<path d="%s" fill="none" stroke="#000" stroke-width="2" opacity="0.8" filter="url(#soft)"/>'
        % path([(0, 33), (0, 51)], False)
    )
    out.append(blob(-3, 19, 13, 3.6, "#dfe6ee", 0.5, "mild"))
    out.append(blob(0, 28, 5, 4, "#a8a8ac", 0.22, "mild"))
    out.append(whiskers(random))
    return "\n".join(out)


def whiskers(random: np.random.RandomState) -> str:
    """Draws the whiskers."""
    out = []
    for side in (-1, 1):
        for i in range(9):
            u0, v0 = 22 + 8 * (i // 3), 58 + 9 * (i % 3)
            du, dv = random.uniform(26, 48), random.uniform(4, 26)
            p = place([(side * u0, v0), (side * (u0 + du * 0.5), v0 + dv * 0.3), (side * (u0 + du), v0 + dv)])
            out.append(
                '<path d="M%.1f %.1fQ%.1f %.1f %.1f %.1fQ%.1f %.1f %.1f %.1fz" fill="#f4e6cc" opacity="0.55"/>'
                % (*p[0], *p[1], *p[2], p[1][0], p[1][1] + 1.0, p[0][0], p[0][1] + 1.2)
            )
    return "\n".join(out)


def layers() -> list[tuple[str, str]]:
    """Returns the parts of the drawing as (name, SVG document), the lowest first."""
    x, y = fur.grid(WIDTH, HEIGHT)
    u, v = (x - CX) / SCALE, (y - CY) / SCALE
    random = np.random.RandomState(6)
    torso = body(x, y, u, v, random)
    top = [muzzle(x, y, u, v), face(random), ear(x, y, u, v, -1, 151, random), ear(x, y, u, v, 1, 161, random)]
    parts = (("body", [torso]), ("head", [skull(x, y, u, v)]), ("jaw", [jaw(x, y, u, v), mouth()]), ("head", top))
    return [(part, fur.document(WIDTH, HEIGHT, "\n".join(drawn), DEFS)) for part, drawn in parts]


# The head turns around this point, in pixels.
PIVOT = (CX, CY + 80 * SCALE)


if __name__ == "__main__":
    for number, (part, text) in enumerate(layers(), 1):
        with open("dog-%d-%s.svg" % (number, part), "w", encoding="ascii") as file:
            file.write(text)
