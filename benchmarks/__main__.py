"""Measure, and write what was measured: ``python -m benchmarks``."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from benchmarks.catalogue import ALL_WORKS, PUSHES, SUBJECTS, WORKS, Size
from benchmarks.extras import measure_memory
from benchmarks.imports import measure_imports
from benchmarks.machine import describe_machine, lines, versions
from benchmarks.processes import Server, start_server
from benchmarks.report import RESULTS, machine_notes, work_lines, write_report
from benchmarks.rounds import default_subjects, measure_push, measure_work, tell
from benchmarks.stall import measure_stall
from benchmarks.targets import TARGETS, check_lines

PUSH_SIZES = {
    # Rounds, and waits of each subject in one.
    ("push-1", False): Size(3, 12),
    ("push-1", True): Size(5, 60),
    ("push-1000", False): Size(3, 1),
    ("push-1000", True): Size(9, 1),
}
MEMORY_JOBS = {False: 20_000, True: 100_000}
STALL_JOBS = {False: 100_000, True: 1_000_000}
IMPORT_ROUNDS = {False: 15, True: 31}


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--work", action="append", choices=ALL_WORKS, help="only this work; may be repeated"
    )
    parser.add_argument(
        "--subject", action="append", choices=SUBJECTS, help="only this one; may be repeated"
    )
    parser.add_argument("--rounds", type=int, help="rounds that count, in place of each work's own")
    parser.add_argument("--calls", type=int, help="calls or jobs in a round, in place of its own")
    parser.add_argument("--full", action="store_true", help="the long run")
    parser.add_argument(
        "--check", action="store_true", help="fail if a figure falls below the project's goals"
    )
    parser.add_argument(
        "--output", default=str(RESULTS), help="directory of what is written (%(default)s)"
    )
    options = parser.parse_args(arguments)
    for value in (options.rounds, options.calls):
        if value is not None and value < 1:
            parser.error("there must be rounds and calls")
    return options


def chosen_works(options: argparse.Namespace) -> list[str]:
    """Give the names of the works to be measured."""
    if options.work:
        return [name for name in ALL_WORKS if name in options.work]
    if options.check:
        needed = {target.work for target in TARGETS}
        return [name for name in ALL_WORKS if name in needed]
    return [
        name for name in ALL_WORKS if options.full or name not in WORKS or not WORKS[name].full_only
    ]


def sized(size: Size, options: argparse.Namespace) -> Size:
    """Change a size as the command line asks."""
    return Size(options.rounds or size.rounds, options.calls or size.calls)


def measure(name: str, options: argparse.Namespace, server: Server) -> dict[str, Any]:
    """Measure one work."""
    subjects = tuple(
        subject
        for subject in default_subjects(name)
        if not options.subject or subject in options.subject
    )
    full = options.full
    if name in WORKS:
        work = WORKS[name]
        return measure_work(
            work, sized(work.full if full else work.quick, options), subjects, server
        )
    if name in PUSHES:
        size = sized(PUSH_SIZES[name, full], options)
        return measure_push(name, size.rounds, size.calls, subjects, server)
    if name == "memory":
        return measure_memory(options.calls or MEMORY_JOBS[full], server)
    if name == "stall":
        return measure_stall(options.calls or STALL_JOBS[full], server)
    return measure_imports(options.rounds or IMPORT_ROUNDS[full])


def main() -> int:
    """Measure all that is asked for, print it as it comes, and write it."""
    options = parse()
    start = time.perf_counter()
    with start_server() as server:
        machine = describe_machine(server.version)
        tell("\n".join(lines(machine)))
        works: dict[str, Any] = {}
        packages: dict[str, dict[str, str]] = {}
        for name in chosen_works(options):
            begin = time.perf_counter()
            tell(f"\n{name} ...")
            works[name] = found = measure(name, options, server)
            packages.update(found.pop("packages", {}))
            tell("\n".join(work_lines(name, found)))
            tell(f"  ({time.perf_counter() - begin:.0f} s)")
    machine["packages"] = versions(packages)
    machine["seconds"] = round(time.perf_counter() - start)
    machine["full"] = options.full
    tell("\n" + "\n".join(lines(machine)))
    tell(machine_notes(machine))
    written = write_report({"machine": machine, "works": works}, options.output)
    tell("\nWritten: " + ", ".join(str(path) for path in written))
    if not options.check:
        return 0
    found_lines, met = check_lines(works)
    tell("\n" + "\n".join(found_lines))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
