"""The files that the jobs work on."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["TextFile", "text_files"]

LARGEST = 1_000_000
"""Size of the largest file to work on, in bytes."""


@attrs.frozen
class TextFile:
    """A file, and what the worker should find out about it."""

    path: str
    name: str
    words: int
    sha256: str


def text_files(directory: Path) -> Iterator[TextFile]:
    """Find text files in a directory and below, in alphabetical order, hidden ones left out."""
    for folder, subfolders, names in os.walk(directory):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith((".", "__")))
        for name in sorted(names):
            path = Path(folder, name).absolute()
            if not name.startswith(".") and (content := _content(path)):
                yield TextFile(
                    path=str(path),
                    name=str(Path(folder, name).relative_to(directory)),
                    words=len(content.decode().split()),
                    sha256=hashlib.sha256(content).hexdigest(),
                )


def _content(path: Path) -> bytes | None:
    """Read a file, unless it is none, too large, unreadable, or no text."""
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            return None
        content = path.read_bytes()
        content.decode()
    except (OSError, UnicodeDecodeError):
        return None
    return content
