"""Reads events of runs with Python's own HTTP client. Prints what it has read.

reader.py follow PORT RUN HOW DROPS: all events of a run, over as many connections as it takes. HOW is `header`, `query` or `lines`; after
    each number of events in DROPS the connection is dropped. Prints each line of data.
reader.py crowd PORT RUN COUNT SENT: COUNT connections to one run. Each has to get the same bytes. Prints how many, and after how many seconds at most
    a line `sent SECONDS` of the run's output was read: that the run has printed when it wrote it.
reader.py deaf PORT RUN COUNT: COUNT connections that are never read, until its input ends.
"""
import http.client
import itertools
import json
import selectors
import socket
import sys
import time
from urllib.parse import quote


def events_path(run):
    return f"/api/v1/runs/{quote(run, safe='')}/events"


def follow(port, run, how, drops):
    seen, drops = [], itertools.cycle(int(drop) for drop in drops.split(","))
    deadline = time.monotonic() + 60
    while not (seen and json.loads(seen[-1])["kind"] == "run.finished"):
        assert time.monotonic() < deadline, f"no end after {len(seen)} events"
        path, headers = events_path(run), {}
        if how == "header" and seen:
            headers["Last-Event-ID"] = str(len(seen))
        elif seen:
            path += f"?after={len(seen)}"
        if how == "lines":
            headers["Accept"] = "application/x-ndjson"
        connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=20)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            assert answer.status == 200, f"{answer.status} {answer.read()}"
            left = next(drops)
            for line in answer:
                if not line.endswith(b"\n"):
                    break
                data = line if how == "lines" else line.removeprefix(b"data: ")
                if not data.startswith(b"{"):
                    continue
                event = json.loads(data)
                assert event["seq"] == len(seen) + 1, f"{event} after {len(seen)} events"
                seen.append(data.decode().rstrip("\n"))
                left -= 1
                if left == 0:
                    break
        except (OSError, http.client.HTTPException):
            time.sleep(0.02)  # the server is down
        finally:
            connection.close()
    print("\n".join(seen))


def connect(port, run):
    """A connection whose answer has begun, and what was read of it. The door may be busy for a moment."""
    for _ in range(200):
        sock, head = socket.create_connection(("127.0.0.1", int(port)), timeout=20), b""
        try:
            sock.sendall(f"GET {events_path(run)} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
            while b"\r\n\r\n" not in head:
                part = sock.recv(1 << 16)
                if not part:
                    break
                head += part
        except ConnectionError:
            pass
        if head.startswith(b"HTTP/1.0 200") or head.startswith(b"HTTP/1.1 200"):
            return sock, head.split(b"\r\n\r\n", 1)[1]
        sock.close()
        time.sleep(0.05)
    raise SystemExit(f"no answer: {head}")


def crowd(port, run, count):
    count, poll = int(count), selectors.DefaultSelector()
    read, late, ended = {}, 0.0, 0
    for _ in range(count):
        sock, begin = connect(port, run)
        sock.setblocking(False)
        read[sock] = begin
        poll.register(sock, selectors.EVENT_READ)
    print("connected", flush=True)
    while ended < count:
        for key, _ in poll.select(20):
            sock = key.fileobj
            part, now = sock.recv(1 << 18), time.time()
            for piece in part.split(b"sent ")[1:]:
                late = max(late, now - float(piece[:17]))
            read[sock] += part
            if not part:
                poll.unregister(sock)
                ended += 1
    bodies = set(read.values())
    assert len(bodies) == 1, f"{len(bodies)} different answers"
    body = bodies.pop()
    assert b"event: run.finished\n" in body, body[-300:]
    print(f"{count} {late:.3f}")


def deaf(port, run, count):
    socks = [connect(port, run)[0] for _ in range(int(count))]
    print("connected", flush=True)
    sys.stdin.read()
    for sock in socks:
        sock.close()


{"follow": follow, "crowd": crowd, "deaf": deaf}[sys.argv[1]](*sys.argv[2:])
