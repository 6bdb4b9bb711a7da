"""How soon a server is ready, and what it holds while it has nothing to do."""

import os, time

from bench_figure import Figure, by_turns
from bench_runs import PUSHED


def ready(session):
    """Milliseconds until a server is ready, without runs, beside those until /bin/true has ended."""
    forges = session.forges("ready", is_started=False)

    def true():
        begin = time.perf_counter()
        os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)
        return (time.perf_counter() - begin) * 1000

    floor, new, *old = by_turns(session.starts, [true, *(forge.time_start for forge in forges)])
    return [Figure("ready", "ready after start, without runs", "ms", new, floor, "/bin/true", sum(old, []), 10)]


def idle(session):
    """What servers that have done some runs hold, with the runner that each keeps ready; Laminar's is the limit where it is."""
    forges = session.forges("idle", PUSHED)
    for forge in forges:
        for _ in range(3):
            forge.push_run()
    held = [forge.memory() for forge in forges]
    beside = session.laminar_memory()
    part = lambda place: [[of[place]] for of in held]
    return [
        Figure(key, name, "MB", part(place)[0], [beside[place]] if beside else [], "Laminar", sum(part(place)[1:], []),
               1.0 if key == "idle" else None, is_ratio=True)
        for place, key, name in ((0, "idle", "idle, resident (RSS), server and spare runner ÷ Laminar's"),
                                 (1, "idle-pss", "idle, its share (PSS)"))]
