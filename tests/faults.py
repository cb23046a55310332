#!/usr/bin/env python3
"""Breaks rebuilds at seeded places and holds what is left of them to docs/durability.md.

usage: faults.py LIGATURE MPIEXEC SCRATCH SHIMS [--full] [--seed N] [--kinds A,B] [--points N] [--table FILE]

SHIMS is the folder of fault_shim.so and mpi_fault_shim.so.  Each fault point is a population of its own, a rebuild on
1 to 4 ranks that meets its fault, a look at what the job said and left behind, and a resumed rebuild on 1 to 4 ranks
whose digest must be that of an undisturbed run.  Without --full each kind has a point or two; --points and --kinds
choose others, and a point is the same whenever its seed, kind and number are.  --table writes the table of the pages.
"""
import argparse
import gzip
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

from fault_point import ENVIRONMENT, Bench, Broken, Job, Point, require

STAGES = ("start", "intake", "identities", "survey", "numbers", "pairs", "clusters", "persons", "estimates", "index",
          "publish", "finish")
CHECKPOINTS = ("rows", "numbers", "pairs", "clusters")
PLACES = STAGES + tuple(f"checkpoint-{name}" for name in CHECKPOINTS)

# --- kinds of faults -----------------------------------------------------------------------------------------------

KILLED = r"signal 9"
# A rank may still be under way to its first line, or to the others.
STOPPED = r"signal 9|signal 15|stopped by signal|has ended while MPI was starting"
NO_ROOM = r"No space left|no room|[Dd]isk quota|cannot fit|does not fit"


def killed(point):
    place = PLACES[point.number % len(PLACES)]
    point.what = f"SIGKILL of rank {point.rank} of {point.ranks} at {place}"
    job, process = point.start_at(place)
    os.kill(process, signal.SIGKILL)
    point.stopped(job, KILLED)
    point.resumed()


def terminated(point):
    place = PLACES[point.number % len(PLACES)]
    everybody = point.number % 2 == 1
    point.what = f"SIGTERM of {'all ranks' if everybody else f'rank {point.rank}'} of {point.ranks} at {place}"
    job, process = point.start_at(place)
    for one in job.ranks().values() if everybody else [process]:
        os.kill(one, signal.SIGTERM)
    os.kill(process, signal.SIGCONT)
    ended, point.to_stop = job.end()
    # A warning that comes when nothing is left to stop is too late, and the run is done.
    if ended != 0 or place != "finish":
        require(ended == 4, f"the job ended with {ended}, not 4\n{job.text()}")
        require("stopped by signal" in job.text(), f"the messages do not say 'stopped by signal'\n{job.text()}")
    point.left_in_order()
    point.resumed()


def frozen(point):
    place = PLACES[point.number % len(PLACES)]
    point.what = f"SIGSTOP, then SIGKILL, of rank {point.rank} of {point.ranks} at {place}"
    job, process = point.start_at(place)
    time.sleep(point.rng.uniform(0.5, 2))
    require(job.process.poll() is None, "the job ended while a rank stood still")
    os.kill(process, signal.SIGKILL)
    point.stopped(job, KILLED)
    point.resumed()


def at_any_time(point):
    sent = point.rng.choice((signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP))
    after = point.rng.uniform(0.3, 1) * point.bench.seconds
    point.what = f"{sent.name} of rank {point.rank} of {point.ranks} after {after:.2f} s"
    job = Job(point, point.ranks)
    time.sleep(after)
    process = job.ranks().get(point.rank)
    if process is None or job.process.poll() is not None:
        point.hit = False
        job.kill() if job.process.poll() is None else job.end()
    else:
        os.kill(process, sent)
        if sent == signal.SIGSTOP:
            time.sleep(0.5)
            os.kill(process, signal.SIGKILL)
        ended, point.to_stop = job.end()
        if ended == 0:
            point.hit = False  # the rank had nothing left to do
        else:
            require(re.search(STOPPED, job.text()), f"no cause named\n{job.text()}")
    point.left_in_order()
    point.resumed()


