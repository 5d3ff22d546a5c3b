"""What the jobs of the stock app take, return and raise.

Kept apart from the app so that a client without arq can import it, as it must to decode them.
"""

from __future__ import annotations

from asyncio import CancelledError
from importlib import import_module
from typing import Any

__all__ = ["CancelledError", "CustomError", "Elsewhere", "UndecodableError"]


class CustomError(Exception):
    """An application's own error, with a state of its own."""

    def __init__(self, reason: str, code: int) -> None:
        super().__init__(reason, code)
        self.code = code


class UndecodableError(Exception):
    """Pickles, but can't be unpickled: its arguments are not those of its constructor."""

    def __init__(self, reason: str, code: int) -> None:
        super().__init__(f"{reason} ({code})")


class Elsewhere:
    """Pickles, but can't be unpickled anywhere: its module is missing."""

    def __reduce__(self) -> tuple[Any, ...]:
        return import_module, ("no_such_module",)
