"""What the examples of tracing say: spans of this process, and those of a stock worker."""

from __future__ import annotations

import functools
import json
import subprocess
import tempfile
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import set_tracer_provider

from tests.harness.worker import ROOT, ended, python_with_arq, stock_environment

if TYPE_CHECKING:
    from typing import Self

    from opentelemetry.sdk.trace import ReadableSpan

__all__ = ["TracedWorker", "finished_spans"]

APP = "docs.examples.traced_worker"


@functools.cache
def exporter() -> InMemorySpanExporter:
    """Keep the spans of this process, which has one provider for ever."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    set_tracer_provider(provider)
    return exporter


def finished_spans() -> list[ReadableSpan]:
    """Give the spans of this process that are over, and forget them."""
    spans = list(exporter().get_finished_spans())
    exporter().clear()
    return spans


class TracedWorker:
    """The worker of the page: what it said is known after the ``with`` block.

    Args:
        redis_url: The server.
    """

    def __init__(self, redis_url: str) -> None:
        self.spans: list[dict[str, Any]] = []
        self.log = ""
        arguments = [f"{APP}.WorkerSettings", "--custom-log-dict", f"{APP}.LOGGING"]
        self._files = [tempfile.TemporaryFile("w+") for _ in range(2)]  # noqa: SIM115 - see `_read`
        self._process = subprocess.Popen(
            [python_with_arq(), "-m", "arq", *arguments],
            cwd=ROOT,
            env=stock_environment(ARQADE_URL=redis_url),
            stdout=self._files[0],
            stderr=self._files[1],
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        with ended(self._process):
            pass
        output, self.log = (self._read(file) for file in self._files)
        decoder = json.JSONDecoder()
        while output:
            span, end = decoder.raw_decode(output)
            self.spans.append(span)
            output = output[end:].lstrip()

    @staticmethod
    def _read(file: Any) -> str:
        with file:
            file.seek(0)
            return str(file.read())
