"""The workers of the examples, run by a mock: what happens when a job fails, or runs again."""

from __future__ import annotations

import importlib

import pytest

from arqade import JSONCodec, MockArqQueue


@pytest.fixture
def load(monkeypatch):
    """Import a worker's module, which needs the URL of a server."""

    def load(name):
        monkeypatch.setenv("ARQADE_URL", "redis://localhost:6379/0")
        return importlib.import_module(f"docs.examples.{name}")

    return load


async def test_report_that_runs_twice(load):
    """A report is mailed once, even if it is made twice."""
    worker = load("blocking_worker")
    async with MockArqQueue() as mock:
        for _ in range(2):
            await mock.enqueue("build_report", "2026-11")
        functions = [worker.build_report, worker.mail_report]
        assert await mock.run_jobs(functions, ctx={"queue": mock, "processes": None}) == 3
        assert (await mock.get_job_result("mail-2026-11")).unwrap() == "2026-11: 107"


async def test_mail_is_tried_again(load, monkeypatch):
    """A mail is tried four times, at longer and longer intervals; then its error is the result."""
    worker = load("mail_worker")
    tries = []

    def refuse(to, subject):
        tries.append(subject)
        raise ConnectionRefusedError("no server")

    monkeypatch.setattr(worker, "deliver", refuse)
    async with MockArqQueue(default_queue_name="mail", codec=JSONCodec()) as mock:
        job = await mock.enqueue("send_mail", "ann@example.com", subject="Hello")
        await mock.run_jobs(worker.WorkerSettings)
        for count, pause in enumerate([60, 120, 180], start=1):
            mock.clock.advance(pause - 1)
            await mock.run_jobs(worker.WorkerSettings)
            assert len(tries) == count
            mock.clock.advance(1)
            await mock.run_jobs(worker.WorkerSettings, raise_errors=False)
        assert len(tries) == worker.TRIES
        result = await mock.get_job_result(job.id)
        assert not result.success
        assert repr(result.result) == "ConnectionRefusedError('no server')"
