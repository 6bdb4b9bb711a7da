"""Runs every block of docs/host.md in its order, in a world of its own: python3 world.py PAGE QUIRE.

Started as root by `unshare --mount --net --uts --ipc --pid --fork --kill-child --mount-proc`, so that what the page does to accounts, sshd
and files is seen by nobody else, and all processes end with this one. A comment before each block says what is done with it:
- `<!-- run: WHO -->`, `<!-- run: WHO exits 5 -->`: commands of root or git on the server, or of ada or grace on their laptops;
- `<!-- file: PATH as WHO -->`: a file, written by that account;
- `<!-- output -->`: what the commands before it print; `…` stands for anything, also for lines;
- `<!-- shown: WHY -->`: not run, for that reason.
"""

import os
import pwd
import re
import signal
import subprocess
import sys
import time

MAX_BLOCK_SECONDS = 60
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HOSTS = ["forge.example.org", "backup.example.org", "hooks.example.org"]
HOOKS = "/run/hooks"
SSHD_PID = "/run/sshd.pid"


def main(page, quire):
    if os.getpid() != 1:
        sys.exit("world.py changes the machine: start it as the first process of namespaces of its own")
    blocks = read(page)
    make_world(quire)
    printed = ""
    for line, mark, text in blocks:
        kind, _, rest = mark.partition(": ")
        if kind == "run":
            who, _, code = rest.partition(" exits ")
            started, listening = time.monotonic(), sshd_started()
            printed, ended = run(who, text)
            if SSHD_PID in text:
                until(lambda: sshd_started() not in (None, listening))
            if os.environ.get("SHOW"):
                print(f"-- {page}:{line} {rest} ({time.monotonic() - started:.2f} s)\n{printed}", flush=True)
            if ended != int(code or 0):
                fail(page, line, f"it ended with {ended}", printed)
        elif kind == "file":
            write(*rest.split(" as "), text)
        elif kind == "output" and not matches(text, printed) and not os.environ.get("SHOW"):
            fail(page, line, "the output is another one", printed)


def fail(page, line, problem, printed):
    sys.exit(f"{page}:{line}: {problem}\n{printed}")


def read(page):
    """The blocks of the page: line, mark, text."""
    with open(page) as file:
        lines = file.read().splitlines()
    blocks, mark, number = [], None, 0
    while number < len(lines):
        line = lines[number]
        number += 1
        comment = re.fullmatch(r"<!-- (.*) -->", line)
        if comment:
            mark = comment[1]
        elif line.startswith("```"):
            end = lines.index("```", number)
            if not mark or not re.match("(run|file|shown): |output$", mark):
                sys.exit(f"{page}:{number}: this block has no mark")
            blocks.append((number, mark, "\n".join(lines[number:end]) + "\n"))
            mark, number = None, end + 1
        elif mark and line:
            sys.exit(f"{page}:{number}: a block was expected behind the mark")
    return blocks


