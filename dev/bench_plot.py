"""Draws what grows, as an SVG: a chart for each size that was varied, with a line for each file system. Both axes are
logarithmic, so that what does not grow is level, and what grows with its size rises like the dotted line."""

import math

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 80, 110, 50, 60
COLOURS = {"B": "#0550ae", "C": "#a40e26"}


def draw(growth):
    """`growth` has for each file system, by title: what is varied, the unit, and values by size."""
    charts = list(dict.fromkeys(title for of in growth.values() for title in of))
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT * max(len(charts), 1)}" '
             'font-family="sans-serif" font-size="14" fill="#1f2328">', '<rect width="100%" height="100%" fill="#fff"/>']
    for number, title in enumerate(charts):
        lines = {place: of[title] for place, of in growth.items() if title in of}
        parts += [f'<g transform="translate(0 {number * HEIGHT})">', *chart(title, lines), "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"


def chart(title, lines):
    what, unit, _ = next(iter(lines.values()))
    sizes = sorted({size for _, _, values in lines.values() for size in values})
    values = [value for _, _, of in lines.values() for value in of.values()]
    across = scale(sizes[0], sizes[-1], LEFT, WIDTH - RIGHT)
    low, high = min(values), max(values)
    ticks = [tick for tick in (base * 10 ** power for power in range(-2, 7) for base in (1, 2, 5)) if low / 2.5 <= tick <= high * 2.5]
    up = scale(ticks[0], ticks[-1], HEIGHT - BOTTOM, TOP)
    yield f'<text x="{LEFT}" y="26" font-size="16" font-weight="bold">{title}</text>'
    for tick in ticks:
        yield f'<path d="M{LEFT} {up(tick):.1f}H{WIDTH - RIGHT}" stroke="#d1d9e0"/>'
        yield f'<text x="{LEFT - 8}" y="{up(tick) + 5:.1f}" text-anchor="end">{tick:g}</text>'
    for size in sizes:
        yield f'<path d="M{across(size):.1f} {HEIGHT - BOTTOM}v6" stroke="#1f2328"/>'
        yield f'<text x="{across(size):.1f}" y="{HEIGHT - BOTTOM + 22}" text-anchor="middle">{size:,}</text>'
    yield f'<path d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}" fill="none" stroke="#1f2328"/>'
    yield f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 14}" text-anchor="middle">{what}</text>'
    yield f'<text transform="translate(22 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">{unit}</text>'
    first = min(of[sizes[0]] for _, _, of in lines.values() if sizes[0] in of)
    yield from proportional(sizes, first, ticks[-1], across, up)
    below = 0
    for place, (_, _, of) in sorted(lines.items(), key=lambda line: -max(line[1][2].items())[1]):
        colour = COLOURS.get(place, "#1f2328")
        points = [(across(size), up(value)) for size, value in sorted(of.items())]
        yield f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}" fill="none" stroke="{colour}" stroke-width="2"/>'
        for (x, y), (size, value) in zip(points, sorted(of.items())):
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"><title>{place}, {size:,}: {value:.1f} {unit}</title></circle>'
        below = max(points[-1][1] + 5, below + 18)  # no label on that of another line
        yield f'<text x="{points[-1][0] + 10:.1f}" y="{below:.1f}" fill="{colour}">{place}: {max(of.items())[1]:.1f}</text>'


def proportional(sizes, first, top, across, up):
    """The line of what grows with its size, from the first value on."""
    end = min(sizes[-1], sizes[0] * top / first)
    x, y = across(end), up(first * end / sizes[0])
    yield f'<path d="M{across(sizes[0]):.1f} {up(first):.1f}L{x:.1f} {y:.1f}" stroke="#59636e" stroke-dasharray="2 4"/>'
    yield f'<text x="{WIDTH - RIGHT}" y="{TOP - 6}" font-size="12" fill="#59636e" text-anchor="end">dotted: proportional</text>'


def scale(low, high, begin, end):
    """From a value to its place, by the logarithm."""
    width = math.log(high / low) or 1
    return lambda value: begin + (end - begin) * math.log(value / low) / width
