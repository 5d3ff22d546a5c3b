"""Break the network of each client, and write what came of it: ``python -m benchmarks.faults``."""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING, Any

from benchmarks.faults.cases import run_case
from benchmarks.faults.catalogue import CASES, SUBJECTS
from benchmarks.faults.report import cell, packages_of, write_report
from benchmarks.machine import describe_machine
from benchmarks.processes import Skipped, start_server
from benchmarks.report import RESULTS

if TYPE_CHECKING:
    from benchmarks.faults.catalogue import Case, Subject

Results = dict[str, Any]

CALLS = 50
SIDE_BY_SIDE = 10
"""How many cases run at a time: they wait for most of it."""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument(
        "--subject", action="append", choices=SUBJECTS, help="only this one; may be repeated"
    )
    parser.add_argument(
        "--fault", action="append", choices=CASES, help="only this one; may be repeated"
    )
    parser.add_argument(
        "--calls", type=int, default=CALLS, help="calls of a quick case (%(default)s)"
    )
    parser.add_argument(
        "--output", default=str(RESULTS), help="directory of what is written (%(default)s)"
    )
    options = parser.parse_args(arguments)
    if options.calls < 1:
        parser.error("there must be calls")
    return options


def run_all(subjects: list[Subject], cases: list[Case], calls: int) -> Results:
    """Run each client under each fault, several at a time, and tell of each as it ends."""
    start = time.perf_counter()
    with start_server() as server:
        machine = describe_machine(server.version)
    found: Results = {case.name: {"subjects": {}, "skipped": {}} for case in cases}
    packages: dict[str, dict[str, str]] = {}
    with ThreadPoolExecutor(SIDE_BY_SIDE) as executor:
        # Those that take long come first, so that none of them is alone in the end.
        pairs = sorted(
            ((subject, case) for case in cases for subject in subjects),
            key=lambda pair: not pair[1].is_slow,
        )
        runs = {executor.submit(run_case, *pair, calls): pair for pair in pairs}
        for run in as_completed(runs):
            subject, case = runs[run]
            try:
                result, installed = run.result()
            except Skipped as reason:
                found[case.name]["skipped"][subject.name] = str(reason)
                continue
            found[case.name]["subjects"][subject.name] = result
            packages[subject.environment] = installed
            print(f"{case.title}: {subject.label}: {cell(result)}", flush=True)
    machine["packages"] = packages_of(packages)
    machine["seconds"] = round(time.perf_counter() - start)
    return {"machine": machine, "calls": calls, "faults": found}


def main(arguments: list[str] | None = None) -> None:
    """Run all that is asked for, and write it."""
    options = parse(arguments)
    results = run_all(
        [SUBJECTS[name] for name in options.subject or SUBJECTS],
        [CASES[name] for name in options.fault or CASES],
        options.calls,
    )
    print("\nWritten: " + ", ".join(str(path) for path in write_report(results, options.output)))


if __name__ == "__main__":
    main()
