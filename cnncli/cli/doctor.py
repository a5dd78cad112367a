"""`cnncli doctor`: what is installed here, what works, and what to do about what does not."""

from typing import Annotated

import typer

from cnncli.cli import options
from cnncli.cli.console import quiet_libraries, write_data
from cnncli.cli.options import ReportFormat


def doctor(
    offline: options.Offline = False,
    format_: Annotated[
        ReportFormat, typer.Option("--format", "-f", help="How to write the findings.")
    ] = ReportFormat.TEXT,
) -> None:
    """Look at packages, devices, caches, prepared networks (every byte of them) and the way to the hub.

    Exit code 1 where something is broken that cnncli needs. Takes the seconds that importing torch takes.
    """
    with quiet_libraries():
        from cnncli.doctor import examine
        from cnncli.records.health import Verdict
        from cnncli.render.health import examination_text, health_json

        examinations = []
        for examination in examine(is_offline=offline):
            examinations.append(examination)
            if format_ is ReportFormat.TEXT:
                write_data(examination_text(examination))
        if format_ is ReportFormat.JSON:
            write_data(health_json(examinations))
    verdicts = {finding.verdict for examination in examinations for finding in examination.findings}
    if Verdict.BROKEN in verdicts:
        raise typer.Exit(1)
