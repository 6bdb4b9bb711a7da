"""What following costs: how late a line of a step is at its readers, one and a thousand, and what the journal says of output."""

import http.client, json, selectors, socket, subprocess, time

from bench_figure import Figure
from bench_forge import until

LINES = 100
STEP = "until [ -e {go} ]; do sleep 0.02; done; for i in $(seq {lines}); do echo sent $(date +%s.%6N); sleep 0.03; done"
FLOOD = "yes 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde | head -c {bytes}"


def figures(session):
    [bench] = session.forges("events", is_started=False)[:1]
    (one, many), seconds, facts, size = measure(bench, session.readers, session.flood)
    return [
        Figure("events", "a line until its reader", "ms", one, target=100),
        Figure("events-many", f"a line until {session.readers} readers", "ms", many),
        Figure("events-flood", f"a run with {session.flood >> 20} MiB of output", "s", [seconds]),
        Figure("events-records", "records about its output", "", [facts]),
        Figure("events-bytes", "bytes of them", "", [size]),
    ]


def measure(bench, readers, flood_bytes):
    """Milliseconds from the writing of each line to its last reader, with one reader and with `readers`; and of a flood of
    output: its seconds, the journal's records that say so, and their bytes."""
    port = free_port()
    server = subprocess.Popen([bench.binary, "--data", bench.data, "serve", "--bind", f"127.0.0.1:{port}"], env=bench.env,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: answers(port), "the server does not answer")
        late = [follow(bench, port, count) for count in (1, readers)]
        began = time.monotonic()
        number = push(bench, FLOOD.format(bytes=flood_bytes))
        until(lambda: outcome(port, number), "the run does not end", 300, 0.01)
        seconds = time.monotonic() - began
    finally:
        server.terminate()
        server.wait()
    facts = (bench.data / f"runs/events.git/{number}/journal.ndjson").read_bytes().splitlines()
    grown = [fact for fact in facts if b'"log-grown"' in fact]
    return late, seconds, len(grown), sum(map(len, grown))


def follow(bench, port, count):
    go = bench.folder / f"go-{count}"
    number = push(bench, STEP.format(go=go, lines=LINES))
    poll, late, ended = selectors.DefaultSelector(), {}, 0
    for _ in range(count):
        sock = socket.create_connection(("127.0.0.1", port))
        sock.sendall(f"GET /api/v1/runs/events%23{number}/events HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        sock.setblocking(False)
        poll.register(sock, selectors.EVENT_READ)
    time.sleep(1)
    go.touch()
    while ended < count:
        for key, _ in poll.select(30):
            part, now = key.fileobj.recv(1 << 18), time.time()
            for piece in part.split(b"sent ")[1:]:
                sent = float(piece[:17])
                late[sent] = max(late.get(sent, 0), (now - sent) * 1000)
            if not part:
                poll.unregister(key.fileobj)
                key.fileobj.close()
                ended += 1
    return list(late.values())


def push(bench, step):
    """Pushes a pipeline with one step; the number of its run."""
    work = bench.folder / "events-work"
    if not work.exists():
        bench.quire("repo", "new", "events")
        (work / ".quire").mkdir(parents=True)
        bench.git("init", "-q", str(work))
        bench.git("-C", str(work), "remote", "add", "origin", str(bench.data / "repos/events.git"))
    (work / ".quire/ci.fnl").write_text(f"(local ci (require :quire.ci))\n(ci:job :t [:quire/push] (fn [] (sh {json.dumps(step)})))\n")
    bench.git("-C", str(work), "add", "-A")
    bench.git("-C", str(work), "commit", "-q", "-m", "next")
    bench.git("-C", str(work), "push", "-q", "origin", "HEAD:main")
    return int(bench.git("-C", str(work), "rev-list", "--count", "HEAD"))


def ask(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def answers(port):
    try:
        return ask(port, "/healthz")[0] == 200
    except OSError:
        return False


def outcome(port, number):
    return json.loads(ask(port, f"/api/v1/runs/events%23{number}")[1]).get("outcome")


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]
