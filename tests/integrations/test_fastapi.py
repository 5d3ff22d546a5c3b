"""`arq_dependency` and its blocking twin, asked by an HTTP client."""

# FastAPI reads the annotations of endpoints: they are not postponed.

import asyncio
import contextlib
import gc
import importlib.util
from types import SimpleNamespace
from typing import Annotated
from unittest import mock

import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, WebSocket
from fastapi.testclient import TestClient

from arqade import (
    ArqMode,
    ArqQueue,
    JobMetadata,
    JobNotFound,
    JobStatus,
    MockArqQueue,
    PickleCodec,
    QueueClosed,
    QueueConnectionError,
    RedisArqQueue,
    RedisSettings,
    SyncArqQueue,
    SyncMockArqQueue,
    SyncRedisArqQueue,
    WrongEventLoopError,
)
from arqade.fastapi import ArqDependency, SyncArqDependency, arq_dependency, sync_arq_dependency
from tests.harness.worker import run_burst
from tests.integrations.pydantic_values import Point, Shape
from tests.integrations.serving import serving

SHAPE = Shape(name="line", points=[Point(x=1, y=2), Point(x=3)])


class LoudCodec(PickleCodec):
    """Writes what `PickleCodec` can't read."""

    def dumps(self, envelope):
        return b"!" + super().dumps(envelope)

    def loads(self, data):
        return super().loads(data.removeprefix(b"!"))


@pytest.fixture(params=list(ArqMode))
def options(request, redis_url):
    """What opens a queue in each of the modes."""
    if request.param is ArqMode.test:
        return {"mode": ArqMode.test}
    return {"mode": ArqMode.production, "redis_settings": RedisSettings.from_url(redis_url)}


@pytest.fixture
async def dependency():
    """A dependency that is not initialized; it is closed after the test."""
    dependency = ArqDependency()
    yield dependency
    await dependency.aclose()


@pytest.fixture
def sync_dependency():
    """A blocking dependency that is not initialized; it is closed after the test."""
    dependency = SyncArqDependency()
    yield dependency
    dependency.close()


Queue = Annotated[ArqQueue, Depends(arq_dependency)]
SyncQueue = Annotated[SyncArqQueue, Depends(sync_arq_dependency)]

router = APIRouter()
sync_router = APIRouter(prefix="/sync")


@router.post("/jobs")
async def post_job(name: str, value: int, queue: Queue) -> str:
    return (await queue.enqueue(name, value)).id


@router.get("/jobs/{job_id}")
async def get_job(job_id: str, queue: Queue) -> dict[str, object]:
    try:
        job = await queue.get_job_metadata(job_id)
    except JobNotFound as error:
        raise HTTPException(404, str(error)) from None
    return {"status": job.status, "args": job.args, "queue": job.queue_name}


@router.get("/results/{job_id}")
async def get_result(job_id: str, queue: Queue) -> dict[str, object]:
    return (await queue.get_job_result(job_id)).result


@router.post("/shapes")
async def post_shape(shape: Shape, queue: Queue) -> str:
    return (await queue.enqueue("draw", shape)).id


@router.websocket("/ws")
async def enqueue_all(websocket: WebSocket, queue: Queue) -> None:
    await websocket.accept()
    async for name in websocket.iter_text():
        job = await queue.enqueue(name)
        await websocket.send_json({"id": job.id, "status": job.status})


@sync_router.post("/jobs")
def sync_post_job(name: str, value: int, queue: SyncQueue) -> str:
    return queue.enqueue(name, value).id


@sync_router.get("/jobs/{job_id}")
def sync_get_job(job_id: str, queue: SyncQueue) -> dict[str, object]:
    job = queue.get_job_metadata(job_id)
    return {"status": job.status, "args": job.args, "queue": job.queue_name}


@sync_router.get("/results/{job_id}")
def sync_get_result(job_id: str, queue: SyncQueue) -> dict[str, object]:
    return queue.get_job_result(job_id).result


def make_app(options):
    """Make an application that initializes both dependencies when it starts."""

    @contextlib.asynccontextmanager
    async def lifespan(_app):
        await arq_dependency.initialize(**options)
        sync_arq_dependency.initialize(**options, store=arq_dependency.store)
        yield
        sync_arq_dependency.close()
        await arq_dependency.aclose()

    app = FastAPI(lifespan=lifespan)
    app.include_router(router)
    app.include_router(sync_router)
    return app


