"""The application: it enqueues jobs and tells what has become of them."""

# Litestar reads the annotations: they are not postponed, and their names are imported for real.

from typing import Any

import attrs
from litestar import Litestar, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody

from arqade import JobNotFound, JobStatus, RedisSettings
from arqade.litestar import ArqadeConfig, ArqadePlugin, ArqQueueDep, SyncArqQueueDep
from examples.litestar_app.jobs import Statistics, codec, count_words

__all__ = ["app"]


@attrs.frozen
class Text:
    """A text to be looked at."""

    text: str


@attrs.frozen
class Job:
    """What has become of a job."""

    job_id: str
    status: JobStatus
    statistics: Statistics | None = None


@post("/jobs", status_code=202)
async def post_job(data: JSONBody[Text], arq_queue: ArqQueueDep) -> Job:
    """Enqueue a job."""
    job = await arq_queue.enqueue(count_words(data.text))
    return Job(job.id, job.status)


@get("/jobs/{job_id:str}")
async def get_job(job_id: FromPath[str], arq_queue: ArqQueueDep) -> Job:
    """Tell the state of a job, and its result once there is one."""
    try:
        job = await arq_queue.get_job_metadata(job_id)
        if job.status is not JobStatus.complete:
            return Job(job.id, job.status)
        result = await arq_queue.get_job_result(job_id)
    except JobNotFound as error:
        raise NotFoundException(str(error)) from None
    return Job(job.id, job.status, result.unwrap())


@get("/queue", sync_to_thread=True)
def get_queue(sync_arq_queue: SyncArqQueueDep) -> dict[str, Any]:
    """Tell how many jobs there are; in a thread, as what blocks does."""
    return sync_arq_queue.get_queue_stats().to_dict()


app = Litestar(
    [post_job, get_job, get_queue],
    plugins=[
        ArqadePlugin(
            ArqadeConfig(mode="production", redis_settings=RedisSettings.from_env(), codec=codec)
        )
    ],
)
