"""The benchmarks' faults: what is struck, how calls are judged, and the tables."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest
from benchmarks.faults import cases, catalogue
from benchmarks.faults.__main__ import main
from benchmarks.faults.audit import READERS, image, verdict
from benchmarks.faults.cases import Strikes, run_case
from benchmarks.faults.catalogue import CASES, SUBJECTS, WORKERS, Subject
from benchmarks.faults.report import cell, markdown
from benchmarks.processes import Skipped

from tests.harness.fault_proxy import REQUEST_RESET, Operation, held

MACHINE = {
    "cpu": "A", "cores": 2, "system": "B", "python": "3", "server": "C", "load": [0.0],
    "started": "now", "seconds": 1,
}  # fmt: skip
ARQ = "WATCH k,EXISTS k,MULTI,PSETEX k,ZADD q,EXEC,MULTI,EXISTS k,EXEC"
RQ = "MULTI,SADD q,EXEC,MULTI,HSET j,RPUSH q,EXEC"
DRAMATIQ = "EVALSHA s 0,EVALSHA s 1 k enqueue"


@pytest.fixture
def own_environment(monkeypatch):
    """Run arqade's client in this environment."""
    subject = replace(SUBJECTS["arqade-async"], environment=sys.prefix)
    monkeypatch.setitem(catalogue.SUBJECTS, subject.name, subject)
    return subject


@pytest.fixture
def bare():
    """A client that knows nothing of faults: redis-py's, which waits for ever."""
    return Subject("bare", "bare", sys.prefix, "subjects.limits:client", "arq")


def result(calls=4, **verdicts):
    """Make the result of a case."""
    named = {name.replace("_", "-"): count for name, count in verdicts.items()}
    return {"calls": calls, "verdicts": named, "errors": {}, "longest": 1.0, "connections": 1}


def struck(sent, *, every=False):
    """Give the places of the commands that a fault strikes, if each call is struck."""
    strikes = Strikes((REQUEST_RESET,), every=every)
    found = []
    for place, command in enumerate(sent.split(",")):
        strikes.armed = True
        if strikes(Operation([word.encode() for word in command.split()], place, 0, False)):
            found.append(place)
    return found


@pytest.mark.parametrize(
    ("sent", "places"),
    [(ARQ, [5]), (RQ, [6]), (DRAMATIQ, [1]), ("LPUSH q,GET k,XADD q", [0, 2])],
)
def test_request_that_enqueues_is_struck(sent, places):
    """A transaction is struck at its end, and what only looks or prepares is left alone."""
    assert struck(sent) == places


def test_any_request_may_be_struck(monkeypatch):
    """With a fault for every request, all are struck, but none within a transaction."""
    monkeypatch.setattr(cases, "CHANCE", 1)
    assert struck(ARQ, every=True) == [0, 1, 5, 8]


def test_second_attempt_waits():
    """What strikes a further attempt is not what strikes the first."""
    strikes = Strikes((REQUEST_RESET,), every=False, then=held(1))
    strikes.armed = True
    command = Operation([b"LPUSH", b"q"], 0, 0, False)
    assert [strikes(command) for _ in range(3)] == [REQUEST_RESET, held(1), held(1)]


@pytest.mark.parametrize(
    ("told", "jobs", "expected"),
    [
        ("ok", 1, "ok"),
        ("ok", 0, "lost"),
        ("ok", 2, "doubled"),
        ("raised", 0, "raised-absent"),
        ("raised", 1, "raised-there"),
        ("raised", 2, "doubled"),
        ("exists", 0, "exists-absent"),
        ("exists", 1, "exists-own"),
        ("hung", 1, "hung"),
    ],
)
def test_call_is_judged(told, jobs, expected):
    """A call is judged by what was told and by what is there."""
    assert verdict(told, jobs) == expected
    assert verdict("ok", 1, crossed=True) == "crossed"


def test_arqade_is_ok(own_environment, tmp_path):
    """A run enqueues each job once although replies get lost, and writes its figures and tables."""
    options = ["--calls", "2", "--subject", own_environment.name, "--fault", "reply-lost"]
    main([*options, "--output", str(tmp_path)])
    results = json.loads((tmp_path / "faults.json").read_text(encoding="utf-8"))
    found = results["faults"]["reply-lost"]["subjects"][own_environment.name]
    assert found["verdicts"] == {"ok": 2}
    assert found["struck"] == 2
    assert "| arqade | ok |" in (tmp_path / "faults.inc").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("fault", "expected"), [("request-lost", "raised-absent"), ("reply-lost", "raised-there")]
)
def test_error_is_told_from_success(bare, fault, expected):
    """A client that gives up raises, whether its job is there or not."""
    found, _ = run_case(bare, CASES[fault], 2)
    assert found["verdicts"] == {expected: 2}


def test_runs_are_counted(own_environment):
    """With a worker, a job counts if it has run, and no longer waits."""
    pytest.importorskip("arq")
    found, _ = run_case(own_environment, CASES["ran"], 5)
    assert found["verdicts"] == {"ok": 2}
    # The second attempt was held, too.
    assert found["struck"] == 4


def test_client_that_hangs_is_killed(bare, monkeypatch):
    """A few hung calls are enough, each in a process of its own."""
    monkeypatch.setattr(cases, "HANG", 0.5)
    monkeypatch.setattr(cases, "HANGS", 2)
    found, _ = run_case(bare, CASES["hole-after"], 50)
    assert found["verdicts"] == {"hung": 2}
    assert cell(found) == "hung 2/2"


def test_blocking_client_is_not_cancelled(bare):
    """What a client can't do is left out, and the reason is told."""
    with pytest.raises(Skipped, match="can't be cancelled"):
        run_case(bare, CASES["cancelled"], 2)


def test_all_jobs_can_be_counted():
    """There is a way to count the jobs of each client, and of each one whose worker is run."""
    assert {subject.jobs for subject in SUBJECTS.values()} == set(READERS)
    assert set(READERS) >= WORKERS
    assert image(7) == "image-7.png"


def test_tables():
    """What was recorded is in the tables; what was left out, with the reason."""
    faults = {
        "reply-lost": {
            "subjects": {"arqade-async": result(ok=4), "rq": result(ok=1, doubled=3)},
            "skipped": {},
        },
        "hole-after": {
            "subjects": {"arq": result(2, hung=2)},
            "skipped": {"celery": "no reason", "rq": "no reason"},
        },
    }
    text = markdown({"machine": MACHINE, "calls": 4, "faults": faults})
    assert "|  | reply lost |\n| :-- | :-- |\n| arqade | ok |" in text
    assert "| RQ, `Redis()` | doubled 3/4 |" in text
    assert "| arq | hung 2/2 |" in text
    assert "| RQ, `Redis()` | 4 | 1 | 3 | 1.00 |  |" in text
    assert "Left out (no reason): Celery; RQ, `Redis()`." in text