async def echo(ctx, value):
    return {"value": value}


# --- requests --------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "/sync"])
async def test_requests(options, prefix):
    """Jobs are enqueued and read by requests, in both modes, by both kinds of endpoints."""
    async with serving(make_app(options)) as client:
        response = await client.post(f"{prefix}/jobs", params={"name": "echo", "value": 3})
        assert response.status_code == 200
        response = await client.get(f"{prefix}/jobs/{response.json()}")
        assert response.json() == {"status": "queued", "args": [3], "queue": "arq:queue"}


async def test_unknown_job(options):
    """A job that does not exist is not found, in both modes."""
    async with serving(make_app(options)) as client:
        response = await client.get("/jobs/nope")
        assert response.status_code == 404
        assert response.json() == {"detail": "Job could not be found. id=nope"}


@pytest.mark.parametrize(("first", "second"), [("", "/sync"), ("/sync", "")])
async def test_both_kinds_of_endpoints(options, first, second):
    """A ``def`` endpoint and an ``async def`` one see each other's jobs, in both modes."""
    async with serving(make_app(options)) as client:
        response = await client.post(f"{first}/jobs", params={"name": "echo", "value": 3})
        response = await client.get(f"{second}/jobs/{response.json()}")
        assert response.json() == {"status": "queued", "args": [3], "queue": "arq:queue"}


@pytest.mark.parametrize("prefix", ["", "/sync"])
async def test_worker(redis_url, prefix):
    """A stock worker runs the job, and the client gets its result."""
    settings = RedisSettings.from_url(redis_url)
    async with serving(make_app({"mode": "production", "redis_settings": settings})) as client:
        response = await client.post(f"{prefix}/jobs", params={"name": "echo", "value": 3})
        job_id = response.json()
        run_burst(redis_url)
        response = await client.get(f"{prefix}/jobs/{job_id}")
        assert response.json() == {"status": "complete", "args": [3], "queue": "arq:queue"}
        response = await client.get(f"{prefix}/results/{job_id}")
        assert response.json() == {"args": [3], "kwargs": {}, "job_try": 1}


async def test_run_jobs():
    """In test mode the test runs the jobs, and the client gets their results."""
    async with serving(make_app({"mode": "test"})) as client:
        response = await client.post("/jobs", params={"name": "echo", "value": 3})
        queue = await arq_dependency()
        assert isinstance(queue, MockArqQueue)
        assert await queue.run_jobs([echo]) == 1
        response = await client.get(f"/results/{response.json()}")
        assert response.json() == {"value": 3}


async def test_many_requests(options):
    """Requests at the same time are served with one queue."""
    async with serving(make_app(options)) as client:
        responses = await asyncio.gather(
            *(
                client.post(f"{prefix}/jobs", params={"name": "echo", "value": n})
                for n in range(20)
                for prefix in ("", "/sync")
            )
        )
        assert len({response.json() for response in responses}) == 40


async def test_startup_functions(options):
    """The older form of starting and stopping, as safir's guide has it, works as well."""

    async def startup() -> None:
        await arq_dependency.initialize(**options)

    app = FastAPI(on_startup=[startup], on_shutdown=[arq_dependency.aclose])
    app.include_router(router)
    async with serving(app) as client:
        response = await client.post("/jobs", params={"name": "echo", "value": 3})
        assert response.status_code == 200
        queue = await arq_dependency()
    with pytest.raises(QueueClosed):
        await queue.ping()


def test_websocket(options):
    """A WebSocket route gets the queue, too."""
    with (
        TestClient(make_app(options)) as client,
        client.websocket_connect("/ws") as websocket,
    ):
        websocket.send_text("echo")
        job = websocket.receive_json()
        assert job["status"] == "queued"
        assert client.get(f"/jobs/{job['id']}").json()["status"] == "queued"


def test_client_of_starlette(options):
    """The application starts and stops in the event loop of Starlette's own client, repeatedly."""
    app = make_app(options)
    for _ in range(2):
        with TestClient(app) as client:
            job_id = client.post("/jobs", params={"name": "echo", "value": 3}).json()
            assert client.get(f"/jobs/{job_id}").json()["status"] == "queued"
            assert client.get(f"/sync/jobs/{job_id}").json()["status"] == "queued"


