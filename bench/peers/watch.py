"""Runs a command and writes what it took, seen from outside: seconds, CPU seconds, and memory of all its processes.

usage: watch.py OUT.json COMMAND...

peak_bytes is the sum over processes of the most that each had resident at any time: what they would hold if all were at
their peak at once, so never too little.  Memory that processes share counts for each of them.
"""

import json
import os
import resource
import subprocess
import sys
import time

PERIOD = 0.05  # seconds; the kernel keeps the high-water mark, so only what grows within the last period can be missed


def processes(root):
    """The ids of a process and of all that descend from it."""
    found, left = [], [root]
    while left:
        process = left.pop()
        found.append(process)
        try:
            for task in os.listdir(f"/proc/{process}/task"):
                with open(f"/proc/{process}/task/{task}/children") as file:
                    left.extend(map(int, file.read().split()))
        except OSError:
            pass  # it has ended
    return found


def high_water(process):
    try:
        with open(f"/proc/{process}/status") as file:
            return next((1024 * int(line.split()[1]) for line in file if line.startswith("VmHWM:")), 0)
    except OSError:
        return 0


def main():
    out, *command = sys.argv[1:]
    peaks = {}
    begin = time.monotonic()
    child = subprocess.Popen(command)
    while True:
        for process in processes(child.pid):
            peaks[process] = max(peaks.get(process, 0), high_water(process))
        try:
            child.wait(PERIOD)
            break
        except subprocess.TimeoutExpired:
            pass
    seconds = time.monotonic() - begin
    if child.returncode:
        sys.exit(child.returncode)
    # The largest single process is known exactly, also at its very end.
    largest = 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    with open(out, "w") as file:
        json.dump(
            {
                "seconds": seconds,
                "cpu_seconds": used.ru_utime + used.ru_stime,
                "processes": len(peaks),
                "peak_bytes": max(sum(peaks.values()), largest),
            },
            file,
        )


main()
