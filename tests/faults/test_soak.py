"""The soak test: that its audit finds what is wrong, and a short run of it."""

from __future__ import annotations

import itertools
import pickle
import random
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.faults.ledger import CANARY, LONG
from tests.harness.worker import ROOT, python_with_arq
from tests.soak.book import Book, Call, Failover, Found, Pulse, Stored
from tests.soak.run import schedule
from tests.soak.worlds import Direct

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 30.0
"""How long the short run lasts."""

SEED = 11

EMPTY = Found({}, Counter(), {}, set(), [])

THERE = Stored(1, 1000, 1000, is_running=False)


@pytest.fixture
def book() -> Iterator[Book]:
    """A book with nothing in it."""
    pulse = Pulse()
    yield Book("world", secrets=[], pulse=pulse)
    pulse.stop()


def told(
    book: Book, outcome: str, number: int = 1, *, job_id: str = "k", is_durable: bool = True
) -> Call:
    """Write down a call that ended so."""
    call = Call("row", number, job_id=job_id, is_durable=is_durable)
    call.outcome = outcome
    return book.add(call)


FINE = {
    "present": (["ok"], EMPTY._replace(present={"k": THERE})),
    "ran": (["ok"], EMPTY._replace(runs=Counter(k=1))),
    "about to run": (
        ["ok"],
        EMPTY._replace(present={"k": THERE._replace(is_running=True)}, runs=Counter(k=1)),
    ),
    "another one's": (["ok", "exists"], EMPTY._replace(present={"k": THERE})),
    "refused": (["refused"], EMPTY),
    "cancelled, and absent": (["cancelled"], EMPTY),
    "cancelled, and present": (["cancelled"], EMPTY._replace(present={"k": THERE})),
}

WRONG = {
    "told ok, absent": (["ok"], EMPTY, "lost"),
    "ran twice": (["ok"], EMPTY._replace(runs=Counter(k=2)), "double"),
    "ran, and waits again": (
        ["ok"],
        EMPTY._replace(present={"k": THERE}, runs=Counter(k=1)),
        "double",
    ),
    "uncertain, and ran twice": (["uncertain"], EMPTY._replace(runs=Counter(k=2)), "double"),
    "refused, present": (["refused"], EMPTY._replace(present={"k": THERE}), "refused"),
    "refused, ran": (["refused"], EMPTY._replace(runs=Counter(k=1)), "double"),
    "its own exists": (["exists"], EMPTY._replace(present={"k": THERE}), "own"),
    "nobody's exists": (["exists", "refused"], EMPTY, "no other job"),
    "of another number": (
        ["ok"],
        EMPTY._replace(present={"k": THERE._replace(number=7)}),
        "no call's",
    ),
    "of another time": (
        ["ok"],
        EMPTY._replace(present={"k": THERE._replace(score=2000)}),
        "was told",
    ),
    "there twice": (["ok"], EMPTY._replace(present={"k": THERE, "l": THERE}), "too"),
    "nobody's ran": (["ok"], EMPTY._replace(runs=Counter(k=1, l=1)), "no call's"),
}


def write(book: Book, outcomes: list[str]) -> None:
    """Write down calls of one id."""
    for number, outcome in enumerate(outcomes, 1):
        call = told(book, outcome, number)
        call.told = (1000, 1000) if outcome == "ok" else None


@pytest.mark.parametrize(("outcomes", "found"), FINE.values(), ids=FINE)
def test_audit_is_content(book, outcomes, found):
    """What callers were told is what is there."""
    write(book, outcomes)
    book.audit(found)
    assert book.problems == []


@pytest.mark.parametrize(("outcomes", "found", "says"), WRONG.values(), ids=WRONG)
def test_audit_finds(book, outcomes, found, says):
    """What callers were told is not what is there."""
    write(book, outcomes)
    book.audit(found)
    assert says in "\n".join(book.problems)


def test_audit_finds_what_failovers_cost(book):
    """Some jobs may get lost by a failover; not those of replicas, and not too many."""
    now = time.monotonic()
    failover = Failover(now, now, is_clear=True)
    for number, durable in itertools.product(range(1, 101), (False, True)):
        who = number + 100 * durable
        told(book, "ok", who, job_id=f"k{who}", is_durable=durable)
    present = {f"k{who}": THERE._replace(number=who) for who in range(6, 201)}
    book.failovers.append(failover)
    book.audit(EMPTY._replace(present=present))
    assert book.problems == []
    assert sum(book.cost.values()) == 5
    for clear in (False, True):
        for number in range(1, 7):
            told(book, "ok", number, job_id=f"k{number}", is_durable=False)
        book.failovers.append(failover._replace(is_clear=clear))
        book.audit(EMPTY)
        assert bool(book.problems) is clear
    assert "failovers cost 6 of 6" in book.problems[-1]
    told(book, "ok", 1)
    book.failovers.append(failover)
    book.audit(EMPTY)
    assert "k was made 0 times" in book.problems[-1]


def test_calls(book):
    """A call that takes too long, raises what it may not, or tells a secret is found."""
    with book.calling("slow", -1):
        pass
    with book.calling("wrong", 1):
        raise KeyError("k")
    with book.calling("loud", 1):
        raise TimeoutError(CANARY)
    problems = "\n".join(book.problems)
    assert "hung: slow" in problems
    assert "escaped: from wrong" in problems
    assert "a secret was told" in problems
    assert CANARY not in problems


def test_schedule():
    """It depends on the seed, and on nothing else."""
    faults = {"a": 1, "b": 2}
    planned = schedule("1", 1.0, faults, 20.0)
    assert planned == schedule("1", 1.0, faults, 20.0)
    assert planned != schedule("2", 1.0, faults, 20.0)
    assert {one.name for one in planned} == {"a", "b"}


def test_look():
    """All jobs that are there are seen, what they ran as, and what is broken about them."""
    python_with_arq()
    with Direct() as world:
        world._kill_worker()
        for job_id in "kl":
            job = {"t": None, "f": "echo", "a": (CANARY, 7), "k": {}, "et": 5}
            world.raw.set(f"arq:job:{job_id}", pickle.dumps(job))
        world.raw.zadd("soak:keep", {"k": 9, "m": 9})
        world.raw.rpush("test:ran", "n")
        world.raw.set("arqade:once:token", "")
        found = world.look()
        world.server_killed(random.Random(1))
        assert world.look() == found
    assert found.present["k"] == Stored(7, 5, 9, is_running=False)
    assert found.runs == {"n": 1}
    assert found.tokens == {"token"}
    assert found.problems == ["l is in no queue", "m has no envelope"]


@pytest.mark.skipif(not LONG, reason="takes long: with ARQADE_FAULTS=500")
def test_short_run(tmp_path):
    """All breaks at random, and no rule is broken."""
    python_with_arq()
    options = ["--seconds", str(SECONDS), "--seed", str(SEED), "--log", str(tmp_path / "log")]
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak", "--quiet", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
