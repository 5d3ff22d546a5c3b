"""What is to be reached, each figure one of a single run: ``make bench-check`` checks it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from benchmarks import ratios
from benchmarks.ratios import Spread

if TYPE_CHECKING:
    from collections.abc import Callable

Results = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """A figure to be reached.

    Attributes:
        text: What it is.
        work: The name of the work that it is taken from.
        measure: Takes it from the work's results; None if it was not measured.
        least: The least figure that is enough.
        most: The greatest figure that is allowed.
        aim: What the prototypes promised.
        unit: What the figure counts.
    """

    text: str
    work: str
    measure: Callable[[Results], Spread | float | None]
    least: float | None = None
    most: float | None = None
    aim: float | None = None
    unit: str = "x"

    def met_by(self, value: float) -> bool:
        """Tell whether a figure is good enough."""
        enough = self.least is None or value >= self.least
        return enough and (self.most is None or value <= self.most)


def _faster(work: str, who: str, other: str, least: float, aim: float | None = None) -> Target:
    return Target(
        f"{work}: {who} faster than {other}", work,
        lambda found: ratios.faster(found, who, other), least=least, aim=aim,
    )  # fmt: skip


def _time(work: str, who: str, limit: str, most: float) -> Target:
    return Target(
        f"{work}: time of {who} over {limit}", work,
        lambda found: ratios.longer(found, who, limit), most=most,
    )  # fmt: skip


def _count(work: str, who: str, what: str, most: float) -> Target:
    return Target(
        f"{work}: {what.replace('_', ' ')} of {who}", work,
        lambda found: found["subjects"].get(who, {}).get(what), most=most, unit="",
    )  # fmt: skip


def _latency(work: str, who: str, percent: int, most_ms: float) -> Target:
    def measure(found: Results) -> float | None:
        latency = ratios.quantile(found, who, percent)
        return None if latency is None else latency * 1000

    return Target(f"{work}: p{percent} of {who}", work, measure, most=most_ms, unit=" ms")


def _sooner(work: str, who: str, other: str, least: float, aim: float) -> Target:
    return Target(
        f"{work}: median of {who} sooner than {other}", work,
        lambda found: ratios.sooner(found, who, other, 50), least=least, aim=aim,
    )  # fmt: skip


def _memory(who: str, *, kept: bool) -> Target:
    def measure(found: Results) -> float | None:
        subject = found["subjects"].get(who)
        if subject is None:
            return None
        if kept:
            return float(subject["kept"]["peak"] / subject["kept"]["kept"])
        return float(subject["discarded"]["peak"] / subject["quarter"]["peak"])

    what = "peak over what is kept" if kept else "peak with none kept, for 4 x the jobs"
    return Target(f"memory: {who}, {what}", "memory", measure, most=1.25)


TARGETS: Final = (
    _faster("enqueue-async", "arqade", "arq", 2.5, 3.3),
    _faster("enqueue-async", "arqade", "safir-arq", 6.5),
    _time("enqueue-async", "arqade", "limit-async-connection", 1.25),
    _faster("enqueue-sync", "arqade-sync", "huey", 1, 1.3),
    _faster("enqueue-sync", "arqade-sync", "rq", 3.5),
    _faster("enqueue-sync", "arqade-sync", "arq-run", 15),
    _time("enqueue-sync", "arqade-sync", "limit-connection", 1.25),
    _faster("async-100", "arqade", "arq", 8, 14),
    _faster("async-100", "arqade", "streaq", 4),
    _count("async-100", "arqade", "connections", 2),
    _faster("threads-8", "arqade-sync", "huey", 1),
    _faster("threads-8", "arqade-sync", "rq", 3),
    # That of arq is only aimed at.
    _faster("threads-8", "arqade-sync", "arq-thread", 0, 4),
    _faster("bulk", "arqade", "rq", 3),
    _faster("bulk", "arqade-sync", "rq", 3),
    _faster("bulk", "arqade", "arq", 10, 15),
    _faster("bulk", "arqade-sync", "arq", 12, 20),
    _memory("arqade", kept=True),
    _memory("arqade-sync", kept=True),
    _memory("arqade", kept=False),
    _memory("arqade-sync", kept=False),
    _faster("metadata", "arqade", "safir-arq", 4, 9),
    _count("metadata", "arqade", "round_trips", 1),
    _faster("result", "arqade", "safir-arq", 6, 9),
    _count("result", "arqade", "round_trips", 1),
    _sooner("push-1", "arqade", "arq", 100, 300),
    _latency("push-1", "arqade", 50, 2),
    _latency("push-1", "arqade", 99, 10),
    _latency("push-1000", "arqade", 50, 2),
    _latency("push-1000", "arqade", 99, 10),
    _count("push-1000", "arqade", "connections", 2),
    Target(
        "import: arqade over redis", "import",
        lambda found: ratios.import_ratio(found, "arqade", "redis", net=True), most=1.3, aim=1,
    ),
)  # fmt: skip
"""The figures, as the project's goals name them."""


def evaluate(works: dict[str, Results]) -> list[tuple[Target, Spread | None]]:
    """Take the figures from the results of one run.

    Args:
        works: The results of each work, by its name.
    """
    found = []
    for target in TARGETS:
        value = target.measure(works[target.work]) if target.work in works else None
        if isinstance(value, int | float):
            value = Spread(value, value, value)
        found.append((target, value))
    return found


def check_lines(works: dict[str, Results]) -> tuple[list[str], bool]:
    """Tell of each figure whether it is reached; and whether all are.

    One that was not measured is not reached: a guard that sees nothing must not be content.

    Args:
        works: The results of each work, by its name.
    """
    lines, met = [], True
    for target, value in evaluate(works):
        bounds = [
            f"{word} {bound:g}{target.unit}"
            for word, bound in (
                ("at least", target.least), ("at most", target.most), ("aim", target.aim),
            )
            if bound
        ]  # fmt: skip
        good = value is not None and target.met_by(value.median)
        met = met and good
        figure = "not measured"
        if value is not None:
            figure = f"{value.median:.2f}{target.unit}"
            if value.least != value.greatest:
                figure += f" ({value.least:.2f} .. {value.greatest:.2f})"
        verdict = "met" if good else "NOT MET"
        lines.append(f"{verdict:8} {target.text:62} {', '.join(bounds):28} {figure}")
    return lines, met
