"""A figure: samples of quire, beside those of its floor and of an older binary that were taken in the same turns. The
machine is noisy, so what is compared are ratios of pairs, with their spread."""

import statistics
from dataclasses import asdict, dataclass, field


@dataclass
class Figure:
    key: str
    name: str
    unit: str
    samples: list
    # What it is measured against, and its name.
    floor: list = field(default_factory=list)
    floor_name: str = ""
    # The same of the binary of `--against`.
    old: list = field(default_factory=list)
    target: float = None
    # Whether the target is one of the ratio to the floor, and whether more is better.
    is_ratio: bool = False
    is_rate: bool = False

    def value(self):
        return statistics.median(self.samples)

    def ratio(self):
        return pairs(self.samples, self.floor)

    def change(self):
        return pairs(self.samples, self.old)

    def judged(self):
        """What the target is compared with; `None` without a floor that it takes."""
        return self.value() if not self.is_ratio else self.ratio() and self.ratio()[0]

    def is_met(self):
        judged = self.judged()
        if self.target is None or judged is None:
            return None
        # As it is printed: 1.004 meets 1.0, and nobody reads of a miss that is not to be seen.
        judged = round(judged, 2)
        return judged >= self.target if self.is_rate else judged <= self.target

    def record(self):
        spread = lambda found: found and dict(zip(("median", "p10", "p90", "pairs"), found))
        return {**asdict(self), "median": self.value(), "ratio": spread(self.ratio()), "new_over_old": spread(self.change()),
                "met": self.is_met()}


def by_turns(count, of, before=lambda: None):
    """Calls all of some functions in each turn, each time beginning with another one. Gives what each has given."""
    taken = [[] for _ in of]
    for turn in range(count):
        before()
        for place in range(len(of)):
            number = (turn + place) % len(of)
            taken[number].append(of[number]())
    return taken


def pairs(over, under):
    """The median of the ratios of pairs, their 10th and 90th percentile, and how many they are."""
    ratios = sorted(one / other for one, other in zip(over, under) if other)
    return (statistics.median(ratios), percentile(ratios, 0.1), percentile(ratios, 0.9), len(ratios)) if ratios else None


def percentile(ordered, part):
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


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
    return f"{spread(found, 2)} ×; {said}" if found and figure.is_ratio else said
