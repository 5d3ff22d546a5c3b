# Generated from docs/examples/_async/traced.py by "make generate"; do not edit.
"""Put the trace of the request into the job."""

from typing import TypeVar

from opentelemetry import propagate
from opentelemetry.trace import SpanKind, get_tracer

from arqade import JobMetadata, JobRequest, SyncArqQueue

R = TypeVar("R")

tracer = get_tracer("shop.web")


def enqueue_traced(queue: SyncArqQueue, request: JobRequest[R]) -> JobMetadata[R]:
    with tracer.start_as_current_span(
        f"send {request.task_name}", kind=SpanKind.PRODUCER
    ) as span:
        trace_context: dict[str, str] = {}
        propagate.inject(trace_context)
        kwargs = {**request.kwargs, "trace_context": trace_context}
        job = queue.enqueue(request.with_options(kwargs=kwargs))
        span.set_attribute("messaging.message.id", job.id)
        return job


def post_image(queue: SyncArqQueue, name: str) -> str:
    job = enqueue_traced(queue, JobRequest("resize", (name,), {"width": 300}))
    return job.id
