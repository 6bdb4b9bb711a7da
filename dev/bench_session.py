"""One measurement on one file system: which binaries, how often, and the forges that are made for it."""

import shutil
from functools import cached_property

import bench_api, bench_boxes, bench_events, bench_growth, bench_jobs, bench_laminar, bench_log, bench_pages, bench_push
import bench_runs, bench_start, bench_watches
from bench_forge import Forge

# What is measured when nothing is chosen, in this order.
KINDS = {
    "push": bench_push.pushes, "extra": bench_push.extra, "hooks": bench_push.hooks, "runs": bench_runs.no_op, "ready": bench_start.ready,
    "idle": bench_start.idle, "growth": bench_growth.growth, "steps": bench_growth.steps, "log": bench_log.logs,
    "backlog": bench_runs.backlog, "boxes": bench_boxes.boxes,
}
# What is measured when it is chosen.
OTHERS = {
    "api": bench_api.figures, "watches": bench_watches.figures, "events": bench_events.figures, "jobs": bench_jobs.figures,
    "pages": bench_pages.figures,
}
ALIASES = {"cpu": "runs"}


class Session:
    def __init__(self, place, folder, binaries, options):
        self.place, self.folder, self.binaries = place, folder, binaries
        self.pushes, self.starts, self.rounds, self.boxes = options.pushes, options.starts, options.rounds, options.boxes
        self.readers, self.count, self.every, self.flood = options.readers, options.count, options.every, options.flood
        self.runs, self.is_plotted = options.runs, options.plot is not None
        self.backlogs = (300, 700, 1500) if self.is_plotted else bench_runs.BACKLOGS
        self.made, self.growth, self.failed = [], {}, []

    @cached_property
    def laminar(self):
        return bench_laminar.is_there()

    def forges(self, name, pipeline="", is_started=True):
        """A forge of each binary: of the new one, and of the one that it is compared with."""
        forges = []
        for kind, binary in zip(("new", "old"), self.binaries):
            forge = Forge(self.folder / f"{name}-{kind}", binary, pipeline)
            self.made.append(forge)
            if is_started:
                forge.start()
            forges.append(forge)
        return forges

    def laminar_memory(self):
        if not self.laminar:
            return None
        laminar = bench_laminar.Laminar(self.folder / "laminar-idle")
        try:
            laminar.batch(3)
            return laminar.memory()
        finally:
            laminar.stop()

    def close(self):
        """Stops all servers and removes what they have."""
        for forge in self.made:
            forge.stop()
            shutil.rmtree(forge.folder, ignore_errors=True)
        self.made.clear()

    def measure(self, kinds, say):
        """The figures of some kinds. One that fails is reported, and costs only its own figures."""
        figures = []
        for kind in kinds:
            say(f"{self.place}: {kind}")
            try:
                figures += ({**KINDS, **OTHERS})[kind](self)
            except (Exception, SystemExit) as problem:
                self.failed.append(kind)
                say(f"{self.place}: {kind} FAILED: {problem!r}")
            finally:
                self.close()
        return figures
