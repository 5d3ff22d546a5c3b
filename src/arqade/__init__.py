"""arqade: the client for arq job queues, sync and async."""

from __future__ import annotations

from arqade._async.mock_queue import MockArqQueue
from arqade._async.queue import ArqQueue
from arqade._async.redis_queue import RedisArqQueue
from arqade._protocol.memory import MemoryStore, MockClock
from arqade._sync.mock_queue import SyncMockArqQueue
from arqade._sync.queue import SyncArqQueue
from arqade._sync.redis_queue import SyncRedisArqQueue
from arqade.codecs import (
    Codec,
    FallbackCodec,
    JSONCodec,
    MsgpackCodec,
    PickleCodec,
    Placeholder,
    RestrictedPickleCodec,
    SignedCodec,
    Unencodable,
)
from arqade.exceptions import (
    ArqadeError,
    ArqJobError,
    ConfigurationError,
    EnqueueManyError,
    EnqueueUncertain,
    JobCancelled,
    JobDeserializationError,
    JobNotFound,
    JobNotQueued,
    JobResultUnavailable,
    JobSerializationError,
    PayloadTooLarge,
    QueueClosed,
    QueueConnectionError,
    QueueServerError,
    RemoteError,
    WrongEventLoopError,
)
from arqade.jobs import JobDef, job, job_for
from arqade.models import (
    CancelOutcome,
    Finding,
    JobMetadata,
    JobRequest,
    JobResult,
    JobStatus,
    QueueStats,
    Severity,
    WorkerHealth,
    WorkerRecord,
)
from arqade.settings import AnySettings, ArqMode, RedisSettings, build_arq_redis_settings

__all__ = [
    "AnySettings",
    "ArqJobError",
    "ArqMode",
    "ArqQueue",
    "ArqadeError",
    "CancelOutcome",
    "Codec",
    "ConfigurationError",
    "EnqueueManyError",
    "EnqueueUncertain",
    "FallbackCodec",
    "Finding",
    "JSONCodec",
    "JobCancelled",
    "JobDef",
    "JobDeserializationError",
    "JobMetadata",
    "JobNotFound",
    "JobNotQueued",
    "JobRequest",
    "JobResult",
    "JobResultUnavailable",
    "JobSerializationError",
    "JobStatus",
    "MemoryStore",
    "MockArqQueue",
    "MockClock",
    "MsgpackCodec",
    "PayloadTooLarge",
    "PickleCodec",
    "Placeholder",
    "QueueClosed",
    "QueueConnectionError",
    "QueueServerError",
    "QueueStats",
    "RedisArqQueue",
    "RedisSettings",
    "RemoteError",
    "RestrictedPickleCodec",
    "Severity",
    "SignedCodec",
    "SyncArqQueue",
    "SyncMockArqQueue",
    "SyncRedisArqQueue",
    "Unencodable",
    "WorkerHealth",
    "WorkerRecord",
    "WrongEventLoopError",
    "build_arq_redis_settings",
    "job",
    "job_for",
]