def make_world(quire):
    """What the page expects to be there: sshd, root's access, two people with keys, a machine to mirror to, a receiver of messages."""
    # Read before folders are covered: what is mounted below one of them is not seen through its layer.
    receiver = os.path.join(os.path.dirname(__file__), "../receivers/web.py")
    programs = {"/mnt/quire": contents(quire, "rb"), "/mnt/web.py": contents(receiver, "rb")}
    sh("mount --make-rprivate / && mount -t tmpfs -o mode=1777 world /mnt")
    for path, program in programs.items():
        with open(path, "wb") as file:
            file.write(program)
    for folder in ["etc", "var", "home", "root", "usr/local", "run", "srv", "tmp"]:
        below = "/mnt/" + folder.replace("/", "-")
        options = f"lowerdir=/{folder},upperdir={below}/up,workdir={below}/work"
        sh(f"mkdir -p {below}/up {below}/work && mount -t overlay -o {options} overlay /{folder}")
    sh("chmod 1777 /tmp; ip link set lo up; hostname forge; rm -rf /run/sshd.pid /run/systemd/system")
    sh("rm -rf /root/.ssh /etc/ssh/quire_keys /etc/ssh/sshd_config.d/quire.conf /etc/quire /var/quire* /srv/*")
    # A file that a container's engine mounted there cannot be replaced by the layer below it.
    sh(f"cat /etc/hosts >/mnt/hosts; echo 127.0.0.1 {' '.join(HOSTS)} >>/mnt/hosts; mount --bind /mnt/hosts /etc/hosts")
    for account in ["git", "mirror", "ada", "grace"]:
        sh(f"! id {account} 2>/dev/null || userdel -f {account}; rm -rf /home/{account}")
    for account in ["mirror", "ada", "grace"]:
        sh(f"useradd --create-home --shell /bin/bash {account}")
    for person in ["ada", "grace"]:
        run(person, f"""ssh-keygen -q -t ed25519 -N '' -C {person}@laptop -f ~/.ssh/id_ed25519
            git config --global user.name {person}; git config --global user.email {person}@example.org
            git config --global init.defaultBranch main""")
    for machine in ["root", "mirror"]:
        key = contents("/home/ada/.ssh/id_ed25519.pub").strip()
        run(machine, f"umask 077; mkdir -p ~/.ssh; echo '{key}' >~/.ssh/authorized_keys")
    run("mirror", "git init -q --bare blog.git")
    sh("install -D -m 755 /mnt/quire /home/ada/quire/target/release/quire")
    sh("mkdir -p /run/sshd; ssh-keygen -A >/dev/null; /usr/sbin/sshd")
    until(lambda: sshd_started())
    sh(f"for key in /etc/ssh/ssh_host_*.pub; do echo {','.join(HOSTS)} $(cat $key); done >/etc/ssh/ssh_known_hosts")
    os.mkdir(HOOKS)
    subprocess.Popen([sys.executable, "/mnt/web.py", HOOKS, "8080"], stdin=subprocess.DEVNULL)
    until(lambda: os.path.exists(HOOKS + "/port"))


def sshd_started():
    """When sshd last began to listen: it writes the file after that, also when it starts again for a SIGHUP."""
    try:
        return os.stat(SSHD_PID).st_mtime_ns
    except FileNotFoundError:
        return None


def contents(path, mode="r"):
    with open(path, mode) as file:
        return file.read()


def until(is_there):
    end = time.monotonic() + MAX_BLOCK_SECONDS
    while not is_there():
        if time.monotonic() > end:
            sys.exit("the world did not come up")
        time.sleep(0.01)


def sh(script):
    subprocess.run(["bash", "-euo", "pipefail", "-c", script], check=True, timeout=MAX_BLOCK_SECONDS, stdin=subprocess.DEVNULL)


def run(who, script):
    """What the commands of an account print, and how they ended."""
    account = pwd.getpwnam(who)
    env = {"HOME": account.pw_dir, "USER": who, "LOGNAME": who, "PATH": PATH, "LANG": "C.UTF-8"}
    with open("/mnt/printed", "w+b") as printed:
        child = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", script], user=account.pw_uid, group=account.pw_gid, extra_groups=[], umask=0o022,
            env=env, cwd=account.pw_dir, stdin=subprocess.DEVNULL, stdout=printed, stderr=printed, start_new_session=True)
        try:
            ended = child.wait(MAX_BLOCK_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            ended = f"nothing within {MAX_BLOCK_SECONDS} s"
        printed.seek(0)
        return printed.read().decode(errors="replace"), ended


def write(path, who, text):
    account = pwd.getpwnam(who)
    path = os.path.join(account.pw_dir, path)
    run(who, f"mkdir -p '{os.path.dirname(path)}' && cat >'{path}' <<'END OF BLOCK'\n{text}END OF BLOCK")
    assert contents(path) == text, path


def matches(pattern, printed):
    """Whether the lines are those of the block; times, sizes and object ids may be others."""
    def plain(text):
        text = re.sub(r"\b[0-9a-f]{7,40}\b", "SHA", text)
        text = re.sub(r" *\b\d+(\.\d+)? (ms|s)\b", " DUR", text)
        return [re.sub(" {2,}", "  ", line.rstrip()) for line in text.splitlines()]
    parts = [".*" if line == "…" else ".*".join(re.escape(part) for part in line.split("…")) for line in plain(pattern)]
    whole = ""
    for part in parts:
        whole += "(?s:.*\n)?" if part == ".*" else part + "\n"
    return re.fullmatch(whole, "".join(line + "\n" for line in plain(printed))) is not None


main(*sys.argv[1:])
