"""CPU time: of a cgroup around a server and all that it starts, to the microsecond, and of processes that were waited for.
Where no cgroup can be made, that of the server by its clock, and of what it has waited for in ticks."""

import os, subprocess, time
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")
# What moves less than this in `QUIET_S` is idle.
IDLE_MS = 0.3
QUIET_S = 0.12


def children_ms():
    """Milliseconds of all children that were waited for, with theirs."""
    usage = getrusage(RUSAGE_CHILDREN)
    return (usage.ru_utime + usage.ru_stime) * 1000


def process_ms(pid):
    """Milliseconds of all threads of a process, also of those that have ended, without its children."""
    return time.clock_gettime(~pid << 3 | 2) * 1000


def own_cgroup():
    """The folder of the cgroup (version 2) that the bench is in; `None` where none can be made below it."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    top = next((place for _, place, kind, *_ in mounts if kind == "cgroup2"), None)
    here = next((line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::")), None)
    folder = None if top is None or here is None else Path(top) / here.lstrip("/")
    return folder if folder and os.access(folder, os.W_OK) and (folder / "cpu.stat").exists() else None


def source():
    return "cgroup v2, cpu.stat" if own_cgroup() else "the server's clock and /proc in ticks: no cgroup v2 can be made here"


class Group:
    """Accounts for a process and all that it starts."""

    count = 0

    def __init__(self):
        Group.count += 1
        above = own_cgroup()
        self.main = None
        self.folder = above and above / f"quire-bench-{os.getpid()}-{Group.count}"
        if self.folder:
            self.folder.mkdir()

    def start(self, command, **more):
        """Starts a process in the group."""
        if self.folder:
            command = ["sh", "-c", 'echo $$ > "$0" && exec "$@"', self.folder / "cgroup.procs", *command]
        self.main = subprocess.Popen(command, **more)
        return self.main

    def spent_ms(self):
        if self.folder:
            return int((self.folder / "cpu.stat").read_text().split(maxsplit=2)[1]) / 1000
        fields = Path(f"/proc/{self.main.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        return process_ms(self.main.pid) + sum(map(int, fields[13:15])) * TICK_MS

    def settled_ms(self, patience=5):
        """The same once nothing moves any more."""
        last, end = self.spent_ms(), time.monotonic() + patience
        while time.monotonic() < end:
            time.sleep(QUIET_S)
            now = self.spent_ms()
            if now - last < IDLE_MS:
                return now
            last = now
        return last

    def pids(self):
        """All processes of the group."""
        if self.folder:
            return [int(pid) for file in self.folder.rglob("cgroup.procs") for pid in file.read_text().split()]
        found = [self.main.pid]
        for pid in found:
            for task in Path(f"/proc/{pid}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split() if int(child) not in found]
        return found

    def close(self):
        """Ends what is left in it."""
        if not self.folder or not self.folder.exists():
            return
        end = time.monotonic() + 5
        while self.pids() and time.monotonic() < end:
            if (self.folder / "cgroup.kill").exists():
                (self.folder / "cgroup.kill").write_text("1")
            time.sleep(0.01)
        for below in sorted(self.folder.rglob("*/"), reverse=True):
            if below.is_dir():
                below.rmdir()
        self.folder.rmdir()


def memory_mb(pids):
    """Resident memory of some processes, and their share of it."""
    total = {"Rss": 0.0, "Pss": 0.0}
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
            name, _, value = line.partition(":")
            if name in total:
                total[name] += int(value.split()[0]) / 1024
    return total["Rss"], total["Pss"]
