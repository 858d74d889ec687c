"""Fur for vector drawings: relief, light, stripes and hairs.

An animal is described by maps as large as its canvas: a relief of rounded bumps, a color, and the direction and length
of the hair. This module computes the light on the relief and draws the hairs as small tapered paths, the lowest first.
All random numbers come from a fixed seed.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

# A map as large as the canvas: one number per pixel, or three for colors.
Map = np.ndarray
Points = Sequence[tuple[float, float]]
Color = tuple[float, float, float]
# (cx, cy, rx, ry, rise, base, degrees): an ellipse that rises by `rise` above `base`.
Bump = tuple[float, float, float, float, float, float, float]

KEY_LIGHT = (-0.46, -0.55, 0.70)
KEY_COLOR = (1.06, 1.00, 0.90)
FILL_LIGHT = (0.75, -0.10, 0.65)
FILL_COLOR = (0.25, 0.255, 0.27)
AMBIENT = (0.37, 0.37, 0.385)


def grid(width: int, height: int) -> tuple[Map, Map]:
    """Returns the x and y of every pixel center."""
    y, x = np.mgrid[0:height, 0:width]
    return x + 0.5, y + 0.5


def smoothstep(low: float, high: float, value: Any) -> Any:
    """Returns 0 below `low`, 1 above `high`, and a smooth transition between them."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def blur(image: Map, sigma: float) -> Map:
    """Returns a map with a Gaussian blur. Border pixels are repeated."""
    radius = max(1, int(3 * sigma + 0.5))
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    taps /= taps.sum()
    for axis in (0, 1):
        pad = [(radius, radius) if a == axis else (0, 0) for a in (0, 1)]
        wide = np.pad(image, pad, mode="edge")
        size = image.shape[axis]
        out = np.zeros_like(image)
        for i, tap in enumerate(taps):
            out += tap * (wide[i : i + size] if axis == 0 else wide[:, i : i + size])
        image = out
    return image


def noise(shape: tuple[int, ...], cell: float, random: np.random.RandomState) -> Map:
    """Returns smooth noise from -1 to 1 with spots of about `cell` pixels."""
    rows, columns = int(shape[0] / cell) + 3, int(shape[1] / cell) + 3
    knots = random.uniform(-1, 1, (rows, columns))
    y = np.arange(shape[0]) / cell
    x = np.arange(shape[1]) / cell
    iy, ix = y.astype(int), x.astype(int)
    fy = smoothstep(0, 1, y - iy)[:, None]
    fx = smoothstep(0, 1, x - ix)[None, :]
    top = knots[iy][:, ix] * (1 - fx) + knots[iy][:, ix + 1] * fx
    bottom = knots[iy + 1][:, ix] * (1 - fx) + knots[iy + 1][:, ix + 1] * fx
    return top * (1 - fy) + bottom * fy


def ellipse(x: Map, y: Map, cx: float, cy: float, rx: float, ry: float, degrees: float = 0.0) -> Map:
    """Returns the radius relative to an ellipse: below 1 inside, above 1 outside."""
    a = np.radians(degrees)
    u = (x - cx) * np.cos(a) + (y - cy) * np.sin(a)
    v = (y - cy) * np.cos(a) - (x - cx) * np.sin(a)
    return np.sqrt((u / rx) ** 2 + (v / ry) ** 2)


def spot(x: Map, y: Map, cx: float, cy: float, rx: float, ry: float, degrees: float = 0.0, soft: float = 0.5) -> Map:
    """Returns 1 in the middle of an ellipse, falling to 0 around its edge."""
    return 1.0 - smoothstep(1.0 - soft, 1.0 + soft, ellipse(x, y, cx, cy, rx, ry, degrees))


