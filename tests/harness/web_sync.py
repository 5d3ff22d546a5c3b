"""An application for blocking web servers, whose queue is opened, and used, when it is imported."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from arqade import SyncRedisArqQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["app"]

queue = SyncRedisArqQueue.from_url(os.environ["ARQADE_TEST_WEB_REDIS"])
imported_by = os.getpid()
first = queue.enqueue("first")
try:
    queue.wait_for_result(first.id, timeout=0.2)
except TimeoutError:
    # Now there is a connection on which results are pushed, too.
    mode = queue.push_mode


def app(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Enqueue a job of this number and read it back; wait for its result if ``wait`` is given."""
    query = dict(parse_qsl(environ["QUERY_STRING"]))
    number = int(query["n"])
    job = queue.enqueue("work", number, _job_id=query.get("wait"))
    answer = {
        "pid": os.getpid(),
        "imported_by": imported_by,
        "mode": mode,
        "id": job.id,
        "n": job.args[0],
    }
    if "wait" in query:
        answer["result"] = queue.wait_for_result(job.id, timeout=20).result
    else:
        answer["seen"] = queue.get_job_metadata(job.id).args[0]
    body = json.dumps(answer).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
