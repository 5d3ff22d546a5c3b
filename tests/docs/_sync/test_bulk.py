# Generated from tests/docs/_async/test_bulk.py by "make generate"; do not edit.
from __future__ import annotations

import pytest

from arqade import EnqueueManyError, QueueServerError
from docs.examples._sync import bulk


@pytest.fixture
def pictures(tmp_path):
    path = tmp_path / "pictures.csv"
    rows = (f"{number}.png,{number}\n" for number in range(1, 2501))
    path.write_text("picture,width\n" + "".join(rows), encoding="utf-8")
    return path


def test_import(queue, pictures, capsys):
    """All rows are jobs, once each, however often the file is imported."""
    bulk.import_file(queue, pictures)
    bulk.import_file(queue, pictures)
    assert queue.get_queue_stats().queued == 2500
    assert "2,500 jobs are settled" in capsys.readouterr().out


def test_import_that_fails(mock, pictures, capsys):
    """What became of the last jobs is printed, and the error is passed on."""
    with mock.failing(QueueServerError("out of memory")), pytest.raises(EnqueueManyError):
        bulk.import_file(mock, pictures)
    assert "0 of the last jobs are in the queue" in capsys.readouterr().out
