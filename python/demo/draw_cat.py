"""Draws the tabby cat of the demo clip.

Usage: PYTHONPATH=python /usr/bin/python3 -m demo.draw_cat

Writes cat-1-body.svg and the parts above it to the current folder. In the functions, `x` and `y` are maps of pixel
coordinates, `u` and `v` the same in the units of the drawing.
"""

from collections.abc import Sequence

import numpy as np

from demo import fur
from demo.fur import Map, Points

WIDTH, HEIGHT = 640, 680
# The origin is the middle of the head, whose half width is 100 units.
CX, CY, SCALE = 320.0, 225.0, 1.15
PLACEMENT = fur.Placement(CX, CY, SCALE)
place, relief = PLACEMENT.place, PLACEMENT.relief
DARK = (44, 36, 30)
RIM = (
    (16, 9.5),
    (22.8, -9.5),
    (33.2, -21.6),
    (46, -26),
    (58.6, -23),
    (71, -13.5),
    (64.5, 2.5),
    (54, 10.2),
    (42, 12.6),
    (30, 11),
)


def both_sides(points: Points) -> list[Points]:
    """Returns a curve and its mirror image with a small deviation, so that the drawing is not exactly symmetric."""
    return [points, [(-u * 0.98 - 0.6, v + 0.8) for u, v in points]]


def mirror(points: Points, side: int) -> Points:
    """Returns points of the right side (`side` 1), or their mirror image (`side` -1)."""
    return [(side * a, b) for a, b in points]


def stripes(x: Map, y: Map, color: Map, marks: Sequence[tuple[Points, float]], strength: float = 0.85) -> Map:
    """Returns a color map with dark stripes along the curves `marks`, given with their widths."""
    total = np.zeros_like(x)
    for points, width in marks:
        total = np.maximum(total, fur.stripe(x, y, place(points), width * SCALE))
    return fur.mix(color, DARK, total * strength)


def body(x: Map, y: Map, u: Map, v: Map, random: np.random.RandomState) -> str:
    """Draws the body."""
    shape = [
        (-46, 60),
        (-72, 100),
        (-94, 150),
        (-113, 215),
        (-122, 310),
        (-124, 405),
        (124, 405),
        (122, 310),
        (113, 215),
        (94, 150),
        (72, 100),
        (46, 60),
    ]
    mask, _ = fur.inside(x, y, place(shape), 2.0)
    height = relief(
        x,
        y,
        [
            (0, 170, 78, 110, 60, 20, 0),
            (0, 130, 60, 60, 45, 30, 0),
            (-74, 225, 50, 100, 52, 5, 6),
            (74, 225, 50, 100, 52, 5, -6),
            (-36, 350, 36, 140, 50, 34, 0),
            (36, 350, 36, 140, 50, 34, 0),
        ],
    )
    warp = 5 * fur.noise(x.shape, 22, random)
    color = fur.plain(x, (150, 124, 94))
    color = fur.mix(color, (205, 186, 156), fur.spot(u, v, 0, 160, 62, 95, 0, 0.6))
    color = fur.mix(color, (232, 222, 204), fur.spot(u, v, 0, 110, 40, 42, 0, 0.6) * 0.8)
    marks = []
    for points, width in (
        ([(100, 128), (74, 150), (44, 168), (12, 176)], 5.5),
        ([(108, 158), (84, 184), (52, 204), (16, 214)], 6),
        ([(118, 192), (92, 212), (70, 238), (58, 262)], 6.5),
        ([(122, 225), (102, 246), (88, 276)], 6),
        ([(122, 262), (110, 290)], 6),
        ([(62, 258), (40, 266), (14, 262)], 5),
        ([(66, 284), (40, 293), (12, 288)], 5.5),
        ([(66, 312), (40, 320), (12, 316)], 5.5),
        ([(68, 342), (40, 350), (12, 346)], 5.5),
        ([(124, 300), (112, 326)], 6),
        ([(124, 336), (110, 360)], 6),
    ):
        marks += [(p, width) for p in both_sides(points)]
    color = stripes(x + warp, y + 0.7 * warp, color, marks, 0.72)
    height = height + 5 * fur.noise(x.shape, 26, random)
    shade = fur.light(height, 5)
    shadow = 1 - 0.5 * fur.spot(u, v, 10, 92, 92, 42, 0, 0.7)
    direction = fur.unit(u * 0.006, 1.0)
    length = 18 + 11 * fur.spot(u, v, 0, 150, 60, 80, 0, 0.6)
    return fur.Coat(mask, color * shade * shadow[..., None], direction, length, v, 11, 0.24, 0.2).svg()


