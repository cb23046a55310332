"""Opens a timeline (rebuild --trace) with Perfetto's own trace processor and says what it found.

check_trace.py TRACE.json        Python packages: perfetto (PyPI)

Exits with 1 if the trace processor met an error, or if a slice has no thread or process.  Where its program cannot be had
(the package fetches it at first use, unless PERFETTO_SHELL names it), the file is held against the Chrome trace event
format instead, and that is said.
"""
import json
import os
import sys


def with_perfetto(path):
    """Counts by what they are of, and the names of problems."""
    from perfetto.trace_processor import TraceProcessor, TraceProcessorConfig

    config = TraceProcessorConfig(bin_path=os.environ.get("PERFETTO_SHELL"))
    processor = TraceProcessor(trace=path, config=config)
    one = lambda sql: next(iter(processor.query(sql))).n
    counts = {
        "processes": one("select count(*) n from process where name like 'rank %'"),
        "threads": one("select count(distinct utid) n from thread_track"),
        "slices": one("select count(*) n from slice"),
    }
    problems = [f"{row.name}: {row.value}" for row in
                processor.query("select name, value from stats where severity = 'error' and value > 0")]
    loose = one("select count(*) n from slice left join thread_track on track_id = thread_track.id "
                "left join thread using (utid) left join process using (upid) where process.name is null")
    if loose:
        problems.append(f"{loose} slices without a process")
    processor.close()
    return counts, problems


def by_format(path):
    """The same, read as the Chrome trace event format says: complete events nest within their thread."""
    with open(path) as file:
        events = json.load(file)
    events = events["traceEvents"] if isinstance(events, dict) else events
    events = [event for event in events if event]
    problems, slices, processes = [], {}, set()
    for event in events:
        if event.get("ph") == "M":
            processes.add(event["pid"]) if event["name"] == "process_name" else None
        elif event.get("ph") == "X" and event["dur"] >= 0 and event["ts"] >= 0 and isinstance(event["name"], str):
            slices.setdefault((event["pid"], event["tid"]), []).append((event["ts"], -event["dur"]))
        else:
            problems.append(f"not an event that is known: {str(event)[:80]}")
    for (process, thread), found in slices.items():
        if process not in processes:
            problems.append(f"process {process} has no name")
        open_until = []
        for begin, minus in sorted(found):
            while open_until and open_until[-1] <= begin + 0.0005:
                open_until.pop()
            if open_until and begin - minus > open_until[-1] + 0.0015:
                problems.append(f"rank {process}, thread {thread}: a slice at {begin} us ends after the one around it")
            open_until.append(begin - minus)
    return {"processes": len(processes), "threads": len(slices), "slices": sum(map(len, slices.values()))}, problems


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        by, (counts, problems) = "Perfetto's trace processor", with_perfetto(sys.argv[1])
    except Exception as error:  # whatever the package raises when it has no program to start
        print(f"no trace processor ({type(error).__name__}: {str(error).splitlines()[0][:100]})", file=sys.stderr)
        by, (counts, problems) = "the Chrome trace event format", by_format(sys.argv[1])
    print(f"by {by}: " + ", ".join(f"{count:,} {what}" for what, count in counts.items()))
    for problem in problems[:20]:
        print(problem, file=sys.stderr)
    sys.exit(1 if problems else 0)


main()
