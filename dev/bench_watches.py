"""What watching costs: the CPU time of a server with many watches over http on loopback, and of its children, for each
look, against that of `git ls-remote` for the same branch. Both are spread over the same time, so that what the machine
does besides concerns both."""

import http.server, os, subprocess, threading, time

from bench_cpu import memory_mb
from bench_figure import Figure


class Remotes:
    """Any number of repositories, all of which are one: /KIND/NUMBER.git. It counts what is asked for, by kind."""

    def __init__(self, folder):
        self.asked, self.known, self.lock = {}, {}, threading.Lock()
        remotes = self

        class Door(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                kind = self.path.split("/")[1]
                with remotes.lock:
                    remotes.asked[kind] = remotes.asked.get(kind, 0) + 1
                self.answer(["--http-backend-info-refs"], b"# service=git-upload-pack\n", b"")

            def do_POST(self):
                self.answer([], None, self.rfile.read(int(self.headers["content-length"])))

            def answer(self, args, service, body):
                version = self.headers.get("git-protocol", "")
                key = (tuple(args), version, body)
                if key not in remotes.known:
                    done = subprocess.run(
                        ["git", "upload-pack", "--stateless-rpc", *args, folder], input=body, capture_output=True,
                        env={"PATH": os.environ["PATH"], "GIT_PROTOCOL": version, "HOME": "/nonexistent"}, check=True)
                    head = b"" if service is None else b"%04x%s0000" % (len(service) + 4, service)
                    remotes.known[key] = head + done.stdout
                said = "result" if service is None else "advertisement"
                self.send_response(200)
                self.send_header("content-type", f"application/x-git-upload-pack-{said}")
                self.send_header("content-length", str(len(remotes.known[key])))
                self.end_headers()
                self.wfile.write(remotes.known[key])

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def figures(session):
    count, every, rounds = session.count, session.every, session.rounds
    [bench] = session.forges("watches", is_started=False)[:1]
    quire, bare, resident = measure(bench, count, every, rounds)
    return [
        Figure("watches", "CPU of a look at a remote", "ms", quire, bare, "git ls-remote", target=1.2, is_ratio=True),
        Figure("watches-rss", f"{count} watches, resident (RSS)", "MB", [resident], target=20.0),
    ]


def measure(bench, count, every, rounds):
    """CPU milliseconds of each look of the server and of each bare `git ls-remote`, by round, and what the server holds."""
    work = bench.folder / "watched-work"
    work.mkdir()
    bench.git("-C", str(work), "init", "-q")
    bench.git("-C", str(work), "commit", "-q", "--allow-empty", "-m", "nothing to run")
    remotes = Remotes(str(work / ".git"))
    watch = ('"w{0}" {{:url "{1}/quire/{0}.git" :branch "main" :every "{2}s" :allow-private true}}')
    watches = "\n".join(watch.format(number, remotes.address, every) for number in range(count))
    (bench.data / "config.fnl").write_text("{:watch {" + watches + "}}")
    bench.start()
    bench.quire("watch", "now")
    quire, bare = [], []
    for _ in range(rounds):
        looks, spent = remotes.asked.get("quire", 0), bench.group.spent_ms()
        begin, bare_cpu = time.monotonic(), 0.0
        for number in range(count):
            time.sleep(max(0.0, begin + every * number / count - time.monotonic()))
            bare_cpu += ls_remote(bench, f"{remotes.address}/bare/{number}.git")
        time.sleep(max(0.0, begin + every - time.monotonic()))
        looks = remotes.asked.get("quire", 0) - looks
        quire.append((bench.group.spent_ms() - spent) / max(looks, 1))
        bare.append(bare_cpu * 1000 / count)
    return quire, bare, memory_mb([bench.server.pid])[0]


def ls_remote(bench, address):
    """One bare question; its CPU seconds, with those of its helpers."""
    files = [(os.POSIX_SPAWN_OPEN, number, "/dev/null", os.O_RDWR, 0) for number in (1, 2)]
    pid = os.posix_spawnp("git", ["git", "ls-remote", address, "HEAD", "refs/heads/main"], bench.env, file_actions=files)
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise SystemExit(f"git ls-remote {address} failed")
    return usage.ru_utime + usage.ru_stime