def ear(x: Map, y: Map, u: Map, v: Map, side: int, seed: int) -> str:
    """Draws an ear: `side` is 1 for the right one of the drawing, -1 for the left one."""
    shape = mirror(
        [
            (96, -20),
            (100, -62),
            (96, -112),
            (88, -142),
            (82, -145),
            (66, -126),
            (44, -100),
            (26, -76),
            (40, -40),
            (70, -20),
        ],
        side,
    )
    hollow = mirror([(87, -36), (91, -74), (88, -110), (82, -129), (69, -112), (54, -92), (46, -74), (58, -46)], side)
    mask, edge = fur.inside(x, y, place(shape), 1.5)
    inner, depth = fur.inside(x, y, place(hollow), 4.0)
    height = np.clip(edge, 0, 14) * 1.1 - np.clip(depth + 4, 0, 16) * 1.5
    color = fur.plain(x, (122, 98, 74))
    color = fur.mix(color, (66, 52, 42), fur.spot(u, v, side * 85, -138, 22, 26, 0, 0.7))
    color = fur.mix(color, (190, 138, 120), inner * 0.95)
    color = fur.mix(color, (112, 70, 60), fur.spot(u, v, side * 70, -76, 18, 36, side * 20, 0.8) * inner * 0.85)
    shade = fur.light(height, 2.5)
    direction = fur.unit(side * 0.30, -1.0)
    length = 9 - 4.5 * inner
    out = [fur.Coat(mask, color * shade, direction, length, -v, seed, 0.1, 0.08).svg()]
    random = np.random.RandomState(seed + 1)
    roots = mirror([(46, -52), (42, -70), (50, -86), (62, -102)], side)
    tips = mirror([(84, -78), (72, -104), (76, -116), (82, -128)], side)
    out.append(fur.strands(random, place(roots), place(tips), (214, 194, 168), 1.5, 4.5, 0.55, 120))
    out.append(fur.strands(random, place(roots), place(tips), (120, 92, 76), 1.2, 4.5, 0.4, 50))
    roots = mirror([(90, -24), (96, -60), (94, -96)], side)
    tips = mirror([(80, -66), (86, -98), (86, -130)], side)
    out.append(fur.strands(random, place(roots), place(tips), (176, 152, 124), 1.3, 3.0, 0.5, 70))
    return "\n".join(out)


def head_marks() -> list[tuple[Points, float]]:
    """Returns the dark stripes of the head, with their widths."""
    marks: list[tuple[Points, float]] = []
    for points, width in (
        ([(28, -40), (33, -54), (28, -70), (25, -98)], 5.2),
        ([(7, -34), (10, -52), (9, -72), (9, -98)], 4.0),
        ([(33, -54), (22, -60), (11, -50)], 3.4),
        ([(47, -42), (54, -58), (50, -84)], 4.2),
        ([(64, -38), (70, -50), (66, -70)], 3.6),
        ([(68, -14), (84, -4), (98, 6), (108, 20)], 4.6),
        ([(54, 22), (72, 30), (90, 36), (106, 38)], 4.6),
        ([(58, 46), (76, 58), (96, 60)], 4.2),
        ([(20, 6), (23, 18), (33, 30)], 3.0),
        ([(66, -14), (78, -18), (90, -30)], 3.0),
    ):
        marks += [(p, width) for p in both_sides(points)]
    marks.append(([(0, -56), (0.5, -100)], 2.6))
    return marks


