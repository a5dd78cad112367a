"""`cnncli doctor`: check the installation."""

from typing import Annotated

import typer

from cnncli.cli import options
from cnncli.cli.console import Console, quiet_libraries, write_data
from cnncli.cli.options import ReportFormat


def doctor(
    imports: Annotated[
        bool,
        typer.Option(
            "--imports", help="Also import every package and look for GPUs, which takes some seconds."
        ),
    ] = False,
    offline: options.Offline = False,
    format_: Annotated[
        ReportFormat, typer.Option("--format", "-f", help="Format of the findings.")
    ] = ReportFormat.TEXT,
) -> None:
    """Check packages, devices, caches, prepared models (every byte) and servers.

    Exits with 1 if something that cnncli needs is broken.
    """
    with quiet_libraries(), Console().spinner("checking the installation"):
        from cnncli.doctor import examine
        from cnncli.records.diagnosis import Examination, Verdict
        from cnncli.render.diagnosis import diagnosis_json, examination_text

        examinations: list[Examination] = []
        for examination in examine(is_offline=offline, imports=imports):
            if format_ is ReportFormat.TEXT:
                write_data(("\n" if examinations else "") + examination_text(examination))
            examinations.append(examination)
        if format_ is ReportFormat.JSON:
            write_data(diagnosis_json(examinations))
    verdicts = {finding.verdict for examination in examinations for finding in examination.findings}
    if Verdict.BROKEN in verdicts:
        raise typer.Exit(1)
