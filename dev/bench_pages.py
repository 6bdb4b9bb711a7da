"""What the pages of a repository of 10,000 commits cost, beside Debian's cgit in the same turns (`apt-get install cgit`): the
page of a folder, of its history, of a file, of a commit. cgit runs as a program for each request, as a web server runs it."""

import http.client, os, subprocess, sys, time
from pathlib import Path

from bench_figure import Figure

CGIT = Path("/usr/lib/cgit/cgit.cgi")
COMMITS = 10_000
FOLDERS, FILES = 20, 25
ROUNDS = 40
TARGET = 1.5


def figures(session):
    if not CGIT.exists():
        sys.exit("cgit is not there: apt-get install cgit")
    [bench] = session.forges("pages", is_started=False)[:1]
    fill(bench.repo)
    bench.start()
    (bench.folder / "cgitrc").write_text(f"cache-size=0\nrepo.url=quire\nrepo.path={bench.repo}\n")
    id = subprocess.run(["git", "-C", bench.repo, "rev-parse", "main"], capture_output=True, text=True, check=True).stdout.strip()
    pages = {
        "tree": ("a folder", "/quire/tree/main", "/quire/tree/"),
        "subtree": ("a folder in it", "/quire/tree/main/d3", "/quire/tree/d3"),
        "log": ("the history", "/quire/log/main", "/quire/log/"),
        "blob": ("a file", "/quire/blob/main/d3/f3.c", "/quire/tree/d3/f3.c"),
        "commit": ("a commit", f"/quire/commit/{id}", f"/quire/commit/?id={id}"),
    }
    connection, made = connect(bench), []
    cold = {key: timed(lambda: ours(connection, path)) for key, (_, path, _) in pages.items()}
    time.sleep(3)  # The walk for the last changes of a folder goes on behind its first page.
    for key, (name, path, of_cgit) in pages.items():
        own, floor = [], []
        for _ in range(ROUNDS):
            own.append(timed(lambda: ours(connection, path)))
            floor.append(timed(lambda: cgit(bench, of_cgit)))
        target = TARGET if key in ("tree", "subtree", "log") else None
        made.append(Figure(f"page-{key}", f"the page of {name}", "ms", own, floor, "cgit", target=target, is_ratio=True))
        made.append(Figure(f"page-{key}-cold", f"the first page of {name}", "ms", [cold[key]], target=200.0))
    return made


def connect(bench):
    return http.client.HTTPConnection((bench.data / "server.url").read_text().split("//")[1].strip("/ \n"))


def timed(ask):
    begin = time.perf_counter()
    ask()
    return (time.perf_counter() - begin) * 1e3


def ours(connection, path):
    connection.request("GET", path, headers={"Accept": "text/html"})
    answer = connection.getresponse()
    page = answer.read()
    assert answer.status == 200 and b"</html>" in page, (path, answer.status)


def cgit(bench, path):
    path, _, query = path.partition("?")
    env = {"CGIT_CONFIG": str(bench.folder / "cgitrc"), "PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": "GET",
           "SERVER_NAME": "localhost", "HTTP_HOST": "localhost", "SCRIPT_NAME": "/cgit", "PATH": os.environ["PATH"]}
    page = subprocess.run([CGIT], env=env, capture_output=True, check=True).stdout
    assert b"</html>" in page and b"<div class='error'>" not in page, path


def fill(repo):
    """Commits that each change two files of 500, in 20 folders."""
    stream, line = [], "int f%d(void) { return %d; } /* %d */\n"
    for number in range(COMMITS):
        at = 1_600_000_000 + number * 600
        stream.append(f"commit refs/heads/main\nauthor A U Thor <a@example.org> {at} +0000\ncommitter A U Thor <a@example.org> {at} +0000\n")
        subject = f"change {number}\n"
        stream.append(f"data {len(subject)}\n{subject}")
        for file in {number % (FOLDERS * FILES), number * 7 % (FOLDERS * FILES)}:
            text = "".join(line % (file, row, number if row == number % 100 else file) for row in range(100))
            stream.append(f"M 100644 inline d{file % FOLDERS}/f{file // FOLDERS}.c\ndata {len(text)}\n{text}")
        stream.append("\n")
    subprocess.run(["git", "-C", repo, "fast-import", "--quiet"], input="".join(stream).encode(), check=True)
    subprocess.run(["git", "-C", repo, "symbolic-ref", "HEAD", "refs/heads/main"], check=True)
    subprocess.run(["git", "-C", repo, "repack", "-adq"], check=True)
