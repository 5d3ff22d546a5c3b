"""How a program ends that has processes of its own, and how it ends these."""

from __future__ import annotations

import signal
import subprocess
from typing import Final

__all__ = ["stop", "stop_on_sigterm"]

STOP_SECONDS: Final = 5.0
"""From SIGTERM to SIGKILL."""


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end, and make it end if it does not."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def stop_on_sigterm() -> None:
    """Let ``kill`` do what Ctrl-C does, so that everything gets stopped."""

    def interrupt(*_: object) -> None:
        # A shell lets what runs in its background ignore Ctrl-C.
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.raise_signal(signal.SIGINT)

    signal.signal(signal.SIGTERM, interrupt)
