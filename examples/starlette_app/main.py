"""The application: it enqueues jobs, tells what has become of them, and waits for results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute

from arqade import JobNotFound, RedisSettings
from arqade.starlette import get_arq_queue, lifespan
from examples.starlette_app.jobs import codec, shout

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.websockets import WebSocket

__all__ = ["app"]


async def post_job(request: Request) -> JSONResponse:
    """Enqueue a job."""
    queue = await get_arq_queue(request)
    body = await request.json()
    job = await queue.enqueue(shout(body["text"], times=body.get("times", 1)))
    return JSONResponse({"job_id": job.id, "status": job.status}, status_code=202)


async def get_job(request: Request) -> JSONResponse:
    """Tell the state of a job."""
    queue = await get_arq_queue(request)
    try:
        job = await queue.get_job_metadata(request.path_params["job_id"])
    except JobNotFound as error:
        raise HTTPException(404, str(error)) from None
    return JSONResponse({"job_id": job.id, "status": job.status})


async def shout_to(websocket: WebSocket) -> None:
    """Answer each text with the result of a job."""
    queue = await get_arq_queue(websocket)
    await websocket.accept()
    async for text in websocket.iter_text():
        job = await queue.enqueue(shout(text))
        result = await queue.wait_for_result(job.id, timeout=30)
        await websocket.send_text(result.unwrap())


app = Starlette(
    routes=[
        Route("/jobs", post_job, methods=["POST"]),
        Route("/jobs/{job_id}", get_job),
        WebSocketRoute("/shout", shout_to),
    ],
    lifespan=lifespan(mode="production", redis_settings=RedisSettings.from_env(), codec=codec),
)