def starting(point):
    """While the program is loaded and MPI starts in it: mpirun 4.1 may say nothing then, and may hang."""
    sent = (signal.SIGKILL, signal.SIGTERM)[point.number % 2]
    after = point.rng.uniform(0, 0.1)
    point.what = f"{sent.name} of rank {point.rank} of {point.ranks} {after:.3f} s after it was there"
    job = Job(point, point.ranks)
    while point.rank not in (ranks := job.ranks()) and job.process.poll() is None:
        time.sleep(0.001)
    time.sleep(after)
    if job.process.poll() is None and point.rank in ranks:
        os.kill(ranks[point.rank], sent)
    ended, point.to_stop = job.end()
    point.hit = ended != 0
    require(not point.hit or re.search(STOPPED, job.text()), f"no cause named\n{job.text()}")
    point.left_in_order()
    point.resumed()


def launcher(point):
    place = PLACES[point.rng.randrange(len(PLACES))]
    sent = (signal.SIGKILL, signal.SIGTERM)[point.number % 2]
    point.what = f"{sent.name} of mpirun of {point.ranks} ranks at {place}"
    job, process = point.start_at(place)
    os.kill(job.process.pid, sent)
    os.kill(process, signal.SIGCONT)
    ended, point.to_stop = job.end()
    require(ended != 0 or (sent == signal.SIGTERM and place == "finish"), f"the job ended well\n{job.text()}")
    point.left_in_order()
    point.resumed()


def alone(point):
    place = PLACES[point.rng.randrange(len(PLACES))]
    point.what = f"rank {point.rank} of {point.ranks} fails alone at {place}"
    job = Job(point, point.ranks, environment={"LIGATURE_FAULT": f"{place}:{point.rank}:fail"})
    point.stopped(job, r"ligature: .*LIGATURE_FAULT asked for a failure", code=1)
    point.resumed()


MPI_CALLS = ("MPI_Allreduce", "MPI_Exscan", "MPI_Barrier", "MPI_Bcast", "MPI_Allgather", "MPI_Allgatherv", "MPI_Gather",
             "MPI_Alltoall", "MPI_Isend", "MPI_Irecv", "MPI_Waitsome", "MPI_Comm_dup", "MPI_Comm_set_errhandler",
             "MPI_Finalize")


def mpi_call(point):
    call = MPI_CALLS[point.number % len(MPI_CALLS)]
    once = ("MPI_Comm_dup", "MPI_Comm_set_errhandler", "MPI_Finalize")
    after = 0 if point.number < len(MPI_CALLS) or call in once else point.rng.randrange(1, 6)
    point.what = f"{call} of rank {point.rank} of {point.ranks} fails after {after} calls"
    job = Job(point, point.ranks, environment={"LIGATURE_MPI_FAULT": f"{call}:{point.rank}:{after}"},
              shim="mpi_fault_shim.so")
    ended, point.to_stop = job.end()
    if ended == 0:
        point.hit = False  # that rank made fewer such calls
        return point.same_digest()
    require(ended == 1, f"the job ended with {ended}, not 1\n{job.text()}")
    require(f"{call} failed" in job.text(), f"the messages do not say that {call} failed\n{job.text()}")
    point.left_in_order()
    point.resumed()


def disk_fault(point, call, how, part, cause):
    after = point.rng.randrange(0, 1 + point.number // 2)
    rank = -1 if point.number % 2 else point.rank
    point.what = (f"{call} of a file of {part} gives {how} on {f'rank {rank}' if rank >= 0 else 'each rank'} of "
                  f"{point.ranks} after {after} calls")
    job = Job(point, point.ranks, environment={"LIGATURE_DISK_FAULT": f"{call}:{rank}:{after}:{how}:{part}"},
              shim="fault_shim.so")
    ended, point.to_stop = job.end()
    if ended == 0:
        point.hit = False  # that rank made no such call
        return point.same_digest()
    require(ended in (1, 2, 3), f"the job ended with {ended}\n{job.text()}")
    require(re.search(cause, job.text()), f"nothing in the messages says /{cause}/\n{job.text()}")
    point.left_in_order()
    point.resumed()


def read_error(point):
    disk_fault(point, "read", "EIO", point.rng.choice(("/gp/", "/inpatient/", "/outpatient/", "/ae/", "optout",
                                                       "ligature.key", "/publish/")), r"Input/output error")


def write_error(point):
    call = point.rng.choice(("write", "write", "sync"))
    disk_fault(point, call, "EIO", point.rng.choice(("/checkpoint/", "/secure/index", "/publish/", "/secure/")),
               r"Input/output error")


def quota(point):
    disk_fault(point, "write", point.rng.choice(("EDQUOT", "ENOSPC")),
               point.rng.choice(("/checkpoint/", "/secure/index", "/publish/", "/secure/")), NO_ROOM)


def short_calls(point):
    call = ("read", "write")[point.number % 2]
    point.what = f"{call}s of {point.ranks} ranks move a part of what is asked"
    job = Job(point, point.ranks, environment={"LIGATURE_DISK_FAULT": f"{call}:-1:0:short:{point.folder}"},
              shim="fault_shim.so")
    code, _ = job.end()
    require(code == 0, f"the job ended with {code}\n{job.text()}")
    point.same_digest()


def mount(folder, size):
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(folder)], check=True)


