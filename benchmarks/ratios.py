"""From measurements to ratios: each from one round, so that what disturbs a round cancels out."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

Results = dict[str, Any]


@dataclass(frozen=True)
class Spread:
    """A median, with the least and the greatest value."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Take it of some values."""
        found = sorted(values)
        return cls(median(found), found[0], found[-1])


def faster(work: Results, subject: str, other: str) -> Spread | None:
    """Tell by what factor a subject is faster than another one, round by round.

    Args:
        work: The results of a work.
        subject: The name of the one.
        other: The name of the other one.

    Returns:
        None if either was not measured.
    """
    ours, theirs = (_seconds(work, name) for name in (subject, other))
    if not ours or not theirs:
        return None
    return Spread.of(b / a for a, b in zip(ours, theirs, strict=True))


def longer(work: Results, subject: str, other: str) -> Spread | None:
    """Tell how many times as long a subject takes as another one; see `faster`."""
    return faster(work, other, subject)


def _seconds(work: Results, subject: str) -> list[float]:
    rounds = work["subjects"].get(subject, {}).get("rounds", [])
    return [found["seconds"] for found in rounds]


def rate(work: Results, subject: str) -> Spread:
    """Tell how many calls a subject makes in a second."""
    return Spread.of(work["calls"] / seconds for seconds in _seconds(work, subject))


def typical(work: Results, subject: str, field: str) -> float | None:
    """Tell the median of what was measured in each round; None if it was not."""
    rounds = work["subjects"][subject]["rounds"]
    values = [found[field] for found in rounds if field in found]
    return median(values) if values else None


def latencies(work: Results, subject: str) -> list[float]:
    """Give all latencies of a subject that waited, in order of size."""
    rounds = work["subjects"].get(subject, {}).get("rounds", [])
    return sorted(latency for found in rounds for latency in found["latencies"])


def quantile(work: Results, subject: str, percent: float) -> float | None:
    """Tell the latency that so many percent don't exceed; None if there are none."""
    found = latencies(work, subject)
    return found[min(len(found) - 1, int(len(found) * percent / 100))] if found else None


def sooner(work: Results, subject: str, other: str, percent: float) -> Spread | None:
    """Tell by what factor a subject's latency is smaller, round by round."""
    pairs = zip(
        work["subjects"].get(subject, {}).get("rounds", []),
        work["subjects"].get(other, {}).get("rounds", []),
        strict=False,
    )
    factors = [
        _at(theirs["latencies"], percent) / _at(ours["latencies"], percent)
        for ours, theirs in pairs
    ]
    return Spread.of(factors) if factors else None


def _at(values: list[float], percent: float) -> float:
    found = sorted(values)
    return found[min(len(found) - 1, int(len(found) * percent / 100))]


def net_import(work: Results, module: str) -> Spread:
    """Tell the seconds of an import, without those of starting Python in the same round."""
    nothing = work["subjects"]["nothing"]["seconds"]
    return Spread.of(
        a - b for a, b in zip(work["subjects"][module]["seconds"], nothing, strict=True)
    )


def import_ratio(work: Results, module: str, other: str, *, net: bool) -> Spread:
    """Tell how many times as long one import takes as another one."""
    ours, theirs, nothing = (
        work["subjects"][name]["seconds"] for name in (module, other, "nothing")
    )
    offsets = nothing if net else [0.0] * len(nothing)
    return Spread.of((a - c) / (b - c) for a, b, c in zip(ours, theirs, offsets, strict=True))
