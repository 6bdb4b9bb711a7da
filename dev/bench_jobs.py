"""What job folders cost: finding them, completing them, and the way from a request to the first script."""

import http.client, json, os, shutil, socket, statistics, subprocess, tempfile, time
from pathlib import Path

FOLDERS, COMPLETED = 5_000, 1_000


class Unix(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def make(scripts, count):
    """Job folders, twenty below each folder, each with an argument."""
    for number in range(count):
        folder = scripts / f"group-{number // 20}" / f"job-{number}"
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text("interpreter: sh\nargspec: {args: [{name: level, enum: [low, high]}]}\n")
        (folder / "000_main").write_text("date +%s%N >>$MARKS\n" if number == 0 else "true\n")


def timed(command, **more):
    begun = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, **more)
    return (time.perf_counter() - begun) * 1e3


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def first_script(marks, start):
    """Milliseconds from the call of `start` to the first script of the job."""
    marks.unlink(missing_ok=True)
    begun = time.time_ns()
    start()
    while not (marks.exists() and marks.read_text().strip()):
        time.sleep(0.001)
    return (int(marks.read_text().split()[0]) - begun) / 1e6


def measure(binary, starts):
    """Returns rows (name, figure, unit, target or None)."""
    top = Path(tempfile.mkdtemp(prefix="quire-bench-jobs-"))
    server = None
    try:
        env = {**os.environ, "QUIRE_DATA": str(top / "data"), "XDG_CACHE_HOME": str(top / "cache"), "MARKS": str(top / "marks")}
        many, few = top / "many", top / "few"
        make(many / "scripts", FOLDERS)
        make(few / "scripts", COMPLETED)
        floor = [timed(["/bin/true"], cwd=many, env=env) for _ in range(5)]
        cold = [timed([binary, "jobs"], cwd=many, env=env) for _ in range(3)]
        words = [binary, "__complete", "2", "run", "group-1"]
        subprocess.run(words, cwd=many, env=env, capture_output=True, check=True)
        warm = [timed(words, cwd=many, env=env) for _ in range(20)]
        subprocess.run(words, cwd=few, env=env, capture_output=True, check=True)
        one = [timed(words, cwd=few, env=env) for _ in range(1000)]
        data = top / "data"
        shutil.copytree(few / "scripts" / "group-0" / "job-0", data / "scripts" / "job-0")
        (data / "scripts" / "job-0" / "000_main").write_text(f"date +%s%N >>{top}/marks\n")
        marks, cli = top / "marks", []
        (few / "scripts" / "group-0" / "job-0" / "000_main").write_text(f"date +%s%N >>{top}/marks\n")
        run = [binary, "run", "job-0"]
        for _ in range(starts):
            cli.append(first_script(marks, lambda: subprocess.run(run, cwd=data, env=env, capture_output=True, check=True)))
        server = subprocess.Popen([binary, "serve", "--bind", "none"], env=env, stderr=subprocess.DEVNULL)
        while not (data / "server.sock").exists():
            time.sleep(0.01)
        time.sleep(0.5)
        served, posted = [], []

        def post():
            client = Unix(str(data / "server.sock"))
            client.request("POST", "/api/v1/runs", json.dumps({"job": "job-0"}), {"Content-Type": "application/json"})
            assert client.getresponse().status == 201

        for _ in range(starts):
            served.append(first_script(marks, lambda: subprocess.run(run, cwd=data, env=env, capture_output=True, check=True)))
            time.sleep(0.05)
            posted.append(first_script(marks, post))
            time.sleep(0.05)
        median = statistics.median
        return [
            ("/bin/true", median(floor), "ms", None),
            (f"{FOLDERS} job folders, cold", median(cold), "ms", 500),
            (f"{FOLDERS} job folders, warm", median(warm), "ms", 50),
            (f"a completion of {COMPLETED} jobs, p50", percentile(one, 0.5), "ms", 10),
            ("p95", percentile(one, 0.95), "ms", 25),
            ("p99", percentile(one, 0.99), "ms", 60),
            ("quire run → first script, without a server", median(cli), "ms", None),
            ("quire run → first script, with a server", median(served), "ms", None),
            ("POST /runs → first script", median(posted), "ms", None),
            ("POST /runs / quire run with a server", median(posted) / median(served), "", 1.5),
        ]
    finally:
        if server:
            server.terminate()
            server.wait()
        shutil.rmtree(top, ignore_errors=True)


def report(rows):
    """Prints the rows; whether every target is met."""
    is_met = True
    for name, figure, unit, target in rows:
        is_missed = target is not None and figure > target
        is_met &= not is_missed
        wanted = f"  (target {target}{' MISSED' if is_missed else ''})" if target is not None else ""
        print(f"{name:<50} {figure:9.2f} {unit}{wanted}")
    return is_met
