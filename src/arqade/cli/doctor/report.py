"""What the doctor has found, topic by topic."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from arqade import Finding

__all__ = ["Diagnosis", "Level", "from_finding", "good", "told"]


class Level(StrEnum):
    """How much it matters, the least first."""

    ok = "ok"
    """As it should be."""

    info = "info"
    """Good to know, or it can't be told."""

    warning = "warning"
    """Jobs are lost or late if something else goes wrong, too."""

    error = "error"
    """Jobs are lost, refused or late."""


@attrs.frozen
class Diagnosis:
    """One thing that was looked at."""

    topic: str
    """What was looked at."""

    level: Level
    """How much it matters."""

    message: str
    """What was found."""

    cure: str = ""
    """What to do about it; empty if nothing needs to be done."""

    @property
    def is_grave(self) -> bool:
        """Whether something should be done."""
        return self.level in (Level.warning, Level.error)


def good(topic: str, message: str) -> Diagnosis:
    """Say that something is as it should be."""
    return Diagnosis(topic, Level.ok, message)


def told(topic: str, message: str, cure: str = "") -> Diagnosis:
    """Say something that is good to know."""
    return Diagnosis(topic, Level.info, message, cure)


def from_finding(finding: Finding) -> Diagnosis:
    """Take over what a queue's ``check`` has found."""
    return Diagnosis(finding.code, Level(finding.severity), finding.message, finding.cure)
