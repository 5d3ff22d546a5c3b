"""Tables of what was measured, and the files that hold it.

    python -m benchmarks.report DIRECTORY

copies the latest results into a directory, with their tables, which docs/explanation/benchmarks.md
includes.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import ratios
from benchmarks.catalogue import PUSHES, ROOT, SUBJECTS, WORKS
from benchmarks.machine import lines as machine_lines
from benchmarks.targets import evaluate

if TYPE_CHECKING:
    from collections.abc import Iterable

Results = dict[str, Any]
Rows = list[list[str]]

RESULTS = ROOT / "benchmarks" / "results"
"""Where what is measured goes."""

FILES = ("results.json", "tables.inc")
"""The measurements, and their tables in Markdown. Not .md: Sphinx would take it for a page."""


def machine_notes(machine: Results) -> str:
    """Say how to read the figures."""
    return (
        f"Measured in {machine['seconds']} s. Medians of interleaved rounds; in parentheses the "
        "least and the greatest ratio of a round. Machines are noisy: compare ratios, not rates, "
        "and not those of different runs."
    )


def _factor(spread: ratios.Spread | None) -> str:
    if spread is None:
        return ""
    return f"{spread.median:.2f} ({spread.least:.2f} .. {spread.greatest:.2f})"


def _micros(seconds: float | None, calls: int = 1) -> str:
    return "" if seconds is None else f"{seconds / calls * 1e6:,.0f}"


def _millis(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1e3:,.2f}"


def _number(found: Results, name: str) -> str:
    return f"{found[name]:g}" if name in found else ""


def _work_rows(name: str, work: Results) -> Rows:
    measured = [subject for subject in WORKS[name].subjects if subject in work["subjects"]]
    references = [subject for subject in ("arqade", "arqade-sync") if subject in measured]
    head = [
        "", f"{work['unit']}/s", "p50 µs", "p99 µs", "client CPU µs", "server CPU µs",
        "round trips", "connections",
        *(f"{SUBJECTS[reference].label} is faster by" for reference in references),
    ]  # fmt: skip
    rows = [head]
    calls = work["calls"]
    for subject in measured:
        found = work["subjects"][subject]
        rows.append(
            [
                SUBJECTS[subject].label,
                f"{ratios.rate(work, subject).median:,.0f}",
                _micros(ratios.typical(work, subject, "p50")),
                _micros(ratios.typical(work, subject, "p99")),
                _micros(ratios.typical(work, subject, "cpu"), calls),
                _micros(ratios.typical(work, subject, "server_cpu"), calls),
                _number(found, "round_trips"),
                _number(found, "connections"),
                *(
                    _factor(ratios.faster(work, reference, subject)) if subject != reference else ""
                    for reference in references
                ),
            ]
        )
    return _without_empty_columns(rows)


def _push_rows(work: Results) -> Rows:
    rows = [["", "p50 ms", "p99 ms", "waits", "connections", "arqade is sooner by"]]
    for subject, found in work["subjects"].items():
        rows.append(
            [
                SUBJECTS[subject].label,
                _millis(ratios.quantile(work, subject, 50)),
                _millis(ratios.quantile(work, subject, 99)),
                f"{sum(one['waits'] for one in found['rounds']):,}",
                _number(found, "connections"),
                _factor(ratios.sooner(work, "arqade", subject, 50)) if subject != "arqade" else "",
            ]
        )
    return rows


def _memory_rows(work: Results) -> Rows:
    rows = [["", "jobs", "peak KiB", "kept KiB", "peak bytes/job"]]
    titles = {"kept": "results kept", "discarded": "none kept", "quarter": "none kept"}
    for subject, found in work["subjects"].items():
        rows += [
            [
                f"{SUBJECTS[subject].label}, {title}",
                f"{found[way]['jobs']:,}",
                f"{found[way]['peak'] / 1024:,.0f}",
                f"{found[way]['kept'] / 1024:,.0f}",
                f"{found[way]['peak'] / found[way]['jobs']:,.0f}",
            ]
            for way, title in titles.items()
        ]
    return rows


def _stall_rows(work: Results) -> Rows:
    rows = [["while", "seconds", "longest answer ms", "slowest command ms", "which"]]
    return rows + [
        [
            found["title"], f"{found['seconds']:.2f}", _millis(found["longest"]),
            _millis(found["slowest"]), found["command"],
        ]
        for found in work["subjects"].values()
    ]  # fmt: skip


def _import_rows(work: Results) -> Rows:
    rows = [["", "ms", "ms without Python's start", "over import redis", "the same, net"]]
    for module, found in work["subjects"].items():
        row = [module, _millis(ratios.Spread.of(found["seconds"]).median)]
        if module != "nothing":
            row += [
                _millis(ratios.net_import(work, module).median),
                _factor(ratios.import_ratio(work, module, "redis", net=False)),
                _factor(ratios.import_ratio(work, module, "redis", net=True)),
            ]
        rows.append(row + [""] * (len(rows[0]) - len(row)))
    return rows


def _without_empty_columns(rows: Rows) -> Rows:
    kept = [0, *(i for i in range(1, len(rows[0])) if any(row[i] for row in rows[1:]))]
    return [[row[i] for i in kept] for row in rows]


def rows_of(name: str, work: Results) -> Rows:
    """Give a work's table, its head first; a table of only a head if nothing was measured."""
    if not work["subjects"]:
        return [["nothing was measured"]]
    if name in WORKS:
        return _work_rows(name, work)
    if name in PUSHES:
        return _push_rows(work)
    return {"memory": _memory_rows, "stall": _stall_rows, "import": _import_rows}[name](work)


