"""``python -m arqade``: what needs nothing but arqade and the application."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from arqade._stubs import StubsError, drift, write_stubs

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out a command line, and give the status with which to exit."""
    parser = argparse.ArgumentParser(prog="python -m arqade", description="Commands of arqade.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    stubs = commands.add_parser(
        "stubs",
        help="write the declarations of a worker's functions",
        description="Write a module that declares the functions of a worker, so that clients that "
        "don't import its code enqueue them with types.",
    )
    stubs.add_argument("settings", help="as for arq: package.module.WorkerSettings")
    where = stubs.add_mutually_exclusive_group()
    where.add_argument("--output", metavar="FILE", type=Path, help="write this file")
    where.add_argument(
        "--check",
        metavar="FILE",
        type=Path,
        help="write nothing; show how this file differs, and exit with 1 if it does",
    )
    given = parser.parse_args(arguments)
    # Where arq looks, too.
    sys.path.append(str(Path.cwd()))
    try:
        text = write_stubs(given.settings)
        return _check(given.check, text) if given.check else _write(given.output, text)
    except (StubsError, OSError) as error:
        stubs.error(str(error))


def _write(file: Path | None, text: str) -> int:
    if file is None:
        sys.stdout.write(text)
    else:
        file.write_text(text, encoding="utf-8")
    return 0


def _check(file: Path, text: str) -> int:
    difference = drift(file, text)
    sys.stdout.write(difference)
    return int(bool(difference))


if __name__ == "__main__":
    sys.exit(main())
