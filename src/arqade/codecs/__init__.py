"""How a job's envelope becomes bytes and back.

A codec turns the mapping that arq stores for a job or a result into bytes. Both sides must use
the same one: `Codec.worker_settings` gives what a stock arq worker needs for it.
"""

from __future__ import annotations

from arqade._placeholders import Placeholder, Unencodable
from arqade.codecs._base import Codec, WorkerCodecSettings
from arqade.codecs._fallback import FallbackCodec
from arqade.codecs._json import JSONCodec
from arqade.codecs._msgpack import MsgpackCodec
from arqade.codecs._pickle import PickleCodec
from arqade.codecs._restricted import OnForbidden, RestrictedPickleCodec
from arqade.codecs._signed import SignedCodec

__all__ = [
    "Codec",
    "FallbackCodec",
    "JSONCodec",
    "MsgpackCodec",
    "OnForbidden",
    "PickleCodec",
    "Placeholder",
    "RestrictedPickleCodec",
    "SignedCodec",
    "Unencodable",
    "WorkerCodecSettings",
]
