from __future__ import annotations

import hashlib
import itertools
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import arqade
from arqade._protocol import inspection, keys, scripts, workers
from arqade._protocol.payloads import JobTimes
from arqade._protocol.scripts import Command, EnqueueAnswer, EnqueueReply, JobView, Script
from arqade._validation import check_job_id, check_queue_name
from arqade.exceptions import QueueServerError
from arqade.models import JobStatus, WorkerHealth
from tests.harness.states import worker_record

NOW = 1_700_000_000_123
LIMIT = 1_000_000
LUA = Path(scripts.__file__).parent / "lua"
NAMES = sorted(path.stem for path in LUA.glob("*.lua"))
NUMBERS, OPTIONS = (
    re.compile(pattern.replace("%d", r"\d").replace("%l", "a-z"))
    for pattern in re.findall(
        r"\((?:ARGV\[1\]|options), '(.*)'\)", (LUA / "enqueue.lua").read_text()
    )
)
"""What `enqueue.lua` matches numbers and options with."""


def enqueue(**changes):
    arguments = {
        "job_id": "j",
        "queue_name": "mail",
        "payload": b"payload",
        "times": JobTimes(NOW, NOW + 5, 86_400_005, deferred=True),
        "on_conflict": "raise",
        "token": "t0ken",
        "fence": NOW + 11_000,
        "max_bytes": LIMIT,
    }
    return scripts.enqueue(**arguments | changes)


WORKER = worker_record(queue_name="mail")
COMMANDS = {
    "enqueue": enqueue(),
    "cancel": scripts.cancel("j", "mail"),
    "view": scripts.view("j", "mail", "metadata", LIMIT),
    "health": inspection.worker_health("mail"),
    "purge": inspection.purge("mail", 0, 500),
    "stats": inspection.counts("mail", 0, 1000),
    "forget": workers.forget("w", "mail"),
    "record": workers.record(WORKER),
    "workers": workers.look("mail"),
}
WORDS_FOR_EACH_JOB = {"view": 1}
"""Arguments that a script takes for each of some jobs, after the others."""


class TestScripts:
    def test_every_script_is_tested(self):
        """The folder of scripts holds those that are tested here."""
        assert sorted(COMMANDS) == NAMES

    @pytest.mark.parametrize("name", NAMES)
    def test_digest(self, name):
        """A script's digest is the SHA-1 of its file, as Redis reckons it."""
        data = (LUA / f"{name}.lua").read_bytes()
        script = Script.load(name)
        assert script.text.encode() == data
        assert script.digest == hashlib.sha1(data).hexdigest()

    @pytest.mark.parametrize("name", COMMANDS)
    def test_words_with_script(self, name):
        """A server that does not know the script is sent its text, and all else alike."""
        command = COMMANDS[name]
        text = (LUA / f"{name}.lua").read_text()
        assert command.words[:2] == ("EVALSHA", hashlib.sha1(text.encode()).hexdigest())
        assert command.words_with_script == ("EVAL", text, *command.words[2:])

    def test_words_without_a_script(self):
        """A command without a script has the same words for every server."""
        assert scripts.ping().words_with_script == ("PING",)

    @pytest.mark.parametrize("name", NAMES)
    def test_number_of_arguments(self, name):
        """A script gets as many arguments as it reads."""
        text = (LUA / f"{name}.lua").read_text()
        count = COMMANDS[name].words[2]
        assert max(map(int, re.findall(r"KEYS\[(\d+)\]", text)), default=0) == count
        expected = len(COMMANDS[name].words) - 3 - count - WORDS_FOR_EACH_JOB.get(name, 0)
        assert max(map(int, re.findall(r"ARGV\[(\d+)\]", text)), default=0) == expected

    @pytest.mark.parametrize("name", NAMES)
    def test_keys_of_a_script(self, name):
        """A script names no keys but those that are declared for arq."""
        text = re.sub(r"--.*", "", (LUA / f"{name}.lua").read_text())
        named = set(re.findall(r"'([^']*:[^']*)'", text))
        declared = {keys.job(""), keys.result(""), keys.in_progress(""), keys.retry(""), keys.ABORT}
        assert named <= declared | {keys.worker(""), keys.workers("")}


