"""``python -m arqade``: the whole command line, of which ``stubs`` needs no extra."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from arqade import cli
from arqade._stubs import StubsError, drift, write_stubs

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

NAME: Final = "python -m arqade"


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out a command line.

    Args:
        arguments: Those of the command line; None takes the process's own.

    Returns:
        The status with which to exit.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    names_command = bool(words) and not words[0].startswith("-")
    # `stubs` is the same with the extra and without it: what CI runs depends on no other package.
    # And without it, help and a call that names no command tell of `stubs`.
    if words[:1] != ["stubs"] and (names_command or cli.is_installed()):
        cli.run(words, name=NAME)
    return _stubs(words)


def _stubs(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog=NAME,
        description="Commands of arqade.",
        epilog="All others need click and rich: pip install arqade[cli]",
    )
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
    given = parser.parse_args(words)
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
