"""An application for gunicorn without a framework: `app/wsgi.py`."""

import atexit
import functools
import threading
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

import attrs

from arqade import RedisSettings, SyncArqQueue, SyncRedisArqQueue

lock = threading.Lock()


@functools.cache
def opened() -> SyncArqQueue:
    # Without a server, each request says so at once: others wait for the lock meanwhile.
    settings = attrs.evolve(RedisSettings.from_env(), conn_retries=0)
    queue = SyncRedisArqQueue.initialize(settings)
    atexit.register(queue.close)
    return queue


def arq_queue() -> SyncArqQueue:
    with lock:  # threads that come first come together
        return opened()


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    match environ["REQUEST_METHOD"], environ["PATH_INFO"]:
        case "GET", "/health":
            status, answer = "200 OK", "well"
        case "POST", "/jobs":
            job = arq_queue().enqueue("resize", "cat.png")
            status, answer = "202 Accepted", job.id
        case _:
            status, answer = "404 Not Found", "not found"
    start_response(status, [("Content-Type", "text/plain")])
    return [answer.encode()]