class TestEnqueue:
    def test_words(self):
        """An enqueue is at most ten words: the marker is its only key, names are arguments."""
        words = enqueue().words
        assert words == (
            "EVALSHA",
            Script.load("enqueue").digest,
            1,
            "arqade:once:t0ken",
            f"{NOW} {NOW + 11_000} 71000 {LIMIT}",
            "j",
            "mail",
            b"payload",
            f"raise {NOW + 5} 86400005 1 0",
        )
        assert len(words) <= 10

    def test_words_of_many(self):
        """A call for many jobs has the words of a call for one, but for the jobs' own."""
        words = enqueue().words
        many = scripts.enqueue_many(
            [*words[5:], *words[5:]],
            now=NOW,
            token="t0ken",
            fence=NOW + 11_000,
            max_bytes=LIMIT,
        )
        assert many.words == (*words, *words[5:])
        assert many.repeatable

    def test_repeatable(self):
        """An enqueue may be sent again: its marker tells."""
        assert enqueue().repeatable

    @pytest.mark.parametrize("deferred", [True, False])
    @pytest.mark.parametrize("fresh", [True, False])
    @pytest.mark.parametrize("policy", ["raise", "return_existing", "ignore_result", "replace"])
    def test_numbers(self, deferred, fresh, policy):
        """Numbers and options read as the script reads them; the marker outlives the fence."""
        words = enqueue(
            times=JobTimes(NOW, NOW, 1, deferred=deferred),
            fence=NOW + 500,
            on_conflict=policy,
            fresh=fresh,
        ).words
        *numbers, waits = NUMBERS.match(words[4]).groups()
        assert [*map(int, numbers)] == [NOW, NOW + 500, 500 + scripts.MARKER_EXTRA_MS, LIMIT]
        assert not waits
        options = OPTIONS.match(words[-1]).groups()
        assert options == (policy, str(NOW), "1", str(int(deferred)), str(int(fresh)))
        assert policy == "raise" or f"'{policy}'" in (LUA / "enqueue.lua").read_text()

    @pytest.mark.parametrize(
        ("answer", "expected"),
        [
            (9, EnqueueAnswer("created", 7, score=9)),
            (
                [b"repeated", b"9", b"5", b"\xc3\xa9"],
                EnqueueAnswer("repeated", 7, score=9, enqueue_time=5, job_id="é"),
            ),
            ([b"repeated"], EnqueueAnswer("repeated", 7)),
            *((form, EnqueueAnswer("late", 7)) for form in (b"late", [b"late"])),
            *((form, EnqueueAnswer("clock", 7)) for form in (b"clock", [b"clock"])),
            *(
                ([b"exists", reason.encode()], EnqueueAnswer("exists", 7, reason=reason))
                for reason in ("queued", "deferred", "in_progress", "complete")
            ),
            (
                [b"exists", b"9", 0, None, b"job"],
                EnqueueAnswer("exists", 7, view=JobView(7, 9, False, None, b"job")),
            ),
            (
                [b"exists", None, 1, b"result", None],
                EnqueueAnswer("exists", 7, view=JobView(7, None, True, b"result", None)),
            ),
            ([b"error", b"OOM \xff"], EnqueueAnswer("error", 7, error="OOM \ufffd")),
        ],
        ids=str,
    )
    def test_reply(self, answer, expected):
        """Each reply of the script becomes an answer."""
        assert enqueue().read([7, answer]) == expected

    @pytest.mark.parametrize(
        "answer",
        [
            b"nonsense",
            b"created",
            [b"created", b"9"],
            [b"repeated", b"9"],
            [b"repeated", b"9", b"5"],
            [b"late", 1],
            [b"clock", 1],
            [b"error"],
            [b"exists"],
            [b"exists", b"9", 0, None],
            b"",
            [b"LATE"],
        ],
        ids=str,
    )
    def test_unknown_reply(self, answer):
        """What the script never says is an error that quotes it."""
        what = answer if isinstance(answer, bytes) else answer[0]
        with pytest.raises(QueueServerError, match=re.escape(repr(what))):
            enqueue().read([7, answer])

    @pytest.mark.parametrize(
        ("reply", "expected"),
        [
            ([7, 9, [b"exists", b"queued"]], EnqueueReply(7, [9, [b"exists", b"queued"]], False)),
            ([7, [b"repeated", b"9", b"5", b"j"], [b"late"]], True),
            ([7, b"late"], EnqueueReply(7, [b"late", b"late"], True)),
            ([7, b"clock"], EnqueueReply(7, [b"clock", b"clock"], True)),
        ],
        ids=str,
    )
    def test_reply_for_many(self, reply, expected):
        """A reply has an answer for each job; one that tells of times holds for all."""
        command = scripts.enqueue_many(
            [*enqueue().words[5:]] * 2, now=NOW, token="t", fence=NOW, max_bytes=LIMIT
        )
        if expected is True:
            expected = EnqueueReply(7, reply[1:], True)
        assert command.read(reply) == expected
        with pytest.raises(QueueServerError, match="for 1 jobs, not 2"):
            command.read([7, 9])

    @settings(deadline=None, max_examples=2000)
    @given(
        job_id=st.text(min_size=1, max_size=40),
        queue_name=st.text(min_size=1, max_size=40),
        token=st.uuids().map(lambda token: token.hex),
    )
    def test_names_that_are_written(self, job_id, queue_name, token):
        """Whatever id and queue are accepted, only declared keys of theirs are written."""
        try:
            job_id, queue_name = check_job_id(job_id), check_queue_name(queue_name)
        except ValueError:
            return
        command = enqueue(job_id=job_id, queue_name=queue_name, token=token)
        assert (command.words[3], *command.words[5:7]) == (keys.once(token), job_id, queue_name)
        # The script makes these of the id; no queue can have the name of any of them.
        written = {keys.job(job_id), keys.result(job_id), keys.retry(job_id)}
        written |= {keys.in_progress(job_id), keys.once(token), queue_name}
        assert len(written) == 6
        of_arq = ("arq:job:", "arq:result:", "arq:retry:", "arq:in-progress:", "arqade:once:")
        assert [key for key in written if not key.startswith(of_arq)] == [queue_name]


