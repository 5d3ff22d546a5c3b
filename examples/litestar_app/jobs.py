"""The jobs, as the application and the worker agree on them."""

from __future__ import annotations

import attrs

import arqade
from arqade import JSONCodec

__all__ = ["Statistics", "codec", "count_words"]

codec = JSONCodec()


@codec.register
@attrs.frozen
class Statistics:
    """What a text consists of."""

    words: int
    letters: int


@arqade.job
def count_words(text: str) -> Statistics:
    """Count the words and letters of a text."""
    raise NotImplementedError
