"""Commands that change jobs: cancel, retry, delete, purge."""

from __future__ import annotations

import pickle

import pytest

from tests.harness.states import (
    QUEUE,
    STATES,
    put_complete,
    put_deferred,
    put_in_progress,
    put_queued,
    result_bytes,
)


class TestCancel:
    def test_outcomes(self, cli, raw):
        """Each job has its outcome, and the status is 1 unless all were cancelled."""
        for state, put in STATES.items():
            put(raw, state)
        answer = cli("cancel", *STATES, "unknown", "--timeout", "0.1")
        assert answer.status == 1
        assert dict(line.split() for line in answer.out.splitlines()) == {
            "queued": "removed",
            "deferred": "removed",
            "in_progress": "unconfirmed",
            "complete": "complete",
            "unknown": "not_found",
        }
        assert raw.zrange(QUEUE, 0, -1) == [b"in_progress"]

    def test_all_removed(self, cli, raw):
        """With all removed the status is 0; in JSON each is a line."""
        put_queued(raw, "a", "mail")
        put_deferred(raw, "b", "mail")
        answer = cli("cancel", "a", "b", "--queue", "mail", "--json")
        assert answer.status == 0
        assert answer.json_lines == [
            {"id": "a", "outcome": "removed"},
            {"id": "b", "outcome": "removed"},
        ]


class TestRetry:
    def test_again(self, cli, raw):
        """The job is in its queue again, with its arguments and its id; its result is gone."""
        put_complete(raw, "k", "mail")
        before = pickle.loads(raw.get("arq:result:k"))
        assert cli("retry", "k") == (0, "k\n", "")
        again = pickle.loads(raw.get("arq:job:k"))
        assert [again[field] for field in "fak"] == [before[field] for field in "fak"]
        assert raw.zscore("mail", "k") is not None
        assert raw.exists("arq:result:k") == 0

    def test_new_id(self, cli, raw):
        """With a new id the result stays."""
        put_complete(raw, "k")
        new = cli("retry", "k", "--new-id", "--json").json["id"]
        assert new != "k"
        assert raw.exists(f"arq:job:{new}", "arq:result:k") == 2

    def test_some(self, cli, raw):
        """Jobs without a result are told, and hold up no others."""
        put_complete(raw, "good")
        put_in_progress(raw, "running")
        unknown = pickle.loads(result_bytes("lost")) | {"f": "<unknown>", "a": (), "k": {}}
        raw.set("arq:result:lost", pickle.dumps(unknown))
        answer = cli("retry", "no", "running", "lost", "good")
        assert (answer.status, answer.out) == (1, "good\n")
        assert [line.rpartition("=")[2] for line in answer.err.splitlines()] == [
            *("no", "running", "lost"),
        ]
        assert raw.exists("arq:job:lost") == 0


class TestDelete:
    def test_results(self, cli, raw):
        """Kept results are deleted; the status is 1 if one was not there."""
        put_complete(raw, "a")
        put_complete(raw, "b")
        assert cli("delete", "a", "b") == (0, "a  deleted\nb  deleted\n", "")
        answer = cli("delete", "a", "--json")
        assert (answer.status, answer.json) == (1, {"id": "a", "outcome": "not_found"})


class TestPurge:
    @pytest.fixture
    def three(self, raw):
        put_queued(raw, "a", "mail")
        put_deferred(raw, "b", "mail")
        put_in_progress(raw, "c", "mail")

    def test_yes(self, cli, raw, three):
        """All jobs that have not started are removed."""
        assert cli("purge", "mail", "--yes") == (0, "2 jobs removed from mail\n", "")
        assert raw.zrange("mail", 0, -1) == [b"c"]
        assert cli("purge", "mail", "--yes", "--json").json == {"queue_name": "mail", "removed": 0}

    def test_nobody_to_ask(self, cli, raw, three):
        """Without a yes, and without a terminal, nothing is removed."""
        answer = cli("purge", "mail")
        assert (answer.status, raw.zcard("mail")) == (2, 3)
        assert "give --yes" in answer.err

    def test_no_queue(self, cli):
        """The queue has to be named."""
        assert cli("purge", "--yes").status == 2
