"""A stock worker whose jobs continue the traces of the requests."""

import functools
import logging
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any

from opentelemetry import propagate
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
from opentelemetry.trace import SpanKind, get_tracer, set_tracer_provider

from arqade import RedisSettings

logger = logging.getLogger("shop.jobs")
tracer = get_tracer("shop.jobs")
current_job: ContextVar[str] = ContextVar("current_job", default="-")


def traced(function: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def run(
        ctx: dict[str, Any],
        *args: Any,
        trace_context: dict[str, str] | None = None,
        **kwargs: Any,
    ) -> Any:
        with tracer.start_as_current_span(
            f"process {function.__qualname__}",
            context=propagate.extract(trace_context or {}),
            kind=SpanKind.CONSUMER,
            attributes={
                "messaging.message.id": ctx["job_id"],
                "arq.job_try": ctx["job_try"],
            },
        ):
            return await function(ctx, *args, **kwargs)

    return run


@traced
async def resize(ctx: dict[str, Any], name: str, *, width: int = 100) -> str:
    logger.info("resizing %s", name)
    return f"{name}, {width} pixels wide"


class WithJobId:
    def filter(self, record: logging.LogRecord) -> bool:
        record.job_id = current_job.get()
        return True


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"job": {"()": WithJobId}},
    "formatters": {
        "job": {"format": "%(levelname)s %(name)s [%(job_id)s] %(message)s"}
    },
    "handlers": {
        "all": {
            "class": "logging.StreamHandler",
            "formatter": "job",
            "filters": ["job"],
        },
    },
    "root": {"handlers": ["all"], "level": "INFO"},
}


async def on_startup(ctx: dict[str, Any]) -> None:
    ctx["tracing"] = TracerProvider(
        resource=Resource.create({"service.name": "shop-worker"})
    )
    ctx["tracing"].add_span_processor(BatchSpanProcessor(ConsoleSpanExporter()))
    set_tracer_provider(ctx["tracing"])


async def on_job_start(ctx: dict[str, Any]) -> None:
    current_job.set(ctx["job_id"])


async def on_shutdown(ctx: dict[str, Any]) -> None:
    ctx["tracing"].shutdown()  # sends the spans that are still here


class WorkerSettings:
    functions: list[Any] = [resize]
    redis_settings = RedisSettings.from_env()
    on_startup = on_startup
    on_job_start = on_job_start
    on_shutdown = on_shutdown
