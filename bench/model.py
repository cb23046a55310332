"""What a rebuild would take on a big machine, from performance.json files of runs on a small one.

model.py predict FILE... [--nodes 64] [--cores 64] [--ranks 4] [--rows 1e10] [--identities 3e8] [--persons 6e7] ...
model.py check FILE...   [--machine-cores N] [--link BYTES]

A stage's time is that of its cores or of its disk, whichever is longer, and of its messages:

  cores     (fixed * ranks + each * work) / (ranks * threads * E(threads)) / balance / derate, where fixed and each are
            CPU seconds outside MPI, by least squares over the runs, and E(t) = 1 / (1 + serial * (t - 1)) is Amdahl's
            law with the stage's own serial share
  disk      bytes read and written / what the file system carries
  messages  bytes through a node's link, bytes between ranks of a node, and calls * log2(ranks) * latency

Work is rows, identities, pairs or persons; pairs grow as x * identities + y * identities^2, by least squares over
runs of different sizes (the pass on dates of birth is the square).  check leaves each run out in turn, fits the others,
and says how far the prediction of the one left out is from what was measured.
"""
import argparse
import json
import math
from pathlib import Path

# What a stage's time grows with; the others are the same for any input.
WORK = {"intake": ["input_bytes"], "identities": ["rows_kept"], "survey": ["identities"], "numbers": ["identities"],
        "pairs": ["identities", "pairs"], "clusters": ["identities"], "persons": ["persons"],
        "estimates": ["identities"], "publish": ["rows_kept"], "index": ["rows_kept"]}


def solve(columns, values):
    """Least squares of relative errors with no negative coefficient: columns are few, so all subsets are tried."""
    best = None
    for subset in range(1 << len(columns)):
        used = [c for c in range(len(columns)) if subset >> c & 1]
        matrix = [[sum(columns[a][i] * columns[b][i] / values[i] ** 2 for i in range(len(values))) for b in used]
                  + [sum(columns[a][i] / values[i] for i in range(len(values)))] for a in used]
        coefficients = eliminate(matrix)
        if coefficients is None or any(c < 0 for c in coefficients):
            continue
        full = [0.0] * len(columns)
        for position, column in enumerate(used):
            full[column] = coefficients[position]
        error = sum((sum(full[c] * columns[c][i] for c in range(len(columns))) / values[i] - 1) ** 2
                    for i in range(len(values)))
        # A further term must be worth it: equal sizes cannot tell a fixed cost from one that grows.
        if best is None or error < best[0] - 1e-9:
            best = error, full
    return best[1]


def eliminate(matrix):
    """Gauss; None if singular."""
    n = len(matrix)
    for i in range(n):
        pivot = max(range(i, n), key=lambda row: abs(matrix[row][i]))
        if abs(matrix[pivot][i]) <= 1e-9 * max((abs(x) for x in matrix[pivot]), default=0) or matrix[pivot][i] == 0:
            return None
        matrix[i], matrix[pivot] = matrix[pivot], matrix[i]
        for row in range(n):
            if row != i:
                factor = matrix[row][i] / matrix[i][i]
                matrix[row] = [x - factor * y for x, y in zip(matrix[row], matrix[i])]
    return [matrix[i][n] / matrix[i][i] for i in range(n)]


def total(stage, measure):
    return sum(stage["ranks"][measure])


def mean(values, default=0.0):
    values = list(values)
    return sum(values) / len(values) if values else default


