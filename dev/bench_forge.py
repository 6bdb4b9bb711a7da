"""A quire to measure: a data folder with one repository, a server in a cgroup of its own, and a working copy to push from."""

import http.client, json, os, signal, socket, subprocess, sys, time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from bench_cpu import Group, memory_mb

SETTINGS = '{:limits {:runs 4 %s :run-timeout "1h" :log-bytes "2GiB"} %s}\n'
NO_RATE = ":runs-per-minute 0"
FILES = 20
ASKING = 4


class Unix(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost")
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Forge:
    def __init__(self, folder, binary, pipeline=""):
        self.folder, self.binary, self.server, self.group = folder, binary, None, None
        self.data, self.work, self.marks = folder / "data", folder / "work", folder / "marks"
        self.repo = self.data / "repos/quire.git"
        self.number = self.seen_runs = 0
        self.env = {
            "PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_SYSTEM": "/dev/null",
            "GIT_CONFIG_GLOBAL": str(folder / "gitconfig"), "GIT_TERMINAL_PROMPT": "0",
        }
        for made in (self.data, self.work / ".quire", self.marks):
            made.mkdir(parents=True)
        (folder / "gitconfig").write_text("[user]\n name = b\n email = b@example.org\n[init]\n defaultBranch = main\n")
        self.configure()
        self.quire("repo", "new", "quire")
        self.git("init", "-q")
        for number in range(FILES):
            path = self.work / f"folder{number % 6}/file{number}"
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"{number}\n" * 40)
        self.declare(pipeline)

    # --- the repository -----------------------------------------------------------------------------------------

    def git(self, *args):
        done = subprocess.run(["git", *args], cwd=self.work, env=self.env, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"git {' '.join(args)} failed: {done.stderr}")
        return done.stdout.strip()

    def quire(self, *args):
        subprocess.run([self.binary, "--data", self.data, *args], env=self.env, check=True, stdout=subprocess.DEVNULL)

    def configure(self, more=""):
        has_rate = b"runs-per-minute" in self.binary.read_bytes()  # older binaries have no such limit
        (self.data / "config.fnl").write_text(SETTINGS % (NO_RATE if has_rate else "", more))

    def declare(self, pipeline):
        (self.work / ".quire/ci.fnl").write_text(f"(local ci (require :quire.ci))\n\n{pipeline}\n")

    def commit(self):
        self.number += 1
        (self.work / "folder0/file0").write_text(f"{self.number}\n")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", f"change {self.number}")
        return self.git("rev-parse", "HEAD")

    def push_run(self):
        """Commits, pushes, and waits for the run, until the database has its end, too."""
        self.commit()
        self.git("push", "-q", str(self.repo), "HEAD:refs/heads/main")
        number = self.wait_for_run()
        self.group.settled_ms()
        until(lambda: self.get(f"/runs/quire%23{number}")["state"] == "finished", "the end of a run is not recorded")

    # --- the server ---------------------------------------------------------------------------------------------

    def command(self):
        return [self.binary, "--data", self.data, "serve", "--bind", "127.0.0.1:0"]

    def start(self):
        """Starts the server in a cgroup of its own."""
        self.group = Group()
        with self.log() as log:
            self.server = self.group.start(self.command(), env=self.env, stderr=log)
            self.wait_until_ready(lambda: self.server.poll() is None)

    def time_start(self):
        """The milliseconds until a server answers; without a cgroup, because moving to one takes time."""
        with self.log() as log:
            files = [(os.POSIX_SPAWN_DUP2, log.fileno(), 2)]
            begin = time.perf_counter()
            pid = os.posix_spawn(self.binary, self.command(), self.env, file_actions=files)
            self.wait_until_ready(lambda: os.waitpid(pid, os.WNOHANG) == (0, 0))
            spent = (time.perf_counter() - begin) * 1000
        # What it does once it is ready, and the end of its template, belong to no other start.
        time.sleep(0.1)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        time.sleep(0.1)
        return spent

    def log(self):
        """The log of the next server, which finds no socket of the last one."""
        (self.data / "server.sock").unlink(missing_ok=True)
        return open(self.folder / "serve.log", "ab")

    def wait_until_ready(self, is_alive):
        path = str(self.data / "server.sock")
        while not is_ready(path):
            if not is_alive():
                sys.exit(f"the server ended: {(self.folder / 'serve.log').read_text()[-400:]}")
            time.sleep(0.0002)

    def stop(self):
        if self.server is not None:
            self.server.kill()
            self.server.wait()
            self.server = None
        if self.group is not None:
            self.group.close()
            self.group = None

    def memory(self):
        """MB that the server and the runner it keeps ready hold, once nothing moves any more: resident, and their share."""
        time.sleep(5)
        self.group.settled_ms()
        return memory_mb(self.group.pids())

    # --- runs ---------------------------------------------------------------------------------------------------

    def ask(self, job, count):
        """Asks for runs of a job, over a few connections to the socket at once. Gives their numbers."""
        shares = [count // ASKING + (place < count % ASKING) for place in range(ASKING)]
        first = self.seen_runs + 1
        with ThreadPoolExecutor(ASKING) as pool:
            list(pool.map(lambda share: self.ask_for(job, share), shares))
        self.seen_runs += count
        return range(first, first + count)

    def ask_for(self, job, count):
        connection = Unix(self.data / "server.sock")
        body = json.dumps({"repo": "quire", "job": job})
        for _ in range(count):
            connection.request("POST", "/api/v1/runs", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            said = answer.read()
            if answer.status != 201:
                sys.exit(f"a run was not accepted: {answer.status} {said.decode()}")
        connection.close()

    def get(self, path):
        connection = Unix(self.data / "server.sock")
        connection.request("GET", f"/api/v1{path}")
        said = json.loads(connection.getresponse().read())
        connection.close()
        return said

    def run_folder(self, number):
        return self.data / f"runs/quire.git/{number}"

    def has(self, number, fact):
        """Whether the journal of a run has such a fact."""
        journal = self.run_folder(number) / "journal.ndjson"
        return journal.exists() and fact in journal.read_bytes()

    def facts(self, number):
        """The facts of a run's journal, with their times in milliseconds."""
        lines = (self.run_folder(number) / "journal.ndjson").read_text().splitlines()
        return [(fact["fact"], milliseconds(fact["at"])) for fact in map(json.loads, lines)]

    def wait_for_end(self, number, patience=120):
        """Waits until a run has ended. Gives its outcome and the time of its end in milliseconds."""
        until(lambda: self.has(number, b"run-ended"), f"run {number} has not ended", patience)
        fact, at = self.facts(number)[-1]
        return fact["end"]["outcome"], at

    def wait_for_run(self, patience=120):
        """Waits until the next run has ended and its runner is gone. Gives its number."""
        self.seen_runs += 1
        self.wait_for_end(self.seen_runs, patience)
        runner = (self.run_folder(self.seen_runs) / "lock").read_text().strip()
        until(lambda: not os.path.exists(f"/proc/{runner}"), "the runner stays")
        return self.seen_runs


def is_ready(path):
    asked = socket.socket(socket.AF_UNIX)
    try:
        asked.connect(path)
        asked.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        return b" 200 " in asked.recv(256)
    except OSError:
        return False
    finally:
        asked.close()


def until(is_so, what, patience=30, every=0.001):
    end = time.monotonic() + patience
    while not is_so():
        if time.monotonic() > end:
            sys.exit(what)
        time.sleep(every)


def milliseconds(time_of_day):
    return datetime.fromisoformat(time_of_day.replace("Z", "+00:00")).timestamp() * 1000
