"""What an examination of this installation finds."""

import enum
from dataclasses import dataclass


class Verdict(enum.StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """Something does not work that not everybody needs."""

    BROKEN = "broken"
    """Something does not work that cnncli needs."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: what was looked at.
        told: what was found: a version, a path, a reason.
        verdict: how bad it is.
        advice: what to do about it.
    """

    subject: str
    told: str
    verdict: Verdict = Verdict.OK
    advice: str | None = None


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found about one topic."""

    topic: str
    findings: tuple[Finding, ...]
