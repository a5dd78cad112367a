"""`cnncli push`: a run as a repository on the Hugging Face hub, or as a folder with the same files."""

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.cli import completion, options
from cnncli.cli.console import Console, is_terminal, quiet_libraries, write_data
from cnncli.errors import CnncliError, UsageError
from cnncli.text import quote, size

if TYPE_CHECKING:
    from cnncli.networks.model_folder import ModelFolder
    from cnncli.sharing.hub import Repository
    from cnncli.sharing.repository_files import RepositoryFiles

_EXAMPLE_NAME = "USER/NAME"
"""Stands for the repository in the model card of a folder."""


def push(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            autocompletion=completion.complete_model,
            help="The run, or another model folder.",
            show_default=False,
        ),
    ],
    repository: Annotated[
        str | None,
        typer.Argument(
            metavar="[hf-hub:USER/NAME]", help="The repository on the Hugging Face hub.", show_default=False
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            metavar="DIR",
            help="Write the same files to a folder, and send nothing.",
            show_default=False,
        ),
    ] = None,
    public: Annotated[
        bool, typer.Option("--public", help="Let everybody see the repository; by default it is private.")
    ] = False,
    license_: Annotated[
        str | None,
        typer.Option(
            "--license",
            metavar="ID",
            help="License of the weights, for the model card, as the hub spells it: apache-2.0, cc-by-4.0, …",
            show_default=False,
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Send the files without asking.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the network in an existing repository or folder.")
    ] = False,
    quiet: options.Quiet = False,
) -> None:
    """Share a run on the Hugging Face hub, with a model card.

    A timm network goes as timm's own files, so that `timm.create_model("hf-hub:USER/NAME", pretrained=True)` opens it,
    too; any other one as a model folder, which only cnncli reads. `cnncli predict -m hf-hub:USER/NAME` reads both.
    Images, their names and the run's other files are not sent.

    \b
    Examples:
      cnncli push runs/photos hf-hub:me/photos
      cnncli push runs/photos --to photos-for-the-hub
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    if (repository is None) == (to is None):
        raise UsageError("name either a repository, hf-hub:USER/NAME, or a folder, --to DIR")
    if to and (public or yes):
        raise UsageError("--public and --yes have no effect with --to, which sends nothing", "leave them out")
    console = Console(quiet=quiet)
    with quiet_libraries():
        from cnncli.networks.dependencies import explain_missing_packages

        with explain_missing_packages(f"sharing {run}"):
            network = _open_run(run)
            if to:
                _write(network, to, license_, console, overwrite=overwrite)
            else:
                assert repository  # noqa: S101 - for mypy; one of the two is given
                _send(
                    network,
                    repository,
                    license_,
                    console,
                    is_public=public,
                    is_confirmed=yes,
                    overwrite=overwrite,
                )


def _open_run(run: str) -> "ModelFolder":
    from cnncli.networks.model_folder import open_folder
    from cnncli.networks.prepared import find_finished
    from cnncli.networks.reference import Reference

    folder = find_finished(Reference(run))
    if folder is None:
        raise UsageError(f"{run} is not a run or another model folder", "name its folder, e.g. runs/photos")
    return open_folder(folder)


def _write(
    network: "ModelFolder", folder: Path, license_: str | None, console: Console, *, overwrite: bool
) -> None:
    from cnncli.sharing.folder import require_free_folder, write_folder

    require_free_folder(folder, overwrite=overwrite)
    with console.spinner("writing the files"):
        files = write_folder(network, folder, _EXAMPLE_NAME, license_, overwrite=overwrite)
    _report_obstacle(files, console)
    write_data(
        "".join(f"saved {quote(folder / name)} ({size(count)})\n" for name, count in files.sizes().items())
    )


def _send(
    network: "ModelFolder",
    reference: str,
    license_: str | None,
    console: Console,
    *,
    is_public: bool,
    is_confirmed: bool,
    overwrite: bool,
) -> None:
    with console.spinner("asking the hub"):
        from cnncli.sharing import hub

        name = hub.repository_name(reference)
        if not is_confirmed and not is_terminal(sys.stdin):
            raise UsageError("nothing is sent before you have agreed", "add --yes, or run it in a terminal")
        repository = hub.find_repository(name, is_public=is_public, overwrite=overwrite)
    with tempfile.TemporaryDirectory() as draft:
        with console.spinner("writing the files"):
            from cnncli.sharing.repository_files import write_files

            files = write_files(network, Path(draft), repository.name, license_)
        _report_obstacle(files, console)
        if not is_confirmed:
            _confirm(repository, files)
        hub.send(repository, files, console)
    write_data(f"{repository.url}\n")


def _report_obstacle(files: "RepositoryFiles", console: Console) -> None:
    if files.obstacle:
        console.notice(f"only cnncli will read the files, and timm cannot: {files.obstacle}")


def _confirm(repository: "Repository", files: "RepositoryFiles") -> None:
    """Show what would be sent, and ask; anything but yes ends the command."""
    for name, count in files.sizes().items():
        typer.echo(f"  {name}  {size(count)}", err=True)
    who = "only you and your organisation" if repository.is_private else "everybody"
    question = f"send these files to {repository.url}, where {who} can see them?"
    if not typer.confirm(question, err=True):
        raise CnncliError("nothing was sent")