async def test_client_in_another_event_loop(redis_url):
    """A real queue that a test has opened can't serve an application in another event loop."""
    app = FastAPI()
    app.include_router(router)
    settings = RedisSettings.from_url(redis_url)
    await arq_dependency.initialize(mode="production", redis_settings=settings)
    with TestClient(app) as client, pytest.raises(WrongEventLoopError):
        client.post("/jobs", params={"name": "echo", "value": 3})
    await arq_dependency.aclose()


async def test_override(options):
    """A test may put a queue of its own in the place of the application's."""
    app = make_app(options)
    queue, sync_queue = MockArqQueue(), SyncMockArqQueue()
    app.dependency_overrides[arq_dependency] = lambda: queue
    app.dependency_overrides[sync_arq_dependency] = lambda: sync_queue
    async with serving(app) as client:
        await client.post("/jobs", params={"name": "echo", "value": 3})
        await client.post("/sync/jobs", params={"name": "echo", "value": 4})
    queue.assert_enqueued("echo", 3)
    sync_queue.assert_enqueued("echo", 4)


async def test_default_of_parameter():
    """The older form of a dependency, as safir's guide has it, works as well."""
    app = make_app({"mode": "test"})

    @app.get("/name")
    async def get_name(queue: ArqQueue = Depends(arq_dependency)) -> str:  # noqa: B008
        return queue.default_queue_name

    async with serving(app) as client:
        assert (await client.get("/name")).json() == "arq:queue"


async def test_uninitialized_application():
    """A request to an application that never initialized the dependency fails, and says why."""
    app = FastAPI()

    @app.get("/")
    async def get(queue: Queue) -> None: ...

    async with serving(app) as client:
        with pytest.raises(RuntimeError, match=r"^ArqDependency is not initialized"):
            await client.get("/")


# --- the dependency --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "kind"), [("test", MockArqQueue), ("production", RedisArqQueue)], ids=str
)
async def test_kind(dependency, redis_url, mode, kind):
    """The mode, a member of ArqMode or its value, chooses the kind of queue."""
    settings = RedisSettings.from_url(redis_url)
    for value in (mode, ArqMode(mode)):
        await dependency.initialize(mode=value, redis_settings=settings)
        assert type(await dependency()) is kind


@pytest.mark.parametrize(
    ("mode", "kind"), [("test", SyncMockArqQueue), ("production", SyncRedisArqQueue)], ids=str
)
def test_sync_kind(sync_dependency, redis_url, mode, kind):
    """The same for the blocking one."""
    settings = RedisSettings.from_url(redis_url)
    for value in (mode, ArqMode(mode)):
        sync_dependency.initialize(mode=value, redis_settings=settings)
        assert type(sync_dependency()) is kind


async def test_one_queue(dependency, options):
    """Every call gives the same queue."""
    await dependency.initialize(**options)
    assert await dependency() is await dependency()


async def test_uninitialized(dependency):
    """Using it before it is initialized is an error that says what to do."""
    with pytest.raises(RuntimeError, match=r"^ArqDependency is not initialized: call its init"):
        await dependency()
    with pytest.raises(RuntimeError, match=r"^ArqDependency is not initialized"):
        _ = dependency.store


def test_sync_uninitialized(sync_dependency):
    """The same for the blocking one."""
    with pytest.raises(RuntimeError, match=r"^SyncArqDependency is not initialized: call its"):
        sync_dependency()
    with pytest.raises(RuntimeError, match=r"^SyncArqDependency is not initialized"):
        _ = sync_dependency.store


async def test_aclose(dependency, options):
    """Closing closes the queue, makes further use an error, and may be repeated."""
    await dependency.aclose()
    await dependency.initialize(**options)
    queue = await dependency()
    await dependency.aclose()
    await dependency.aclose()
    with pytest.raises(QueueClosed):
        await queue.ping()
    with pytest.raises(RuntimeError, match="not initialized"):
        await dependency()


def test_sync_close(sync_dependency, options):
    """The same for the blocking one."""
    sync_dependency.close()
    sync_dependency.initialize(**options)
    queue = sync_dependency()
    sync_dependency.close()
    sync_dependency.close()
    with pytest.raises(QueueClosed):
        queue.ping()
    with pytest.raises(RuntimeError, match="not initialized"):
        sync_dependency()


async def test_initialize_after_aclose(dependency, options):
    """After it was closed it may be initialized again, and works."""
    await dependency.initialize(**options)
    first = await dependency()
    await dependency.aclose()
    await dependency.initialize(**options)
    assert await dependency() is not first
    await (await dependency()).enqueue("work", _job_id="k")
    assert await (await dependency()).get_job_status("k") == JobStatus.queued