class Stage:
    """One stage's rates, from all runs that have it."""

    def __init__(self, name, runs):
        self.name, self.work = name, WORK.get(name, [])
        found = [(run, stage) for run in runs for stage in run["stages"] if stage["name"] == name]
        cpu = [max(1e-6, total(stage, "cpu_seconds") - total(stage, "wait_cpu_seconds")) for _, stage in found]
        columns = [[run["ranks"] for run, _ in found]] + [[run[kind] for run, _ in found] for kind in self.work]
        self.fixed, *self.each = solve(columns, cpu)
        per = self.work[0] if self.work else None
        of = [max(1, run[per]) if per else 1 for run, _ in found]
        # What goes to other ranks is (p - 1) / p of what is sent at all.
        self.sent = mean(total(stage, "bytes_sent") * run["ranks"] / (run["ranks"] - 1) / n
                         for (run, stage), n in zip(found, of) if run["ranks"] > 1)
        self.disk = mean((total(stage, "disk_bytes_read") + total(stage, "disk_bytes_written")) / n
                         for (_, stage), n in zip(found, of))
        self.calls = min(total(stage, "waits") / run["ranks"] for run, stage in found)
        own = [(run, stage) for run, stage in found if run["ranks"] * run["threads_per_rank"] <= run["cpus_per_host"]]
        self.balance = min((stage["load_balance"] for run, stage in own if run["ranks"] > 1), default=1.0)
        # A thread that others keep from a CPU is not idle for want of work.
        busy = [(run["threads_per_rank"], (total(stage, "cpu_seconds") - total(stage, "wait_cpu_seconds")
                                           + total(stage, "queue_seconds"))
                 / max(1e-9, run["threads_per_rank"] * (total(stage, "seconds") - total(stage, "wait_seconds"))))
                for run, stage in own if run["threads_per_rank"] > 1]
        serial = [(1 / min(1, max(share, 1e-3)) - 1) / (threads - 1) for threads, share in busy]
        self.serial = min(1.0, mean(serial)) if serial else None

    def seconds(self, job, machine):
        threads = machine.threads
        efficiency = 1 / (1 + (self.serial or 0) * (threads - 1))
        ranks = machine.nodes * machine.ranks
        cores = min(ranks * threads * efficiency, machine.machine_cores or math.inf)
        cpu = (self.fixed * ranks + sum(c * job[kind] for c, kind in zip(self.each, self.work))) / cores
        cpu /= self.balance * machine.derate if ranks > 1 else machine.derate
        amount = job[self.work[0]] if self.work else 1
        # Extracts may have come from the page cache here; on a machine that meets them first they do not.
        each_disk = max(self.disk, 1) if self.name == "intake" and machine.cold else self.disk
        disk = each_disk * amount / machine.disk
        sent = self.sent * amount
        beyond = sent * (1 - 1 / machine.nodes)
        inside = sent / machine.nodes * (1 - 1 / machine.ranks)
        messages = beyond / (machine.nodes * machine.link) + inside / (ranks * machine.copy)
        messages += self.calls * math.log2(max(ranks, 1)) * machine.latency
        return max(cpu, disk), messages, "disk" if disk > cpu else "cores"


class Model:
    def __init__(self, runs):
        names = dict.fromkeys(stage["name"] for run in runs for stage in run["stages"])
        self.stages = [Stage(name, runs) for name in names]
        identities = [run["identities"] for run in runs]
        self.pairs = solve([identities, [n * n for n in identities]], [max(1, run["pairs"]) for run in runs])

    def seconds(self, job, machine):
        return sum(sum(stage.seconds(job, machine)[:2]) for stage in self.stages)


def load(paths):
    return [json.loads(Path(path).read_text()) for path in paths]


