"""The example of safir's guide to arq queues, with only its imports changed."""

from __future__ import annotations

import os
import subprocess

import pytest
from pydantic import RedisDsn

from arqade import ArqMode, JobNotFound, JobNotQueued, JobResultUnavailable, MockArqQueue
from arqade.fastapi import arq_dependency
from examples.fastapi_app.config import config
from examples.fastapi_app.main import app
from tests.harness.worker import PATIENCE, ROOT, python_with_arq
from tests.integrations.serving import serving

IPYNB = '{"cells": []}'
EXECUTED = '{"cells": [1]}'


@pytest.fixture
async def client(monkeypatch):
    """A client of the application in test mode."""
    monkeypatch.setattr(config, "arq_mode", ArqMode.test)
    async with serving(app) as client:
        yield client


@pytest.fixture
async def production_client(monkeypatch, redis_url):
    """A client of the application with a real queue."""
    monkeypatch.setattr(config, "arq_queue_url", RedisDsn(redis_url))
    async with serving(app) as client:
        yield client


def run_worker(redis_url):
    """Run the application's worker until its queue is empty, and give what it said."""
    done = subprocess.run(
        [
            *(python_with_arq(), "-m", "arq"),
            *("examples.fastapi_app.worker.main.WorkerSettings", "--burst"),
        ],
        cwd=ROOT,
        env={**os.environ, "APP_ARQ_QUEUE_URL": redis_url},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


async def test_post_nbexec(client):
    """The guide's own test: the mock's state is changed by the test, and the client sees it."""
    arq_queue = await arq_dependency()
    assert isinstance(arq_queue, MockArqQueue)

    response = await client.post("/nbexec", json={"ipynb": IPYNB, "kernel_name": "LSST"})
    assert response.status_code == 202
    data = response.json()
    assert data["status"] == "queued"
    job_url = response.headers["Location"]
    job_id = data["job_id"]

    # Toggle the job to in-progress; the status should update
    await arq_queue.set_in_progress(job_id)

    response = await client.get(job_url)
    assert response.status_code == 200
    data = response.json()
    assert data["status"] == "in_progress"

    # Toggle the job to complete
    await arq_queue.set_complete(job_id, result=EXECUTED)

    response = await client.get(job_url)
    assert response.status_code == 200
    data = response.json()
    assert data["status"] == "complete"
    assert data["success"] is True
    assert data["ipynb"] == EXECUTED


async def test_failed_nbexec(client):
    """A job that the test lets fail is complete, without success."""
    arq_queue = await arq_dependency()
    response = await client.post("/nbexec", json={"ipynb": IPYNB, "kernel_name": "LSST"})
    job_id = response.json()["job_id"]
    await arq_queue.set_complete(job_id, result=ValueError("no kernel"), success=False)
    response = await client.get(response.headers["Location"])
    expected = {"job_id": job_id, "status": "complete", "success": False, "ipynb": None}
    assert expected == response.json()


async def test_job(client):
    """The guide's handlers show a job's arguments, its status, and its result when it is there."""
    arq_queue = await arq_dependency()
    response = await client.post("/jobs", params={"a": "hi", "b": 2})
    job_id = response.json()["job_id"]
    job = {"status": "queued", "args": ["hi"], "kwargs": {"a_number": 2}}
    assert job == (await client.get(f"/jobs/{job_id}")).json()
    await arq_queue.set_in_progress(job_id)
    assert job | {"status": "in_progress"} == (await client.get(f"/jobs/{job_id}")).json()
    await arq_queue.set_complete(job_id, result="hi hi")
    complete = job | {"status": "complete", "result": "hi hi"}
    assert complete == (await client.get(f"/jobs/{job_id}")).json()


async def test_unknown_job(client):
    """A job that does not exist is not found, with safir's message."""
    response = await client.get("/jobs/nope")
    assert response.status_code == 404
    assert response.json() == {"detail": "Job could not be found. id=nope"}


async def test_job_of_another_queue(client):
    """With a queue's name, a job of another queue is not found."""
    job_id = (await client.post("/jobs")).json()["job_id"]
    response = await client.get(f"/jobs/{job_id}", params={"queue_name": "arq:queue"})
    assert response.status_code == 200
    response = await client.get(f"/jobs/{job_id}", params={"queue_name": "other"})
    assert response.status_code == 404


async def test_messages(client):
    """The errors say what safir's say."""
    arq_queue = await arq_dependency()
    with pytest.raises(JobNotFound) as error:
        await arq_queue.get_job_metadata("nope")
    assert str(error.value) == "Job could not be found. id=nope"
    await arq_queue.enqueue("test_task", _job_id="k")
    with pytest.raises(JobResultUnavailable) as error:
        await arq_queue.get_job_result("k")
    assert str(error.value) == "Job result could not be found. id=k"
    with pytest.raises(JobNotQueued) as error:
        await arq_queue.enqueue("test_task", _job_id="k")
    assert str(error.value).startswith("Job was not queued because it already exists. id=k")


async def test_worker(production_client, redis_url):
    """The guide's worker, run by stock arq, runs the job that the handler enqueued."""
    client = production_client
    response = await client.post("/jobs", params={"a": "hello", "b": 3})
    job_url = f"/jobs/{response.json()['job_id']}"
    job = {"status": "queued", "args": ["hello"], "kwargs": {"a_number": 3}}
    assert job == (await client.get(job_url)).json()
    output = run_worker(redis_url)
    assert "Worker start up complete" in output
    assert "Worker shutdown complete." in output
    complete = job | {"status": "complete", "result": "hello hello hello"}
    assert complete == (await client.get(job_url)).json()


async def test_worker_of_nbexec(production_client, redis_url):
    """The handlers that the guide tests with the mock do the same with a worker."""
    client = production_client
    response = await client.post("/nbexec", json={"ipynb": IPYNB, "kernel_name": "LSST"})
    assert response.status_code == 202
    assert response.json()["status"] == "queued"
    run_worker(redis_url)
    data = (await client.get(response.headers["Location"])).json()
    assert data.pop("job_id") == response.json()["job_id"]
    executed = f"{IPYNB}, executed with LSST"
    assert data == {"status": "complete", "success": True, "ipynb": executed}


async def test_unknown_job_in_production(production_client):
    """A job that does not exist is not found, with the same message."""
    response = await production_client.get("/jobs/nope")
    assert response.status_code == 404
    assert response.json() == {"detail": "Job could not be found. id=nope"}
