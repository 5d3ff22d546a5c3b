"""Payloads that only those who share a key can write."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from arqade._compat import override
from arqade.codecs._base import BaseCodec, DecodingError, SignedEnvelope, check_codec, is_result

if TYPE_CHECKING:
    from arqade.codecs._base import Codec

__all__ = ["SignedCodec"]

MAGIC = b"aqs1"
"""How a signed payload begins: no pickle, no JSON and no map of MessagePack does."""

JOB, RESULT = b"j", b"r"
"""What it is that was signed."""

MAC_SIZE = hashlib.sha256().digest_size
HEADER_SIZE = len(MAGIC) + len(JOB) + MAC_SIZE

BEGINNING = 1024
"""How many bytes the inner codec may look at: more than any has of headers."""

LEAST_KEY = 32
"""The shortest key, in bytes: as long as the signature."""


class SignedCodec(BaseCodec):
    """Another codec's bytes with a signature (HMAC-SHA256), which is verified before they are read.

    So whoever can write to Redis, but has none of the keys, can make no job, and no result. What
    they can do: remove payloads, read them (nothing is encrypted), and put a job that they have
    seen back into a queue. A signature tells jobs from results, so a result is never taken for a
    job; and arqade's clients refuse a result under another job's id.

    Args:
        inner: The codec that makes the bytes to be signed.
        keys: Secret keys of at least 32 random bytes. The first one signs, all verify.
        context: Where payloads belong, such as a queue's name. Those of another context are
            refused; both sides must use the same one.

    Raises:
        TypeError: A key, the context or the inner codec is of a wrong type.
        ValueError: There is no key, or one is too short.
    """

    def __init__(self, inner: Codec, keys: Sequence[bytes], *, context: str | bytes = b"") -> None:
        given: Any = keys
        if not isinstance(given, Sequence) or not all(isinstance(key, bytes) for key in given):
            raise TypeError("keys must be a list of bytes")
        if not keys:
            raise ValueError("keys must have at least one key")
        for number, key in enumerate(keys):
            if len(key) < LEAST_KEY:
                raise ValueError(
                    f"keys[{number}] must be at least {LEAST_KEY} bytes, not {len(key)}: "
                    "secrets.token_bytes(32) makes one"
                )
        if not isinstance(context, str | bytes):
            raise TypeError(f"context must be a str or bytes, not {type(context).__name__}")
        self._inner = check_codec("inner", inner)
        self._keys = [bytes(key) for key in keys]
        self._context = context.encode() if isinstance(context, str) else context

    @override
    def recognizes(self, data: bytes, /) -> bool:
        if not data.startswith(MAGIC):
            return False
        recognizes = getattr(self._inner, "recognizes", None)
        return recognizes is None or recognizes(data[HEADER_SIZE : HEADER_SIZE + BEGINNING])

    @override
    def _encode(self, envelope: dict[str, Any]) -> bytes:
        body = self._inner.dumps(envelope)
        kind = RESULT if is_result(envelope) else JOB
        return b"".join((MAGIC, kind, self._signature(self._keys[0], kind, body), body))

    @override
    def _decode(self, data: bytes) -> Any:
        if not data.startswith(MAGIC) or len(data) < HEADER_SIZE:
            raise DecodingError("they are not signed")
        kind = data[len(MAGIC) : len(MAGIC) + 1]
        signature, body = data[HEADER_SIZE - MAC_SIZE : HEADER_SIZE], data[HEADER_SIZE:]
        # Any key may be the right one, and no time tells which.
        matches = [
            hmac.compare_digest(signature, self._signature(key, kind, body)) for key in self._keys
        ]
        if not any(matches):
            raise DecodingError(
                "no key fits: they were signed with another key, for another context, or changed"
            )
        envelope = self._inner.loads(body)
        if (kind == RESULT) is not is_result(envelope):
            raise DecodingError("they are not of the kind that was signed")
        return SignedEnvelope(envelope)

    def _signature(self, key: bytes, kind: bytes, body: bytes) -> bytes:
        # With its length, so that no context runs on into the body.
        context = len(self._context).to_bytes(8, "big") + self._context
        return hmac.digest(key, b"".join((MAGIC, kind, context, body)), "sha256")

    @override
    def __repr__(self) -> str:
        context = f", context={self._context!r}" if self._context else ""
        count = len(self._keys)
        keys = f"<{count} key{'' if count == 1 else 's'}>"
        return f"{type(self).__name__}({self._inner!r}, keys={keys}{context})"
