"""A rebuild that is given half the memory that it would like, or the least that it can do with, keeps to it, watched from
outside, and has the same digest.

  python3 tests/half_memory.py LIGATURE MPIEXEC FOLDER [--people N] [--ranks N] [--share 0.5]

What a run holds is RssAnon and RssShmem of its ranks together, as /proc states them every few milliseconds.
"""
import argparse
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from mpi_environment import ENVIRONMENT

MIB = 1 << 20


def held(mpiexec_pid):
    """Bytes that the ranks which mpiexec started hold now."""
    bytes_held = 0
    try:
        ranks = Path(f"/proc/{mpiexec_pid}/task/{mpiexec_pid}/children").read_text().split()
    except OSError:
        return 0
    for rank in ranks:
        try:
            status = Path(f"/proc/{rank}/status").read_text()
        except OSError:
            continue
        for line in status.splitlines():
            if line.startswith(("RssAnon:", "RssShmem:")):
                bytes_held += int(line.split()[1]) << 10
    return bytes_held


def watched(arguments, *job, expect=0):
    """Runs a job; returns the most that its ranks held together, the seconds it took, and what it said."""
    command = [arguments.mpiexec, "-n", str(arguments.ranks), arguments.ligature, *map(str, job)]
    started, most = time.monotonic(), 0
    with open(arguments.folder / "said", "w+") as said:
        process = subprocess.Popen(command, env=ENVIRONMENT, stdout=said, stderr=subprocess.STDOUT)
        while process.poll() is None:
            most = max(most, held(process.pid))
            time.sleep(0.004)
        said.seek(0)
        text = said.read()
    if process.returncode != expect:
        sys.exit(f"{' '.join(command)}\nended with {process.returncode}, not {expect}\n{text}")
    return most, time.monotonic() - started, text


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ligature")
    parser.add_argument("mpiexec")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--people", default="700k")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--share", type=float, default=0.5)
    arguments = parser.parse_args()
    shutil.rmtree(arguments.folder, ignore_errors=True)
    arguments.folder.mkdir(parents=True)
    population = arguments.folder / "population"
    watched(arguments, "synth", "--people", arguments.people, "--seed", 1, "--out", population)
    job = population / "job.toml"
    rebuild = ("rebuild", job, "--set", "job.threads=1")

    def digest():
        return subprocess.run([arguments.mpiexec, "-n", "1", arguments.ligature, "digest", job], env=ENVIRONMENT,
                              capture_output=True, text=True, check=True).stdout

    liked, seconds, _ = watched(arguments, *rebuild)
    expected = digest()
    assert liked > 64 * MIB, "the ranks were not seen: are they children of mpiexec?"
    print(f"as it likes: {liked / MIB:.0f} MiB, {seconds:.1f} s")

    def keeps_to(budget):
        most, seconds, _ = watched(arguments, *rebuild, "--set", f"job.memory={budget}")
        print(f"{arguments.ranks} ranks with {budget / MIB:.0f} MiB: {most / MIB:.0f} MiB, {seconds:.1f} s")
        assert digest() == expected, "another digest"
        assert most <= budget, f"it held {most / MIB:.0f} MiB"

    keeps_to(int(liked * arguments.share))
    for ranks in (arguments.ranks, 1):
        arguments.ranks = ranks
        _, _, said = watched(arguments, *rebuild, "--set", "job.memory=1MiB", expect=3)
        assert "cannot fit" in said and "raise job.memory" in said, said
        least = float(re.search(r"it needs ([0-9.]+) MiB of memory", said).group(1))
        keeps_to(int(least * 1.005 * MIB))  # which was rounded
    shutil.rmtree(arguments.folder)


if __name__ == "__main__":
    main()