class TestView:
    @pytest.mark.parametrize("wanted", get_args(scripts.Wanted))
    def test_words(self, wanted):
        """A view names no keys, since a user may lack some, says what is wanted and how much."""
        command = scripts.view("j", "mail", wanted, LIMIT)
        digest = Script.load("view").digest
        assert command.words == ("EVALSHA", digest, 0, "mail", wanted, LIMIT, "j")
        assert command.repeatable
        assert wanted == "result" or f"'{wanted}'" in (LUA / "view.lua").read_text()
        assert scripts.views(["j", "k"], "mail", wanted, LIMIT).words == (*command.words, "k")

    def test_replies_about_many(self):
        """A reply about many jobs may end early."""
        command = scripts.views(["a", "b", "c"], "mail", "metadata", LIMIT)
        views = [JobView(7, 9, False, None, b"job"), JobView(7, None, True, b"r", None)]
        assert command.read([7, b"9", 0, None, b"job", None, 1, b"r", None]) == views

    @pytest.mark.parametrize(
        ("reply", "expected"),
        [
            ([7, None, 0, None, None], JobView(7, None, False, None, None)),
            ([7, b"9", 1, b"", b"job"], JobView(7, 9, True, b"", b"job")),
            ([7, b"1700000000123", 0, b"r", None], JobView(7, NOW, False, b"r", None)),
            ([7, b"1.700000000123e12", 0, None, b""], JobView(7, NOW, False, None, b"")),
            ([7, b"9.75", 0, None, None], JobView(7, 9, False, None, None)),
            ([7, b"-5", 0, None, None], JobView(7, -5, False, None, None)),
            ([7, b"0", 0, None, b"job"], JobView(7, None, False, None, b"job")),
            ([7, 9.0, 0, None, None], JobView(7, 9, False, None, None)),
            ([7, b"9", 0, None, 5000], JobView(7, 9, False, None, 5000)),
            ([0, None, 0, 5000, None], JobView(0, None, False, 5000, None)),
        ],
        ids=str,
    )
    def test_reply(self, reply, expected):
        """A reply becomes a view; a score of 0 is none, as for arq."""
        assert scripts.view("j", "mail", "metadata", LIMIT).read(reply) == expected

    @pytest.mark.parametrize(
        ("score", "status"), [(b"inf", JobStatus.deferred), (b"-inf", JobStatus.queued)], ids=str
    )
    def test_infinite_score(self, score, status):
        """A score that is no time, which another program set, does not stand in a reading's way."""
        view = scripts.view("j", "mail", "status", LIMIT).read([7, score, 0, None, None])
        assert view.status is status

    @pytest.mark.parametrize(
        ("result", "in_progress", "score", "job"),
        list(
            itertools.product(
                [None, b"", b"r", 5], [True, False], [None, 6, 7, 8, -1], [None, b"j"]
            )
        ),
    )
    def test_status(self, result, in_progress, score, job):
        """The status is what arq says of every combination (arq/jobs.py, Job.status)."""
        view = JobView(7, score, in_progress, result, job)
        if result is not None:
            expected = "complete"
        elif in_progress:
            expected = "in_progress"
        elif score:
            expected = "deferred" if score > 7 else "queued"
        else:
            expected = "not_found"
        assert view.status is JobStatus(expected)

    @pytest.mark.parametrize(
        ("score", "in_progress", "job", "expected"),
        [
            (9, False, b"j", True),
            (9, True, b"j", True),
            (9, True, None, True),
            (5, False, b"", True),
            (9, False, None, False),
            (None, False, b"j", False),
            (None, True, b"j", False),
            (None, True, None, False),
            (None, False, None, False),
        ],
    )
    def test_is_pending(self, score, in_progress, job, expected):
        """A job may come to a result while it is in its queue and has an envelope or runs."""
        assert JobView(7, score, in_progress, None, job).is_pending is expected