def predict(machine):
    runs = load(machine.files)
    model = Model(runs)
    largest = max(runs, key=lambda run: run["rows"])
    n = machine.identities
    job = {"rows_kept": machine.rows * largest["rows_kept"] / largest["rows"], "identities": n,
           "persons": machine.persons,
           "input_bytes": machine.rows * largest["input_bytes"] / largest["rows"],
           "pairs": model.pairs[0] * n + model.pairs[1] * n * n}
    print(f"{machine.nodes} nodes x {machine.ranks} ranks x {machine.threads} threads, {machine.rows:.3g} rows\n")
    print(f"{'stage':12}{'seconds':>9}{'messages':>10}  {'bound by':8}{'ns CPU each':>14}{'serial':>9}{'balance':>9}")
    whole = 0
    for stage in model.stages:
        compute, messages, by = stage.seconds(job, machine)
        whole += compute + messages
        each = " + ".join(f"{1e9 * c:.2f}" for c in stage.each)
        serial = "not run" if stage.serial is None else f"{100 * stage.serial:.1f} %"
        print(f"{stage.name:12}{compute + messages:9.2f}{messages:10.2f}  {by:8}{each:>14}{serial:>9}"
              f"{stage.balance:9.2f}")
    print(f"{'total':12}{whole:9.2f}   and {machine.launch:g} s to launch\n")
    sizes = len({run["identities"] for run in runs})
    print("Assumptions:")
    for line in (
            f"rates of {len(runs)} runs of {min(r['rows'] for r in runs):,} to {largest['rows']:,} rows on "
            f"{runs[0]['simd']}; a core there is as fast, but for memory that a node's cores share: {machine.derate:g}",
            f"{n:.3g} identities of {machine.persons:.3g} persons; {job['pairs']:.3g} pairs"
            + ("" if sizes > 1 else " (one size only: all of them taken to grow in proportion)"),
            f"{job['input_bytes'] / machine.rows:.0f} bytes a row; file system {machine.disk / 1e9:g} GB/s, for all",
            f"{machine.link / 1e9:g} GB/s out of a node, {machine.copy / 1e9:g} GB/s between ranks of a node, each; "
            f"{1e6 * machine.latency:g} us a call and doubling of ranks",
            "load balance as measured here (tiles and shards are dealt by count: it does not fall with ranks until "
            "each has few of the 4,096 shards)",
            "serial share of a stage's threads as measured here; where no run had two threads to a rank, none"):
        print("  - " + line)


def check(machine):
    runs = load(machine.files)
    if len(runs) < 3:
        raise SystemExit("check needs three runs or more: one is left out, the others are fitted")
    print(f"{'rows':>12}{'hosts':>7}{'ranks':>7}{'threads':>9}{'measured':>10}{'predicted':>11}{'ratio':>8}"
          f"{'CPU given':>11}")
    ratios = []
    for left_out in runs:
        model = Model([run for run in runs if run is not left_out])
        machine.nodes = left_out["hosts"]
        machine.ranks = left_out["ranks"] / left_out["hosts"]
        machine.threads = left_out["threads_per_rank"]
        predicted, measured = model.seconds(left_out, machine), left_out["total_seconds"]
        ratios.append(predicted / measured)
        print(f"{left_out['rows']:12,}{left_out['hosts']:7}{left_out['ranks']:7}{machine.threads:9}{measured:10.2f}"
              f"{predicted:11.2f}{ratios[-1]:8.2f}{100 * left_out['cpu_given']:9.0f} %")
    print("Where less than all CPU time was given, other work held the CPUs, or the run had more threads than CPUs.")
    print(f"predicted / measured: {min(ratios):.2f} to {max(ratios):.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    number = float
    for name, action, defaults in (
            ("predict", predict, {"link": 15e9, "disk": 100e9, "derate": 0.7, "machine_cores": None}),
            ("check", check, {"link": 1e12, "disk": 2e9, "derate": 1.0, "machine_cores": None})):
        command = commands.add_parser(name)
        command.add_argument("files", nargs="+", metavar="FILE")
        command.add_argument("--link", type=number, default=defaults["link"], help="bytes a second out of a node")
        command.add_argument("--disk", type=number, default=defaults["disk"], help="bytes a second of the file system")
        command.add_argument("--copy", type=number, default=3e9, help="bytes a second from rank to rank on a node")
        command.add_argument("--latency", type=number, default=10e-6, help="seconds of a call, by log2 of ranks")
        command.add_argument("--derate", type=number, default=defaults["derate"], help="of cores that share memory")
        command.add_argument("--machine-cores", type=int, help="cores that all ranks share, whatever hosts they name")
        if name == "predict":
            command.add_argument("--nodes", type=int, default=64)
            command.add_argument("--cores", type=int, default=64, help="of a node")
            command.add_argument("--ranks", type=int, default=4, help="of a node")
            command.add_argument("--rows", type=number, default=1e10)
            command.add_argument("--identities", type=number, default=3e8)
            command.add_argument("--persons", type=number, default=6e7)
            command.add_argument("--launch", type=number, default=5)
        command.set_defaults(action=action, cold=name == "predict")
    options = parser.parse_args()
    options.threads = getattr(options, "cores", 1) // getattr(options, "ranks", 1)
    options.action(options)


main()
