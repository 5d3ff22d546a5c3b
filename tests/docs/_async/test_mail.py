from __future__ import annotations

import pytest

from arqade import JSONCodec, MockArqQueue, RedisArqQueue
from docs.examples._async import mail


@pytest.fixture
async def mails(redis_url):
    async with await RedisArqQueue.from_url(redis_url, "mail", JSONCodec()) as queue:
        yield queue


@pytest.fixture
async def mock():
    async with MockArqQueue(default_queue_name="mail", codec=JSONCodec()) as mock:
        yield mock


@pytest.mark.parametrize("worker", ["tests.docs.mail_worker"], indirect=True)
async def test_worker(mails, worker):
    """A stock worker sends mails."""
    job_id = await mail.send(mails, "ann@example.com", "Hello")
    result = await mails.wait_for_result(job_id, timeout=20)
    assert result.unwrap() == "Hello to ann@example.com"
    assert await mail.state(mails, job_id) == "sent"
    assert await mail.revoke(mails, job_id) == "complete"
    assert await mail.send_to_all(mails, ["ann@example.com", "bob@example.com"], "Hi") == 2


async def test_reminder(mock):
    """It is due after a day, there is one for each order, and it expires a day later."""
    job_id = await mail.remind(mock, "ann@example.com", 7)
    assert job_id == "reminder-7"
    mock.assert_enqueued("send_mail", "ann@example.com", subject="Your order 7")
    assert await mock.get_job_status(job_id) == "deferred"
    assert await mail.state(mock, job_id) == "waiting"
    mock.clock.advance(86_400)
    assert await mock.get_job_status(job_id) == "queued"
    assert [job.id for job in mock.jobs] == [job_id]
    mock.clock.advance(86_401)
    assert mock.jobs == []


async def test_revoked(mock):
    """A mail that is revoked is not there any more."""
    job_id = await mail.send(mock, "ann@example.com", "Hello")
    assert await mail.revoke(mock, job_id) == "removed"
    assert await mail.revoke(mock, job_id) == "not_found"
    assert await mail.state(mock, job_id) == "unknown"


async def test_failed(mock):
    """The state of a mail that could not be sent says why."""
    job_id = await mail.send(mock, "ann@example.com", "Hello")
    await mock.set_complete(job_id, result=ConnectionRefusedError("no server"), success=False)
    assert (await mail.state(mock, job_id)).startswith("failed: ConnectionRefusedError(")
