"""The queue in the state of a Starlette application. What FastAPI shares is tested there, too."""

from __future__ import annotations

import contextlib
import os
import subprocess

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient

from arqade import ArqMode, MockArqQueue, QueueConnectionError, RedisSettings, SyncMockArqQueue
from arqade.starlette import get_arq_queue, lifespan
from tests.harness.web_servers import NAME, running, uvicorn
from tests.harness.worker import ROOT, python_with_arq, wait_until

EXAMPLE = "examples.starlette_app"


async def post_job(request):
    queue = await get_arq_queue(request)
    job = await queue.enqueue("echo", request.path_params["value"])
    return JSONResponse({"id": job.id, "queue": job.queue_name})


async def count(websocket):
    queue = await get_arq_queue(websocket)
    await websocket.accept()
    async for _ in websocket.iter_text():
        await websocket.send_json((await queue.get_queue_stats()).queued)


def make_app(run):
    routes = [Route("/jobs/{value:int}", post_job, methods=["POST"]), WebSocketRoute("/ws", count)]
    return Starlette(routes=routes, lifespan=run)


@pytest.mark.parametrize("mode", ["production", ArqMode.test])
def test_routes(mode, redis_url):
    """HTTP and WebSocket routes get the queue of the server and the name that were given."""
    settings = RedisSettings.from_url(redis_url)
    app = make_app(lifespan(mode=mode, redis_settings=settings, default_queue_name="mail"))
    for number in range(1, 3):
        with TestClient(app) as client, client.websocket_connect("/ws") as websocket:
            assert client.post("/jobs/5").json()["queue"] == "mail"
            websocket.send_text("how many?")
            # A mock begins empty.
            assert websocket.receive_json() == (number if mode == "production" else 1)


def test_store():
    """In test mode, a test sees the jobs of the application."""
    mock = SyncMockArqQueue()
    with TestClient(make_app(lifespan(mode="test", store=mock.store))) as client:
        client.post("/jobs/5")
    mock.assert_enqueued("echo", 5)


def test_lifespan_of_the_application():
    """An application with a lifespan of its own enters it there."""
    ended = []

    @contextlib.asynccontextmanager
    async def own(app):
        async with lifespan(mode="test")(app) as state:
            yield {**state, "other": 5}
        ended.append(state["arq_queue"])

    async def show(request):
        queue = await get_arq_queue(request)
        return JSONResponse([type(queue).__name__, request.state.other])

    app = Starlette(routes=[Route("/", show)], lifespan=own)
    with TestClient(app) as client:
        assert client.get("/").json() == ["MockArqQueue", 5]
        assert ended == []
    assert isinstance(ended[0], MockArqQueue)
    assert "closed" in repr(ended[0])


def test_no_lifespan():
    """Without it, a request fails with an error that says what to do."""
    client = TestClient(make_app(None))
    with pytest.raises(RuntimeError, match=r"pass it lifespan=arqade\.starlette\.lifespan\("):
        client.post("/jobs/5")


def test_server_that_is_away():
    """The application does not start without its server."""
    settings = RedisSettings(port=1, conn_retries=0)
    app = make_app(lifespan(mode="production", redis_settings=settings))
    with pytest.raises(QueueConnectionError), TestClient(app):
        pass


def test_example(redis_url, raw):
    """The example runs as it says, with a stock worker, and leaves no connection."""
    env = {**os.environ, "ARQADE_URL": f"{redis_url}?client_name={NAME}"}
    command = [python_with_arq(), "-m", "arq", f"{EXAMPLE}.worker.WorkerSettings"]
    with running(uvicorn(f"{EXAMPLE}.main:app"), {"ARQADE_URL": env["ARQADE_URL"]}) as server:
        url = server.url()
        with subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.DEVNULL) as worker:
            job = httpx.post(f"{url}/jobs", json={"text": "hello", "times": 2}).json()
            place = f"{url}/jobs/{job['job_id']}"
            wait_until(lambda: httpx.get(place).json()["status"] == "complete")
            worker.terminate()
        assert httpx.get(f"{url}/jobs/nope").status_code == 404
        server.stop()
    wait_until(lambda: all(client["name"] != NAME for client in raw.client_list()))
