"""Completes a thousand times, each in a process of its own, and prints the time on the processor that it took, in
milliseconds: the median, the 95th and the 99th of a hundred. The time on the clock is that of the machine's other work, too."""
import os
import sys
from concurrent.futures import ThreadPoolExecutor

LINES = (["1", "job-5"], ["2", "job-50", ""], ["3", "job-99", "--", "--l"], ["4", "job-7", "--", "--loud", ""])


def complete(words):
    silent = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    pid = os.posix_spawnp(sys.argv[1], [sys.argv[1], "__complete", *words], os.environ, file_actions=silent)
    _, status, used = os.wait4(pid, 0)
    assert status == 0, words
    return (used.ru_utime + used.ru_stime) * 1000


complete(LINES[0])
with ThreadPoolExecutor(4) as pool:
    times = sorted(pool.map(complete, LINES * 250))
print(*(round(times[place], 3) for place in (500, 950, 990)))
