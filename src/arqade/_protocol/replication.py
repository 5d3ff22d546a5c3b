"""What sentinels and servers say of replication, and whom to believe."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ROLE", "Address", "Opinion", "Replica", "Role", "believe", "questions", "wait"]

Address: TypeAlias = tuple[str, int]
"""Host and port."""

ROLE = ("ROLE",)
"""Asks a server whether it is a primary, and for its replicas."""

DOWN = frozenset({b"s_down", b"o_down"})
"""What sentinels call a server that has not answered them for long."""


def wait(replicas: int, seconds: float) -> tuple[str, int, int]:
    """Ask how many replicas have all that was written on this connection.

    Args:
        replicas: How many are waited for.
        seconds: How long.
    """
    return ("WAIT", replicas, int(seconds * 1000))


def questions(service: str) -> list[tuple[str, ...]]:
    """Give what a sentinel is asked about a service.

    Args:
        service: The name under which it watches the service.
    """
    return [
        ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", service),
        ("SENTINEL", "MASTER", service),
        ("SENTINEL", "REPLICAS", service),
    ]


@attrs.frozen
class Replica:
    """What one sentinel knows of a replica."""

    address: Address
    is_down: bool = False
    is_cut_off: bool = False
    """Whether the sentinel has lost its connection to it, perhaps just now."""

    is_rival: bool = False
    """Whether it takes itself for the primary: a failover under way has promoted it, or it was the
    primary before a planned one."""

    was_heard: bool = True
    """Whether it has said itself what it is."""

    @classmethod
    def read(cls, reply: Sequence[bytes]) -> Replica:
        """Read what ``SENTINEL REPLICAS`` says of it."""
        fields = _fields(reply)
        flags = frozenset(fields.get(b"flags", b"").split(b","))
        return cls(
            (fields[b"ip"].decode(), int(fields[b"port"])),
            is_down=bool(flags & DOWN),
            is_cut_off=b"disconnected" in flags,
            is_rival=b"promoted" in flags or fields.get(b"role-reported") == b"master",
            was_heard=fields.get(b"info-refresh", b"0") != b"0",
        )


@attrs.frozen
class Opinion:
    """What one sentinel knows of a service, or several."""

    address: Address | None
    """Where the primary is; None if it does not know the service."""

    epoch: int = 0
    """The number of the last failover that it knows of."""

    failing_over: bool = False
    """Whether it is about to replace this primary: what is written there now may be lost."""

    replicas: tuple[Replica, ...] = ()
    """The replicas; of several sentinels, what each of them says."""

    sentinels: int = 1
    """The number of sentinels that watch the service, dead ones too."""

    @classmethod
    def read(cls, replies: Sequence[Any]) -> Opinion:
        """Read the answers to `questions`; those after the first may be missing."""
        found, master, replicas = (*replies, None, None)[:3]
        if not found:
            return cls(None)
        host, port = found
        state = _fields(master or ())
        flags = state.get(b"flags", b"").split(b",")
        # From the promotion on, the first answer is the new primary, the second still the old one.
        still = [state.get(b"ip"), state.get(b"port")] == [host, port]
        return cls(
            (host.decode(), int(port)),
            int(state.get(b"config-epoch", 0)),
            still and b"failover_in_progress" in flags,
            tuple(map(Replica.read, replicas or ())),
            int(state.get(b"num-other-sentinels", 0)) + 1,
        )

    @property
    def rivals(self) -> frozenset[Address]:
        """The replicas that take themselves for primaries."""
        return frozenset(replica.address for replica in self.replicas if replica.is_rival)

    @property
    def followers(self) -> frozenset[Address]:
        """The replicas that have said that they are replicas."""
        said = (one.address for one in self.replicas if one.was_heard and not one.is_rival)
        return frozenset(said) - self.rivals

    def count_replicas(self, *, cut_off: bool) -> int:
        """Count the replicas that could become the primary.

        Args:
            cut_off: Whether those count that a sentinel has just lost. A promoted one closes its
                connections, and only the sentinel that leads the failover knows why.
        """
        return len(
            {
                one.address
                for one in self.replicas
                if not one.is_down and not one.is_rival and (cut_off or not one.is_cut_off)
            }
        )


def _fields(reply: Sequence[bytes]) -> dict[bytes, bytes]:
    return dict(zip(reply[::2], reply[1::2], strict=True))


def believe(opinions: Sequence[Opinion]) -> list[Opinion]:
    """Give the opinions to be acted upon: of the latest failover, that of the most sentinels first.

    A sentinel that was cut off may still name a primary of before. If it has seen as many failovers
    as the others, the named servers have to say which of them is right.

    Returns:
        One for each address; none if no sentinel knows the service.
    """
    known = [opinion for opinion in opinions if opinion.address is not None]
    latest = max((opinion.epoch for opinion in known), default=0)
    known = [opinion for opinion in known if opinion.epoch == latest]
    votes = Counter(opinion.address for opinion in known)
    return [
        Opinion(
            address,
            latest,
            failing_over=any(opinion.failing_over for opinion in known),
            replicas=tuple(replica for opinion in known for replica in opinion.replicas),
            sentinels=max(opinion.sentinels for opinion in known),
        )
        for address, _ in votes.most_common()
    ]


@attrs.frozen
class Role:
    """What a server says of itself."""

    is_primary: bool
    replicas: int
    """The number of replicas that are connected to it."""

    @classmethod
    def read(cls, reply: Sequence[Any]) -> Role:
        """Read the reply to `ROLE`."""
        if reply[0] != b"master":
            return cls(is_primary=False, replicas=0)
        return cls(is_primary=True, replicas=len(reply[2]))
