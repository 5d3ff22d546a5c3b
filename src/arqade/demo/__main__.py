"""Start a server and a worker, make the calls, print the table, and stop everything."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import arqade
from arqade._signals import stop, stop_on_sigterm
from arqade.demo.calls import call_from_async_code, call_from_sync_code
from arqade.demo.files import text_files
from arqade.demo.report import CallError, DemoError, Report, plain, table, totals
from arqade.embedded import RedisServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FILES = 8
"""How many files to work on."""

WIDTHS = (60, 100)
"""The narrowest and the widest table, in characters."""

LAST_LINES = 20
"""How much of the worker's output to show if something goes wrong."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo.

    Args:
        arguments: Those of the command line; None takes the process's own.

    Returns:
        The exit status: 0 if all calls answered as expected, 130 after Ctrl-C or SIGTERM, else 1.
    """
    parser = argparse.ArgumentParser(
        prog="python -m arqade.demo",
        description="Let an arq worker count the words and make checksums of text files.",
    )
    parser.add_argument(
        "directory",
        nargs="?",
        type=Path,
        default=Path(arqade.__file__).parent,
        help="where to look for text files (default: arqade's own source)",
    )
    directory = parser.parse_args(arguments).directory
    try:
        return _demonstrate(directory)
    except (DemoError, arqade.ArqadeError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted. The worker and the server are stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader has seen enough, as with `| head`. What is still to be flushed goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _demonstrate(directory: Path) -> int:
    start = time.perf_counter()
    _check_arq()
    files = list(islice(text_files(directory), FILES))
    if not files:
        raise DemoError(f"There are no text files in {directory}.")
    reports = [Report("async"), Report("sync")]
    with (
        contextlib.suppress(CallError),  # the report knows why
        RedisServer() as server,
        _arq_worker(server.url) as worker,
    ):
        print(f"{server.version} runs in process {server.pid}, arq's worker in {worker.pid}.")
        print("\nWords counted for async code:")
        asyncio.run(call_from_async_code(server.url, files, reports[0]))
        print("\nChecksums made for sync code:")
        call_from_sync_code(server.url, files, reports[1])

    calls = [call for report in reports for call in report.calls]
    results = [result for report in reports for result in report.results]
    narrowest, widest = WIDTHS
    width = max(narrowest, min(widest, shutil.get_terminal_size((widest, 0)).columns))
    print("", table(calls, width), "", totals(calls, results), sep="\n")
    unexpected = [call for call in calls if not call.expected]
    for call in unexpected:
        print(f"NOT AS EXPECTED: {call.api} {call.what} answered {plain(call.answer)}")
    seconds = time.perf_counter() - start
    print(f"It took {seconds:.1f} seconds, with starting and stopping.", flush=True)
    return 1 if unexpected else 0


def _check_arq() -> None:
    try:
        importlib.import_module("arq")
    except ImportError as error:
        raise DemoError(
            "The demo runs arq's worker, and arq can't be imported "
            f"({error}): pip install 'arqade[worker]'"
        ) from error


@contextlib.contextmanager
def _arq_worker(url: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a stock worker for the length of a block; show its output if the demo can't go on."""
    with (
        tempfile.TemporaryFile() as output,
        subprocess.Popen(
            [sys.executable, "-m", "arq", "arqade.demo.worker.WorkerSettings"],
            env={**os.environ, "ARQADE_URL": url},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
        ) as process,
    ):
        try:
            _wait_until_ready(process)
            yield process
        except DemoError:
            stop(process)
            output.seek(0)
            lines = output.read().decode(errors="replace").splitlines()[-LAST_LINES:]
            print("The worker's last words:", *lines, sep="\n", file=sys.stderr)
            raise
        finally:
            stop(process)


def _wait_until_ready(process: subprocess.Popen[bytes]) -> None:
    if process.stdout is None or not process.stdout.readline():
        raise DemoError(f"The worker ended at once, with exit code {process.wait()}.")


if __name__ == "__main__":
    stop_on_sigterm()
    sys.exit(main())
