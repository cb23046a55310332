"""What a fault point is made of: a population, a job under mpirun that can be watched and broken, and what must hold of
it afterwards (faults.py has the kinds of faults)."""
import fcntl
import os
import random
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

from mpi_environment import ENVIRONMENT

PEOPLE = 4_000
SECONDS_TO_STOP = 60


class Broken(Exception):
    """A promise that a fault point found broken."""


def require(holds, otherwise):
    if not holds:
        raise Broken(otherwise)


class Job:
    """One rebuild under mpirun, known from all other processes by a token in its environment."""

    def __init__(self, point, ranks, *options, environment=None, shim=None):
        self.token = f"{point.name}-{os.getpid()}-{time.monotonic_ns()}"
        self.log = point.folder / f"log-{time.monotonic_ns()}"
        command = [point.bench.mpiexec, "-n", str(ranks)]
        environment = dict(environment or {})
        if shim:
            environment["LD_PRELOAD"] = str(point.bench.shims / shim)
            environment["ASAN_OPTIONS"] = "detect_leaks=0:verify_asan_link_order=0"
        for name, value in environment.items():
            command += ["-x", f"{name}={value}"]
        command += [point.bench.ligature, "rebuild", *options, str(point.job)]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                            env=dict(ENVIRONMENT, LIGATURE_FAULT_POINT=self.token))

    def text(self):
        return self.log.read_text(errors="replace")

    def processes(self):
        """Everything that the job started and that still runs."""
        token = f"LIGATURE_FAULT_POINT={self.token}".encode()
        found = []
        for entry in os.scandir("/proc"):
            if entry.name.isdigit():
                try:
                    state = Path(entry.path, "stat").read_text().rsplit(")", 1)[1].split()[0]
                    if state != "Z" and token in Path(entry.path, "environ").read_bytes():
                        found.append(int(entry.name))
                except OSError:
                    pass
        return found

    def ranks(self):
        """Process ids by rank."""
        found = {}
        for process in self.processes():
            try:
                if Path(f"/proc/{process}/comm").read_text() == "ligature-start\n":
                    continue  # watches a rank, and is none
                environment = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
            except OSError:
                continue
            for setting in environment:
                if setting.startswith(b"OMPI_COMM_WORLD_RANK="):
                    found[int(setting.split(b"=")[1])] = process
        return found

    def wait_for_stopped(self, rank):
        """The process of the rank, once it has stopped itself; None if the job ends first."""
        deadline = time.monotonic() + SECONDS_TO_STOP
        while self.process.poll() is None:
            require(time.monotonic() < deadline, "the rank never came to its place")
            process = self.ranks().get(rank)
            try:
                if process and Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T":
                    return process
            except OSError:
                pass
            time.sleep(0.01)
        return None

    def end(self):
        """Waits for the end within the bound, and for every process that the job started.  Its code, and seconds."""
        began = time.monotonic()
        try:
            code = self.process.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Broken(f"the job did not end within {SECONDS_TO_STOP} s") from None
        seconds = time.monotonic() - began
        while self.processes():
            if time.monotonic() - began > SECONDS_TO_STOP:
                left = self.processes()
                self.kill()
                raise Broken(f"processes {left} outlived the job")
            time.sleep(0.02)
        return code, seconds

    def kill(self):
        for process in self.processes():
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()


