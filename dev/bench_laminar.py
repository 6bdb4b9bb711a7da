"""Laminar beside quire, when `laminard` and `laminarc` are on PATH: as many no-op jobs, as many executors."""

import os, shutil, subprocess, sys, time

from bench_cpu import Group, memory_mb
from bench_forge import until


def is_there():
    found = all(map(shutil.which, ("laminard", "laminarc")))
    if not found:
        print("Laminar: `laminard` and `laminarc` are not on PATH: skipped", file=sys.stderr)
    return found


class Laminar:
    def __init__(self, folder):
        for name, text, mode in (("cfg/jobs/noop.run", "#!/bin/sh\ntrue\n", 0o755),
                                 ("cfg/contexts/default.conf", "EXECUTORS=4\n", 0o644)):
            path = folder / name
            path.parent.mkdir(parents=True)
            path.write_text(text)
            path.chmod(mode)
        socket = f"unix:{folder}/rpc.sock"
        self.env = {"PATH": os.environ["PATH"], "HOME": str(folder), "LAMINAR_HOME": str(folder), "LAMINAR_HOST": socket,
                    "LAMINAR_BIND_RPC": socket, "LAMINAR_BIND_HTTP": f"unix:{folder}/http.sock"}
        self.group = Group()
        self.group.start(["laminard"], env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until((folder / "rpc.sock").exists, "laminard does not start")

    def call(self, *args):
        return subprocess.run(["laminarc", *args], env=self.env, check=True, capture_output=True, text=True).stdout

    def batch(self, count):
        """The same as of quire: runs a second, and CPU milliseconds of each."""
        before, begin = self.group.settled_ms(), time.perf_counter()
        self.call("queue", *["noop"] * (count - 1))
        self.call("run", "noop")
        until(lambda: not (self.call("show-queued") + self.call("show-running")).strip(), "Laminar does not end", 120, 0.01)
        seconds = time.perf_counter() - begin
        return count / seconds, (self.group.settled_ms() - before) / count

    def memory(self):
        self.group.settled_ms()
        return memory_mb(self.group.pids())

    def stop(self):
        self.group.main.terminate()
        self.group.main.wait()
        self.group.close()
