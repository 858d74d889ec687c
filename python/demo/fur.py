"""Fur for vector drawings: relief, light, stripes and hairs.

An animal is described by maps as large as its canvas: a relief of rounded bumps, a colour, the direction
in which the hair lies, its length. Here the relief is lit, and hairs are set as small tapered paths, those
that lie underneath first. All randomness comes from a seed.
"""

import numpy as np

KEY_LIGHT = (-0.46, -0.55, 0.70)
KEY_COLOUR = (1.06, 1.00, 0.90)
FILL_LIGHT = (0.75, -0.10, 0.65)
FILL_COLOUR = (0.25, 0.255, 0.27)
AMBIENT = (0.37, 0.37, 0.385)


def grid(width, height):
    """Returns the x and y of every pixel centre."""
    y, x = np.mgrid[0:height, 0:width]
    return x + 0.5, y + 0.5


def smoothstep(low, high, value):
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def blur(image, sigma):
    """Gaussian blur of a map; the border repeats."""
    radius = max(1, int(3 * sigma + 0.5))
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    taps /= taps.sum()
    for axis in (0, 1):
        pad = [(radius, radius) if a == axis else (0, 0) for a in (0, 1)]
        wide = np.pad(image, pad, mode="edge")
        size = image.shape[axis]
        out = np.zeros_like(image)
        for i, tap in enumerate(taps):
            out += tap * (wide[i:i + size] if axis == 0 else wide[:, i:i + size])
        image = out
    return image


def noise(shape, cell, random):
    """Smooth noise from -1 to 1; its spots are about `cell` pixels large."""
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


def ellipse(x, y, cx, cy, rx, ry, degrees=0.0):
    """Returns the radius relative to an ellipse: below 1 inside, above 1 outside."""
    a = np.radians(degrees)
    u = (x - cx) * np.cos(a) + (y - cy) * np.sin(a)
    v = (y - cy) * np.cos(a) - (x - cx) * np.sin(a)
    return np.sqrt((u / rx) ** 2 + (v / ry) ** 2)


def spot(x, y, cx, cy, rx, ry, degrees=0.0, soft=0.5):
    """Returns 1 in the middle of an ellipse, falling to 0 around its edge."""
    return 1.0 - smoothstep(1.0 - soft, 1.0 + soft, ellipse(x, y, cx, cy, rx, ry, degrees))


def relief(x, y, bumps, softness=5.0):
    """Joins bumps (cx, cy, rx, ry, rise, base, degrees) into one relief without edges."""
    total = np.zeros_like(x)
    for cx, cy, rx, ry, rise, base, degrees in bumps:
        r = ellipse(x, y, cx, cy, rx, ry, degrees)
        inside = base + rise * np.sqrt(np.clip(1.0 - r * r, 0.0, 1.0))
        outside = base - 1.5 * rise * np.clip(r - 1.0, 0.0, None)
        total += np.exp(np.clip(np.where(r < 1.0, inside, outside), -150, 300) / softness)
    return softness * np.log(total + 1e-30)


def light(height, sigma=3.0, hollow=26.0):
    """Returns the light on a relief as an RGB map, with darker hollows."""
    h = blur(np.maximum(height, -60), sigma)
    gy, gx = np.gradient(h)
    steep = np.sqrt(gx * gx + gy * gy + 1.0)
    out = np.zeros(h.shape + (3,)) + AMBIENT
    for direction, colour in ((KEY_LIGHT, KEY_COLOUR), (FILL_LIGHT, FILL_COLOUR)):
        norm = np.sqrt(sum(d * d for d in direction))
        lit = (-gx * direction[0] - gy * direction[1] + direction[2]) / (steep * norm)
        lit = np.clip((lit + 0.25) / 1.25, 0.0, 1.0)
        out += lit[..., None] * np.array(colour) * 0.72
    sunk = np.clip((blur(h, hollow) - h) / hollow, 0.0, 1.0)
    return out * (1.0 - 0.75 * sunk)[..., None]


def curve(points, steps=8):
    """Returns points along a smooth curve through the given ones."""
    p = np.array(points, float)
    p = np.vstack([2 * p[0] - p[1], p, 2 * p[-1] - p[-2]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    out = []
    for a, b, c, d in zip(p, p[1:], p[2:], p[3:]):
        out.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t ** 2
                          + (3 * b - a - 3 * c + d) * t ** 3))
    return np.vstack(out + [p[-2:-1]])


def stripe(x, y, points, width, taper=0.5):
    """Returns a mark of soft edges along a curve, thinner towards its ends."""
    path = curve(points)
    best = np.full(x.shape, 1e9)
    lengths = np.linspace(0, 1, len(path))
    for (ax, ay), (bx, by), at in zip(path, path[1:], lengths):
        wide = width * (1 - taper + taper * np.sin(np.pi * min(max(at + 0.02, 0.05), 0.95)))
        dx, dy = bx - ax, by - ay
        t = np.clip(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy + 1e-9), 0, 1)
        best = np.minimum(best, np.hypot(x - ax - t * dx, y - ay - t * dy) / wide)
    return 1.0 - smoothstep(0.55, 1.25, best)


