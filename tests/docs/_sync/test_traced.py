# Generated from tests/docs/_async/test_traced.py by "make generate"; do not edit.
from __future__ import annotations

import importlib

import pytest
from opentelemetry.trace import format_span_id, format_trace_id, get_tracer

from arqade import JobRequest, job
from docs.examples._sync import traced
from tests.docs.tracing import TracedWorker, finished_spans


@pytest.fixture(autouse=True)
def _no_spans():
    """Nobody's spans are there yet."""
    finished_spans()


@job(name="resize")
def declared(name: str, *, width: int = 100) -> str: ...


@pytest.fixture
def resize(redis_url, monkeypatch):
    """The worker's function."""
    monkeypatch.setenv("ARQADE_URL", redis_url)
    return importlib.import_module("docs.examples.traced_worker").resize


def test_trace_goes_on_in_the_worker(queue, redis_url):
    """The job's span has the request's trace, and the client's span as its parent."""
    request = JobRequest("resize", ("cat.png",), {"width": 300}, job_id="cat")
    with TracedWorker(redis_url) as worker:
        with get_tracer("test").start_as_current_span("POST /images"):
            traced.enqueue_traced(queue, request)
        result = queue.wait_for_result("cat", timeout=20)
    assert result.unwrap() == "cat.png, 300 pixels wide"
    assert request.kwargs == {"width": 300}
    sent, received = finished_spans()
    assert (sent.name, received.name) == ("send resize", "POST /images")
    assert sent.parent.span_id == received.context.span_id
    assert sent.attributes["messaging.message.id"] == "cat"
    [processed] = worker.spans
    assert processed["name"] == "process resize"
    assert processed["context"]["trace_id"] == f"0x{format_trace_id(received.context.trace_id)}"
    assert processed["parent_id"] == f"0x{format_span_id(sent.context.span_id)}"
    assert processed["attributes"] == {"messaging.message.id": "cat", "arq.job_try": 1}
    assert "INFO shop.jobs [cat] resizing cat.png\n" in worker.log
    assert "INFO arq.worker [-] Starting worker" in worker.log


def test_job_without_a_trace(queue, redis_url):
    """It begins one of its own."""
    with TracedWorker(redis_url) as worker:
        job = queue.enqueue("resize", "cat.png", width=300)
        queue.wait_for_result(job.id, timeout=20)
    [processed] = worker.spans
    assert processed["parent_id"] is None


@pytest.mark.parametrize("typed", [False, True])
def test_in_the_mock(mock, resize, typed):
    """A mock runs such functions, too, and a declaration names no trace."""
    if typed:
        job_id = traced.enqueue_traced(mock, declared("cat.png", width=300)).id
    else:
        job_id = traced.post_image(mock, "cat.png")
    mock.run_jobs([resize])
    assert mock.get_job_result(job_id).unwrap() == "cat.png, 300 pixels wide"
    sent, processed = finished_spans()
    assert processed.parent.span_id == sent.context.span_id
    assert processed.context.trace_id == sent.context.trace_id
