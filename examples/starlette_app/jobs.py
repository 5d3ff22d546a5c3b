"""The jobs, as the application and the worker agree on them."""

from __future__ import annotations

import arqade
from arqade import JSONCodec

__all__ = ["codec", "shout"]

codec = JSONCodec()


@arqade.job
def shout(text: str, *, times: int = 1) -> str:
    """Say something, loudly."""
    raise NotImplementedError