def head(x: Map, y: Map, u: Map, v: Map, random: np.random.RandomState) -> str:
    """Draws the head without the face."""
    shape = [(0, -96), (32, -91), (62, -73), (86, -40), (98, -4), (108, 32), (98, 58), (72, 80), (40, 97), (0, 104)]
    shape += [(-a, b) for a, b in reversed(shape[1:-1])]
    mask, _ = fur.inside(x, y, place(shape), 2.5)
    a = np.abs(u)
    height = relief(
        x,
        y,
        [
            (0, -8, 97, 84, 62, 0, 0),
            (-30, -52, 34, 26, 14, 46, 20),
            (30, -52, 34, 26, 14, 46, -20),
            (0, -2, 16, 48, 32, 48, 0),
            (0, 28, 19, 28, 32, 58, 0),
            (-19, 57, 24, 18, 30, 66, -6),
            (19, 57, 24, 18, 30, 66, 6),
            (0, 83, 22, 14, 20, 52, 0),
            (-62, 34, 44, 40, 28, 24, -20),
            (62, 34, 44, 40, 28, 24, 20),
        ],
    )
    warp = 3.0 * fur.noise(x.shape, 18, random)
    color = fur.plain(x, (150, 122, 90))
    color = fur.mix(color, (116, 94, 70), fur.spot(u, v, 0, -72, 62, 34, 0, 0.6))
    color = fur.mix(color, (184, 160, 126), fur.spot(a, v, 74, 34, 40, 34, 0, 0.7))
    color = fur.mix(color, (170, 122, 80), fur.spot(u, v, 0, 2, 13, 36, 0, 0.6) * 0.85)
    color = fur.mix(color, (214, 194, 160), fur.spot(a, v, 44, -10, 34, 31, 12, 0.35) * 0.75)
    color = fur.mix(color, (236, 226, 210), fur.spot(a, v, 19, 57, 29, 22, -8, 0.5))
    color = fur.mix(color, (226, 216, 202), fur.spot(u, v, 0, 84, 32, 18, 0, 0.6))
    color = stripes(x + warp, y + 0.6 * warp, color, head_marks())
    for row, (v0, count) in enumerate(((50, 4), (57, 5), (64, 4))):
        for i in range(count):
            at = 13 + 7.5 * i + 2 * row
            color = fur.mix(color, (110, 88, 70), fur.spot(a, v, at, v0 - 1.2 * i, 2.0, 1.7, 0, 0.8) * 0.75)
    color *= (1 - 0.2 * fur.spot(u, v, 0, 73, 32, 4.5, 0, 0.9))[..., None]
    shade = fur.light(height, 2.6)
    # The hair points away from the nose, backward over the brow, outward and down over the cheeks.
    dx, dy = fur.unit(u, v - 34)
    back = fur.smoothstep(38, 88, a) * fur.smoothstep(-40, 20, v)
    dx, dy = dx + back * 0.3 * np.sign(u), dy + back * 0.75
    down = fur.spot(u, v, 0, 86, 50, 26, 0, 0.6)
    dx, dy = fur.unit(dx, dy + down * 0.8)
    reach = np.hypot(u, v - 36)
    length = 4.0 + 10.5 * fur.smoothstep(10, 100, reach) + 9 * fur.smoothstep(70, 112, a) * fur.smoothstep(-30, 20, v)
    return fur.Coat(mask, color * shade, (dx, dy), length, reach, 21, 0.15, 0.13).svg(1.1)


def lids(x: Map, y: Map, u: Map, v: Map) -> str:
    """Draws closed eyes, a part that covers the open ones."""
    color = fur.plain(x, (186, 160, 126))
    a = np.abs(u)
    color = fur.mix(color, (120, 96, 72), fur.spot(a, v, 44, -26, 26, 8, 0, 0.8) * 0.7)
    color = color * (0.95 - 0.012 * (v + 8))[..., None]
    out = []
    for side in (-1, 1):
        mask, _ = fur.inside(
            x, y, place([(side * (43.5 + 1.16 * (p - 43.5)), 1.16 * (q + 7) - 8) for p, q in RIM]), 2.5
        )
        out.append(fur.Coat(mask, color, fur.unit(side * 0.35, 1.0), 6, v, 71 + side, 0.15, 0.1).svg(1.1))
        line = [(16, 9.5), (28, 8.5), (42, 10.5), (55, 6), (71, -13.5)]
        out.append(
            '<path d="%s" fill="none" stroke="#191210" stroke-width="3.4" stroke-linecap="round" filter="url(#soft)"/>'
            % fur.outline(place([(side * p, q) for p, q in line]), False)
        )
    return "\n".join(out)


DEFS = """
<radialGradient id="iris" cx="0.5" cy="0.55" r="0.55">
 <stop offset="0" stop-color="#c4b45e"/><stop offset="0.4" stop-color="#a8a455"/>
 <stop offset="0.72" stop-color="#848548"/><stop offset="0.92" stop-color="#4a4d2a"/><stop offset="1" stop-color="#25260f"/>
</radialGradient>
<linearGradient id="lid" x1="0" y1="0" x2="0" y2="1">
 <stop offset="0" stop-color="#0c0a06" stop-opacity="0.9"/><stop offset="0.45" stop-color="#0c0a06" stop-opacity="0.15"/>
 <stop offset="0.75" stop-color="#fff8c0" stop-opacity="0"/><stop offset="1" stop-color="#fff8c0" stop-opacity="0.35"/>
</linearGradient>
<linearGradient id="nose" x1="0" y1="0" x2="0" y2="1">
 <stop offset="0" stop-color="#c98f84"/><stop offset="0.5" stop-color="#b5736a"/><stop offset="1" stop-color="#83473f"/>
</linearGradient>
<filter id="soft" x="-50%" y="-50%" width="200%" height="200%"><feGaussianBlur stdDeviation="0.9"/></filter>
<filter id="softer" x="-50%" y="-50%" width="200%" height="200%"><feGaussianBlur stdDeviation="3.2"/></filter>
"""


