"""Runs that do nothing: how many a second, what CPU each takes, beside Laminar's where it is installed; and what they take
behind a long queue."""

import os, time
from functools import partial

import bench_laminar
from bench_figure import Figure, by_turns
from bench_forge import until

BACKLOGS = (300, 1500)
NO_OP = '(ci:job :noop [:quire/manual] (fn [] (sh ["true"])))'
PUSHED = '(ci:job :build [:quire/push] (fn [] (sh ["true"])))'
# Four runs that take the slots until somebody opens the pipe.
HOLD = '(ci:job :hold [:quire/manual] (fn [] (sh "cat {pipe}")))'


def no_op(session):
    forges = session.forges("runs", NO_OP)
    for forge in forges:
        forge.push_run()
        batch(forge, 8)
    laminar = bench_laminar.Laminar(session.folder / "laminar") if session.laminar else None
    try:
        taken = by_turns(session.rounds, [partial(batch, forge, session.runs) for forge in forges] +
                         ([partial(laminar.batch, session.runs)] if laminar else []))
    finally:
        if laminar:
            laminar.stop()
    beside = taken.pop() if laminar else []
    new, old = (*taken, [])[:2]
    rates, costs = ([[one[part] for one in of] for of in (new, beside, old)] for part in (0, 1))
    return [
        Figure("runs", "no-op runs a second ÷ Laminar's", "/s", rates[0], rates[1], "Laminar", rates[2],
               1.0 if session.place == "C" else 2.0, is_ratio=True, is_rate=True),
        Figure("cpu", "CPU per no-op run", "ms", costs[0], costs[1], "Laminar", costs[2], 5.5),
    ]


def batch(forge, count):
    """Asks for runs, and waits for all of them: runs a second until the last has ended, and CPU milliseconds of each."""
    before, begin = forge.group.settled_ms(), time.time() * 1000
    last = finish(forge, forge.ask("noop", count))
    return count / (last - begin) * 1000, (forge.group.settled_ms() - before) / count


def finish(forge, numbers):
    """Waits for runs, which must pass. Gives the time of the last end."""
    ends = [forge.wait_for_end(number) for number in numbers]
    if any(outcome != "passed" for outcome, _ in ends):
        raise SystemExit("not all runs passed")
    return max(at for _, at in ends)


def backlog(session):
    """CPU milliseconds of each of the runs that are all queued before the first of them begins."""
    pipe, taken = session.folder / "pipe", {}
    os.mkfifo(pipe)
    for count in session.backlogs:
        forges = session.forges(f"backlog-{count}", NO_OP + HOLD.format(pipe=pipe))
        for forge in forges:
            forge.push_run()
            held = forge.ask("hold", 4)
            until(lambda: all(forge.has(number, b"step-started") for number in held), "the slots are not taken")
            before = forge.group.settled_ms()
            queued = forge.ask("noop", count)
            with open(pipe, "w"):
                pass
            finish(forge, queued)
            taken.setdefault(count, []).append((forge.group.settled_ms() - before) / count)
        session.close()
    few, *_, many = session.backlogs
    session.growth["CPU per run over a backlog"] = ("queued runs", "ms", {
        count: of[0] for count, of in taken.items()})
    return [Figure("backlog", f"CPU per run, {many:,} queued ÷ {few}", "ms", taken[many][:1], taken[few][:1], f"{few} queued",
                   taken[many][1:], is_ratio=True)]