def work_lines(name: str, work: Results) -> Iterable[str]:
    """Lay a work's table out for a terminal."""
    rows = rows_of(name, work)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        first, *others = (
            f"{cell:<{width}}" if i == 0 else f"{cell:>{width}}"
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  " + "  ".join([first, *others]).rstrip()


def _markdown(rows: Rows) -> list[str]:
    head, *others = rows
    marks = [":--", *("--:" for _ in head[1:])]
    return [f"| {' | '.join(row)} |" for row in (head, marks, *others)]


def _target_rows(works: dict[str, Results]) -> Rows:
    rows = [["", "at least", "aim", "at most", "measured", ""]]
    for target, value in evaluate(works):
        if value is None:
            continue
        bounds = [
            "" if not bound else f"{bound:g}" for bound in (target.least, target.aim, target.most)
        ]
        spread = value.least != value.greatest
        figure = _factor(value) if spread else f"{value.median:.3g}{target.unit.strip('x')}"
        met = "met" if target.met_by(value.median) else "**not met**"
        rows.append([target.text, *bounds, figure, met])
    return rows


def markdown(results: Results) -> str:
    """Write the tables of all works, and of the goals, in Markdown."""
    machine, works = results["machine"], results["works"]
    parts = ["## Where it was measured", *(f"* {line}" for line in machine_lines(machine))]
    parts += ["", machine_notes(machine), ""]
    goals = _target_rows(works)
    if len(goals) > 1:
        parts += ["## The goals", "", *_markdown(goals), ""]
    for name, work in works.items():
        rows = rows_of(name, work)
        title = work["title"]
        if "calls" in work:
            title += f" ({work['calls']:,} {work['unit']} in a round)"
        parts += [f"## {title}", "", *(_markdown(rows) if len(rows) > 1 else rows[0]), ""]
        parts += [f"Left out: {who} ({why}).\n" for who, why in work["skipped"].items()]
    return "\n".join(parts)


def write_report(results: Results, directory: str) -> list[Path]:
    """Write the measurements and their tables; give the files."""
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in FILES]
    text = json.dumps(_rounded(results), indent=1)
    # Numbers in a row: each on a line of its own would make the file three times as long.
    text = re.sub(r"\n\s+(?=[-\d\]])|(?<=\d)\n\s+(?=\])", " ", text) + "\n"
    for path, content in zip(paths, (text, markdown(results)), strict=True):
        path.write_text(content, encoding="utf-8")
    return paths


def _rounded(value: Any) -> Any:
    """Keep six digits after the point: a clock has no more, and files stay small."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {name: _rounded(found) for name, found in value.items()}
    if isinstance(value, list):
        return [_rounded(found) for found in value]
    return value


def main() -> None:
    """Copy the latest results, and write their tables."""
    results = json.loads((RESULTS / FILES[0]).read_text(encoding="utf-8"))
    for path in write_report(results, sys.argv[1]):
        print(path)


if __name__ == "__main__":
    main()
