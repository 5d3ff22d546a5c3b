"""What the frames of a tracking server mean, without a server."""

from __future__ import annotations

import pytest

from arqade._protocol.tracking import Tracker, Watcher, negotiate


class Listening:
    """A tracker, what it sends, and who was woken."""

    def __init__(self, mode="resp3"):
        self.sent = []
        self.woken = []
        self.tracker = Tracker(self.sent.extend)
        if mode is not None:
            self.tracker.connected(mode)

    def watcher(self, *job_ids, has_job=True):
        listening = self

        class Noted(Watcher):
            def wake(self):
                listening.woken.append(self)

        watcher = Noted()
        for job_id in job_ids:
            self.tracker.watch(watcher, job_id, has_job=has_job)
        return watcher

    def reply(self, *replies):
        for reply in replies:
            self.tracker.receive(reply, frame=False)

    def frame(self, *names):
        self.tracker.receive([b"invalidate", list(names)], frame=True)

    def sent_since(self):
        sent, self.sent[:] = list(self.sent), []
        return sent


def refusal():
    return RuntimeError("NOPERM")


@pytest.mark.parametrize(
    ("resp3", "replies", "sent", "mode"),
    [
        (True, [b"OK"], [("CLIENT", "TRACKING", "ON")], "resp3"),
        (True, [refusal()], [("CLIENT", "TRACKING", "ON")], "polling"),
        (
            False,
            [7, b"OK"],
            [("CLIENT", "ID"), ("CLIENT", "TRACKING", "ON", "REDIRECT", 7)],
            "resp2",
        ),
        (
            False,
            [7, refusal()],
            [("CLIENT", "ID"), ("CLIENT", "TRACKING", "ON", "REDIRECT", 7)],
            "polling",
        ),
        (False, [refusal()], [("CLIENT", "ID")], "polling"),
    ],
)
def test_negotiation(resp3, replies, sent, mode):
    """Tracking is switched on as the server allows it."""
    negotiation = negotiate(resp3=resp3)
    asked = [next(negotiation)]
    *first, last = replies
    asked += [negotiation.send(reply) for reply in first]
    with pytest.raises(StopIteration) as end:
        negotiation.send(last)
    assert (asked, end.value.value) == (sent, mode)


def test_waiting_reads_the_keys():
    """Who waits reads the result's key, and that of the envelope if there is one."""
    listening = Listening()
    listening.watcher("a")
    listening.watcher("b", has_job=False)
    assert listening.sent_since() == [
        ("EXISTS", "arq:result:a"),
        ("EXISTS", "arq:job:a"),
        ("EXISTS", "arq:result:b"),
    ]


def test_frame_wakes_who_waits_for_it():
    """A frame of either key wakes the job's watchers, once until they have looked."""
    listening = Listening()
    first, second, other = (listening.watcher(name) for name in ("a", "a", "b"))
    listening.frame(b"arq:result:a")
    listening.frame(b"arq:job:a", b"arq:result:nobody", b"arq:queue")
    assert sorted(map(id, listening.woken)) == sorted(map(id, (first, second)))
    assert (first.take(), second.take(), other.take()) == ({"a"}, {"a"}, set())
    listening.frame(b"arq:job:a")
    assert first.take() == {"a"}


def test_result_that_came_before_the_tracking():
    """A result that is there when the server begins to track is news; none is not."""
    listening = Listening()
    there, away = listening.watcher("a", has_job=False), listening.watcher("b", has_job=False)
    listening.reply(1, 0)
    assert (there.take(), away.take()) == ({"a"}, set())


def test_envelope_that_went_before_the_tracking():
    """An envelope that is gone when the server begins to track is news; one there is not."""
    listening = Listening()
    gone, there = listening.watcher("a"), listening.watcher("b")
    listening.reply(0, 0, 0, 1)
    assert (gone.take(), there.take()) == ({"a"}, set())


def test_flush():
    """FLUSHALL is news for all."""
    listening = Listening()
    watcher = listening.watcher("a", "b")
    listening.tracker.receive([b"invalidate", None], frame=True)
    assert watcher.take() == {"a", "b"}


