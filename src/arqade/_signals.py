"""What ``kill`` does to a program that has processes of its own to stop."""

from __future__ import annotations

import signal

__all__ = ["stop_on_sigterm"]


def stop_on_sigterm() -> None:
    """Let ``kill`` do what Ctrl-C does, so that everything gets stopped."""

    def stop(*_: object) -> None:
        # A shell lets what runs in its background ignore Ctrl-C.
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.raise_signal(signal.SIGINT)

    signal.signal(signal.SIGTERM, stop)
