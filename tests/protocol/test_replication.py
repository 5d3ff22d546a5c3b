"""What sentinels say, and whom to believe."""

from __future__ import annotations

from arqade._protocol.replication import Opinion, Replica, Role, believe, questions, wait

OLD, NEW, OTHER = ("10.0.0.1", 6379), ("10.0.0.2", 6379), ("10.0.0.3", 6379)


def flat(**fields):
    """A map as RESP2 has it."""
    return [part.encode() for pair in fields.items() for part in pair]


def named(address):
    return [address[0].encode(), str(address[1]).encode()]


def master(address=OLD, *, epoch=0, flags="master", others=0):
    fields = {"config-epoch": str(epoch), "num-other-sentinels": str(others)}
    return flat(ip=address[0], port=str(address[1]), flags=flags, **fields)


def replica(address=NEW, *, flags="slave", role="slave", heard="80"):
    fields = {"role-reported": role, "info-refresh": heard}
    return flat(ip=address[0], port=str(address[1]), flags=flags, **fields)


def test_questions():
    """A sentinel is asked for the primary, the state of the service, and the replicas."""
    assert questions("s") == [
        ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "s"),
        ("SENTINEL", "MASTER", "s"),
        ("SENTINEL", "REPLICAS", "s"),
    ]
    assert wait(2, 0.5) == ("WAIT", 2, 500)


def test_quiet_times():
    """A sentinel names the primary, the last failover's number, replicas and other sentinels."""
    found = Opinion.read([named(OLD), master(epoch=7, others=2), [replica(), replica(OTHER)]])
    replicas = (Replica(NEW), Replica(OTHER))
    assert found == Opinion(OLD, 7, failing_over=False, replicas=replicas, sentinels=3)
    assert found.count_replicas(cut_off=False) == 2
    assert found.followers == {NEW, OTHER}
    assert not found.rivals


def test_unknown_service():
    """A sentinel that does not know the service names nobody."""
    assert Opinion.read([None]) == Opinion(None)


def test_address_alone():
    """The address is enough, if a user may ask for no more."""
    assert Opinion.read([named(OLD)]) == Opinion(OLD)


def test_failover_until_promotion():
    """A failover is under way until the new primary is known."""
    state = master(epoch=7, flags="master,failover_in_progress")
    assert Opinion.read([named(OLD), state]).failing_over
    assert not Opinion.read([named(NEW), state]).failing_over


def test_replicas_that_can_not_take_over():
    """What is down, promoted or still takes itself for a primary is none to wait for."""
    replies = [
        replica(("10.0.0.2", 1), flags="s_down,slave"),
        replica(("10.0.0.2", 2), flags="o_down,slave,disconnected"),
        replica(("10.0.0.2", 3), flags="slave,promoted"),
        replica(("10.0.0.2", 4), role="master"),
    ]
    found = Opinion.read([named(OLD), master(), replies])
    assert found.count_replicas(cut_off=True) == 0
    assert found.rivals == {("10.0.0.2", 3), ("10.0.0.2", 4)}


def test_replica_that_was_cut_off():
    """One that a sentinel has just lost counts only where it may be the one that is promoted."""
    found = Opinion.read([named(OLD), master(), [replica(flags="slave,disconnected")]])
    assert found.count_replicas(cut_off=False) == 0
    assert found.count_replicas(cut_off=True) == 1


def test_replica_that_was_not_heard():
    """What a sentinel only supposes, nobody has said."""
    found = Opinion.read([named(OLD), master(), [replica(heard="0")]])
    assert not found.followers
    assert found.count_replicas(cut_off=False) == 1


def test_latest_failover_wins():
    """One sentinel that has seen the last failover is believed, and two of before are not."""
    stale = Opinion(OLD, 3, failing_over=True, replicas=(Replica(NEW),))
    assert believe([stale, Opinion(NEW, 4), stale]) == [Opinion(NEW, 4)]


def test_most_sentinels_win():
    """Of those with the same knowledge, the most are believed first."""
    votes = [Opinion(NEW, 1), Opinion(OLD, 1), Opinion(OLD, 1), Opinion(None)]
    assert believe(votes) == [Opinion(OLD, 1), Opinion(NEW, 1)]


def test_any_leader_counts():
    """Only the sentinel that leads a failover knows of it."""
    leader = Opinion(OLD, 1, failing_over=True)
    assert believe([Opinion(OLD, 1), leader, Opinion(OLD, 1)]) == [leader]


def test_what_any_sentinel_has_seen():
    """A replica counts once, a rival is one even if only one sentinel has heard it."""
    seen = Opinion(OLD, replicas=(Replica(NEW, is_rival=True), Replica(OTHER)), sentinels=3)
    unseen = Opinion(OLD, replicas=(Replica(NEW), Replica(OTHER)), sentinels=2)
    (found,) = believe([seen, unseen])
    assert found.sentinels == 3
    assert found.count_replicas(cut_off=False) == 2
    assert (found.rivals, found.followers) == ({NEW}, {OTHER})


def test_nobody_knows():
    """There is nobody to believe where no sentinel knows the service."""
    assert believe([]) == []
    assert believe([Opinion(None), Opinion(None)]) == []


def test_roles():
    """A primary counts its replicas; a replica is none."""
    primary = [b"master", 3129659, [[b"10.0.0.2", b"6379", b"3129242"]]]
    assert Role.read(primary) == Role(is_primary=True, replicas=1)
    assert not Role.read([b"slave", b"10.0.0.1", 6379, b"connected", 3167038]).is_primary
