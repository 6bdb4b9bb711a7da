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
