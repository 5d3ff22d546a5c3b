# Generated from tests/docs/_async/test_reports.py by "make generate"; do not edit.
from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from docs.examples._sync import reports


def time_out(*_arguments, **_options):
    """Do as if a wait were over."""
    raise TimeoutError


@pytest.mark.parametrize("worker", ["docs.examples.blocking_worker"], indirect=True)
def test_report(queue, worker):
    """A stock worker makes the report once, however often it is ordered, and mails it then."""
    job_id = reports.order(queue, "2026-11")
    assert reports.order(queue, "2026-11") == job_id == "report-2026-11"
    queue.wait_for_result(job_id, timeout=20)  # the worker may not be there yet
    assert reports.fetch(queue, job_id) == 107
    mail = queue.wait_for_result("mail-2026-11", timeout=20)
    assert mail.unwrap() == "2026-11: 107"


def test_waiting(mock, monkeypatch):
    """A report that is not made yet is none, and can be called off; then it is unknown."""
    job_id = reports.order_for(mock, "2026-12", datetime.now(UTC) + timedelta(hours=1))
    assert mock.get_job_status(job_id) == "deferred"
    with monkeypatch.context() as patch:
        patch.setattr(type(mock), "wait_for_result", time_out)
        assert reports.fetch(mock, job_id) is None
    assert reports.cancel(mock, job_id)
    assert not reports.cancel(mock, job_id)
    with pytest.raises(LookupError, match=job_id):
        reports.fetch(mock, job_id)


def test_failed_report(mock):
    """What the job raised is raised."""
    job_id = reports.order(mock, "2026-13")
    mock.set_complete(job_id, result=ValueError("no such month"), success=False)
    with pytest.raises(ValueError, match="no such month"):
        reports.fetch(mock, job_id)