def test_sync_initialize_after_close(sync_dependency, options):
    """The same for the blocking one."""
    sync_dependency.initialize(**options)
    first = sync_dependency()
    sync_dependency.close()
    sync_dependency.initialize(**options)
    assert sync_dependency() is not first
    sync_dependency().enqueue("work", _job_id="k")
    assert sync_dependency().get_job_status("k") == JobStatus.queued


async def test_initialize_twice(dependency, options):
    """Initializing it again closes the first queue: nothing leaks."""
    await dependency.initialize(**options)
    first = await dependency()
    await dependency.initialize(**options)
    with pytest.raises(QueueClosed):
        await first.ping()
    await (await dependency()).ping()


def test_sync_initialize_twice(sync_dependency, options):
    """The same for the blocking one."""
    sync_dependency.initialize(**options)
    first = sync_dependency()
    sync_dependency.initialize(**options)
    with pytest.raises(QueueClosed):
        first.ping()
    sync_dependency().ping()


async def test_initialize_at_the_same_time(dependency, options):
    """Of several initializations at the same time one queue is left open, the others are closed."""
    closed = []
    kind = MockArqQueue if options["mode"] == "test" else RedisArqQueue
    closing = kind.aclose

    async def aclose(queue):
        closed.append(queue)
        await closing(queue)

    with mock.patch.object(kind, "aclose", aclose):
        await asyncio.gather(*(dependency.initialize(**options) for _ in range(5)))
    assert len({id(queue) for queue in closed}) == 4
    assert await dependency() not in closed
    await (await dependency()).ping()


async def test_failed_initialization(dependency):
    """If the server can't be reached, that is said, and what was open before stays open."""
    await dependency.initialize(mode="test")
    queue = await dependency()
    settings = RedisSettings(port=1, conn_retries=0)
    with pytest.raises(QueueConnectionError):
        await dependency.initialize(mode="production", redis_settings=settings)
    assert await dependency() is queue
    await queue.ping()


def test_sync_failed_initialization(sync_dependency):
    """The same for the blocking one."""
    sync_dependency.initialize(mode="test")
    queue = sync_dependency()
    settings = RedisSettings(port=1, conn_retries=0)
    with pytest.raises(QueueConnectionError):
        sync_dependency.initialize(mode="production", redis_settings=settings)
    assert sync_dependency() is queue
    queue.ping()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_initialize_in_another_event_loop(options):
    """What an event loop left open, as a test that forgot to close, does not hinder the next."""
    dependency = ArqDependency()

    async def use():
        await dependency.initialize(**options)
        await (await dependency()).ping()

    asyncio.run(use())
    asyncio.run(use())

    async def close():
        await use()
        await dependency.aclose()

    asyncio.run(close())
    gc.collect()


@pytest.mark.parametrize("mode", ["production", ArqMode.production])
async def test_production_needs_settings(dependency, sync_dependency, mode):
    """Without settings, production is an error that says so."""
    message = r"^The redis_settings argument must be set for arq in production\.$"
    with pytest.raises(RuntimeError, match=message):
        await dependency.initialize(mode=mode)
    with pytest.raises(RuntimeError, match=message):
        await dependency.initialize(mode=mode, redis_settings=None)
    with pytest.raises(RuntimeError, match=message):
        sync_dependency.initialize(mode=mode)


async def test_unknown_mode(dependency, sync_dependency):
    """A mode that does not exist is an error, and no mock."""
    with pytest.raises(ValueError, match="'prod' is not a valid ArqMode"):
        await dependency.initialize(mode="prod")
    with pytest.raises(ValueError, match="'prod' is not a valid ArqMode"):
        sync_dependency.initialize(mode="prod")


async def test_wrong_settings(dependency):
    """A URL in place of settings is an error that says what to do."""
    with pytest.raises(TypeError, match=r"a URL goes to RedisSettings\.from_url"):
        await dependency.initialize(mode="production", redis_settings="redis://localhost")