def iris(cx: float, cy: float, random: np.random.RandomState) -> list[str]:
    """Draws the lines of the iris and the slit pupil around a point in pixels."""
    s = SCALE
    out = []
    for _ in range(150):
        angle = random.uniform(0, 2 * np.pi)
        r0, r1 = random.uniform(5, 10), random.uniform(13, 20)
        out.append(
            '<path d="M%.1f %.1fL%.1f %.1f" stroke="%s" stroke-width="0.7" opacity="0.28"/>'
            % (
                cx + r0 * s * np.cos(angle),
                cy + r0 * s * np.sin(angle),
                cx + r1 * s * np.cos(angle),
                cy + r1 * s * np.sin(angle),
                ("#e6de84", "#5c6228", "#d6b64e")[random.randint(3)],
            )
        )
    w, h = 7.4 * s, 17.5 * s
    right, left, above, below = cx + w * 1.4, cx - w * 1.4, cy - h * 0.4, cy + h * 0.4
    right_side = (right, above, right, below, cx, cy + h)
    left_side = (left, below, left, above, cx, cy - h)
    out.append(
        '<path d="M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1fz" fill="#070605"/>'
        % (cx, cy - h, *right_side, *left_side)
    )
    return out


def eye(side: int, random: np.random.RandomState) -> str:
    """Draws an open eye: `side` is 1 for the right one of the drawing, -1 for the left one."""

    def m(points: Points) -> Points:
        return place(mirror(points, side))

    almond = m(
        [(20, 5), (24.5, -8), (34, -19), (46, -23), (57, -20), (66, -11), (62, 0), (53, 7.5), (42, 10), (31, 8.5)]
    )
    rim = m(RIM)
    ((cx, cy),) = m([(43.5, -8)])
    s = SCALE
    out = ['<path d="%s" fill="#191210" filter="url(#soft)"/>' % fur.outline(rim)]
    out.append(
        '<clipPath id="almond%d"><path d="%s"/></clipPath><g clip-path="url(#almond%d)">'
        % (side, fur.outline(almond), side)
    )
    out.append(
        '<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="#2a2814"/>'
        % (cx - 40 * s, cy - 40 * s, 80 * s, 80 * s)
    )
    out.append('<ellipse cx="%.1f" cy="%.1f" rx="%.1f" ry="%.1f" fill="url(#iris)"/>' % (cx, cy - 1, 22 * s, 20.5 * s))
    out += iris(cx, cy, random)
    out.append('<path d="%s" fill="url(#lid)"/>' % fur.outline(almond))
    out.append(
        '<ellipse cx="%.1f" cy="%.1f" rx="%.1f" ry="%.1f" fill="#eef4fb" opacity="0.9" filter="url(#soft)"/>'
        % (cx - 6 * s, cy - 9 * s, 4.0 * s, 3.5 * s)
    )
    out.append(
        '<ellipse cx="%.1f" cy="%.1f" rx="%.1f" ry="%.1f" fill="#dfe9f2" opacity="0.35" filter="url(#soft)"/>'
        % (cx + 9 * s, cy + 8 * s, 5 * s, 3 * s)
    )
    out.append("</g>")
    # Short hairs around the eye, the upper ones first.
    roots, tips = m([(20, -6), (33, -24), (47, -29), (64, -23)]), m([(19, -15), (32, -34), (50, -40), (72, -30)])
    out.append(fur.strands(random, roots, tips, (142, 120, 92), 1.2, 1.8, 0.7, 130))
    roots = m([(22, 14), (32, 14.5), (44, 16), (56, 13), (67, 3)])
    tips = m([(23, 23), (35, 23), (49, 25), (65, 20), (79, 9)])
    out.append(fur.strands(random, roots, tips, (182, 160, 128), 1.1, 2.2, 0.6, 130))
    return "\n".join(out)


def px(points: Points, close: bool = True) -> str:
    """Returns the SVG path data of a curve in units."""
    return fur.outline(place(points), close)