def full_disk(point):
    folder = (point.secure, point.publish)[point.number % 2]
    size = point.rng.randrange(16, 2048) * 1024
    point.what = f"{folder.name}/ has room for {size // 1024} KiB"
    mount(folder, size)
    try:
        job = Job(point, point.ranks)
        ended, point.to_stop = job.end()
        if ended == 0:
            point.hit = False
            return point.same_digest()
        require(ended in (1, 3), f"the job ended with {ended}\n{job.text()}")
        require(re.search(NO_ROOM, job.text()), f"nothing in the messages says /{NO_ROOM}/\n{job.text()}")
        point.left_in_order()
        subprocess.run(["mount", "-o", "remount,size=1g", str(folder)], check=True)
        point.resumed()
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def damage(point, path):
    """Flips a bit of a file or cuts its end off; says which."""
    size = path.stat().st_size
    if point.rng.random() < 0.5 and size > 0:
        place = point.rng.randrange(size)
        with open(path, "r+b") as file:
            file.seek(place)
            byte = file.read(1)[0] ^ (1 << point.rng.randrange(8))
            file.seek(place)
            file.write(bytes([byte]))
        return f"a bit of byte {place} of {size} of {path.name} flipped"
    place = point.rng.randrange(max(size, 1))
    os.truncate(path, place)
    return f"{path.name} cut from {size} to {place} bytes"


def checkpoint(point):
    place = point.rng.choice(STAGES[STAGES.index("identities"):])
    point.stop_at(place)
    files = sorted(path for path in (point.secure / "scratch" / "checkpoint").rglob("*") if path.is_file())
    require(files, f"there is no checkpoint at {place}")
    path = files[point.rng.randrange(len(files))]
    where = path.relative_to(point.secure / "scratch" / "checkpoint")
    point.what = f"killed at {place}, then of {where}: {damage(point, path)}"
    point.resumed()


def read_again(point):
    """Rows of objectors are known by their place in the input: rows read again on other ranks lose the same ones."""
    point.stop_at("persons")
    rows = point.secure / "scratch" / "checkpoint" / "rows"
    path = point.rng.choice(sorted(rows.glob("0*")))
    point.what = f"killed at persons, then of rows: {damage(point, path)}"
    point.resumed("checkpoint 'rows' cannot be used(.|\n)*resuming after 'clusters'")


def shard(point):
    """Killed within intake, whose whole parts are taken up again; one that was damaged is read again."""
    place = f"checkpoint-rows-{point.rng.randrange(1, 4):02}"
    point.what = f"SIGKILL of rank 0 of {point.ranks} at {place}"
    job, process = point.start_at(place, 0, "--checkpoint", "shards")
    os.kill(process, signal.SIGKILL)
    point.stopped(job, KILLED)
    says = "checkpoint 'rows-00' is taken up"
    if point.number % 2 == 1:
        path = point.rng.choice(sorted((point.secure / "scratch" / "checkpoint" / "rows-00").iterdir()))
        point.what += f", then of rows-00/{path.name}: {damage(point, path)}"
        says = "checkpoint 'rows-00' cannot be used"
    point.resumed(says)


def changed_input(point):
    """Inputs that changed while the job lay still are refused by name; with the old ones it goes on."""
    point.stop_at(point.rng.choice(STAGES[STAGES.index("identities"):]))
    path = sorted(point.folder.glob("*/*.csv"))[point.rng.randrange(4)]
    kept = path.with_suffix(".kept")
    shutil.copy2(path, kept)
    point.what = f"killed, then {damage(point, path)}"
    job = Job(point, 2, "--resume")
    code, _ = job.end()
    require(code == 2, f"a resumed job with another input ended with {code}, not 2\n{job.text()}")
    require(path.name in job.text(), f"the changed input is not named\n{job.text()}")
    os.replace(kept, path)
    point.resumed()


