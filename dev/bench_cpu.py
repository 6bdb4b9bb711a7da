"""CPU time: of a cgroup around a server and all that it starts, to the microsecond, and of processes that were waited for.
Where no cgroup can be made, that of the server by its clock, and of what it has waited for in ticks."""

import contextlib, os, signal, subprocess, time
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
    """The folder of the cgroup that the bench is in, where others can be made below it: of version 2, otherwise of
    version 1 with CPU accounts. `None` without either."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    groups = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    for kind, controller in (("cgroup2", ""), ("cgroup", "cpuacct")):
        top = next((place for _, place, type, options, *_ in mounts
                    if type == kind and (not controller or controller in options.split(","))), None)
        here = next((path for _, controllers, path in groups if controller in controllers.split(",")), None)
        folder = Path(top) / here.lstrip("/") if top and here else None
        if folder and os.access(folder, os.W_OK) and spent_in(folder) is not None:
            return folder
    return None


def spent_in(folder):
    """CPU milliseconds of a cgroup, with those that have ended in it; `None` where it has no account of them."""
    if (folder / "cpuacct.usage").exists():
        return int((folder / "cpuacct.usage").read_text()) / 1e6
    if (folder / "cpu.stat").exists():
        return int((folder / "cpu.stat").read_text().split(maxsplit=2)[1]) / 1e3
    return None


def source():
    folder = own_cgroup()
    if not folder:
        return "the server's clock and /proc in ticks, because no cgroup can be made here"
    return "cgroup v1, cpuacct.usage" if (folder / "cpuacct.usage").exists() else "cgroup v2, cpu.stat"


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
            return spent_in(self.folder)
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
            return [int(pid) for file in self.folder.rglob("cgroup.procs") for pid in file.read_text().split() if pid != "0"]
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
            for pid in self.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
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
