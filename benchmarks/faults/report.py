"""Tables of what faults have done, and the files that hold it.

    python -m benchmarks.faults.report DIRECTORY

copies the latest results into a directory, with their tables, which docs/explanation/faults.md
includes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.faults.audit import VERDICTS
from benchmarks.faults.catalogue import CASES, SUBJECTS
from benchmarks.machine import lines as machine_lines
from benchmarks.machine import versions
from benchmarks.report import RESULTS

if TYPE_CHECKING:
    from collections.abc import Iterable

Results = dict[str, Any]
Rows = list[list[str]]

FILES = ("faults.json", "faults.inc")
"""The figures, and their tables in Markdown. Not .md: Sphinx would take it for a page."""

KOMBU = "kombu"
"""Celery's messages are sent by it."""


def packages_of(found: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """Keep the versions that matter, of the packages in each environment."""
    kept = versions(found)
    for environment, packages in found.items():
        if KOMBU in packages:
            kept[environment] = dict(sorted({**kept[environment], KOMBU: packages[KOMBU]}.items()))
    return {environment: kept[environment] for environment in sorted(kept)}


def cell(result: Results) -> str:
    """Sum up what came of a client's calls under a fault."""
    counts = result["verdicts"]
    if set(counts) == {"ok"}:
        return "ok"
    calls = result["calls"]
    return "; ".join(
        f"{text} {counts[name]}/{calls}"
        for name, text in VERDICTS.items()
        if name in counts and name != "ok"
    )


def _overview(faults: Results, names: Iterable[str]) -> Rows:
    cases = [name for name in names if name in faults]
    rows = [["", *(CASES[name].title for name in cases)]]
    for subject, described in SUBJECTS.items():
        results = [faults[name]["subjects"].get(subject) for name in cases]
        if any(results):
            rows.append([described.label, *(cell(found) if found else "-" for found in results)])
    return rows


def _details(found: Results) -> Rows:
    kinds = [
        name
        for name in VERDICTS
        if any(name in result["verdicts"] for result in found["subjects"].values())
    ]
    rows = [["", "calls", *(VERDICTS[name] for name in kinds), "longest answer s", "errors"]]
    for subject, described in SUBJECTS.items():
        result = found["subjects"].get(subject)
        if result is None:
            continue
        errors = ", ".join(f"`{name}` {count}" for name, count in result["errors"].items())
        rows.append(
            [
                described.label,
                str(result["calls"]),
                *(str(result["verdicts"].get(name, "")) for name in kinds),
                f"{result['longest']:.2f}" if result["longest"] else "",
                errors,
            ]
        )
    return rows


def _markdown(rows: Rows, mark: str = ":--") -> list[str]:
    head, *others = rows
    marks = [":--", *(mark for _ in head[1:])]
    return [f"| {' | '.join(row)} |" for row in (head, marks, *others)]


def markdown(results: Results) -> str:
    """Write the tables in Markdown: an overview, and one for each fault."""
    machine, faults = results["machine"], results["faults"]
    quick = [name for name, case in CASES.items() if not case.is_slow]
    slow = [name for name, case in CASES.items() if case.is_slow]
    parts: list[str] = []
    for title, names in (("Connections that break", quick), ("Answers that do not come", slow)):
        rows = _overview(faults, names)
        if len(rows[0]) > 1:
            parts += [f"## {title}", "", *_markdown(rows), ""]
    parts += ["## Each fault", ""]
    for name, found in faults.items():
        case = CASES[name]
        head = f"### {case.title[0].upper()}{case.title[1:]}"
        parts += [head, "", case.text, "", *_markdown(_details(found), "--:"), ""]
        skipped: dict[str, list[str]] = {why: [] for why in found["skipped"].values()}
        for subject, why in found["skipped"].items():
            skipped[why].append(SUBJECTS[subject].label)
        parts += [f"Left out ({why}): {'; '.join(who)}.\n" for why, who in skipped.items()]
    parts += ["## Where it was run", "", *(f"* {line}" for line in machine_lines(machine))]
    parts += ["", f"All of it took {machine['seconds']} s."]
    return "\n".join(parts) + "\n"


def write_report(results: Results, directory: str) -> list[Path]:
    """Write the figures and their tables; give the files."""
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in FILES]
    for case in results["faults"].values():
        for result in case["subjects"].values():
            result["longest"] = round(result["longest"], 3)
    text = json.dumps(results, indent=1) + "\n"
    for path, content in zip(paths, (text, markdown(results)), strict=True):
        path.write_text(content, encoding="utf-8")
    return paths


def main() -> None:
    """Copy the latest results, and write their tables."""
    results = json.loads((RESULTS / FILES[0]).read_text(encoding="utf-8"))
    for path in write_report(results, sys.argv[1]):
        print(path)


if __name__ == "__main__":
    main()