@pytest.mark.skipif(importlib.util.find_spec("arq") is None, reason="arq is not installed here")
async def test_settings_of_arq(dependency, sync_dependency, redis_url):
    """Settings of arq itself are taken."""
    from arq.connections import RedisSettings as ArqRedisSettings  # noqa: PLC0415

    settings = ArqRedisSettings.from_dsn(redis_url)
    await dependency.initialize(mode="production", redis_settings=settings)
    await (await dependency()).enqueue("work", _job_id="k")
    sync_dependency.initialize(mode="production", redis_settings=settings)
    assert sync_dependency().get_job_status("k") == JobStatus.queued


async def test_default_queue_name(dependency, sync_dependency, options):
    """The queue has the default name that was given, and arq's own otherwise."""
    await dependency.initialize(**options, default_queue_name="mail")
    assert (await dependency()).default_queue_name == "mail"
    assert (await (await dependency()).enqueue("work")).queue_name == "mail"
    sync_dependency.initialize(**options, default_queue_name="mail")
    assert sync_dependency().default_queue_name == "mail"
    await dependency.initialize(**options)
    assert (await dependency()).default_queue_name == "arq:queue"
    sync_dependency.initialize(**options)
    assert sync_dependency().default_queue_name == "arq:queue"


async def test_several_queues(options):
    """An application may have several dependencies, each with its own default queue."""
    mail, images = ArqDependency(), ArqDependency()
    await mail.initialize(**options, default_queue_name="mail")
    await images.initialize(**options, default_queue_name="images", store=mail.store)
    app = FastAPI()

    @app.post("/jobs")
    async def post_job(
        mail: Annotated[ArqQueue, Depends(mail)], images: Annotated[ArqQueue, Depends(images)]
    ) -> list[str]:
        await mail.enqueue("send", _job_id="m")
        await images.enqueue("resize", _job_id="i")
        with pytest.raises(JobNotFound):
            await mail.get_job_metadata("i")
        return [
            (await mail.get_job_metadata("m")).queue_name,
            (await mail.get_job_metadata("i", "images")).queue_name,
        ]

    async with serving(app) as client:
        assert (await client.post("/jobs")).json() == ["mail", "images"]
    await mail.aclose()
    await images.aclose()


async def test_codec(dependency, sync_dependency, redis_url, raw):
    """The codec that was given writes the jobs."""
    settings = RedisSettings.from_url(redis_url)
    options = {"mode": "production", "redis_settings": settings, "codec": LoudCodec()}
    await dependency.initialize(**options)
    await (await dependency()).enqueue("work", _job_id="k")
    assert raw.get("arq:job:k").startswith(b"!")
    sync_dependency.initialize(**options)
    assert sync_dependency().get_job_metadata("k").name == "work"


async def test_codec_of_mock(dependency, sync_dependency):
    """The codec that was given writes the jobs of a mock, too."""
    await dependency.initialize(mode="test", codec=LoudCodec())
    await (await dependency()).enqueue("work", _job_id="k")
    assert dependency.store.get("arq:job:k").startswith(b"!")
    sync_dependency.initialize(mode="test", codec=LoudCodec(), store=dependency.store)
    assert sync_dependency().get_job_metadata("k").name == "work"


async def test_store(dependency, sync_dependency):
    """In test mode, either dependency shares the other's jobs through its store."""
    sync_dependency.initialize(mode="test")
    await dependency.initialize(mode="test", store=sync_dependency.store)
    sync_dependency().enqueue("work", _job_id="k")
    assert await (await dependency()).get_job_status("k") == JobStatus.queued
    assert dependency.store is sync_dependency.store


async def test_store_in_production(dependency, sync_dependency, redis_url):
    """In production there is no store, and none can be given."""
    options = {"mode": "production", "redis_settings": RedisSettings.from_url(redis_url)}
    await dependency.initialize(**options)
    assert dependency.store is None
    sync_dependency.initialize(**options, store=dependency.store)
    assert sync_dependency.store is None
    store = MockArqQueue().store
    with pytest.raises(ValueError, match="store is for test mode"):
        await dependency.initialize(**options, store=store)
    with pytest.raises(ValueError, match="store is for test mode"):
        sync_dependency.initialize(**options, store=store)


# --- what applications on safir do beyond its guide ------------------------------------


async def test_patched_enqueue(redis_url):
    """`RedisArqQueue.enqueue` may be patched with an AsyncMock; requests then get its answer."""
    settings = RedisSettings.from_url(redis_url)
    answer = SimpleNamespace(id="patched")
    with mock.patch.object(RedisArqQueue, "enqueue", mock.AsyncMock(return_value=answer)) as patch:
        async with serving(make_app({"mode": "production", "redis_settings": settings})) as client:
            response = await client.post("/jobs", params={"name": "echo", "value": 3})
    assert response.json() == "patched"
    patch.assert_awaited_once_with("echo", 3)