class Placement:
    """Maps the units of a drawing to pixels: `scale` pixels per unit, with the origin at (cx, cy)."""

    def __init__(self, cx: float, cy: float, scale: float) -> None:
        self.cx, self.cy, self.scale = cx, cy, scale

    def place(self, points: Points) -> Points:
        """Returns points in pixels."""
        return [(self.cx + self.scale * u, self.cy + self.scale * v) for u, v in points]

    def relief(self, x: Map, y: Map, bumps: Iterable[Bump]) -> Map:
        """Returns relief() of bumps in units."""
        s = self.scale
        placed = [
            (self.cx + s * cx, self.cy + s * cy, s * rx, s * ry, s * rise, s * base, degrees)
            for cx, cy, rx, ry, rise, base, degrees in bumps
        ]
        return relief(x, y, placed)


def relief(x: Map, y: Map, bumps: Iterable[Bump], softness: float = 5.0) -> Map:
    """Returns the smooth union of bumps as a height map."""
    total = np.zeros_like(x)
    for cx, cy, rx, ry, rise, base, degrees in bumps:
        r = ellipse(x, y, cx, cy, rx, ry, degrees)
        inside = base + rise * np.sqrt(np.clip(1.0 - r * r, 0.0, 1.0))
        outside = base - 1.5 * rise * np.clip(r - 1.0, 0.0, None)
        total += np.exp(np.clip(np.where(r < 1.0, inside, outside), -150, 300) / softness)
    return softness * np.log(total + 1e-30)


def light(height: Map, sigma: float = 3.0, hollow: float = 26.0) -> Map:
    """Returns the light on a relief as a color map. Hollows are darker."""
    h = blur(np.maximum(height, -60), sigma)
    gy, gx = np.gradient(h)
    steep = np.sqrt(gx * gx + gy * gy + 1.0)
    out = plain(h, AMBIENT)
    for direction, color in ((KEY_LIGHT, KEY_COLOR), (FILL_LIGHT, FILL_COLOR)):
        norm = np.sqrt(sum(d * d for d in direction))
        lit = (-gx * direction[0] - gy * direction[1] + direction[2]) / (steep * norm)
        lit = np.clip((lit + 0.25) / 1.25, 0.0, 1.0)
        out += lit[..., None] * np.array(color) * 0.72
    sunk = np.clip((blur(h, hollow) - h) / hollow, 0.0, 1.0)
    return out * (1.0 - 0.75 * sunk)[..., None]


def curve(points: Points, steps: int = 8) -> np.ndarray:
    """Returns points along a smooth curve through the given ones."""
    p = np.array(points, float)
    p = np.vstack([2 * p[0] - p[1], p, 2 * p[-1] - p[-2]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    out = []
    for a, b, c, d in zip(p, p[1:], p[2:], p[3:]):
        out.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return np.vstack([*out, p[-2:-1]])


def stripe(x: Map, y: Map, points: Points, width: float, taper: float = 0.5) -> Map:
    """Returns 1 on a stripe along a curve, falling to 0 at its edges. The stripe is thinner at its ends."""
    path = curve(points)
    best = np.full(x.shape, 1e9)
    lengths = np.linspace(0, 1, len(path))
    for (ax, ay), (bx, by), at in zip(path, path[1:], lengths):
        wide = width * (1 - taper + taper * np.sin(np.pi * min(max(at + 0.02, 0.05), 0.95)))
        dx, dy = bx - ax, by - ay
        t = np.clip(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy + 1e-9), 0, 1)
        best = np.minimum(best, np.hypot(x - ax - t * dx, y - ay - t * dy) / wide)
    return 1.0 - smoothstep(0.55, 1.25, best)


def inside(x: Map, y: Map, points: Points, soft: float = 1.5) -> tuple[Map, Map]:
    """Returns two maps for the closed curve through the points: 1 inside and 0 outside, and the signed distance."""
    path = curve([*points, points[0]], 10)
    crossings = np.zeros(x.shape, int)
    near = np.full(x.shape, 1e9)
    for (ax, ay), (bx, by) in itertools.pairwise(path):
        if ay != by:
            hit = (ay > y) != (by > y)
            crossings += hit & (x < (bx - ax) * (y - ay) / (by - ay) + ax)
        dx, dy = bx - ax, by - ay
        t = np.clip(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy + 1e-9), 0, 1)
        near = np.minimum(near, np.hypot(x - ax - t * dx, y - ay - t * dy))
    signed = np.where(crossings % 2 == 1, near, -near)
    return smoothstep(-soft, soft, signed), signed


