"""What type checkers must accept and refuse of the codecs; see api.py."""

from __future__ import annotations

from typing import Any, assert_type

import attrs

from arqade import (
    FallbackCodec,
    JSONCodec,
    MockArqQueue,
    MsgpackCodec,
    PickleCodec,
    Placeholder,
    RestrictedPickleCodec,
    SignedCodec,
    SyncMockArqQueue,
    Unencodable,
)
from arqade.codecs import Codec, WorkerCodecSettings

KEY = bytes(32)


@attrs.define
class Picture:
    name: str


class PaymentError(Exception):
    pass


class Reversed:
    """A codec of the caller's own."""

    def dumps(self, envelope: dict[str, Any], /) -> bytes:
        return repr(envelope).encode()

    def loads(self, data: bytes, /) -> dict[str, Any]:
        return {"data": data}

    def worker_settings(self) -> WorkerCodecSettings:
        return {"job_serializer": self.dumps, "job_deserializer": self.loads}


class Half:
    """No codec: it can't read."""

    def dumps(self, envelope: dict[str, Any], /) -> bytes:
        return repr(envelope).encode()


def making() -> None:
    every: list[Codec] = [
        PickleCodec(protocol=5),
        RestrictedPickleCodec(),
        RestrictedPickleCodec(["app.models.Picture", Picture, len], "placeholder", max_depth=50),
        JSONCodec([Picture], [PaymentError], max_bytes=1_000),
        JSONCodec(models={"picture": Picture}, errors={"payment": PaymentError}),
        MsgpackCodec(models=[Picture], max_depth=50),
        SignedCodec(JSONCodec(), [KEY], context="mail"),
        SignedCodec(Reversed(), keys=(KEY, KEY), context=b"mail"),
        FallbackCodec(write=JSONCodec(), read=[PickleCodec(), Reversed()]),
        Reversed(),
    ]
    for codec in every:
        assert_type(codec.dumps({"f": "work"}), bytes)
        assert_type(codec.loads(b""), dict[str, Any])
        assert_type(codec.worker_settings(), WorkerCodecSettings)
        MockArqQueue(codec=codec)
        SyncMockArqQueue(codec=codec)
    assert_type(JSONCodec().recognizes(b""), bool)


def refused() -> None:
    PickleCodec(5)  # type: ignore[call-arg]
    RestrictedPickleCodec(on_forbidden="ignore")  # type: ignore[arg-type]
    JSONCodec(max_depth="5")  # type: ignore[arg-type]
    SignedCodec(JSONCodec())  # type: ignore[call-arg]
    SignedCodec(JSONCodec(), ["text"])  # type: ignore[list-item]
    FallbackCodec(write=Half())  # type: ignore[arg-type]
    MockArqQueue(codec=Half())  # type: ignore[arg-type]


def registering(codec: JSONCodec) -> None:
    assert_type(codec.register(Picture), type[Picture])
    assert_type(codec.register(PaymentError, name="payment"), type[PaymentError])

    @codec.register
    @attrs.define
    class First:
        number: int

    @codec.register(name="second")
    @attrs.define
    class Second:
        number: int

    assert_type(First(1).number, int)
    assert_type(Second(2).number, int)
    codec.register(Picture("cat.png"))  # type: ignore[call-overload]


def standing_in(placeholder: Placeholder, unencodable: Unencodable) -> None:
    assert_type(placeholder.full_name, str)
    assert_type(placeholder.args, tuple[Any, ...] | None)
    assert_type(unencodable.text, str)
