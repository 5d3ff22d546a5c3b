"""Queues as dependencies of a Litestar application."""

# Litestar reads the annotations of handlers: they are not postponed.

import importlib
import os
import subprocess

import httpx
import pytest
from litestar import Litestar, get, post, websocket_listener
from litestar.di import Provide
from litestar.params import FromPath, FromQuery
from litestar.testing import AsyncTestClient, TestClient

from arqade import (
    ArqMode,
    MockArqQueue,
    QueueConnectionError,
    RedisSettings,
    SyncMockArqQueue,
)
from arqade.litestar import ArqadeConfig, ArqadePlugin, ArqQueueDep, SyncArqQueueDep
from tests.harness.web_servers import NAME, running, uvicorn
from tests.harness.worker import ROOT, python_with_arq, wait_until

EXAMPLE = "examples.litestar_app"


@post("/jobs")
async def post_job(arq_queue: ArqQueueDep, value: FromQuery[int]) -> dict[str, str]:
    job = await arq_queue.enqueue("echo", value)
    return {"id": job.id, "queue": job.queue_name}


@get("/jobs/{job_id:str}", sync_to_thread=True)
def get_job(sync_arq_queue: SyncArqQueueDep, job_id: FromPath[str]) -> list[int]:
    return list(sync_arq_queue.get_job_metadata(job_id).args)


@websocket_listener("/ws")
async def enqueue(data: str, arq_queue: ArqQueueDep) -> str:
    return (await arq_queue.enqueue(data)).name


HANDLERS = [post_job, get_job, enqueue]


def make_app(*handlers, **options):
    plugin = ArqadePlugin(ArqadeConfig(**options))
    return Litestar(handlers or HANDLERS, plugins=[plugin])


@pytest.fixture(params=["production", ArqMode.test])
def options(request, redis_url):
    return {"mode": request.param, "redis_settings": RedisSettings.from_url(redis_url)}


def test_handlers(options):
    """Handlers of all kinds get the queue, again and again; both flavours see the same jobs."""
    app = make_app(**options, default_queue_name="mail")
    for _ in range(2):
        with TestClient(app) as client:
            job = client.post("/jobs", params={"value": 5}).json()
            assert job["queue"] == "mail"
            assert client.get(f"/jobs/{job['id']}").json() == [5]
            with client.websocket_connect("/ws") as websocket:
                websocket.send_text("shout")
                assert websocket.receive_text() == "shout"


async def test_connections_end_with_the_application(redis_url, raw):
    """None is left when it has ended, whether its client is asynchronous or not."""
    settings = RedisSettings.from_url(redis_url, client_name=NAME)
    app = make_app(mode="production", redis_settings=settings)
    async with AsyncTestClient(app) as client:
        job = (await client.post("/jobs", params={"value": 5})).json()
        assert (await client.get(f"/jobs/{job['id']}")).json() == [5]
        assert sum(client["name"] == NAME for client in raw.client_list()) == 2
    wait_until(lambda: all(client["name"] != NAME for client in raw.client_list()))


def test_store():
    """In test mode, a test sees the jobs of the application."""
    mock = SyncMockArqQueue()
    with TestClient(make_app(mode="test", store=mock.store)) as client:
        client.post("/jobs", params={"value": 5})
    mock.assert_enqueued("echo", 5)


def test_state_and_names():
    """What is no handler finds the queue in the state; the names can be chosen."""
    plugin = ArqadePlugin(ArqadeConfig(mode="test", dependency="jobs", sync_dependency="sync_jobs"))

    @get("/")
    async def show(jobs: ArqQueueDep, sync_jobs: SyncArqQueueDep) -> list[str]:
        return [type(jobs).__name__, type(sync_jobs).__name__]

    app = Litestar([show], plugins=[plugin])
    with TestClient(app) as client:
        assert client.get("/").json() == ["MockArqQueue", "SyncMockArqQueue"]
        assert isinstance(app.state.jobs, MockArqQueue)
        assert app.state.jobs.store is plugin.store


