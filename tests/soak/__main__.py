"""``python -m tests.soak``: everything breaks at random, for an hour."""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
from pathlib import Path

from tests.soak.run import CALLERS, Log, Soak

HOUR = 3600.0


def main() -> int:
    """Run it as the command line says, and give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=HOUR, help="how long (an hour)")
    parser.add_argument("--seed", type=int, default=None, help="what comes when (a random one)")
    parser.add_argument("--callers", type=int, default=CALLERS, help="callers of each queue")
    parser.add_argument("--log", type=Path, default=None, help="where faults are written down")
    parser.add_argument("--quiet", action="store_true", help="print what was wrong, if it was")
    options = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    path = options.log or Path(tempfile.gettempdir(), f"arqade-soak-{seed}.log")
    log = Log(path, echo=not options.quiet)
    try:
        soak = Soak(options.seconds, seed, log, callers=options.callers)
        if soak.run():
            return 0
        told = [f"seed {seed}: failed; the last lines of {path}:", *log.tail(), *soak.problems()]
        sys.stdout.write("\n".join(told) + "\n")
    finally:
        log.close()
    return 1


if __name__ == "__main__":
    sys.exit(main())
