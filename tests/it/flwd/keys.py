"""Types keys into an interactive shell on a terminal of its own: keys.py SHELL [STEP…].

A STEP is KEYS=>TEXT: types KEYS (with \\t, \\n, \\x15), and waits until TEXT is on the screen after them. Prints the screen and
exits with 1 when it does not come.
"""
import os
import pty
import re
import select
import signal
import sys
import time

PATIENCE = 20
ANSI = re.compile(rb"\x1b\[[0-9;?<>=]*[a-zA-Z]|\x1b[()][A-Z0-9]|\x1b[=>]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")


def main(command, steps):
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(TERM="xterm", COLUMNS="200", LINES="50", PS1="ready> ")
        os.execvp(command[0], command)
    screen = b""
    try:
        for keys, expected in (step.split("=>", 1) for step in steps):
            os.write(terminal, keys.encode().decode("unicode_escape").encode())
            seen, deadline = b"", time.monotonic() + PATIENCE
            while expected.encode() not in ANSI.sub(b"", seen).replace(b"\r", b""):
                ready, _, _ = select.select([terminal], [], [], max(0, deadline - time.monotonic()))
                try:
                    more = os.read(terminal, 4096) if ready else b""
                except OSError:
                    more = b""
                if not more:
                    print(f"`{expected}` does not follow `{keys}`; the screen: {screen + seen!r}")
                    return 1
                seen += more
                if b"\x1b[c" in more or b"\x1b[0c" in more:
                    os.write(terminal, b"\x1b[?1;2c")  # the terminal says what it is, as a shell asks
            screen += seen
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1].split(" "), sys.argv[2:]))