def test_name_that_is_taken():
    """A dependency of the application's is not replaced."""

    async def give() -> int:
        return 5

    plugin = ArqadePlugin(ArqadeConfig(mode="test"))
    with pytest.raises(ValueError, match="has a dependency 'arq_queue' already"):
        Litestar([post_job], plugins=[plugin], dependencies={"arq_queue": Provide(give)})


def test_one_name():
    """The two dependencies have two names."""
    with pytest.raises(ValueError, match="two dependencies have one name: 'q'"):
        make_app(mode="test", dependency="q", sync_dependency="q")


def test_two_plugins(redis_url):
    """Two servers are two plugins, with other names; the second application of one plugin too."""
    settings = RedisSettings.from_url(redis_url)
    here = ArqadePlugin(ArqadeConfig(mode="production", redis_settings=settings))
    there = ArqadePlugin(
        ArqadeConfig(mode="test", dependency="other", sync_dependency="sync_other")
    )

    @get("/")
    async def show(arq_queue: ArqQueueDep, other: ArqQueueDep) -> list[str]:
        return [type(arq_queue).__name__, type(other).__name__]

    for _ in range(2):
        with TestClient(Litestar([show], plugins=[here, there])) as client:
            assert client.get("/").json() == ["RedisArqQueue", "MockArqQueue"]


def test_two_applications():
    """One plugin may be in two applications; the end of one is not the end of the other's queue."""
    plugin = ArqadePlugin(ArqadeConfig(mode="test"))
    first, second = Litestar([post_job], plugins=[plugin]), Litestar([post_job], plugins=[plugin])
    with TestClient(first) as client:
        with TestClient(second):
            pass
        client.post("/jobs", params={"value": 5})
        assert "closed" not in repr(first.state.arq_queue)
    assert "closed" in repr(first.state.arq_queue)


def test_names_for_type_checkers_only(tmp_path, monkeypatch):
    """Handlers whose module imports the types for type checkers only know them by the plugin."""
    tmp_path.joinpath("handlers_of_this_test.py").write_text(
        """
from __future__ import annotations
from typing import TYPE_CHECKING
from litestar import get

if TYPE_CHECKING:
    from arqade.litestar import ArqQueueDep, SyncArqQueueDep

@get("/")
async def show(arq_queue: ArqQueueDep, sync_arq_queue: SyncArqQueueDep) -> str:
    return f"{type(arq_queue).__name__} {type(sync_arq_queue).__name__}"
""",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    handler = importlib.import_module("handlers_of_this_test").show
    with TestClient(make_app(handler, mode="test")) as client:
        assert client.get("/").text == "MockArqQueue SyncMockArqQueue"


def test_no_settings():
    """Production needs settings."""
    with pytest.raises(RuntimeError, match="redis_settings argument must be set"):
        make_app(mode="production")


async def test_server_that_is_away():
    """The application does not start without its server."""
    app = make_app(mode="production", redis_settings=RedisSettings(port=1, conn_retries=0))
    with pytest.raises(ExceptionGroup) as caught:
        async with app.lifespan():
            pass
    assert caught.value.subgroup(QueueConnectionError)


def test_example(redis_url, raw):
    """The example runs as it says, with a stock worker, and leaves no connection."""
    env = {"ARQADE_URL": f"{redis_url}?client_name={NAME}"}
    command = [python_with_arq(), "-m", "arq", f"{EXAMPLE}.worker.WorkerSettings"]
    with running(uvicorn(f"{EXAMPLE}.main:app"), env) as server:
        url = server.url()
        job = httpx.post(f"{url}/jobs", json={"text": "two words"}).json()
        assert httpx.get(f"{url}/queue").json()["queued"] == 1
        place = f"{url}/jobs/{job['job_id']}"
        with subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **env}, stderr=subprocess.DEVNULL
        ) as worker:
            wait_until(lambda: httpx.get(place).json()["status"] == "complete")
            worker.terminate()
        assert httpx.get(place).json()["statistics"] == {"words": 2, "letters": 8}
        assert httpx.get(f"{url}/jobs/nope").status_code == 404
        server.stop()
    wait_until(lambda: all(client["name"] != NAME for client in raw.client_list()))
