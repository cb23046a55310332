"""Tables from the performance.json files that rebuild leaves under secure/.

performance.py stages FILE              the stages of one run beside the shortest time that its bounds allow
performance.py sizes FILE...            runs of different sizes: is the cost linear in rows?
performance.py scaling strong|weak FILE...
                                        runs on different ranks and threads; of repeats of one shape the fastest counts
performance.py consent RATE FILE...     runs with a ledger of objections (their files are with-*) and without: what do ledger
                                        and pseudonyms add, of which a core makes RATE in a second?
performance.py rates FILE               work of a core in a second, by stage, as jobs/rates.cpp lists it
"""
import json
import statistics
import sys
from pathlib import Path

GIB = 1 << 30


def table(rows):
    widths = [max(len(row[column]) for row in rows if column < len(row)) for column in range(max(map(len, rows)))]
    for number, row in enumerate(rows):
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("  ".join(cells).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))
    print()


def load(path):
    return json.loads(Path(path).read_text())


def total(stage, measure):
    return sum(stage["ranks"][measure])


def peak(run):
    """Of all ranks together, were all at their peak at once."""
    return total(run["stages"][-1], "peak_memory_bytes")


def shape(run):
    return f"{run['ranks']} x {run['threads_per_rank']}"


def cores(run):
    return run["ranks"] * run["threads_per_rank"]


def percent(share):
    return f"{100 * share:.0f} %"


def stages(path):
    run = load(path)
    rows = [["stage", "seconds", "floor", "ratio", "floor by", "CPU s", "waiting s", "queued s", "first touch s",
             "read MB", "written MB", "sent MB"]]
    times = ("cpu_seconds", "wait_seconds", "queue_seconds", "first_touch_seconds")
    floor = bounded = 0
    for stage in run["stages"]:
        bound = stage.get("bound_seconds", 0)
        bound = bound if bound >= 0.001 else 0  # less tells of nothing that a run of this size would notice
        floor += bound
        bounded += stage["seconds"] if bound else 0
        megabytes = [f"{total(stage, measure) / 1e6:,.0f}" for measure in
                     ("disk_bytes_read", "disk_bytes_written", "bytes_sent")]
        rows.append([stage["name"], f"{stage['seconds']:.2f}", f"{bound:.2f}" if bound else "",
                     f"{stage['seconds'] / bound:.1f}" if bound else "", stage.get("bound_by", "")]
                    + [f"{total(stage, measure):.2f}" for measure in times]
                    + megabytes)
    rows.append(["total", f"{run['total_seconds']:.2f}", f"{floor:.2f}" if floor else "",
                 f"{run['total_seconds'] / floor:.1f}" if floor else ""])
    table(rows)
    print(f"{run['rows']:,} rows, {run['identities']:,} identities, {run['pairs']:,} pairs, {run['persons']:,} "
          f"persons; {run['input_bytes'] / 1e9:.2f} GB read")
    print(f"{shape(run)} ranks x threads on {run['hosts']} host(s) of {run['cpus_per_host']} CPUs, {run['simd']}; "
          f"{peak(run) / GIB:.2f} GiB at the peak over all ranks; {run['launch_seconds']:.2f} s from launch to work")
    if floor:
        print(f"{run['total_seconds']:.2f} s are {run['total_seconds'] / floor:.2f} times the floor; stages with a "
              f"floor took {bounded:.2f} s.")
    print(f"CPU, waiting in MPI and queueing for a CPU are sums over ranks; threads had a CPU for "
          f"{percent(run['cpu_given'])} of the time they could have used one.")
    print()


def sizes(paths):
    runs = sorted((load(path) for path in paths), key=lambda run: run["rows"])
    rows = [["rows", "seconds", "rows/s", "GiB", "bytes/row", "pairs", "pairs/row", "MB input/s", "ranks x threads"]]
    for run in runs:
        rows.append([f"{run['rows']:,}", f"{run['total_seconds']:.2f}", f"{run['rows'] / run['total_seconds']:,.0f}",
                     f"{peak(run) / GIB:.2f}", f"{peak(run) / run['rows']:.0f}", f"{run['pairs']:,}",
                     f"{run['pairs'] / run['rows']:.1f}", f"{run['input_bytes'] / run['total_seconds'] / 1e6:.0f}",
                     shape(run)])
    table(rows)
    names = [stage["name"] for stage in runs[-1]["stages"]]
    rows = [["microseconds of the job per row"] + [f"{run['rows']:,}" for run in runs]]
    for name in names:
        cells = []
        for run in runs:
            seconds = sum(stage["seconds"] for stage in run["stages"] if stage["name"] == name)
            cells.append(f"{1e6 * seconds / run['rows']:.3f}")
        rows.append([name] + cells)
    table(rows)


