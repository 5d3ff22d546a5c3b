"""The queue in the application's state: `lifespan`, `get_arq_queue` and `ArqQueueDep`."""

# FastAPI reads the annotations of endpoints: they are not postponed.

import contextlib
from typing import Annotated

import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, WebSocket
from fastapi.testclient import TestClient

from arqade import (
    ArqMode,
    ArqQueue,
    JobNotFound,
    MockArqQueue,
    PickleCodec,
    QueueClosed,
    QueueConnectionError,
    RedisArqQueue,
    RedisSettings,
)
from arqade.fastapi import ArqQueueDep, get_arq_queue, lifespan
from tests.harness.worker import run_burst
from tests.integrations.serving import serving

router = APIRouter()


@router.post("/jobs")
async def post_job(name: str, value: int, queue: ArqQueueDep) -> str:
    return (await queue.enqueue(name, value)).id


@router.get("/jobs/{job_id}")
async def get_job(job_id: str, queue: ArqQueueDep) -> dict[str, object]:
    try:
        job = await queue.get_job_metadata(job_id)
    except JobNotFound as error:
        raise HTTPException(404, str(error)) from None
    return {"status": job.status, "args": job.args, "queue": job.queue_name}


@router.get("/results/{job_id}")
async def get_result(
    job_id: str, queue: Annotated[ArqQueue, Depends(get_arq_queue)]
) -> dict[str, object]:
    return (await queue.get_job_result(job_id)).result


@router.get("/blocking")
def get_name(queue: ArqQueueDep) -> str:
    return queue.default_queue_name


@router.websocket("/ws")
async def enqueue_all(websocket: WebSocket, queue: ArqQueueDep) -> None:
    await websocket.accept()
    async for name in websocket.iter_text():
        job = await queue.enqueue(name)
        await websocket.send_json({"id": job.id, "status": job.status})


@pytest.fixture(params=list(ArqMode))
def options(request, redis_url):
    """What opens a queue in each of the modes."""
    if request.param is ArqMode.test:
        return {"mode": ArqMode.test}
    return {"mode": "production", "redis_settings": RedisSettings.from_url(redis_url)}


def make_app(**options):
    """Make an application with a lifespan, or without one if there are no options."""
    app = FastAPI(lifespan=lifespan(**options) if options else None)
    app.include_router(router)
    return app


async def test_requests(options):
    """Jobs are enqueued and read by requests, in both modes."""
    async with serving(make_app(**options)) as client:
        response = await client.post("/jobs", params={"name": "echo", "value": 3})
        assert response.status_code == 200
        response = await client.get(f"/jobs/{response.json()}")
        assert response.json() == {"status": "queued", "args": [3], "queue": "arq:queue"}
        response = await client.get("/jobs/nope")
        assert response.status_code == 404
        assert response.json() == {"detail": "Job could not be found. id=nope"}


async def test_worker(redis_url):
    """A stock worker runs the job, and the client gets its result."""
    settings = RedisSettings.from_url(redis_url)
    async with serving(make_app(mode=ArqMode.production, redis_settings=settings)) as client:
        response = await client.post("/jobs", params={"name": "echo", "value": 3})
        job_id = response.json()
        run_burst(redis_url)
        response = await client.get(f"/results/{job_id}")
        assert response.json() == {"args": [3], "kwargs": {}, "job_try": 1}


def test_client_of_starlette(options):
    """HTTP and WebSocket routes get the queue from a client that runs the lifespan, repeatedly."""
    app = make_app(**options)
    for _ in range(2):
        with TestClient(app) as client, client.websocket_connect("/ws") as websocket:
            websocket.send_text("echo")
            job = websocket.receive_json()
            assert job["status"] == "queued"
            assert client.get(f"/jobs/{job['id']}").json()["status"] == "queued"


async def test_default_queue_name(options):
    """The queue has the default name that was given; ``def`` endpoints can ask for it, too."""
    async with serving(make_app(**options, default_queue_name="mail")) as client:
        assert (await client.get("/blocking")).json() == "mail"
        job_id = (await client.post("/jobs", params={"name": "echo", "value": 3})).json()
        assert (await client.get(f"/jobs/{job_id}")).json()["queue"] == "mail"


async def test_openapi(options):
    """The queue is no parameter of the API that the application documents."""
    async with serving(make_app(**options)) as client:
        document = (await client.get("/openapi.json")).json()
        assert "parameters" not in document["paths"]["/blocking"]["get"]


@pytest.mark.parametrize(
    ("mode", "kind"), [("test", MockArqQueue), ("production", RedisArqQueue)], ids=str
)
async def test_start_and_stop(redis_url, mode, kind):
    """The state has the queue while the application runs; afterwards it is closed."""
    run = lifespan(mode=mode, redis_settings=RedisSettings.from_url(redis_url))
    async with run(FastAPI()) as state:
        assert list(state) == ["arq_queue"]
        queue = state["arq_queue"]
        assert type(queue) is kind
        await queue.ping()
    with pytest.raises(QueueClosed):
        await queue.ping()
    async with run(FastAPI()) as state:
        assert state["arq_queue"] is not queue
        await state["arq_queue"].ping()


