"""The jobs: coroutine functions as arq knows them, with nothing of arqade in them."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import anyio

__all__ = ["checksum", "count_words", "stretch"]

ROUNDS = 10_000
"""Rounds of hashing at a stretch: some milliseconds, for which the worker does nothing else."""


async def count_words(_ctx: dict[str, Any], path: str) -> int:
    """Count the words of a text file."""
    text = await anyio.Path(path).read_text(encoding="utf-8")
    return len(text.split())


async def checksum(_ctx: dict[str, Any], path: str) -> str:
    """Give the SHA-256 checksum of a file, in hexadecimal digits."""
    return hashlib.sha256(await anyio.Path(path).read_bytes()).hexdigest()


async def stretch(_ctx: dict[str, Any], path: str, slices: int) -> str:
    """Make a key of a file by hashing it over and over, which takes as long as one likes."""
    key = await anyio.Path(path).read_bytes()
    for _ in range(slices):
        key = hashlib.pbkdf2_hmac("sha256", key, b"arqade", ROUNDS)
        await asyncio.sleep(0)  # the worker's turn: other jobs go on, and this one can be aborted
    return key.hex()
