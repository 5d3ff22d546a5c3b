"""An application for gunicorn without a framework: `app/wsgi.py`."""

import atexit
import functools
import threading
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from arqade import RedisSettings, SyncArqQueue, SyncRedisArqQueue

lock = threading.Lock()


@functools.cache
def opened() -> SyncArqQueue:
    queue = SyncRedisArqQueue.initialize(RedisSettings.from_env())
    atexit.register(queue.close)
    return queue


def arq_queue() -> SyncArqQueue:
    with lock:  # threads that come first come together
        return opened()


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    answer = "well"
    if environ["PATH_INFO"] != "/health":
        answer = arq_queue().enqueue("resize", "cat.png").id
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [answer.encode()]
