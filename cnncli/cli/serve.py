"""`cnncli serve`: a network as an HTTP service."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.cli import options, prediction
from cnncli.cli.console import Console, quiet_libraries, write_data
from cnncli.cli.option_groups import ComputeOptions, NetworkOptions, OptionGroup, takes_groups
from cnncli.dataclass import frozen_dataclass
from cnncli.errors import MissingPackageError
from cnncli.records.defaults import TOPK
from cnncli.text import counted, install_command

if TYPE_CHECKING:
    from cnncli.serve.settings import Access, Limits

_MEGABYTE = 1_000_000


@frozen_dataclass
class ServiceOptions(OptionGroup):
    """Where a service is, who may use it, and how much."""

    host: Annotated[
        str,
        typer.Option(
            "--host", metavar="ADDRESS", help="Address to listen on; 0.0.0.0 is all of this machine."
        ),
    ] = "127.0.0.1"
    port: Annotated[
        int,
        typer.Option("--port", min=0, max=65535, metavar="N", help="Port to listen on; 0 takes a free one."),
    ] = 8000
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            metavar="NAME",
            help="Name or address by which other machines know this one; requests to other names are refused. Repeatable.",
        ),
    ] = None
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            metavar="FILE",
            help="File with the token that clients have to send.  [default: CNNCLI_TOKEN; with --allow-host a new one]",
        ),
    ] = None
    no_token: Annotated[
        bool, typer.Option("--no-token", help="Let everybody in who can reach the address.")
    ] = False
    queue: Annotated[
        int,
        typer.Option(
            "--queue", min=1, metavar="N", help="Images that may wait; more requests get status 503."
        ),
    ] = 256
    max_body: Annotated[
        int,
        typer.Option(
            "--max-body", min=1, max=1000, metavar="MB", help="Size of the largest request, in megabytes."
        ),
    ] = 32
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout", min=0.1, metavar="SECONDS", help="Time to receive a request, and again to answer it."
        ),
    ] = 30

    def access(self) -> "Access":
        """Who may use it.

        Raises:
            CnncliError: as `Access.from_options`.
        """
        from cnncli.serve.settings import Access

        return Access.from_options(self.host, self.allow_host or [], self.token_file, no_token=self.no_token)

    def limits(self) -> "Limits":
        """How much, and how long."""
        from cnncli.serve.settings import Limits

        return Limits(self.max_body * _MEGABYTE, self.queue, self.timeout)


@takes_groups
def serve(
    model: options.Model = None,
    *,
    service_options: ServiceOptions,
    network: NetworkOptions,
    labels: options.Labels = None,
    topk: Annotated[
        int | None,
        typer.Option(
            "--topk",
            "-k",
            min=1,
            metavar="INT",
            help="Number of classes per image; a request may ask for another.  "
            f"[default: {TOPK}; for a multi-label model, all above their thresholds]",
        ),
    ] = None,
    threshold: prediction.Threshold = None,
    answers: prediction.ClassOptions,
    tta: options.Tta = False,
    exact_decode: options.ExactDecode = False,
    computation: ComputeOptions,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Answer HTTP requests with predictions, until Ctrl-C.

    Prints its address. POST /predict takes images and gives the records of `cnncli predict -f json`; /openapi.json describes
    the rest.

    \b
    Examples:
      cnncli serve
      curl -F image=@photo.jpg http://127.0.0.1:8000/predict
      cnncli serve -m runs/photos --host 0.0.0.0 --allow-host photos.example.org
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    console = Console(quiet=quiet, verbose=verbose)
    from cnncli.serve.settings import bind, url

    access, limits = service_options.access(), service_options.limits()
    with bind(service_options.host, service_options.port) as bound, quiet_libraries():
        try:
            from cnncli.serve.app import Service
            from cnncli.serve.server import configure, run
        except ModuleNotFoundError as error:
            raise MissingPackageError(
                f"serve needs the package {error.name}", install_command("cnncli[serve]")
            ) from error
        settings = answers.settings(
            topk, threshold, computation.inference(tta=tta, exact_decode=exact_decode)
        )
        with console.spinner("opening the network"):
            from cnncli.predict import Predictor
            from cnncli.prepare import prepare

            reference = network.reference(model, console, labels)
            reference, settings = settings.choose_classes(reference, answers.prompt, console)
            folder = prepare(reference, console, is_offline=network.offline, needs_classes=True)
            predictor = Predictor(folder, settings, console)
        console.detail(str(predictor))
        service = Service(predictor, access, limits, console)

        def announce() -> None:
            classes = counted(len(predictor.layout.labels), "class", "classes")
            console.notice(f"serving {folder.card.name}: {classes} (Ctrl-C ends)")
            token = f"/#token={access.token}" if access.is_generated else ""
            write_data(f"{url(service_options.host, bound, access)}{token}\n", is_last=False)

        run(configure(service, limits), service, bound, announce)
        metrics = service.metrics
        console.notice(f"answered {counted(metrics.requests, 'request')}, {counted(metrics.images, 'image')}")
