"""What job folders cost: finding them, completing them, and the way from a request to the first script."""

import json, os, shutil, subprocess, time

from bench_figure import Figure, percentile
from bench_forge import Unix

FOLDERS, COMPLETED = 5_000, 1_000


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


def first_script(marks, start):
    """Milliseconds from the call of `start` to the first script of the job."""
    marks.unlink(missing_ok=True)
    begun = time.time_ns()
    start()
    while not (marks.exists() and marks.read_text().strip()):
        time.sleep(0.001)
    return (int(marks.read_text().split()[0]) - begun) / 1e6


def figures(session):
    """The figures of job folders."""
    binary, starts, top = session.binaries[0], session.starts, session.folder / "jobs"
    top.mkdir()
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
        return [
            Figure("jobs-floor", "/bin/true", "ms", floor),
            Figure("jobs-cold", f"{FOLDERS} job folders, cold", "ms", cold, target=500),
            Figure("jobs-warm", f"{FOLDERS} job folders, warm", "ms", warm, target=50),
            Figure("jobs-p50", f"a completion of {COMPLETED} jobs, p50", "ms", [percentile(sorted(one), 0.5)], target=10),
            Figure("jobs-p95", "p95", "ms", [percentile(sorted(one), 0.95)], target=25),
            Figure("jobs-p99", "p99", "ms", [percentile(sorted(one), 0.99)], target=60),
            Figure("jobs-run", "quire run → first script, without a server", "ms", cli),
            Figure("jobs-served", "quire run → first script, with a server", "ms", served),
            Figure("jobs-posted", "POST /runs → first script ÷ quire run", "ms", posted, served, "quire run", target=1.5,
                   is_ratio=True),
        ]
    finally:
        if server:
            server.terminate()
            server.wait()
        shutil.rmtree(top, ignore_errors=True)