def plain(x: Map, color: Color) -> Map:
    """Returns a color map of a single color, as large as the map `x`."""
    return np.zeros((*x.shape, 3)) + np.array(color)


def mix(below: Map, color: Color | Map, amount: Map) -> Map:
    """Returns a color map blended with a color or another color map; `amount` is 0..1."""
    return below + (np.asarray(color, float) - below) * amount[..., None]


def unit(dx: Any, dy: Any) -> tuple[Any, Any]:
    """Returns vectors of length 1 with the same directions."""
    length = np.sqrt(dx * dx + dy * dy) + 1e-9
    return dx / length, dy / length


def pick(image: Map, px: np.ndarray, py: np.ndarray) -> np.ndarray:
    """Returns the values of a map at points, which are clipped to the map."""
    iy = np.clip(py.astype(int), 0, image.shape[0] - 1)
    ix = np.clip(px.astype(int), 0, image.shape[1] - 1)
    return image[iy, ix]


class Coat:
    """The fur of one part of an animal: a head, an ear, a body.

    Hairs with a larger `order` are drawn first. `unrest` varies the direction of the hair, `clump` its brightness in
    tufts.
    """

    def __init__(
        self,
        mask: Map,
        color: Map,
        direction: tuple[Map | float, Map | float],
        length: Map | float,
        order: Map,
        seed: int,
        unrest: float = 0.16,
        clump: float = 0.15,
    ) -> None:
        self.random = np.random.RandomState(seed)
        self.mask, self.color, self.order = mask, color, order
        shape = mask.shape
        self.length = np.broadcast_to(length, shape)
        turn = unrest * (1.5 * noise(shape, 9, self.random) + noise(shape, 23, self.random))
        dx, dy = unit(*direction)
        self.dx = dx * np.cos(turn) - dy * np.sin(turn)
        self.dy = dx * np.sin(turn) + dy * np.cos(turn)
        tuft = noise(shape, 6, self.random) + 0.7 * noise(shape, 14, self.random)
        self.tuft = 1.0 + clump * tuft

    def hairs(
        self,
        mask: Map,
        spacing: float,
        width: float,
        longer: float = 1.0,
        brightness: float = 1.0,
        spread: float = 0.14,
        opacity: float = 0.9,
        least: float = 0.0,
    ) -> list[tuple[float, str]]:
        """Returns (order, SVG path) of hairs about `spacing` pixels apart.

        `longer` scales the length, which is at least `least`; `spread` varies the brightness.
        """
        height, wide = mask.shape
        ny, nx = int(height / spacing), int(wide / spacing)
        y, x = np.mgrid[0:ny, 0:nx]
        draw = self.random.uniform(-1, 1, (8, ny * nx))
        x = (x.ravel() + 0.5 + 0.9 * draw[0]) * spacing
        y = (y.ravel() + 0.5 + 0.9 * draw[1]) * spacing
        keep = pick(mask, x, y) > 0.5 + 0.45 * draw[2]
        x, y, draw = x[keep], y[keep], draw[:, keep]
        long = np.maximum(pick(self.length, x, y) * longer, least) * (1 + 0.35 * draw[3])
        bend = 0.16 * draw[4]
        dx, dy = pick(self.dx, x, y), pick(self.dy, x, y)
        dx, dy = dx * np.cos(bend) - dy * np.sin(bend), dx * np.sin(bend) + dy * np.cos(bend)
        mx, my = x + dx * long * 0.5, y + dy * long * 0.5
        ex, ey = pick(self.dx, mx, my) + 0.3 * dx, pick(self.dy, mx, my) + 0.3 * dy
        ex, ey = unit(ex, ey)
        tx, ty = mx + ex * long * 0.5, my + ey * long * 0.5
        tone = brightness * pick(self.tuft, mx, my) * (1 + spread * draw[5])
        color = pick(self.color, x + dx * long * 0.25, y + dy * long * 0.25) * tone[:, None]
        color[:, 0] *= 1 + 0.03 * draw[6]
        color[:, 2] *= 1 - 0.04 * draw[6]
        color = np.clip(color, 0, 255).astype(int)
        order = pick(self.order, x, y) + 3.0 * draw[7]
        half = width * 0.5
        out = []
        for i in range(len(x)):
            across = np.array([-dy[i] * half, dx[i] * half])
            root, middle = np.array([x[i], y[i]]), np.array([mx[i], my[i]])
            path = hair(root + across, middle + across, (tx[i], ty[i]), middle - across, root - across)
            out.append((order[i], path % (*color[i], opacity)))
        return out

    def svg(self, fine: float = 1.0) -> str:
        """Returns the whole fur: a dense undercoat, then hairs of two widths. `fine` reduces their spacing."""
        deep = smoothstep(0.80, 0.97, blur(self.mask, 3.0))
        under = self.hairs(deep, 3.2, 7.0, 0.8, 0.86, 0.04, 1.0, 9.0)
        top = self.hairs(self.mask, 2.5 / fine, 2.2, 1.0, 0.97, 0.13, 0.75)
        top += self.hairs(self.mask, 2.0 / fine, 1.05, 1.15, 1.06, 0.26, 0.75)
        parts = sorted(under, key=lambda hair: -hair[0]) + sorted(top, key=lambda hair: -hair[0])
        return "\n".join(path for _, path in parts)


