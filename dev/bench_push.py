"""What a push costs beside one to a repository with a bare shell hook: `git archive | tar`, then `sh -c`, with the same git
settings."""

import contextlib, os, shutil, subprocess, sys, time
from functools import partial
from operator import itemgetter

from bench_cpu import children_ms
from bench_figure import Figure, by_turns

HOOK = """#!/bin/sh
while read -r old new ref; do
  d=$(mktemp -d "{folder}/tmp/XXXXXX") && git archive "$new" | tar -x -C "$d" && cd "$d" && sh -c '{command}' && rm -rf "$d"
done
"""
COMMAND = "date +%s%N > {mark}"
JOB = '(ci:job :build [:quire/push] (fn [] (sh "{command}")))'


IDLE_HOOK = "#!/bin/sh\nexit 0\n"


class Bare:
    """The floor: a repository with a bare hook and the same settings as that of a forge."""

    def __init__(self, forge, script, name="bare"):
        self.folder = forge.folder / name
        self.hooks, self.repo = self.folder / "hooks", self.folder / "bare.git"
        for made in (self.hooks, self.folder / "tmp"):
            made.mkdir(parents=True)
        forge.git("init", "-q", "--bare", str(self.repo))
        shutil.copy(forge.repo / "config", self.repo / "config")
        forge.git("-C", str(self.repo), "config", "core.hooksPath", str(self.hooks))
        hook = self.hooks / "post-receive"
        hook.write_text(script.replace("{folder}", str(self.folder)))
        hook.chmod(0o755)


class Contest:
    """Forges and a bare repository that all get the same commits, from one working copy."""

    def __init__(self, session, name):
        self.mark = session.folder / "first"
        command = COMMAND.format(mark=self.mark)
        self.forges = session.forges(name, JOB.format(command=command))
        self.bare = Bare(self.forges[0], HOOK.replace("{command}", command))
        self.source = self.forges[0]

    def turns(self, count, one):
        """In each turn a new commit goes to all of them. Gives what `one` gives, of the bare repository first."""
        return by_turns(count, [partial(one, to) for to in (self.bare, *self.forges)], self.source.commit)

    def push(self, to):
        """One push: milliseconds until the first command, of the push itself, and of CPU of all that it brings about."""
        self.mark.unlink(missing_ok=True)
        is_bare = to is self.bare
        server = 0 if is_bare else to.group.spent_ms()
        cpu, begin, begin_ns = children_ms(), time.perf_counter(), time.time_ns()
        argv = ["git", "push", "-q", str(to.repo), "HEAD:refs/heads/main"]
        done = subprocess.run(argv, cwd=self.source.work, env=self.source.env, capture_output=True, text=True)
        whole, cpu = (time.perf_counter() - begin) * 1000, children_ms() - cpu
        if done.returncode or not (is_bare or "build" in done.stderr):
            sys.exit(f"the push to {to.repo} was not as it should be: {done.stderr}")
        if not is_bare:
            to.wait_for_run()
            cpu += to.group.settled_ms() - server
        return {"first": (int(self.mark.read_text()) - begin_ns) / 1e6, "whole": whole, "cpu": cpu}

    def call_hooks(self, to):
        """The wall time of the hook processes alone, started as receive-pack starts them, with the ref moved between."""
        is_bare, git = to is self.bare, self.source.git
        old, new = git("-C", str(to.repo), "rev-parse", "refs/heads/main"), git("rev-parse", "HEAD")
        line = f"{old} {new} refs/heads/main\n".encode()
        git("-C", str(to.repo), "fetch", "-q", str(self.source.work), "HEAD")
        folder = to.hooks if is_bare else to.data / "hooks"
        # As git does: the new objects are in a folder of their own until the ref moves (githooks(5)).
        quarantine = to.repo / "objects/tmp_objdir-incoming-bench"
        quarantine.mkdir(exist_ok=True)
        env = {**self.source.env, "GIT_QUARANTINE_PATH": str(quarantine)}
        before = 0 if is_bare else run_hook(to.repo, folder / "pre-receive", line, env)[0]
        git("-C", str(to.repo), "update-ref", "refs/heads/main", new)
        after, said = run_hook(to.repo, folder / "post-receive", line, self.source.env)
        if not is_bare:
            if "build" not in said:
                sys.exit(f"post-receive was not as it should be: {said}")
            to.wait_for_run()
            to.group.settled_ms()
        return before + after


def whole_push(session, contest, to):
    """Milliseconds that a push takes, of which nothing is waited for but git."""
    begin = time.perf_counter()
    argv = ["git", "push", "-q", str(to.repo), "HEAD:refs/heads/main"]
    done = subprocess.run(argv, cwd=contest.source.work, env=contest.source.env, capture_output=True, text=True)
    whole = (time.perf_counter() - begin) * 1000
    if done.returncode:
        sys.exit(f"the push to {to.repo} was not as it should be: {done.stderr}")
    if hasattr(to, "wait_for_run"):
        to.wait_for_run()
        to.group.settled_ms()
    return whole


def extra(session):
    """What a plain push takes longer than one to a repository whose hook does nothing, in pairs of the same commit."""
    contest = Contest(session, "extra")
    idle = Bare(contest.source, IDLE_HOOK, "idle")
    one = partial(whole_push, session, contest)
    to = [idle, *contest.forges]
    turns = lambda count: by_turns(count, [partial(one, each) for each in to], contest.source.commit)
    turns(1)  # the first push of each is another one
    nothing, *taken = turns(session.pushes)
    more = [[push - floor for push, floor in zip(of, nothing)] for of in taken]
    return [Figure("extra", "push − push with a hook that does nothing", "ms", more[0], old=(more[1:] or [[]])[0], target=5)]


def figure(taken, key, name, target, part=lambda one: one):
    bare, new, old = ([part(one) for one in of] for of in (*taken, [])[:3])
    return Figure(key, name, "ms", new, bare, "bare hook", old, target, is_ratio=True)


def pushes(session):
    contest = Contest(session, "push")
    contest.turns(1, contest.push)  # the first push of each is another one
    taken = contest.turns(session.pushes, contest.push)
    first = 1.1 if session.place == "C" else 1.0
    return [
        figure(taken, "push", "push → first command ÷ bare hook", first, itemgetter("first")),
        figure(taken, "push-cpu", "CPU per push and run ÷ bare hook", 1.2, itemgetter("cpu")),
        figure(taken, "push-whole", "whole push ÷ bare hook", None, itemgetter("whole")),
    ]


def hooks(session):
    contest = Contest(session, "hooks")
    contest.turns(1, contest.push)
    return [figure(contest.turns(session.pushes, contest.call_hooks), "hooks", "both hooks ÷ bare hook", 0.5)]


def run_hook(repo, path, line, env):
    """Milliseconds that a hook takes, and what it says."""
    read, write = os.pipe()
    out_read, out_write = os.pipe()
    os.write(write, line)
    os.close(write)
    files = [(os.POSIX_SPAWN_DUP2, read, 0), (os.POSIX_SPAWN_DUP2, out_write, 1), (os.POSIX_SPAWN_DUP2, out_write, 2)]
    with contextlib.chdir(repo):
        begin = time.perf_counter()
        pid = os.posix_spawn(path, [str(path)], {**env, "GIT_DIR": "."}, file_actions=files)
        _, status = os.waitpid(pid, 0)
        spent = (time.perf_counter() - begin) * 1000
    os.close(read)
    os.close(out_write)
    said = os.read(out_read, 65536).decode()
    os.close(out_read)
    if status:
        sys.exit(f"{path} was not as it should be: {status} {said}")
    return spent, said
