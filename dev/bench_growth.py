"""What must not grow: the CPU time of a push with the number of runs, that of the server with the steps of a run, and the time
until a server is ready."""

import statistics
from functools import partial

from bench_cpu import process_ms
from bench_figure import Figure, by_turns
from bench_fill import fill
from bench_runs import PUSHED

FEW, MANY = 100, 100_000
BETWEEN = (1_000, 10_000)
STEPS = (1_000, 10_000)
STEPS_BETWEEN = (2_000, 5_000)


def filled(session, count):
    """Forges that have had some runs, not started."""
    forges = session.forges(f"runs-{count}", PUSHED)
    for forge in forges:
        forge.push_run()
        forge.stop()
        fill(forge.data / "quire.db", count)
        forge.seen_runs += count
    return forges


def growth(session):
    """CPU milliseconds of server and runner for a push with few runs in the database and with many, by turns; and starts."""
    counts = [FEW, MANY, *(BETWEEN if session.is_plotted else ())]
    forges = [forge for count in counts for forge in filled(session, count)]
    each = len(session.binaries)
    ready = by_turns(session.starts, [forge.time_start for forge in forges[each:2 * each]])

    def push(forge):
        forge.commit()
        before = forge.group.settled_ms()
        forge.git("push", "-q", str(forge.repo), "HEAD:refs/heads/main")
        forge.wait_for_run()
        return forge.group.settled_ms() - before

    for forge in forges:
        forge.start()
        push(forge)
    taken = by_turns(session.pushes, [partial(push, forge) for forge in forges])
    session.growth["CPU per push over runs in the database"] = ("runs", "ms", {
        count: statistics.median(of) for count, of in sorted(zip(counts, taken[::each]))})
    few, many, old = taken[0], taken[each], taken[each + 1] if each > 1 else []
    return [
        Figure("growth", f"CPU of a push with {MANY:,} runs ÷ with {FEW}", "ms", many, few, f"{FEW} runs", old, 1.05,
               is_ratio=True),
        Figure("ready-many", f"ready after start, {MANY:,} runs", "ms", ready[0], [], "", sum(ready[1:], []), 10),
    ]


def steps(session):
    """CPU milliseconds of the server alone, and of all, for a run with some steps and with ten times as many."""
    counts = sorted((*STEPS, *(STEPS_BETWEEN if session.is_plotted else ())))
    jobs = "\n".join(f'(ci:job :steps-{count} [:quire/manual] (fn [] (for [_ 1 {count}] (sh ["true"]))))' for count in counts)
    forges = session.forges("steps", jobs)
    server, whole = {}, {}
    for place, forge in enumerate(forges):
        forge.push_run()
        for count in counts:
            before, own = forge.group.settled_ms(), process_ms(forge.server.pid)
            [number] = forge.ask(f"steps-{count}", 1)
            if forge.wait_for_end(number, 600)[0] != "passed":
                raise SystemExit(f"the run with {count} steps did not pass")
            whole[count, place] = [forge.group.settled_ms() - before]
            server[count, place] = [process_ms(forge.server.pid) - own]
    few, many = STEPS
    session.growth["CPU of the server over steps of a run"] = ("steps", "ms", {count: server[count, 0][0] for count in counts})
    return [
        Figure("steps", f"CPU of the server, {many:,} steps ÷ {few:,}", "ms", server[many, 0], server[few, 0], f"{few:,} steps",
               server.get((many, 1), []), 11, is_ratio=True),
        Figure("steps-all", f"CPU of a run with {few:,} steps, all processes", "ms", whole[few, 0], [], "",
               whole.get((few, 1), [])),
    ]
