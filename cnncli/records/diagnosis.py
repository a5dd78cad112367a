"""Findings of `cnncli doctor`."""

import enum

from cnncli.dataclass import frozen_dataclass


class Verdict(enum.StrEnum):
    """Severity of a finding."""

    OK = "ok"
    WARNING = "warning"
    """Something optional does not work."""

    BROKEN = "broken"
    """Something that cnncli needs does not work."""


@frozen_dataclass
class Finding:
    """The result of one check.

    Attributes:
        subject: what was checked.
        message: the result: a version, a path, a reason.
        verdict: severity.
        advice: what to do about it.
    """

    subject: str
    message: str
    verdict: Verdict = Verdict.OK
    advice: str | None = None


@frozen_dataclass
class Examination:
    """The findings on one topic."""

    topic: str
    findings: tuple[Finding, ...]
