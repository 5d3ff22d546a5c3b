"""The application: it enqueues jobs and tells what has become of them."""

# FastAPI reads the annotations: they are not postponed, and their names are imported for real.

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from pydantic import BaseModel

from arqade import ArqQueue, JobNotFound, JobResultUnavailable, JobStatus
from arqade.fastapi import arq_dependency
from examples.fastapi_app.config import config

__all__ = ["app"]


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Open the queue when the application starts, and close it when it ends."""
    await arq_dependency.initialize(mode=config.arq_mode, redis_settings=config.arq_redis_settings)
    yield
    await arq_dependency.aclose()


app = FastAPI(lifespan=lifespan)


class Notebook(BaseModel):
    """A notebook to be executed."""

    ipynb: str
    kernel_name: str


@app.post("/jobs")
async def post_job(
    arq_queue: Annotated[ArqQueue, Depends(arq_dependency)],
    a: str = "hello",
    b: int = 42,
) -> dict[str, Any]:
    """Create a job."""
    job = await arq_queue.enqueue("test_task", a, a_number=b)
    return {"job_id": job.id}


@app.get("/jobs/{job_id}")
async def get_job(
    job_id: str,
    arq_queue: Annotated[ArqQueue, Depends(arq_dependency)],
    queue_name: str | None = None,
) -> dict[str, Any]:
    """Get metadata about a job."""
    try:
        job = await arq_queue.get_job_metadata(job_id, queue_name=queue_name)
    except JobNotFound as error:
        raise HTTPException(status_code=404, detail=str(error)) from None

    response = {
        "status": job.status,
        "args": job.args,
        "kwargs": job.kwargs,
    }

    if job.status == JobStatus.complete:
        try:
            job_result = await arq_queue.get_job_result(job_id, queue_name=queue_name)
        except (JobNotFound, JobResultUnavailable) as error:
            raise HTTPException(status_code=404, detail=str(error)) from None
        response["result"] = job_result.result

    return response


@app.post("/nbexec", status_code=202)
async def post_nbexec(
    arq_queue: Annotated[ArqQueue, Depends(arq_dependency)],
    notebook: Notebook,
    request: Request,
    response: Response,
) -> dict[str, Any]:
    """Have a notebook executed."""
    job = await arq_queue.enqueue("nbexec", ipynb=notebook.ipynb, kernel_name=notebook.kernel_name)
    response.headers["Location"] = str(request.url_for("get_nbexec", job_id=job.id))
    return {"job_id": job.id, "status": job.status}


@app.get("/nbexec/{job_id}")
async def get_nbexec(
    job_id: str, arq_queue: Annotated[ArqQueue, Depends(arq_dependency)]
) -> dict[str, Any]:
    """Get the executed notebook, once it is there."""
    try:
        job = await arq_queue.get_job_metadata(job_id)
        if job.status != JobStatus.complete:
            return {"job_id": job_id, "status": job.status}
        result = await arq_queue.get_job_result(job_id)
    except (JobNotFound, JobResultUnavailable) as error:
        raise HTTPException(status_code=404, detail=str(error)) from None
    return {
        "job_id": job_id,
        "status": result.status,
        "success": result.success,
        "ipynb": result.result if result.success else None,
    }
