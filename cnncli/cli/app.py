"""The program: its commands, and the one boundary at which errors become words and exit codes."""

import contextlib
import errno
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cnncli import __version__
from cnncli.cli import console
from cnncli.cli.doctor import doctor
from cnncli.cli.models import models
from cnncli.cli.predict import predict
from cnncli.cli.pull import pull
from cnncli.errors import CnncliError

INTERRUPTED = 130


class ErrorBoundary(TyperGroup):
    """Turns every error that a person can mend into two lines on stderr and an exit code.

    Anything else is a bug and keeps its traceback.
    """

    def main(self, *arguments: Any, standalone_mode: bool = True, **options: Any) -> Any:  # noqa: ANN401 - as in typer
        """Run the program and exit, unless the caller wants to (`standalone_mode=False`)."""
        try:
            code = super().main(*arguments, **(options | {"standalone_mode": False}))
        except typer.TyperException as problem:
            console.error(_usage_error(problem))
            code = getattr(problem, "exit_code", 2)
        except typer.Abort:
            code = INTERRUPTED
        except OSError as problem:  # of help and version texts; a command's data has its own way out
            if problem.errno != errno.ENOSPC:
                raise
            console.discard_stdout()
            console.error(CnncliError(f"cannot write to standard output: {problem.strerror}"))
            code = 1
        if standalone_mode:
            sys.exit(code or 0)
        return code

    def make_context(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as in typer
        """Read the command line; help and version are answered here."""
        with _reader_may_leave():
            return super().make_context(*arguments, **options)

    def invoke(self, context: Any) -> Any:  # noqa: ANN401 - Typer does not export its context class's base
        """Run a command."""
        try:
            with _reader_may_leave():
                return super().invoke(context)
        except CnncliError as problem:
            if console.is_debugging():
                raise
            console.error(problem)
            raise typer.Exit(problem.exit_code) from None
        except KeyboardInterrupt:
            console.error(CnncliError("interrupted"))
            raise typer.Exit(INTERRUPTED) from None


@contextlib.contextmanager
def _reader_may_leave() -> Iterator[None]:
    """A pipe whose reader has seen enough is no error."""
    try:
        yield
    except BrokenPipeError:
        console.discard_stdout()
        raise typer.Exit(0) from None


def _usage_error(problem: typer.TyperException) -> CnncliError:
    context = getattr(problem, "ctx", None)
    command = context.command_path if context else "cnncli"
    message = problem.format_message() if hasattr(problem, "format_message") else str(problem)
    message = " ".join(message.split()).rstrip(".")
    return CnncliError(message[:1].lower() + message[1:], f"{command} --help")


app = typer.Typer(
    name="cnncli",
    cls=ErrorBoundary,
    help="Name what is in images, with any network of timm or torchvision.",
    epilog="Environment: CNNCLI_MODEL (default model), CNNCLI_HOME (prepared networks), CNNCLI_DEBUG=1 (tracebacks).",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help costs half the time of help in boxes, and pipes well
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("predict")(predict)
app.add_typer(models, name="models", help="List networks; delete prepared ones.")
app.command("pull", short_help="Download and prepare networks ahead.")(pull)
app.command("doctor", short_help="What works here, and what to do about what does not.")(doctor)


def _show_version(asked: bool) -> None:  # noqa: FBT001 - Typer calls it with the flag
    if asked:
        print(f"cnncli {__version__}")
        raise typer.Exit


@app.callback()
def _program(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback answers
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


def main() -> None:
    """The console script."""
    app(prog_name="cnncli")
