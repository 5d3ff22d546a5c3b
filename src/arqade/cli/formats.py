"""How payloads of jobs are read that anybody may have written, and written so that they are read.

Whoever looks at a queue has not the classes of its jobs, and should run none of their code: pickles
are read without making anything but plain data, and placeholders stand for the rest.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from arqade import (
    Codec,
    ConfigurationError,
    FallbackCodec,
    JSONCodec,
    MsgpackCodec,
    RestrictedPickleCodec,
    SignedCodec,
)
from arqade._opening import codec_from

if TYPE_CHECKING:
    from arqade.codecs import WorkerCodecSettings

__all__ = ["ANY", "AnyFormat", "codec_named"]

ANY: Final = "any"
"""The name of the codec that reads whatever arqade knows."""

_NO_KEY: Final = b"\0" * 32
"""The signature is not verified, only its place is looked at."""


class AnyFormat:
    """A codec that reads pickle, JSON and MessagePack, and writes pickle, or what it has read last.

    What is pickled is not run: see `RestrictedPickleCodec`.
    """

    def __init__(self) -> None:
        self._formats: dict[str, Any] = {
            "pickle": RestrictedPickleCodec(on_forbidden="placeholder"),
            "json": JSONCodec(),
        }
        # An extra: where it is missing, such a payload is of no format that is read.
        with contextlib.suppress(ConfigurationError):
            self._formats["msgpack"] = MsgpackCodec()
        pickle, *others = self._formats.values()
        self._reader = FallbackCodec(write=pickle, read=others)
        self._writer: Codec = pickle
        self.last_read: str | None = None
        """The name of the format that was met last; None if it is unknown."""

    def name_of(self, data: bytes) -> str | None:
        """Tell a payload's format by its first bytes; ``signed`` is one that is not read."""
        for name, codec in self._formats.items():
            if codec.recognizes(data):
                return name
            if SignedCodec(codec, [_NO_KEY]).recognizes(data):
                return "signed"
        return None

    def write_as_read(self) -> None:
        """From now on, write the format that was read last."""
        if self.last_read in self._formats:
            self._writer = self._formats[self.last_read]

    def dumps(self, envelope: dict[str, Any], /) -> bytes:
        """Give the bytes of an envelope."""
        return self._writer.dumps(envelope)

    def loads(self, data: bytes, /) -> dict[str, Any]:
        """Give the envelope that these bytes hold."""
        self.last_read = self.name_of(data)
        return self._reader.loads(data)

    def worker_settings(self) -> WorkerCodecSettings:
        """Give the settings with which a stock arq worker reads the same."""
        return self._reader.worker_settings()


def codec_named(name: str) -> Codec:
    """Give the codec that the option ``--codec`` names.

    Raises:
        ConfigurationError: There is none.
    """
    if name == ANY:
        return AnyFormat()
    sys.path.append(str(Path.cwd()))  # Where arq looks for an application, too.
    return codec_from(name)
