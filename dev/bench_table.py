"""Figures as a table, for a terminal and for docs/numbers.md."""

import statistics


def verdict(figure):
    """Whether the target is met; where that cannot be said, what is missing."""
    return {True: "met", False: "MISSED", None: f"no {figure.floor_name}" if figure.target else ""}[figure.is_met()]


def target(figure):
    if figure.target is None:
        return ""
    return f"{'≥' if figure.is_rate else '≤'} {figure.target:g}" + (" ×" if figure.is_ratio else f" {figure.unit}")


def amount(value, unit):
    digits = 0 if value >= 1000 else 1 if value >= 100 else 2
    return f"{value:,.{digits}f} {unit}".strip()


def spread(found, digits=3):
    if not found:
        return ""
    middle, low, high = (f"{value:.{digits}f}" for value in found[:3])
    return middle if found[3] == 1 else f"{middle} ({low}–{high})"


def table(figures):
    head = ["", "target", "quire", "floor", "÷ floor (p10–p90)", "old", "new ÷ old (p10–p90)", ""]
    rows = [head]
    for figure in figures:
        show = lambda values: amount(statistics.median(values), figure.unit) if values else ""
        floor = f"{show(figure.floor)} ({figure.floor_name})" if figure.floor else ""
        rows.append([figure.name, target(figure), show(figure.samples), floor, spread(figure.ratio()), show(figure.old),
                     spread(figure.change()), verdict(figure)])
    kept = [place for place in range(len(head)) if place == 0 or any(row[place] for row in rows[1:])]
    widths = {place: max(len(row[place]) for row in rows) for place in kept}
    return "\n".join("  ".join(row[place].ljust(widths[place]) for place in kept).rstrip() for row in rows)


def markdown(by_place):
    """A table of the figures of all file systems that were measured on."""
    figures = [figure for of in by_place.values() for figure in of]
    is_compared = any(figure.old for figure in figures)
    head, rule = "| figure | target |", "| --- | --- |"
    for place in by_place:
        head += f" {place} | |" + (" new ÷ old |" if is_compared else "")
        rule += " --- | --- |" + (" --- |" if is_compared else "")
    lines = [head, rule]
    for first in {figure.key: figure for figure in figures}.values():
        found = {place: next((figure for figure in of if figure.key == first.key), None) for place, of in by_place.items()}
        targets = {place: target(figure) for place, figure in found.items() if figure}
        is_one = len(set(targets.values())) == 1
        cells = [first.name, target(first) if is_one else ", ".join(f"{place} {said}" for place, said in targets.items())]
        for figure in found.values():
            cells += [described(figure), verdict(figure) if figure else ""] + \
                ([spread(figure.change(), 2) if figure else ""] if is_compared else [])
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def described(figure):
    """A figure in a cell: its ratio where that is what counts, and its value."""
    if figure is None:
        return "not measured"
    said, found = amount(figure.value(), figure.unit), figure.ratio()
    return f"{spread(found)} ×; {said}" if found and figure.is_ratio else said