def scaling(kind, paths):
    fastest = {}
    for run in map(load, paths):
        key = run["ranks"], run["threads_per_rank"]
        if key not in fastest or run["total_seconds"] < fastest[key]["total_seconds"]:
            fastest[key] = run
    runs = sorted(fastest.values(), key=lambda run: (cores(run), run["ranks"]))
    base = runs[0]
    header = ["ranks x threads", "rows", "seconds", "speed-up" if kind == "strong" else "rate-up", "efficiency",
              "balance", "messages", "threads", "sent MB", "waiting", "CPU given", "GiB"]
    rows, beyond = [header], False
    for run in runs:
        # In weak scaling rows grow with cores, so that the rate of rows must.
        up = base["total_seconds"] / run["total_seconds"] * run["rows"] / base["rows"]
        ideal = cores(run) / cores(base)
        time = sum(stage["seconds"] for stage in run["stages"])
        weighted = {measure: sum(stage[measure] * stage["seconds"] for stage in run["stages"]) / time
                    for measure in ("load_balance", "communication_efficiency", "thread_efficiency")}
        waiting = sum(total(stage, "wait_seconds") for stage in run["stages"]) / (time * run["ranks"])
        over = cores(run) > run["hosts"] * run["cpus_per_host"]
        beyond = beyond or over
        rows.append([shape(run) + (" *" if over else ""), f"{run['rows']:,}", f"{run['total_seconds']:.2f}",
                     f"{up:.2f}",
                     percent(up / ideal), percent(weighted["load_balance"]),
                     percent(weighted["communication_efficiency"]), percent(weighted["thread_efficiency"]),
                     f"{sum(total(stage, 'bytes_sent') for stage in run['stages']) / 1e6:,.0f}", percent(waiting),
                     percent(run["cpu_given"]),
                     f"{peak(run) / GIB:.2f}"])
    table(rows)
    if beyond:
        print("* more threads than CPUs: shows what more ranks cost, not what more cores would give\n")
    for run in runs:
        rows = [[f"stage, {shape(run)}", "seconds", "balance", "messages", "ranks", "threads", "sent MB", "waiting s",
                 "of bound"]]
        for stage in run["stages"]:
            rows.append([stage["name"], f"{stage['seconds']:.2f}", percent(stage["load_balance"]),
                         percent(stage["communication_efficiency"]), percent(stage["parallel_efficiency"]),
                         percent(stage["thread_efficiency"]), f"{total(stage, 'bytes_sent') / 1e6:,.1f}",
                         f"{total(stage, 'wait_seconds') / run['ranks']:.2f}",
                         percent(stage["percent_of_bound"] / 100) if "percent_of_bound" in stage else ""])
        table(rows)


def consent(rate, paths):
    ledger = [load(path) for path in paths if Path(path).name.startswith("with-")]
    plain = [load(path) for path in paths if not Path(path).name.startswith("with-")]
    measures = {"seconds": lambda stage: stage["seconds"], "CPU s": lambda stage: total(stage, "cpu_seconds")}

    def times(runs, measure, name=None):
        """Of each run: of the stage of that name, or of all."""
        return [sum(measures[measure](stage) for stage in run["stages"] if name in (None, stage["name"]))
                for run in runs]

    rows = [["median (least-most)"] + [f"{measure}, {kind}" for measure in measures
                                       for kind in ("without", "with ledger", "more")]]
    for name in [None] + [stage["name"] for stage in ledger[0]["stages"]]:
        rows.append([name or "all"])
        for measure in measures:
            both = [times(runs, measure, name) for runs in (plain, ledger)]
            rows[-1] += [f"{statistics.median(each):.2f} ({min(each):.2f}-{max(each):.2f})" for each in both]
            rows[-1].append(f"{statistics.median(both[1]) - statistics.median(both[0]):+.2f}")
    table(rows)
    run = ledger[0]
    print(f"{len(ledger)} runs each on {shape(run)} ranks x threads, {run['simd']}; {run['rows']:,} rows, of which "
          f"{plain[0]['rows_kept']:,} are linked without and {run['rows_kept']:,} with the ledger; {run['persons']:,} "
          f"persons at {rate / 1e6:.1f} million pseudonyms a second and core")
    for measure, share in (("seconds", cores(run)), ("CPU s", 1)):
        without, with_ledger = (statistics.median(times(runs, measure)) for runs in (plain, ledger))
        added, naming = with_ledger - without, run["persons"] / rate / share
        print(f"{measure}: ledger {added:+.2f}, pseudonyms (reckoned) {naming:+.2f}, together "
              f"{percent((added + naming) / (without - naming))} of the {without - naming:.2f} without either")
    print()


def rates(path):
    run = load(path)
    per = {"intake": "input_bytes", "identities": "rows_kept", "publish": "rows_kept",
           "index": "rows_kept"}
    rows = [["stage", "work", "a second and core"]]
    for stage in run["stages"]:
        work = per.get(stage["name"], "identities")
        if stage["name"] not in ("start", "finish"):
            rows.append([stage["name"], work, f"{run[work] / stage['seconds'] / cores(run):.3g}"])
    table(rows)


def main(arguments):
    if len(arguments) == 2 and arguments[0] == "stages":
        stages(arguments[1])
    elif len(arguments) == 2 and arguments[0] == "rates":
        rates(arguments[1])
    elif len(arguments) >= 3 and arguments[0] == "consent":
        consent(float(arguments[1]), arguments[2:])
    elif len(arguments) >= 2 and arguments[0] == "sizes":
        sizes(arguments[1:])
    elif len(arguments) >= 3 and arguments[0] == "scaling" and arguments[1] in ("strong", "weak"):
        scaling(arguments[1], arguments[2:])
    else:
        sys.exit(__doc__)


main(sys.argv[1:])