class TestOthers:
    def test_cancel(self):
        """A cancel names job and queue, and is not sent twice."""
        command = scripts.cancel("j", "mail", meant="d")
        assert command.words == ("EVALSHA", Script.load("cancel").digest, 0, "j", "mail", "d")
        assert scripts.cancel("j", "mail").words[-1] == ""
        assert not command.repeatable

    @pytest.mark.parametrize("answer", ["removed", "asked", "complete", "not_found", "other"])
    def test_reply_of_cancel(self, answer):
        """A cancel's answer is one of the words that the script says."""
        answered = scripts.cancel("j", "mail").read([answer.encode(), b"d"])
        assert (answered.what, answered.digest) == (answer, "d")
        assert scripts.cancel("j", "mail").read([answer.encode()]).digest == ""
        assert f"return {{'{answer}'" in (LUA / "cancel.lua").read_text()

    @pytest.mark.parametrize(("reply", "expected"), [(1, True), (0, False)])
    def test_delete_result(self, reply, expected):
        """Deleting tells whether there was a result, and is not sent twice."""
        command = scripts.delete_result("j")
        assert command.words == ("UNLINK", "arq:result:j")
        assert command.read(reply) is expected
        assert not command.repeatable

    def test_ping(self):
        """A ping gives nothing, and may be sent again."""
        assert scripts.ping().words == ("PING",)
        assert scripts.ping().read(b"PONG") is None
        assert scripts.ping().repeatable

    @pytest.mark.parametrize(
        ("reply", "least", "most"),
        [
            ([b"1700000000", b"123999"], NOW, NOW + 1),
            ([b"1700000000", b"123000"], NOW, NOW),
            ([b"1", b"5"], 1000, 1000),
            ([1, 5000], 1005, 1005),
        ],
    )
    def test_time(self, reply, least, most):
        """The server's time is in whole milliseconds."""
        actual = scripts.time().read(reply)
        assert type(actual) is int
        assert least <= actual <= most
        assert scripts.time().words == ("TIME",)
        assert scripts.time().repeatable


