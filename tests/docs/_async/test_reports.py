from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from docs.examples._async import reports


async def time_out(*_arguments, **_options):
    """Do as if a wait were over."""
    raise TimeoutError


@pytest.mark.parametrize("worker", ["docs.examples.blocking_worker"], indirect=True)
async def test_report(queue, worker):
    """A stock worker makes the report once, however often it is ordered, and mails it then."""
    job_id = await reports.order(queue, "2026-11")
    assert await reports.order(queue, "2026-11") == job_id == "report-2026-11"
    await queue.wait_for_result(job_id, timeout=20)  # the worker may not be there yet
    assert await reports.fetch(queue, job_id) == 107
    mail = await queue.wait_for_result("mail-2026-11", timeout=20)
    assert mail.unwrap() == "2026-11: 107"


async def test_waiting(mock, monkeypatch):
    """A report that is not made yet is none, and can be called off; then it is unknown."""
    job_id = await reports.order_for(mock, "2026-12", datetime.now(UTC) + timedelta(hours=1))
    assert await mock.get_job_status(job_id) == "deferred"
    with monkeypatch.context() as patch:
        patch.setattr(type(mock), "wait_for_result", time_out)
        assert await reports.fetch(mock, job_id) is None
    assert await reports.cancel(mock, job_id)
    assert not await reports.cancel(mock, job_id)
    with pytest.raises(LookupError, match=job_id):
        await reports.fetch(mock, job_id)


async def test_failed_report(mock):
    """What the job raised is raised."""
    job_id = await reports.order(mock, "2026-13")
    await mock.set_complete(job_id, result=ValueError("no such month"), success=False)
    with pytest.raises(ValueError, match="no such month"):
        await reports.fetch(mock, job_id)
