from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arqade._protocol import clock as clock_module
from arqade._protocol.clock import ServerClock

SERVER_TIME = 1_700_000_000_123


class Machine:
    """A machine's two clocks, in seconds, which tests move."""

    def __init__(self, *, wall=1_600_000_000.0, monotonic=5000.0):
        self.wall = wall
        self.up = monotonic

    def time(self):
        return self.wall

    def monotonic(self):
        return self.up

    def sleep(self, seconds):
        self.wall += seconds
        self.up += seconds


@pytest.fixture
def machine(monkeypatch):
    """The machine whose clocks the server's clock goes by."""
    machine = Machine()
    monkeypatch.setattr(clock_module, "time", machine)
    return machine


def test_first_idea_is_this_machines_time(machine):
    """Before the server has said its time, it is this machine's."""
    assert ServerClock().now() == 1_600_000_000_000


@pytest.mark.parametrize("skew", [0, -172_800_000, 3_600_000, 1])
def test_servers_time_is_taken_over(machine, skew):
    """After a reply the time is the server's, whatever this machine's is."""
    clock = ServerClock()
    clock.learn(SERVER_TIME + skew)
    assert clock.now() == SERVER_TIME + skew


def test_time_goes_on(machine):
    """The time goes on as this machine's monotonic clock does."""
    clock = ServerClock()
    clock.learn(SERVER_TIME)
    machine.sleep(1.5)
    assert clock.now() == SERVER_TIME + 1500


@pytest.mark.parametrize("step", [-1e9, -3600, 3600, 1e9])
def test_setting_the_machines_time_changes_nothing(machine, step):
    """The time does not jump when this machine's is set."""
    clock = ServerClock()
    clock.learn(SERVER_TIME)
    machine.wall += step
    assert clock.now() == SERVER_TIME


def test_later_reply_counts(machine):
    """Each reply puts the time right anew."""
    clock = ServerClock()
    clock.learn(SERVER_TIME)
    machine.sleep(10)
    clock.learn(SERVER_TIME + 7)
    assert clock.now() == SERVER_TIME + 7


@settings(deadline=None)
@given(
    server_time=st.integers(10**12, 4 * 10**12),
    up=st.floats(0, 10**8),
    on_the_way=st.floats(0, 10),
    pauses=st.lists(st.floats(0, 10**4), max_size=10),
)
def test_never_ahead_and_never_back(server_time, up, on_the_way, pauses):
    """However long a reply takes, the time is never ahead of the server's, and never goes back."""
    machine = Machine(monotonic=up)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock_module, "time", machine)
        clock = ServerClock()
        machine.sleep(on_the_way)
        clock.learn(server_time)
        before = clock.now()
        for pause in pauses:
            machine.sleep(pause)
            elapsed = machine.up - up
            # A float of milliseconds since the epoch is exact to less than a microsecond.
            assert before <= clock.now() <= server_time + elapsed * 1000 + 0.001
            before = clock.now()


def test_it_goes_by_the_clocks_of_the_standard_library():
    """Nothing but `time` and `monotonic` of the module `time` is asked."""
    asked = []
    fake = SimpleNamespace(
        time=lambda: asked.append("time") or 5.0, monotonic=lambda: asked.append("monotonic") or 1.0
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock_module, "time", fake)
        assert ServerClock().now() == 5000
    assert asked == ["time", "monotonic", "monotonic"]
