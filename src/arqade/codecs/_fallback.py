"""Several formats at once, for the time of a migration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arqade._compat import override
from arqade.codecs._base import BaseCodec, DecodingError, check_codec, reason_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from arqade.codecs._base import Codec

__all__ = ["FallbackCodec"]


class FallbackCodec(BaseCodec):
    """Writes one format and reads several, each recognized by its first bytes.

    arq's workers delete what they can't read: first let all readers read the new format, then let
    writers write it, then drop the old one when its last job and result are gone.

    A payload goes to the codecs whose ``recognizes(data)`` says that it may be theirs, in order,
    until one can read it: two of one format may have other keys or classes. A codec without that
    method is asked last, for any bytes.

    While a codec without a signature is among the readers, payloads need none.

    Args:
        write: The codec that writes. It reads, too.
        read: Further codecs that read.

    Raises:
        TypeError: One of them is no codec.
    """

    def __init__(self, write: Codec, read: Iterable[Codec] = ()) -> None:
        self._write = check_codec("write", write)
        readers = [write, *(check_codec("one to read with", codec) for codec in read)]
        self._readers = sorted(readers, key=lambda codec: not hasattr(codec, "recognizes"))

    @override
    def recognizes(self, data: bytes, /) -> bool:
        return any(self._candidates(data))

    def _candidates(self, data: bytes) -> list[Codec]:
        return [codec for codec in self._readers if _recognizes(codec, data)]

    @override
    def _encode(self, envelope: dict[str, Any]) -> bytes:
        return self._write.dumps(envelope)

    @override
    def _decode(self, data: bytes) -> Any:
        reasons = []
        for codec in self._candidates(data):
            try:
                return codec.loads(data)
            except Exception as error:  # noqa: BLE001 - a codec may raise anything
                reasons.append(f"{type(codec).__name__}: {reason_of(error)}")
        raise DecodingError("; ".join(reasons) or "they are of no format that it reads")

    @override
    def __repr__(self) -> str:
        read = [codec for codec in self._readers if codec is not self._write]
        return f"{type(self).__name__}(write={self._write!r}, read={read!r})"


def _recognizes(codec: Codec, data: bytes) -> bool:
    recognizes = getattr(codec, "recognizes", None)
    try:
        return recognizes is None or bool(recognizes(data))
    except Exception:  # noqa: BLE001 - a codec may raise anything
        return False