async def test_stop_by_error(options):
    """The queue is closed if the application ends by an error."""
    with pytest.raises(KeyError):
        async with lifespan(**options)(FastAPI()) as state:
            raise KeyError
    with pytest.raises(QueueClosed):
        await state["arq_queue"].ping()


async def test_two_applications(options):
    """Two applications have queues of their own: there is no global."""
    first, second = make_app(**options), make_app(**options, default_queue_name="mail")
    async with serving(first) as client, serving(second) as other:
        assert (await client.get("/blocking")).json() == "arq:queue"
        assert (await other.get("/blocking")).json() == "mail"


async def test_own_lifespan(options):
    """An application's own lifespan enters this one, and adds to its state."""
    arq_lifespan = lifespan(**options)

    @contextlib.asynccontextmanager
    async def own_lifespan(app):
        async with arq_lifespan(app) as state:
            await state["arq_queue"].enqueue("at_start", _job_id="k")
            yield {**state, "name": "shop"}

    app = FastAPI(lifespan=own_lifespan)
    app.include_router(router)

    @app.get("/shop")
    async def get_shop(request: Request) -> str:
        return request.state.name

    async with serving(app) as client:
        assert (await client.get("/shop")).json() == "shop"
        assert (await client.get("/jobs/k")).json()["status"] == "queued"


async def test_lifespan_of_router(options):
    """The lifespan of a router that an application includes works, too."""
    part = APIRouter(lifespan=lifespan(**options))
    part.include_router(router)
    app = FastAPI()
    app.include_router(part)
    async with serving(app) as client:
        assert (await client.get("/blocking")).json() == "arq:queue"


async def test_mounted_application(options):
    """An application that is mounted in the one with the lifespan finds the queue."""
    app = make_app(**options, default_queue_name="mail")
    app.mount("/part", make_app())
    async with serving(app) as client:
        assert (await client.get("/part/blocking")).json() == "mail"


async def test_store():
    """A test may look at the application's jobs through a mock of its own."""
    mock = MockArqQueue()
    async with serving(make_app(mode="test", store=mock.store)) as client:
        job_id = (await client.post("/jobs", params={"name": "echo", "value": 3})).json()
        mock.assert_enqueued("echo", 3)
        await mock.set_complete(job_id, result={"value": 3})
        assert (await client.get(f"/results/{job_id}")).json() == {"value": 3}


async def test_codec():
    """The codec that was given writes the jobs."""

    class LoudCodec(PickleCodec):
        def dumps(self, envelope):
            return b"!" + super().dumps(envelope)

    mock = MockArqQueue()
    run = lifespan(mode="test", store=mock.store, codec=LoudCodec())
    async with run(FastAPI()) as state:
        await state["arq_queue"].enqueue("work", _job_id="k")
    assert mock.store.get("arq:job:k").startswith(b"!")


@pytest.mark.parametrize("with_lifespan", [True, False])
async def test_override(options, with_lifespan):
    """A test may put a queue of its own in the place of the application's, lifespan or not."""
    app = make_app(**options) if with_lifespan else make_app()
    mock = MockArqQueue()
    app.dependency_overrides[get_arq_queue] = lambda: mock
    async with serving(app) as client:
        await client.post("/jobs", params={"name": "echo", "value": 3})
    mock.assert_enqueued("echo", 3)


def test_override_of_websocket():
    """The override holds for WebSocket routes, too."""
    app = make_app()
    mock = MockArqQueue()
    app.dependency_overrides[get_arq_queue] = lambda: mock
    with TestClient(app) as client, client.websocket_connect("/ws") as websocket:
        websocket.send_text("echo")
        assert websocket.receive_json()["status"] == "queued"
    mock.assert_enqueued("echo")


async def test_no_lifespan():
    """Without the lifespan, a request fails with an error that says what to do."""
    async with serving(make_app()) as client:
        with pytest.raises(RuntimeError, match=r"pass it lifespan=arqade\.starlette\.lifespan\("):
            await client.get("/blocking")


def test_no_lifespan_of_websocket():
    """Without the lifespan, a WebSocket route fails in the same way."""
    with (
        TestClient(make_app()) as client,
        pytest.raises(RuntimeError, match="there is no queue in the application's state"),
        client.websocket_connect("/ws"),
    ):
        pass


async def test_production_needs_settings():
    """Without settings, the application does not start, and says so."""
    app = make_app(mode="production")
    with pytest.raises(RuntimeError, match=r"^The redis_settings argument must be set for arq"):
        async with serving(app):
            pass


async def test_no_server():
    """Without its server, the application does not start."""
    app = make_app(mode="production", redis_settings=RedisSettings(port=1, conn_retries=0))
    with pytest.raises(QueueConnectionError):
        async with serving(app):
            pass