def broken_archive(point):
    """A compressed extract that lost its end or a bit ends the job; put right, it gives the same answer."""
    path = sorted(point.folder.glob("*/*.csv"))[point.rng.randrange(4)]
    text = path.read_bytes()
    whole = gzip.compress(text, 1, mtime=0)
    path.write_bytes(whole)
    os.truncate(path, point.rng.randrange(20, len(whole)))
    point.what = f"{path.name} is a gzip file cut from {len(whole)} to {path.stat().st_size} bytes"
    job = Job(point, point.ranks)
    point.stopped(job, re.escape(path.name) + ".*(ends early|broken)")
    path.write_bytes(text)
    point.resumed()


def vanished_input(point):
    path = sorted(point.folder.glob("*/*.csv"))[point.rng.randrange(4)]
    away = path.with_suffix(".away")
    point.what = f"{path.name} vanishes before it is read"
    job, process = point.start_at("intake", rank=0)
    os.rename(path, away)
    os.kill(process, signal.SIGCONT)
    ended, point.to_stop = job.end()
    if ended == 0:
        point.hit = False  # others had read it by then
        point.same_digest()
    else:
        require(path.name in job.text(), f"the vanished input is not named\n{job.text()}")
        point.left_in_order()
    os.rename(away, path)
    point.resumed()


def dataset(point):
    """A published dataset that was damaged is not believed; the job run again makes it whole."""
    for name in ("dataset.h5", "manifest.json"):
        point.publish.mkdir(parents=True, exist_ok=True)
    shutil.copytree(point.bench.finished / "run", point.folder / "run", dirs_exist_ok=True)
    path = point.publish / "dataset.h5"
    before = path.read_bytes()
    point.what = f"of a finished run: {damage(point, path)}"
    began = time.monotonic()
    done = point.run("digest", point.publish)
    point.to_stop = time.monotonic() - began
    if done.returncode == 0:
        # Bytes that nothing reads: HDF5's own spare room.
        require(done.stdout.strip() == point.bench.digest, "another digest, and no complaint")
        require(len(before) == path.stat().st_size, "a shorter file, and no complaint")
        point.hit = False
    else:
        require("dataset.h5" in done.stderr, f"the dataset is not named\n{done.stderr}")
    point.resumed()


def second_run(point):
    place = point.rng.choice(PLACES[1:])
    point.what = f"a second job of the same run while the first is at {place}"
    job, process = point.start_at(place)
    began = time.monotonic()
    other = Job(point, 2)
    code, _ = other.end()
    point.to_stop = time.monotonic() - began
    require(code == 1 and "another run" in other.text(), f"the second job ended with {code}\n{other.text()}")
    os.kill(process, signal.SIGCONT)
    code, _ = job.end()
    require(code == 0, f"the first job ended with {code}\n{job.text()}")
    point.same_digest()
    point.left_in_order()


def lost_host(point):
    place = point.rng.choice(STAGES[1:-1])
    host = point.rng.randrange(1, 5)
    point.what = f"one of four hosts loses its link at {place}"
    script = Path(__file__).parent / "cluster" / "hosts.sh"
    done = subprocess.run(["bash", str(script), "--cut", point.bench.ligature, str(point.job), place, str(host)],
                          env=dict(ENVIRONMENT, EXPECTED_DIGEST=point.bench.digest), capture_output=True, text=True,
                          timeout=300, check=False)
    require(done.returncode == 0, done.stdout + done.stderr)
    point.to_stop, point.to_resume = map(float, re.search(r"after ([\d.]+) s, .* in ([\d.]+) s", done.stdout).groups())
    point.same_digest()


def can_mount():
    return os.geteuid() == 0 and subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False
    ).returncode == 0


def can_make_hosts():
    script = Path(__file__).parent / "cluster" / "namespaces.sh"
    return subprocess.run(["bash", "-c", f". '{script}' && can_make_hosts"], capture_output=True,
                          check=False).returncode == 0


