"""Put the trace of the request into the job."""

from typing import TypeVar

from opentelemetry import propagate
from opentelemetry.trace import SpanKind, get_tracer

from arqade import ArqQueue, JobMetadata, JobRequest

R = TypeVar("R")

tracer = get_tracer("shop.web")


async def enqueue_traced(queue: ArqQueue, request: JobRequest[R]) -> JobMetadata[R]:
    with tracer.start_as_current_span(
        f"send {request.task_name}", kind=SpanKind.PRODUCER
    ) as span:
        trace_context: dict[str, str] = {}
        propagate.inject(trace_context)
        kwargs = {**request.kwargs, "trace_context": trace_context}
        job = await queue.enqueue(request.with_options(kwargs=kwargs))
        span.set_attribute("messaging.message.id", job.id)
        return job


async def post_image(queue: ArqQueue, name: str) -> str:
    job = await enqueue_traced(queue, JobRequest("resize", (name,), {"width": 300}))
    return job.id
