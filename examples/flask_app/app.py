"""The application: views of both kinds that enqueue jobs and tell what has become of them."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, abort, request

from arqade import JobNotFound, JobStatus
from arqade.flask import Arqade, current_async_queue, current_queue
from examples.flask_app.jobs import render

__all__ = ["create_app"]

arqade = Arqade()
views = Blueprint("views", __name__)


@views.post("/jobs")
def post_job() -> tuple[dict[str, Any], int]:
    """Enqueue a job."""
    body = request.get_json()
    job = current_queue.enqueue(render(body["title"], pages=body.get("pages", 1)))
    return {"job_id": job.id, "status": job.status}, 202


@views.get("/jobs/<job_id>")
def get_job(job_id: str) -> dict[str, Any]:
    """Tell the state of a job, and its result once there is one."""
    try:
        job = current_queue.get_job_metadata(job_id)
        if job.status is not JobStatus.complete:
            return {"job_id": job.id, "status": job.status}
        result = current_queue.get_job_result(job_id)
    except JobNotFound as error:
        abort(404, str(error))
    return {"job_id": job.id, "status": job.status, "result": result.unwrap()}


@views.post("/async/jobs")
async def post_job_async() -> tuple[dict[str, Any], int]:
    """Enqueue a job, in an asynchronous view: it has an event loop of its own."""
    job = await current_async_queue.enqueue(render(request.get_json()["title"]))
    return {"job_id": job.id, "status": job.status}, 202


@views.get("/async/jobs/<job_id>")
async def wait_for_job(job_id: str) -> tuple[dict[str, Any], int]:
    """Wait a while for the result of a job."""
    try:
        result = await current_async_queue.wait_for_result(job_id, timeout=10)
    except JobNotFound as error:
        abort(404, str(error))
    except TimeoutError:
        return {"job_id": job_id}, 504
    return {"job_id": job_id, "result": result.unwrap()}, 200


def create_app(**config: Any) -> Flask:
    """Make the application.

    Args:
        **config: Configuration, as ``ARQADE_URL``; that is taken from the environment if it is
            left out.
    """
    app = Flask(__name__)
    app.config.from_mapping({"ARQADE_CODEC": "json", **config})
    arqade.init_app(app)
    app.register_blueprint(views)
    return app
