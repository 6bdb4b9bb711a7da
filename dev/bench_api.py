"""What the HTTP interface costs: lists over a small and a large database, the JSON of one run as often as two cores give it,
and the way from `POST /runs` to the first command beside that from a push."""

import json, socket, statistics, subprocess, time
from concurrent.futures import ProcessPoolExecutor

from bench_figure import Figure
from bench_fill import fill

FEW = 100
LARGE = 100_000
LISTS = 400
READERS = 4
READING_S = 4
PIPELINE = '(local ci (require :quire.ci))\n(ci:job :build [{source}] (fn [] (sh "date +%s%N > {marks}/api")))\n'


class Connection:
    """HTTP/1.1 over one connection that stays."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""

    def send(self, method, path, body=None, token=None):
        body = b"" if body is None else json.dumps(body).encode()
        head = f"{method} /api/v1{path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(body)}\r\n"
        head += "content-type: application/json\r\n" if body else ""
        head += f"authorization: Bearer {token}\r\n" if token else ""
        self.socket.sendall(head.encode() + b"\r\n" + body)
        while b"\r\n\r\n" not in self.rest:
            self.rest += self.socket.recv(1 << 18) or self.end()
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        while len(self.rest) < length:
            self.rest += self.socket.recv(1 << 18) or self.end()
        answer, self.rest = self.rest[:length], self.rest[length:]
        return int(head.split(b" ")[1]), answer

    def end(self):
        raise SystemExit("the server has closed the connection")


def figures(session):
    [bench] = session.forges("api", is_started=False)[:1]
    few, many, requests, manual, pushed = measure(bench, session.starts)
    p99 = statistics.quantiles(many, n=100)[98]
    return [
        Figure("api-list", f"a list of 50 of {LARGE:,} runs", "ms", many, few, f"of {FEW}", target=1.5, is_ratio=True),
        Figure("api-p99", "the slowest of 100 such lists", "ms", [p99], target=5.0),
        Figure("api-json", "milliseconds a run's JSON takes", "ms", [1e3 / rate for rate in requests], target=0.5),
        Figure("api-run", "POST /runs → first command", "ms", manual, pushed, "push", target=1.2, is_ratio=True),
    ]


def measure(bench, starts):
    """Milliseconds of lists with few runs and with many, requests a second, milliseconds to the first command by API and push."""
    manual, pushed = first_commands(bench, starts)
    refill(bench, FEW)
    few = lists(bench)
    requests = reading(bench)
    refill(bench, LARGE)
    return few, lists(bench), requests, manual, pushed


def refill(bench, runs):
    """Starts the server anew, with `runs` more in its database."""
    bench.stop()
    fill(bench.data / "quire.db", runs)
    bench.start()


def port(bench):
    return int((bench.data / "server.url").read_text().rsplit(":", 1)[1].strip("/ \n"))


def first_commands(bench, starts):
    """A run by `POST /runs` and one by a push, by turns: milliseconds from the request to the first command."""
    (bench.work / ".quire/ci.fnl").write_text(PIPELINE.format(source=":quire/push :quire/manual", marks=bench.folder / "marks"))
    bench.start()
    done = subprocess.run([bench.binary, "--data", bench.data, "token", "new", "bench", "--scope", "runs:write", "--scope", "runs:read"],
                          env=bench.env, capture_output=True, text=True, check=True)
    token, mark = done.stdout.split()[-1], bench.folder / "marks/api"
    times = {"api": [], "push": []}
    api = Connection(port(bench))
    for turn in range(2 * starts):
        kind = "push" if turn % 2 == 0 else "api"
        mark.unlink(missing_ok=True)
        if kind == "push":
            bench.commit()
        begin = time.time_ns()
        if kind == "push":
            bench.git("push", "-q", str(bench.repo), "HEAD:refs/heads/main")
        else:
            status, answer = api.send("POST", "/runs", {"repo": "quire", "job": "build"}, token)
            assert status == 201, answer
        bench.wait_for_run()
        times[kind].append((int(mark.read_text()) - begin) / 1e6)
    return times["api"], times["push"]


def lists(bench):
    """Milliseconds of each list of 50 runs."""
    connection, times = Connection(port(bench)), []
    for _ in range(LISTS):
        begin = time.perf_counter()
        status, _ = connection.send("GET", "/runs?limit=50")
        times.append((time.perf_counter() - begin) * 1e3)
        assert status == 200
    return times


def read_for(port):
    connection, count, end = Connection(port), 0, time.monotonic() + READING_S
    while time.monotonic() < end:
        status, _ = connection.send("GET", "/runs/quire%231")
        assert status == 200
        count += 1
    return count


def reading(bench):
    """Answers with the JSON of one run, in a second."""
    with ProcessPoolExecutor(READERS) as pool:
        return [sum(pool.map(read_for, [port(bench)] * READERS)) / READING_S]
