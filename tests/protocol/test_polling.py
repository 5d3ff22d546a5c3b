from __future__ import annotations

import itertools

import pytest

from arqade._protocol import polling
from arqade._protocol.polling import poll_pauses


class Time:
    """A monotonic clock that tests move."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def time(monkeypatch):
    """The clock that the pauses go by."""
    time = Time()
    monkeypatch.setattr(polling, "time", time)
    return time


def sleep_through(time, pauses, *, work=0.0):
    """Sleep as long as told before each look, which takes some time too; give the pauses."""
    slept = []
    for pause in pauses:
        slept.append(pause)
        time.now += pause + work
    return slept


def test_first_look_is_at_once(time):
    """The first pause is none."""
    assert next(poll_pauses(None)) == 0
    assert next(poll_pauses(10)) == 0


@pytest.mark.parametrize("timeout", [0, 0.0, -1, -1e300])
def test_no_time_means_one_look(time, timeout):
    """Without time to wait there is one look."""
    assert list(poll_pauses(timeout)) == [0]


def test_pauses_grow(time):
    """Each pause is longer than the one before by the same factor, up to the longest."""
    pauses = list(itertools.islice(poll_pauses(None), 1, 40))
    assert pauses[0] == polling.FIRST_PAUSE
    for before, after in itertools.pairwise(pauses):
        assert after == min(before * polling.GROWTH, polling.LONGEST_PAUSE)
    assert pauses[-1] == polling.LONGEST_PAUSE == 0.5
    assert pauses[0] < pauses[1] < 2 * pauses[0]


def test_no_limit_never_ends(time):
    """Without a limit there is always another look."""
    pauses = poll_pauses(None)
    time.now = 1e300
    assert len(list(itertools.islice(pauses, 1000))) == 1000


@pytest.mark.parametrize("timeout", [0.001, 0.005, 0.012, 0.5, 3, 60.25])
def test_last_look_is_when_the_time_is_over(time, timeout):
    """The last pause ends just when the time is over, and no pause is after that."""
    slept = sleep_through(time, poll_pauses(timeout))
    assert sum(slept) == pytest.approx(timeout)
    assert time.now == pytest.approx(100 + timeout)
    assert max(slept) <= polling.LONGEST_PAUSE
    assert min(slept[1:]) > 0


def test_looks_take_time_too(time):
    """The time that looking takes counts: there is no pause once it is over."""
    slept = sleep_through(time, poll_pauses(1), work=0.4)
    assert slept[0] == 0
    assert len(slept) == 3
    assert time.now - 100 <= 1 + 0.4


def test_time_starts_with_the_first_look(time):
    """The time begins when the first look is asked for, not when the pauses are made."""
    pauses = poll_pauses(1)
    time.now += 50
    assert sum(sleep_through(time, pauses)) == pytest.approx(1)