def test_other_frames_and_ids_that_are_no_text():
    """What is not meant for anybody here does no harm."""
    listening = Listening()
    watcher = listening.watcher("a")
    listening.frame(b"arq:result:\xff")
    listening.tracker.receive([b"something", b"else"], frame=True)
    assert watcher.take() == set()


def test_forgotten():
    """Who waits no longer is not woken, and the last one leaves nothing."""
    listening = Listening()
    first, second = listening.watcher("a"), listening.watcher("a", "b")
    listening.tracker.forget(first, ["a", "unknown"])
    listening.frame(b"arq:result:a")
    assert listening.woken == [second]
    listening.tracker.forget(second, ["a", "b"])
    assert second.take() == set()
    assert listening.tracker.idle


def test_new_connection_reads_all_again():
    """After a reconnect all that is watched is read again."""
    listening = Listening(mode=None)
    assert not listening.tracker.pushing
    watcher = listening.watcher("a")
    listening.watcher("b", has_job=False)
    assert listening.sent_since() == []
    listening.tracker.connected("resp3")
    sent = [("EXISTS", "arq:result:a"), ("EXISTS", "arq:job:a"), ("EXISTS", "arq:result:b")]
    assert listening.sent_since() == sent
    listening.tracker.disconnected()
    assert not listening.tracker.pushing
    assert listening.woken.count(watcher) == 1
    listening.tracker.connected("resp3")
    assert listening.sent_since() == sent
    listening.reply(1)
    assert watcher.take() == {"a"}


def test_user_who_may_not_read_results():
    """Where reading is refused nothing is tracked: watchers poll."""
    listening = Listening()
    watcher = listening.watcher("a")
    listening.reply(refusal())
    assert listening.tracker.mode == "polling"
    assert listening.woken == [watcher]
    listening.watcher("b")
    assert listening.sent_since() == [("EXISTS", "arq:result:a"), ("EXISTS", "arq:job:a")]


def test_user_who_may_not_look_for_envelopes():
    """Where only that is refused, results are pushed all the same."""
    listening = Listening()
    listening.watcher("a")
    listening.reply(0, refusal())
    assert listening.tracker.pushing


def test_heartbeat():
    """The answer to a heartbeat is nobody's news."""
    listening = Listening()
    watcher = listening.watcher("a")
    listening.reply(0, 1)
    listening.tracker.ping()
    listening.reply(b"PONG")
    assert listening.sent_since()[-1] == ("PING",)
    assert watcher.take() == set()


def test_resp2_subscribes_between_reads():
    """A RESP2 connection takes messages while it is subscribed, and reads while it is not."""
    listening = Listening("resp2")
    watcher = listening.watcher("a")
    subscribe = ("SUBSCRIBE", b"__redis__:invalidate")
    reads = [("EXISTS", "arq:result:a"), ("EXISTS", "arq:job:a")]
    assert listening.sent_since() == [*reads, subscribe]
    listening.tracker.watch(watcher, "a", has_job=True)
    assert listening.sent_since() == [("UNSUBSCRIBE", b"__redis__:invalidate"), *reads, subscribe]
    listening.reply(0, 1, [b"subscribe", b"__redis__:invalidate", 1])
    listening.reply([b"unsubscribe", b"__redis__:invalidate", 0], 0)
    assert watcher.take() == set()
    listening.reply(0, [b"subscribe", b"__redis__:invalidate", 1])
    assert watcher.take() == {"a"}
    listening.reply([b"message", b"__redis__:invalidate", [b"arq:result:a"]])
    assert watcher.take() == {"a"}
    listening.tracker.ping()
    listening.reply([b"pong", b""])
    listening.reply([b"message", b"__redis__:invalidate", None])
    assert watcher.take() == {"a"}


def test_pauses():
    """Watchers look soon and then ever more seldom, and where the server pushes very seldom."""
    watcher = Watcher()
    pauses = [watcher.pause(pushing=False) for _ in range(30)]
    assert pauses[0] == 0.005
    assert pauses == sorted(pauses)
    assert pauses[-1] == 0.5
    assert 5 <= watcher.pause(pushing=True) <= 6
    assert watcher.pause(pushing=False) == 0.005
