"""What type checkers must accept of `arqade.fastapi`; never run."""

from __future__ import annotations

from typing import assert_type

from arq.connections import RedisSettings as ArqRedisSettings
from fastapi import FastAPI

from arqade import ArqMode, ArqQueue, PickleCodec, RedisSettings, SyncArqQueue
from arqade.fastapi import (
    ArqDependency,
    ArqQueueDep,
    SyncArqDependency,
    arq_dependency,
    get_arq_queue,
    lifespan,
    sync_arq_dependency,
)


async def shared(settings: RedisSettings, stock: ArqRedisSettings, mode: ArqMode) -> None:
    assert_type(arq_dependency, ArqDependency)
    await arq_dependency.initialize(mode=mode, redis_settings=settings)
    await arq_dependency.initialize(mode="production", redis_settings=stock)
    await arq_dependency.initialize(mode=ArqMode.test, redis_settings=None)
    await ArqDependency().initialize(
        mode="test", default_queue_name="mail", codec=PickleCodec(), store=arq_dependency.store
    )
    assert_type(await arq_dependency(), ArqQueue)
    await arq_dependency.aclose()


def blocking(settings: RedisSettings, stock: ArqRedisSettings, mode: ArqMode) -> None:
    assert_type(sync_arq_dependency, SyncArqDependency)
    sync_arq_dependency.initialize(mode=mode, redis_settings=settings)
    sync_arq_dependency.initialize(mode="production", redis_settings=stock)
    sync_arq_dependency.initialize(mode="test", store=arq_dependency.store)
    assert_type(sync_arq_dependency(), SyncArqQueue)
    sync_arq_dependency.close()


async def endpoint(queue: ArqQueueDep) -> None:
    assert_type(queue, ArqQueue)


async def state(app: FastAPI, queue: ArqQueue, stock: ArqRedisSettings) -> None:
    arq_lifespan = lifespan(mode="production", redis_settings=stock)
    FastAPI(lifespan=arq_lifespan)
    async with arq_lifespan(app) as values:
        assert_type(values["arq_queue"], ArqQueue)
    app.dependency_overrides[get_arq_queue] = lambda: queue