def hair(*points: Sequence[float] | np.ndarray) -> str:
    """Returns a tapered path as a template for its color (three bytes) and opacity.

    The points are: left of the root, left of the middle, tip, right of the middle, right of the root.
    """
    numbers = " ".join("%.1f" % value for point in points for value in point).split(" ")
    shape = "M%s %sQ%s %s %s %sQ%s %s %s %sz" % tuple(numbers)
    return '<path d="' + shape + '" fill="#%02x%02x%02x" opacity="%.2f"/>'


def strands(
    random: np.random.RandomState,
    roots: Points,
    tips: Points,
    color: Color,
    width: float,
    spread: float,
    opacity: float,
    count: int,
) -> str:
    """Returns single hairs from random points of one curve to points of another, displaced by up to `spread`."""
    a, b = curve(roots, 30), curve(tips, 30)
    out = []
    for _ in range(count):
        at = random.uniform(0, 1)
        r = a[int(at * (len(a) - 1))] + random.uniform(-spread, spread, 2)
        t = (
            b[int(np.clip(at + random.uniform(-0.05, 0.05), 0, 1) * (len(b) - 1))]
            + random.uniform(-spread, spread, 2) * 1.6
        )
        m = (r + t) / 2 + random.uniform(-1, 1, 2) * np.hypot(*(t - r)) * 0.12
        tone = np.clip(np.array(color) * random.uniform(0.8, 1.1), 0, 255).astype(int)
        n = np.array([-(t - r)[1], (t - r)[0]]) / (np.hypot(*(t - r)) + 1e-9) * width / 2
        out.append(hair(r + n, m + n, t, m - n, r - n) % (*tone, opacity))
    return "\n".join(out)


def outline(points: Points, close: bool = True) -> str:
    """Returns SVG path data of a smooth curve through the points."""
    path = curve(list(points) + ([points[0]] if close else []), 6)
    return "M" + "L".join("%.1f %.1f" % tuple(p) for p in path) + ("z" if close else "")


def document(width: int, height: int, body: str, defs: str = "") -> str:
    """Returns a complete SVG document."""
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        'width="%d" height="%d" viewBox="0 0 %d %d">\n<defs>%s</defs>\n%s\n</svg>\n'
        % (width, height, width, height, defs, body)
    )