class Point:
    """One fault point: its folder, its seeded choices, and what it measured."""

    def __init__(self, bench, kind, number):
        self.bench, self.name = bench, f"{kind}-{number}"
        self.rng = random.Random(f"{bench.seed}/{kind}/{number}")
        self.number = number
        self.folder = bench.scratch / self.name
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(bench.population, self.folder, copy_function=shutil.copy2)
        self.job = self.folder / "job.toml"
        self.secure, self.publish = self.folder / "run" / "secure", self.folder / "run" / "publish"
        self.ranks = self.rng.choice((2, 3, 4))
        self.rank = self.rng.randrange(self.ranks)
        self.what = ""
        self.hit = True
        self.to_stop = self.to_resume = None

    def run(self, *arguments):
        return subprocess.run([self.bench.ligature, *map(str, arguments)], env=ENVIRONMENT, capture_output=True,
                              text=True, timeout=120, check=False)

    def stopped(self, job, cause, code=None):
        """The job has met its fault: it ends, says why, and leaves no process, lock or half-made dataset."""
        ended, self.to_stop = job.end()
        text = job.text()
        require(ended != 0, f"the job ended well\n{text}")
        require(code is None or ended == code, f"the job ended with {ended}, not {code}\n{text}")
        require(re.search(cause, text), f"nothing in the messages says /{cause}/\n{text}")
        self.left_in_order()

    def left_in_order(self):
        lock = self.secure / "run.lock"
        if lock.exists():
            with open(lock, "rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    raise Broken("the lock outlived the job") from None
        if (self.publish / "dataset.h5").exists():
            self.whole_dataset()

    def whole_dataset(self):
        """A dataset that has its name is whole, whether or not the manifest beside it was written any more."""
        manifest = self.publish / "manifest.json"
        lent = not manifest.exists()
        if lent:
            shutil.copy(self.bench.finished / "run" / "publish" / "manifest.json", manifest)
        self.same_digest()
        if lent:
            manifest.unlink()

    def same_digest(self):
        done = self.run("digest", self.job)
        require(done.stdout.strip() == self.bench.digest,
                f"the digest is {done.stdout.strip()}, not {self.bench.digest}\n{done.stderr}")

    def resumed(self, says=None):
        """Goes on, on some other number of ranks, to the digest of an undisturbed run."""
        began = time.monotonic()
        job = Job(self, self.rng.choice((1, 2, 3, 4)), "--resume")
        code, _ = job.end()
        self.to_resume = time.monotonic() - began
        text = job.text()
        require(code == 0, f"the resumed job ended with {code}\n{text}")
        require(says is None or re.search(says, text), f"the resumed job does not say /{says}/\n{text}")
        self.same_digest()
        require(not (self.secure / "scratch").exists(), "scratch files outlived the run")
        self.left_in_order()

    def start_at(self, place, rank=None, *options):
        """A job whose rank stands still where the place begins, and that rank's process."""
        rank = self.rank if rank is None else rank
        job = Job(self, self.ranks, *options, environment={"LIGATURE_FAULT": f"{place}:{rank}:stop"})
        process = job.wait_for_stopped(rank)
        require(process, f"the job ended before {place}\n{job.text()}")
        return job, process

    def stop_at(self, place):
        """A job that was killed at a place, as the first half of a point about what it left."""
        job, process = self.start_at(place)
        os.kill(process, signal.SIGKILL)
        self.stopped(job, r"signal 9")


class Bench:
    """What all points share: the program, a population, and an undisturbed run of it."""

    def __init__(self, arguments):
        self.ligature, self.mpiexec, self.seed = arguments.ligature, arguments.mpiexec, arguments.seed
        self.scratch, self.shims = arguments.scratch.resolve(), arguments.shims.resolve()
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir(parents=True)
        self.population = self.scratch / "population"
        subprocess.run([self.ligature, "synth", "--people", str(PEOPLE), "--seed", "9", "--out", str(self.population)],
                       env=ENVIRONMENT, stdout=subprocess.DEVNULL, check=True)
        # Dates of birth are held against the day of the run: runs on both sides of midnight would differ.
        self.digest = None
        undisturbed = Point(self, "undisturbed", 0)
        self.finished = undisturbed.folder
        began = time.monotonic()
        job = Job(undisturbed, 2)
        code, _ = job.end()
        self.seconds = time.monotonic() - began
        require(code == 0, f"the undisturbed job ended with {code}\n{job.text()}")
        self.digest = undisturbed.run("digest", undisturbed.job).stdout.strip()
        require(re.fullmatch(r"[0-9a-f]{32}", self.digest), "the undisturbed run has no digest")