def face(random: np.random.RandomState) -> str:
    """Draws eyes, nose, mouth and whiskers."""
    s = SCALE
    out = [eye(-1, random), eye(1, random)]
    nose = [
        (0, 31.5),
        (9, 31.8),
        (14, 34.5),
        (12.5, 40),
        (7, 46),
        (0, 50.5),
        (-7, 46),
        (-12.5, 40),
        (-14, 34.5),
        (-9, 31.8),
    ]
    out.append(
        '<path d="%s" fill="#3a2420" filter="url(#soft)" opacity="0.8"/>'
        % px([(a * 1.12, 40 + (b - 40) * 1.12) for a, b in nose])
    )
    out.append('<path d="%s" fill="url(#nose)" filter="url(#soft)"/>' % px(nose))
    for side in (-1, 1):
        out.append(
            '<path d="%s" fill="none" stroke="#34191a" stroke-width="%.1f" stroke-linecap="round" filter="url(#soft)"/>'
            % (px([(side * 4.5, 43.5), (side * 8, 40.5), (side * 11.8, 41)], False), 2.6 * s)
        )
    out.append(
        '<ellipse cx="%.1f" cy="%.1f" rx="%.1f" ry="%.1f" fill="#f4d9d2" opacity="0.55" filter="url(#soft)"/>'
        % (CX - 3 * s, CY + 34.5 * s, 6 * s, 1.8 * s)
    )
    out.append(
        '<path d="%s" fill="none" stroke="#3c2622" stroke-width="%.1f" stroke-linecap="round" filter="url(#soft)" opacity="0.9"/>'
        % (px([(0, 50), (0, 61)], False), 1.9 * s)
    )
    for side in (-1, 1):
        out.append(
            '<path d="%s" fill="none" stroke="#4a3029" stroke-width="%.1f" stroke-linecap="round" filter="url(#soft)" opacity="0.85"/>'
            % (px([(0, 61), (side * 5, 66.5), (side * 13, 70.6), (side * 22, 71.4), (side * 30, 69.5)], False), 1.7 * s)
        )
    out.append(
        '<path d="%s" fill="#5d4034" opacity="0.22" filter="url(#softer)"/>'
        % px([(-26, 73), (0, 68), (26, 73), (14, 77), (0, 78), (-14, 77)])
    )
    out.append(whiskers(random))
    return "\n".join(out)


def whiskers(random: np.random.RandomState) -> str:
    """Draws the whiskers of the mouth and above the eyes."""
    out = []
    for side in (-1, 1):
        for i in range(11):
            v0, rise = 49 + 5.2 * (i % 4), (-34, -12, 10, 30)[i % 4] + random.uniform(-8, 8)
            u0 = 14 + 6.5 * (i // 4) + random.uniform(-2, 2)
            reach = random.uniform(95, 130) - 14 * (i // 4)
            p = place(
                [
                    (side * u0, v0),
                    (side * (u0 + reach * 0.45), v0 + rise * 0.55 - 6),
                    (side * (u0 + reach), v0 + rise + 12),
                ]
            )
            out.append(
                '<path d="M%.1f %.1fQ%.1f %.1f %.1f %.1fQ%.1f %.1f %.1f %.1fz" fill="#fbf8f2" opacity="0.85"/>'
                % (*p[0], *p[1], *p[2], p[1][0], p[1][1] + 1.3, p[0][0], p[0][1] + 1.7)
            )
        for i in range(4):
            p = place([(side * (40 + 5 * i), -30), (side * (46 + 9 * i), -62), (side * (62 + 15 * i), -92 + 6 * i)])
            out.append(
                '<path d="M%.1f %.1fQ%.1f %.1f %.1f %.1fQ%.1f %.1f %.1f %.1fz" fill="#f2ece0" opacity="0.6"/>'
                % (*p[0], *p[1], *p[2], p[1][0] + 1, p[1][1], p[0][0] + 1.2, p[0][1])
            )
    return "\n".join(out)


def layers() -> list[tuple[str, str]]:
    """Returns the parts of the drawing as (name, SVG document), the lowest first."""
    x, y = fur.grid(WIDTH, HEIGHT)
    u, v = (x - CX) / SCALE, (y - CY) / SCALE
    random = np.random.RandomState(5)
    torso = body(x, y, u, v, random)
    top = [ear(x, y, u, v, -1, 31), ear(x, y, u, v, 1, 41), head(x, y, u, v, random), face(random)]
    parts = (("body", [torso]), ("head", top), ("lids", [lids(x, y, u, v)]))
    return [(part, fur.document(WIDTH, HEIGHT, "\n".join(drawn), DEFS)) for part, drawn in parts]


# The head turns around this point, in pixels.
PIVOT = (CX, CY + 70 * SCALE)


if __name__ == "__main__":
    for number, (part, text) in enumerate(layers(), 1):
        with open("cat-%d-%s.svg" % (number, part), "w", encoding="ascii") as file:
            file.write(text)