class TestInspection:
    def test_pages(self):
        """Pages give ids as bytes, and where to go on."""
        page = inspection.page_of_queue("mail", 5)
        assert page.words == ("ZSCAN", "mail", 5, "COUNT", 100)
        assert page.read([b"7", [b"a", b"1", b"b", b"2"]]) == inspection.Page(7, [b"a", b"b"])
        page = inspection.page_of_results(0)
        assert page.words[:4] == ("SCAN", 0, "MATCH", "arq:result:*")
        assert page.read([b"0", [b"arq:result:a"]]) == inspection.Page(0, [b"a"])

    def test_health(self):
        """A worker's record is read, whatever its language; something else is an error."""
        record = "нояб-22 19:53:23 j_complete=1 j_failed=2 j_retried=3 j_ongoing=4 queued=5"
        read = inspection.worker_health("mail").read
        assert read([record.encode(), 1500]) == WorkerHealth(
            "mail", "нояб-22 19:53:23", 1, 2, 3, 4, 5, expires_in=1.5
        )
        assert read([record.encode(), -1]).expires_in is None
        assert read([None, -2]) is None
        for bad in (b"", b"\xff", b"x", record.encode() + b" more"):
            with pytest.raises(QueueServerError, match="mail:health-check holds no record"):
                read([bad, 1500])


class TestWorkers:
    def test_record(self):
        """A record is JSON, with room for the server's time; its life is no part of it."""
        *_, life, before, after = workers.record(WORKER).words
        said = json.loads(f"{before}{NOW}{after}")
        assert life == 45_000
        assert said.pop("recorded_ms") == NOW
        fields = WORKER.to_dict()
        del fields["recorded"], fields["expires_in"]
        assert said == fields

    def test_shortest_life(self):
        """A life of less than a millisecond is one, for Redis knows no shorter one."""
        record = attrs.evolve(WORKER, expires_in=0.0001)
        assert workers.record(record).words[5] == 1

    def test_look(self):
        """Records come back as they were written, the oldest first; newer fields are passed by."""
        *_, before, after = workers.record(WORKER).words
        younger = f'{{"recorded_ms":5,"new":[1],{after[1:]}'.replace("2026", "2027")
        seen = workers.look("mail").read(
            [None, -2, younger.encode(), 7, f"{before}{NOW}{after}".encode(), 1500]
        )
        recorded = datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=UTC)
        assert (seen.queue_name, seen.stock_record) == ("mail", None)
        assert seen.workers[0] == attrs.evolve(WORKER, recorded=recorded, expires_in=1.5)
        assert (seen.workers[1].started.year, seen.workers[1].expires_in) == (2027, 0.007)

    @pytest.mark.parametrize("bad", [b"", b"\xff", b"5", b"[]", b"{}", b'{"recorded_ms":5}'])
    def test_no_record(self, bad):
        """Something else than a record is an error that says where it is."""
        with pytest.raises(QueueServerError, match="arqade:workers:mail holds no record of a"):
            workers.look("mail").read([None, -2, bad, 5])


EVERY_COMMAND = COMMANDS | {
    "page of a queue": inspection.page_of_queue("mail", 0),
    "page of results": inspection.page_of_results(0),
    "delete_result": scripts.delete_result("j"),
    "ping": scripts.ping(),
    "time": scripts.time(),
}


@pytest.mark.parametrize("name", EVERY_COMMAND)
def test_what_is_in_doubt_after_a_lost_reply(name):
    """Commands that only read say so, and are those that leave nothing in doubt."""
    command = EVERY_COMMAND[name]
    once = ("cancel", "delete_result", "purge", "forget")
    assert command.changes is (name in ("enqueue", "record", *once))
    assert command.repeatable is (name not in once)


@pytest.mark.parametrize("command", EVERY_COMMAND.values(), ids=EVERY_COMMAND.keys())
def test_words_are_plain(command):
    """What is sent is plain text, bytes and integers."""
    assert isinstance(command, Command)
    assert {type(word) for word in command.words} <= {str, bytes, int}


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (keys.job, "arq:job:x"),
        (keys.result, "arq:result:x"),
        (keys.in_progress, "arq:in-progress:x"),
        (keys.retry, "arq:retry:x"),
        (keys.once, "arqade:once:x"),
        (keys.health_check, "x:health-check"),
        (keys.worker, "arqade:worker:x"),
        (keys.workers, "arqade:workers:x"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_keys(function, expected):
    """Keys have arq's names, and the marker one of arqade's own."""
    assert function("x") == expected


def test_scripts_are_in_the_package():
    """The scripts lie inside the package, so that they are installed with it."""
    assert LUA.is_relative_to(Path(arqade.__file__).parent)
