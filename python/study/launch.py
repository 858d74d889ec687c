"""Runs a command and writes what it cost as JSON: `python -I -S launch.py RESULT.json TIMEOUT COMMAND...`.

Linux counts the memory of the process that starts another one as the memory of the started one. This program is small,
so that it does not hide what the command needs; that is why it imports nothing else.
"""

import json
import os
import signal
import sys
import time

result, timeout, *command = sys.argv[1:]
started = time.perf_counter()
process = os.posix_spawnp(command[0], command, os.environ)
signal.signal(signal.SIGALRM, lambda *_: os.kill(process, signal.SIGKILL))
signal.alarm(int(timeout))
# Unlike waitpid(), wait4() tells what this process cost.
_, status, usage = os.wait4(process, 0)
seconds = time.perf_counter() - started
costs = {
    "wall_s": seconds,
    "cpu_s": usage.ru_utime + usage.ru_stime,
    # ru_maxrss is in KiB on Linux.
    "peak_bytes": usage.ru_maxrss * 1024,
    "page_faults": usage.ru_minflt + usage.ru_majflt,
}
with open(result, "w") as file:
    json.dump(costs, file)
sys.exit(min(abs(os.waitstatus_to_exitcode(status)), 255))
