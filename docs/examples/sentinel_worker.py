"""A stock worker whose sentinels ask for a password, or speak TLS."""

from typing import Any

from arq.connections import ArqRedis
from redis.asyncio.sentinel import Sentinel

from arqade import RedisSettings


async def resize(ctx: dict[str, Any], name: str, *, width: int = 100) -> str:
    return f"{name}, {width} pixels wide"


settings = RedisSettings.from_env()
make_sentinel: Any = Sentinel  # redis-py leaves it untyped
sentinel = make_sentinel(
    settings.sentinel_addresses(),
    sentinel_kwargs=settings.sentinel_kwargs(),
    ssl=settings.ssl,
    **settings.connection_kwargs(),
)


class WorkerSettings:
    functions: list[Any] = [resize]
    redis_pool = sentinel.master_for(settings.sentinel_master, redis_class=ArqRedis)