# Name: function, points in the quick version, points in the full one, what the table calls it, what it needs.
KINDS = {
    "kill": (killed, 2, 32, "SIGKILL of a rank, at a stage", None),
    "term": (terminated, 2, 32, "SIGTERM of one rank or all, at a stage", None),
    "freeze": (frozen, 0, 16, "SIGSTOP, later SIGKILL of a rank, at a stage", None),
    "time": (at_any_time, 1, 40, "one of the three, at any time", None),
    "start": (starting, 1, 40, "SIGKILL or SIGTERM of a rank while MPI starts", None),
    "launcher": (launcher, 0, 8, "SIGKILL or SIGTERM of mpirun", None),
    "alone": (alone, 0, 8, "a rank fails alone", None),
    "mpi": (mpi_call, 1, 28, "an MPI call fails on a rank", None),
    "full": (full_disk, 1, 16, "the disk of secure/ or publish/ is full", can_mount),
    "quota": (quota, 0, 10, "a write of one rank meets its quota", None),
    "read": (read_error, 0, 12, "EIO when reading", None),
    "write": (write_error, 1, 12, "EIO when writing or syncing", None),
    "short": (short_calls, 1, 6, "reads and writes that move a part (the job goes on)", None),
    "checkpoint": (checkpoint, 2, 24, "a checkpoint flipped or cut between jobs", None),
    "rows": (read_again, 1, 8, "the checkpoint of rows flipped or cut, that of clusters used", None),
    "shard": (shard, 1, 16, "SIGKILL between parts of intake, every other part damaged", None),
    "input": (changed_input, 1, 8, "an extract changed between jobs (refused until put back)", None),
    "archive": (broken_archive, 0, 6, "a compressed extract cut", None),
    "vanish": (vanished_input, 0, 4, "an extract vanishes", None),
    "dataset": (dataset, 1, 16, "the finished dataset flipped or cut", None),
    "second": (second_run, 1, 4, "a second job of the same run (refused)", None),
    "host": (lost_host, 0, 6, "a host of four drops off the network", can_make_hosts),
}


def span(values):
    values = [value for value in values if value is not None]
    return f"{statistics.median(values):.1f} / {max(values):.1f}" if values else ""


def table(results):
    lines = ["| fault | points | survived | to stop, s | to resume, s | same digest |", "|---|---:|---:|---:|---:|---|"]
    for kind, points in results.items():
        tried = [point for point in points if point.hit]
        good = [point for point in tried if not point.broken]
        same = "all" if len(good) == len(tried) else f"{len(good)} of {len(tried)}"
        lines.append(f"| {KINDS[kind][3]} | {len(tried)} | {len(good)} | {span([p.to_stop for p in tried])} | "
                     f"{span([p.to_resume for p in tried])} | {same} |")
    every = [point for points in results.values() for point in points if point.hit]
    good = [point for point in every if not point.broken]
    lines.append(f"| all | {len(every)} | {len(good)} | {span([p.to_stop for p in every])} | "
                 f"{span([p.to_resume for p in every])} | {'all' if len(good) == len(every) else 'not all'} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ligature")
    parser.add_argument("mpiexec")
    parser.add_argument("scratch", type=Path)
    parser.add_argument("shims", type=Path)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=list(KINDS))
    parser.add_argument("--points", type=int)
    parser.add_argument("--table", type=Path)
    arguments = parser.parse_args()
    bench = Bench(arguments)
    results, failed = {}, 0
    for kind in arguments.kinds:
        function, quick, full, _, needs = KINDS[kind]
        count = arguments.points or (full if arguments.full else quick)
        if count and needs and not needs():
            print(f"{kind}: skipped, this machine does not allow it", flush=True)
            continue
        for number in range(count):
            point = Point(bench, kind, number)
            point.broken = None
            try:
                function(point)
                shutil.rmtree(point.folder)
            except (Broken, subprocess.SubprocessError, OSError) as problem:
                point.broken = str(problem)
                failed += 1
            times = " ".join(f"{name} {value:.1f} s" for name, value in
                             (("stopped in", point.to_stop), ("resumed in", point.to_resume)) if value is not None)
            result = "BROKEN" if point.broken else "survived" if point.hit else "not hit"
            print(f"{point.name}: {result}: {point.what} {times}", flush=True)
            if point.broken:
                print(point.broken, flush=True)
            results.setdefault(kind, []).append(point)
    print(f"seed {bench.seed}; undisturbed: {bench.seconds:.1f} s\n{table(results)}")
    if arguments.table:
        arguments.table.write_text(table(results))
    if not failed:
        shutil.rmtree(bench.scratch)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
