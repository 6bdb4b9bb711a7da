"""A gigabyte of lines through the log of a step, beside the same through `cat` to a file; and what its runner holds."""

import subprocess, threading, time
from functools import partial
from operator import itemgetter
from pathlib import Path

from bench_cpu import children_ms
from bench_figure import Figure, by_turns

FLOOD = "yes 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde | head -c {bytes}"
SECRETS = 50


class Peak(threading.Thread):
    """The most that a process has held, in MB, as long as it is there."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.status, self.mb = Path(f"/proc/{pid}/status"), 0.0
        self.start()

    def run(self):
        while True:
            try:
                held = [line for line in self.status.read_text().splitlines() if line.startswith("VmHWM:")]
            except OSError:
                return
            if not held:  # it has ended and waits to be reaped
                return
            self.mb = int(held[0].split()[1]) / 1024
            time.sleep(0.01)


def logs(session):
    """CPU and wall of the flood, through quire without secrets and with some, and through cat, by turns."""
    flood = FLOOD.format(bytes=session.flood)
    forges = session.forges("log", f'(ci:job :flood [:quire/manual] (fn [] (sh "{flood}")))', is_started=False)
    secrets = ":secrets {" + " ".join(f':secret_{n} "value-{n}-of-a-secret-{n * 7919}"' for n in range(SECRETS)) + "}"

    def quire(forge, settings):
        forge.configure(settings)
        forge.start()
        if not forge.seen_runs:
            forge.push_run()
        before = forge.group.settled_ms()
        [number] = forge.ask("flood", 1)
        while not (lock := forge.run_folder(number) / "lock").exists() or not lock.read_text().strip():
            time.sleep(0.0005)
        peak = Peak(lock.read_text().strip())
        if forge.wait_for_end(number, 300)[0] != "passed":
            raise SystemExit("the run did not pass")
        cpu = forge.group.settled_ms() - before
        peak.join()
        at = {fact["kind"]: at for fact, at in forge.facts(number)}
        log = forge.run_folder(number) / "log/flood/1.log"
        if log.stat().st_size < session.flood:
            raise SystemExit(f"{log} has {log.stat().st_size} bytes of {session.flood}")
        forge.stop()
        drop(log)
        return cpu, at["step-ended"] - at["step-started"], peak.mb

    def cat():
        file = session.folder / "flood"
        before, begin = children_ms(), time.perf_counter()
        subprocess.run(["sh", "-c", f'{flood} | cat > "$0"', file], check=True)
        taken = children_ms() - before, (time.perf_counter() - begin) * 1000
        drop(file)
        return taken

    floor, none, some, *old = by_turns(session.rounds, [cat] + [
        partial(quire, forge, settings) for forge in forges for settings in ("", secrets)])
    size, cpu, wall = f"{session.flood / (1 << 30):.2g} GiB", itemgetter(0), itemgetter(1)

    def figure(key, name, part, kind, target=None):
        of = lambda samples: [part(one) for one in samples]
        return Figure(key, f"{size} through a log ÷ cat, {name}", "ms", of((none, some)[kind]), of(floor), "cat > file",
                      of(old[kind]) if old else [], target, is_ratio=True)

    return [
        figure("log", f"CPU, {SECRETS} secrets", cpu, 1, 1.2), figure("log-none", "CPU, without secrets", cpu, 0),
        figure("log-wall", f"wall, {SECRETS} secrets", wall, 1), figure("log-wall-none", "wall, without secrets", wall, 0),
        *(Figure(key, f"peak of the runner with {size} of output, {name}", "MB", [one[2] for one in (none, some)[kind]],
                 old=[one[2] for one in old[kind]] if old else [], target=target)
          for key, name, kind, target in (("log-peak", f"{SECRETS} secrets", 1, 16), ("log-peak-none", "without secrets", 0, None))),
    ]


def drop(file):
    """Removes a file whose pages are on disk, so that writing them does not disturb the next turn."""
    subprocess.run(["sync", "-f", file], check=True)
    file.unlink()