class RecordingQueue(MockArqQueue):
    """Records calls, with the signature of safir's `enqueue`."""

    def __init__(self):
        super().__init__()
        self.calls = []

    async def enqueue(self, task_name, *task_args, _queue_name=None, **task_kwargs):
        self.calls.append((task_name, task_args, _queue_name, task_kwargs))
        return await super().enqueue(task_name, *task_args, _queue_name=_queue_name, **task_kwargs)


async def test_recording_mock():
    """A subclass of the mock records the calls of requests."""
    app = make_app({"mode": "test"})
    queue = RecordingQueue()
    app.dependency_overrides[arq_dependency] = lambda: queue
    async with serving(app) as client:
        job_id = (await client.post("/jobs", params={"name": "echo", "value": 3})).json()
    assert queue.calls == [("echo", (3,), None, {})]
    await queue.enqueue("send", 1, _queue_name="mail", subject="x", _job_id="m")
    assert queue.calls[1:] == [("send", (1,), "mail", {"subject": "x", "_job_id": "m"})]
    assert [job.id for job in queue.jobs] == [job_id, "m"]


async def test_metadata_of_seven_fields(dependency, options):
    """What is read equals a JobMetadata that a test makes from safir's seven fields."""
    await dependency.initialize(**options)
    queue = await dependency()
    job = await queue.enqueue("work", 1, a=2, _job_id="k")
    expected = JobMetadata(
        id="k",
        name="work",
        args=(1,),
        kwargs={"a": 2},
        enqueue_time=job.enqueue_time,
        status=JobStatus.queued,
        queue_name="arq:queue",
    )
    assert job == expected
    assert await queue.get_job_metadata("k") == expected


async def test_inside_of_mock(dependency):
    """`_job_metadata` of the mock reads as safir's does, and an unknown queue is empty."""
    await dependency.initialize(mode=ArqMode.test, redis_settings=None)
    queue = await dependency()
    assert isinstance(queue, MockArqQueue)
    job = await queue.enqueue("work", 1, _queue_name="mail")
    assert queue._job_metadata["mail"][job.id] == job
    assert dict(queue._job_metadata["arq:queue"]) == {}


async def test_abort(dependency):
    """As safir's guide has it: a queued job is removed, a running one complete and cancelled."""
    await dependency.initialize(mode=ArqMode.test)
    queue = await dependency()
    waiting = await queue.enqueue("work")
    assert await queue.abort_job(waiting.id) is True
    with pytest.raises(JobNotFound):
        await queue.get_job_metadata(waiting.id)
    running = await queue.enqueue("work")
    await queue.set_in_progress(running.id)
    assert await queue.abort_job(running.id) is True
    result = await queue.get_job_result(running.id)
    assert result.status == JobStatus.complete
    assert result.success is False
    assert isinstance(result.result, asyncio.CancelledError)


# --- pydantic --------------------------------------------------------------------------


async def test_pydantic_arguments(dependency, options):
    """Models of pydantic are arguments like any other; what is read is equal, and not the same."""
    await dependency.initialize(**options)
    queue = await dependency()
    job = await queue.enqueue("draw", SHAPE, at=SHAPE.points[0])
    read = await queue.get_job_metadata(job.id)
    assert read.args == (SHAPE,)
    assert read.kwargs == {"at": Point(x=1, y=2)}
    assert read.args[0] is not SHAPE
    assert read == job


async def test_pydantic_result(dependency, redis_url):
    """A stock worker takes models and gives them back."""
    settings = RedisSettings.from_url(redis_url)
    await dependency.initialize(mode="production", redis_settings=settings)
    queue = await dependency()
    job = await queue.enqueue("echo", SHAPE)
    run_burst(redis_url)
    result = await queue.get_job_result(job.id)
    assert result.result == {"args": (SHAPE,), "kwargs": {}, "job_try": 1}


async def test_pydantic_request_body(options):
    """A model that a request brought can be enqueued as it is."""
    async with serving(make_app(options)) as client:
        response = await client.post("/shapes", json=SHAPE.model_dump())
        job = await (await arq_dependency()).get_job_metadata(response.json())
        assert job.args == (SHAPE,)
