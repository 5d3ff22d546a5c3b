"""What each codec costs beside pickle: ``make bench-codecs`` prints a table for the docs.

All codecs take turns in one run, and the figures are ratios of medians, since the machine's speed
changes while this runs.
"""

from __future__ import annotations

import statistics
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from arqade import (
    FallbackCodec,
    JSONCodec,
    MsgpackCodec,
    PickleCodec,
    RestrictedPickleCodec,
    SignedCodec,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from arqade import Codec

ROUNDS = 31
CALLS = 300

JOB: dict[str, Any] = {
    "t": None,
    "f": "resize",
    "a": ("cat.png", 300),
    "k": {"quality": 0.9, "tags": ["a", "b"]},
    "et": 1_700_000_000_000,
}
RESULT: dict[str, Any] = {
    **JOB,
    "t": 1,
    "s": True,
    "r": {"width": 300, "when": datetime(2026, 1, 2, tzinfo=UTC), "price": Decimal("1.5")},
    "st": 1_700_000_000_000,
    "ft": 1_700_000_000_001,
    "q": "arq:queue",
    "id": "0" * 32,
}

CODECS: dict[str, Codec] = {
    "`PickleCodec`": PickleCodec(),
    "`RestrictedPickleCodec`": RestrictedPickleCodec(),
    "`JSONCodec`": JSONCodec(),
    "`MsgpackCodec`": MsgpackCodec(),
    "`SignedCodec` of pickle": SignedCodec(PickleCodec(), [bytes(32)]),
    "`SignedCodec` of JSON": SignedCodec(JSONCodec(), [bytes(32)]),
    "`FallbackCodec` of JSON and pickle": FallbackCodec(JSONCodec(), [PickleCodec()]),
}

ENVELOPES = (JOB, RESULT)


def seconds(call: Callable[[Any], object], value: object) -> float:
    """Give the time that some calls take."""
    start = time.perf_counter()
    for _ in range(CALLS):
        call(value)
    return time.perf_counter() - start


def measure() -> dict[str, list[float]]:
    """Give each codec's times: to write and to read the job, then the result."""
    times: dict[str, list[list[float]]] = {name: [] for name in CODECS}
    for _ in range(ROUNDS):
        for name, codec in CODECS.items():
            row = []
            for envelope in ENVELOPES:
                data = codec.dumps(envelope)
                row += [seconds(codec.dumps, envelope), seconds(codec.loads, data)]
            times[name].append(row)
    return {
        name: [statistics.median(column) for column in zip(*rows, strict=True)]
        for name, rows in times.items()
    }


def main() -> None:
    """Print the table."""
    medians = measure()
    first = medians["`PickleCodec`"]
    micro = " / ".join(f"{each / CALLS * 1e6:.1f}" for each in first)
    print(f"`PickleCodec` takes {micro} microseconds here. The others, as multiples of that:\n")
    print("| codec | job: write | read | result: write | read | bytes of both |")
    print("|---|---|---|---|---|---|")
    for name, codec in CODECS.items():
        ratios = [each / base for each, base in zip(medians[name], first, strict=True)]
        sizes = [str(len(codec.dumps(envelope))) for envelope in ENVELOPES]
        cells = [name, *(f"{ratio:.1f}" for ratio in ratios), ", ".join(sizes)]
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