def inside(x, y, points, soft=1.5):
    """Returns 1 inside the closed smooth curve through the points, 0 outside."""
    path = curve(list(points) + [points[0]], 10)
    crossings = np.zeros(x.shape, int)
    near = np.full(x.shape, 1e9)
    for (ax, ay), (bx, by) in zip(path, path[1:]):
        if ay != by:
            hit = (ay > y) != (by > y)
            crossings += hit & (x < (bx - ax) * (y - ay) / (by - ay) + ax)
        dx, dy = bx - ax, by - ay
        t = np.clip(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy + 1e-9), 0, 1)
        near = np.minimum(near, np.hypot(x - ax - t * dx, y - ay - t * dy))
    signed = np.where(crossings % 2 == 1, near, -near)
    return smoothstep(-soft, soft, signed), signed


def mix(below, colour, amount):
    """Lays a colour, or a colour map, over a colour map."""
    return below + (np.asarray(colour, float) - below) * amount[..., None]


def unit(dx, dy):
    length = np.sqrt(dx * dx + dy * dy) + 1e-9
    return dx / length, dy / length


def pick(image, px, py):
    iy = np.clip(py.astype(int), 0, image.shape[0] - 1)
    ix = np.clip(px.astype(int), 0, image.shape[1] - 1)
    return image[iy, ix]


class Coat:
    """One part of an animal that has fur of its own: a head, an ear, a body."""

    def __init__(self, mask, colour, direction, length, order, seed, unrest=0.16, clump=0.15):
        self.random = np.random.RandomState(seed)
        self.mask, self.colour, self.order = mask, colour, order
        shape = mask.shape
        self.length = np.broadcast_to(length, shape)
        turn = unrest * (1.5 * noise(shape, 9, self.random) + noise(shape, 23, self.random))
        dx, dy = unit(*direction)
        self.dx = dx * np.cos(turn) - dy * np.sin(turn)
        self.dy = dx * np.sin(turn) + dy * np.cos(turn)
        tuft = noise(shape, 6, self.random) + 0.7 * noise(shape, 14, self.random)
        self.tuft = 1.0 + clump * tuft

    def hairs(self, mask, spacing, width, longer=1.0, brightness=1.0, spread=0.14, opacity=0.9, least=0.0):
        """Returns (order, path) of hairs about `spacing` pixels apart."""
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
        colour = pick(self.colour, x + dx * long * 0.25, y + dy * long * 0.25) * tone[:, None]
        colour[:, 0] *= 1 + 0.03 * draw[6]
        colour[:, 2] *= 1 - 0.04 * draw[6]
        colour = np.clip(colour, 0, 255).astype(int)
        order = pick(self.order, x, y) + 3.0 * draw[7]
        half = width * 0.5
        out = []
        for i in range(len(x)):
            nx_, ny_ = -dy[i] * half, dx[i] * half
            out.append((order[i], '<path d="M%.1f %.1fQ%.1f %.1f %.1f %.1fQ%.1f %.1f %.1f %.1fz" fill="#%02x%02x%02x" opacity="%.2f"/>' % (
                x[i] + nx_, y[i] + ny_, mx[i] + nx_, my[i] + ny_, tx[i], ty[i],
                mx[i] - nx_, my[i] - ny_, x[i] - nx_, y[i] - ny_, *colour[i], opacity)))
        return out

    def svg(self, fine=1.0):
        """Returns the whole coat: a dense underside, then hairs of two widths, the lowest first."""
        deep = smoothstep(0.80, 0.97, blur(self.mask, 3.0))
        under = self.hairs(deep, 3.2, 7.0, 0.8, 0.86, 0.04, 1.0, 9.0)
        top = self.hairs(self.mask, 2.5 / fine, 2.2, 1.0, 0.97, 0.13, 0.75)
        top += self.hairs(self.mask, 2.0 / fine, 1.05, 1.15, 1.06, 0.26, 0.75)
        parts = sorted(under, key=lambda hair: -hair[0]) + sorted(top, key=lambda hair: -hair[0])
        return "\n".join(path for _, path in parts)


def strands(random, roots, tips, colour, width, spread, opacity, count):
    """Returns single hairs from points of one curve to points of another."""
    a, b = curve(roots, 30), curve(tips, 30)
    out = []
    for _ in range(count):
        at = random.uniform(0, 1)
        r = a[int(at * (len(a) - 1))] + random.uniform(-spread, spread, 2)
        t = b[int(np.clip(at + random.uniform(-0.05, 0.05), 0, 1) * (len(b) - 1))] + random.uniform(-spread, spread, 2) * 1.6
        m = (r + t) / 2 + random.uniform(-1, 1, 2) * np.hypot(*(t - r)) * 0.12
        tone = np.clip(np.array(colour) * random.uniform(0.8, 1.1), 0, 255).astype(int)
        n = np.array([-(t - r)[1], (t - r)[0]]) / (np.hypot(*(t - r)) + 1e-9) * width / 2
        out.append('<path d="M%.1f %.1fQ%.1f %.1f %.1f %.1fQ%.1f %.1f %.1f %.1fz" fill="#%02x%02x%02x" opacity="%.2f"/>' % (
            *(r + n), *(m + n), *t, *(m - n), *(r - n), *tone, opacity))
    return "\n".join(out)


def outline(points, close=True):
    """Returns SVG path data of a smooth curve through the points."""
    path = curve(list(points) + ([points[0]] if close else []), 6)
    return "M" + "L".join("%.1f %.1f" % tuple(p) for p in path) + ("z" if close else "")


def document(width, height, body, defs=""):
    return ('<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            'width="%d" height="%d" viewBox="0 0 %d %d">\n<defs>%s</defs>\n%s\n</svg>\n'
            % (width, height, width, height, defs, body))
