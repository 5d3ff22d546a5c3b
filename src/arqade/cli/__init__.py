"""The command line ``arqade``: look at queues and jobs, enqueue, cancel, find out what is wrong.

It needs the extra ``cli`` (click and rich), which this file alone does without. It is built so:

* `arqade.cli.main`: the group of all commands, and what becomes of errors
* `arqade.cli.server`, `arqade.cli.formats`: where the server is, and how payloads are read
* `arqade.cli.output`, `arqade.cli.text`: words, tables and JSON
* `arqade.cli.params`: options and arguments that several commands have
* all other modules: the commands
"""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["is_installed", "run"]

_NEEDED = ("click", "rich")
_USAGE = 2
_INTERRUPTED = 130


def is_installed() -> bool:
    """Tell whether what the extra brings is there."""
    return all(importlib.util.find_spec(name) for name in _NEEDED)


def run(arguments: Sequence[str] | None = None, *, name: str = "arqade") -> NoReturn:
    """Run the command line of this process and exit; say what is missing without the extra.

    Args:
        arguments: Those of the command line; None takes the process's own.
        name: What the user has called.
    """
    if not is_installed():
        sys.stderr.write("The command line needs click and rich: pip install arqade[cli]\n")
        sys.exit(_USAGE)
    # A name or an id of any kind must come out somehow, whatever the terminal knows.
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    try:
        from arqade.cli.main import main  # noqa: PLC0415 - it needs the extra

        main.main(arguments, prog_name=name)
    except KeyboardInterrupt:  # While it was still being loaded.
        sys.exit(_INTERRUPTED)
