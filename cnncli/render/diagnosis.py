"""Findings of `cnncli doctor` as text or JSON."""

import json
from collections.abc import Iterable

from cnncli.records.diagnosis import Examination, Verdict
from cnncli.render.columns import Column, rows


def examination_text(examination: Examination) -> str:
    """One topic: one line per finding, with advice below where there is some."""
    findings = examination.findings
    columns = [
        Column(
            "",
            [finding.verdict.upper() if finding.verdict is not Verdict.OK else "ok" for finding in findings],
        ),
        Column("", [finding.subject for finding in findings]),
        Column("", [finding.message for finding in findings]),
    ]
    lines = [examination.topic]
    for finding, row in zip(findings, rows(columns)[1:], strict=True):
        lines.append(f"  {row}")
        if finding.advice:
            lines.append(f"      -> {finding.advice}")
    return "\n".join(lines) + "\n"


def diagnosis_json(examinations: Iterable[Examination]) -> str:
    """The findings of all topics as one list."""
    findings = [
        {
            "topic": examination.topic,
            "subject": finding.subject,
            "message": finding.message,
            "verdict": finding.verdict,
            "advice": finding.advice,
        }
        for examination in examinations
        for finding in examination.findings
    ]
    return json.dumps(findings, indent=2, ensure_ascii=False) + "\n"
