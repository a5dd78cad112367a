"""The program: its commands, and the error boundary, which turns errors into messages and exit codes."""

import contextlib
import errno
import gc
import importlib
import os
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer
from typer._click.shell_completion import CompletionItem
from typer.core import TyperGroup

from cnncli import __version__
from cnncli.cli import completion, console
from cnncli.cli.groups import SectionedCommand
from cnncli.cli.openmp import adapt_to_load
from cnncli.cli.other_tools import hint_for_command, hint_for_extra, hint_for_option
from cnncli.cli.surroundings import provide_home, require_working_directory
from cnncli.errors import CnncliError
from cnncli.text import share_hint

COMMANDS = {
    "predict": "Classify images.",
    "sort": "Sort images into folders by their predicted classes.",
    "finetune": "Fine-tune a network on labelled images.",
    "evaluate": "Evaluate a model on labelled images, and show where it fails.",
    "check": "Check a labelled folder for problems before training.",
    "relabel": "Apply reviewed labels to a labelled folder or list.",
    "next": "Choose the images that are most worth a label.",
    "datasets": "List common data sets; download one as a labelled folder.",
    "summary": "Show the layers of a network and what they cost.",
    "models": "List networks; delete prepared ones.",
    "pull": "Download and prepare networks for offline use.",
    "features": "Write the embeddings of images to a file.",
    "join": "Put the parts of an output together.",
    "similar": "Find the nearest neighbours of images, or near-duplicates.",
    "filters": "Draw the filters of a convolutional layer.",
    "maps": "Draw the feature maps of an image.",
    "convolve": "Apply a kernel and a pooling to an image or a matrix.",
    "cam": "Draw class activation maps (Grad-CAM and others).",
    "receptive": "Draw the receptive field of a unit.",
    "export": "Export a network for ONNX Runtime, OpenVINO and other runtimes.",
    "serve": "Answer HTTP requests with predictions.",
    "push": "Share a run on the Hugging Face hub, with a model card.",
    "doctor": "Check the installation, and suggest how to fix problems.",
}
"""Help of each command, which is a function or a Typer in the module of the same name."""

INTERRUPTED = 130


class LazyCommands(Mapping[str, Any]):
    """The commands by name; a command is imported when it is looked up."""

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - Typer does not export its command class's base
        """Import a command."""
        if name not in COMMANDS:
            raise KeyError(name)
        function = getattr(importlib.import_module(f"cnncli.cli.{name}"), name)
        if isinstance(function, typer.Typer):
            return typer.main.get_command(function)
        program = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
        program.command(name, cls=SectionedCommand)(function)
        return typer.main.get_command(program)

    def __iter__(self) -> Iterator[str]:
        """The names, in the order of the help."""
        return iter(COMMANDS)

    def __len__(self) -> int:
        """The number of commands."""
        return len(COMMANDS)


_PATH_ERRORS = {
    errno.EACCES,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOSPC,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}
"""Errors of the operating system about a path that cannot be accessed or written."""


_HELP = frozenset({"-h", "--help"})

_WIDEST_HELP = 120
"""Columns of help on a wide terminal; longer lines are hard to read."""


class ErrorBoundary(TyperGroup):
    """Turns every error that the user can fix into a message, a hint and an exit code.

    Any other exception is a bug and keeps its traceback.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - as in typer
        super().__init__(*arguments, **options)
        self.commands = LazyCommands()  # type: ignore[assignment]

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002 - as in typer
        """Write the names and summaries of the commands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:  # noqa: ANN401 - as in typer
        """The commands that begin with a text, without importing them, or the options of the program."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [
            CompletionItem(name, help=summary)
            for name, summary in COMMANDS.items()
            if name.startswith(incomplete)
        ]

    def main(self, *arguments: Any, standalone_mode: bool = True, **options: Any) -> Any:  # noqa: ANN401 - as in typer
        """Run the program and exit; without exiting if `standalone_mode=False`."""
        if completion.VARIABLE in os.environ:
            completion.register_shells()
        try:
            code = super().main(*arguments, **(options | {"standalone_mode": False}))
        except typer.TyperException as problem:
            console.error(_usage_error(problem))
            code = getattr(problem, "exit_code", 2)
        except typer.Abort:
            code = INTERRUPTED
        except (
            OSError
        ) as problem:  # from help and version texts; commands write their data with `console.write_data`
            if problem.errno != errno.ENOSPC:
                raise
            console.discard_stdout()
            console.error(CnncliError(f"cannot write to standard output: {problem.strerror}"))
            code = 1
        if standalone_mode:
            sys.exit(code or 0)
        return code

    def make_context(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as in typer
        """Parse the command line; `--help` and `--version` are handled here."""
        with _exit_on_closed_pipe():
            return super().make_context(*arguments, **options)

    def invoke(self, context: Any) -> Any:  # noqa: ANN401 - Typer does not export its context class's base
        """Run a command."""
        try:
            with _exit_on_closed_pipe():
                if _HELP.isdisjoint(context.args):
                    require_working_directory()
                    provide_home(context.args)
                return super().invoke(context)
        except CnncliError as problem:
            if console.is_debugging():
                raise
            console.error(problem)
            raise typer.Exit(problem.exit_code) from None
        except OSError as problem:
            if problem.errno not in _PATH_ERRORS or problem.filename is None or console.is_debugging():
                raise
            console.error(CnncliError(f"cannot use {os.fsdecode(problem.filename)}: {problem.strerror}"))
            raise typer.Exit(CnncliError.exit_code) from None
        except KeyboardInterrupt:
            console.error(CnncliError("interrupted"))
            raise typer.Exit(INTERRUPTED) from None


@contextlib.contextmanager
def _exit_on_closed_pipe() -> Iterator[None]:
    """Exit quietly when the reader of a pipe has closed it."""
    try:
        yield
    except BrokenPipeError:
        console.discard_stdout()
        raise typer.Exit(0) from None


_NUMBER_ERRORS = (
    (r"is not a valid int(eger)?( range)?$", "is not a whole number"),
    (r"is not a valid float( range)?$", "is not a number (write 0.5, not 50% or 0,5)"),
    (r"is not in the range x>=([\d.]+)$", r"is below \1"),
    (r"is not in the range ([\d.]+)<=x<=([\d.]+)$", r"is not between \1 and \2"),
)
"""Typer's wording of invalid numbers, and ours."""


def _usage_error(problem: typer.TyperException) -> CnncliError:
    context = getattr(problem, "ctx", None)
    command = context.command_path if context else "cnncli"
    message = problem.format_message() if hasattr(problem, "format_message") else str(problem)
    message = " ".join(message.split()).rstrip(".")
    message = message[:1].lower() + message[1:]
    if option := getattr(problem, "option_name", ""):
        return _option_error(message, option, context)
    for words, plain in _NUMBER_ERRORS:
        message = re.sub(words, plain, message)
    if share := re.search(r": ([\d.]+) is not between 0 and 1$", message):
        return CnncliError(message, share_hint(float(share[1])) or f"{command} --help")
    if extra := re.fullmatch(r"got unexpected extra arguments?(?:\(s\))? \((.*)\)", message):
        values = context.params if context else {}
        return CnncliError(f"unexpected argument: {extra[1]}", hint_for_extra(command, values, extra[1]))
    name = re.fullmatch(r"no such command '(.*?)'.*", message)
    return CnncliError(message, (name and hint_for_command(name[1])) or f"{command} --help")


def _option_error(message: str, option: str, context: Any) -> CnncliError:  # noqa: ANN401 - Typer does not export its context
    """The error for an unknown option; the hint names ours if another tool uses that name."""
    command = context.command_path if context else "cnncli"
    parameters = context.command.params if context else []
    arguments = " ".join(
        item.make_metavar(context) for item in parameters if item.param_type_name == "argument"
    )
    own = {name for item in parameters for name in item.opts}
    problem = message.partition(" (Possible")[0]
    if hint := hint_for_option(option, own, arguments.replace("[", "").replace("]", ""), command):
        return CnncliError(problem, f"{hint} ({command} --help)")
    if message.endswith("requires an argument"):
        return CnncliError(
            f"{option} needs a value", f"write {option} VALUE; the command's --help says which"
        )
    if command == "cnncli":
        return CnncliError(problem, f"options come after the command: cnncli COMMAND {option}")
    return CnncliError(message.replace("Possible options", "similar"), f"{command} --help")


app = typer.Typer(
    name="cnncli",
    cls=ErrorBoundary,
    help="Classify images, and fine-tune, evaluate and inspect networks of timm and torchvision.",
    epilog="Environment: CNNCLI_MODEL (default model), CNNCLI_HOME (prepared networks), CNNCLI_DEBUG=1 (tracebacks).",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help costs half the time of help in boxes, and pipes well
    context_settings={"help_option_names": sorted(_HELP), "max_content_width": _WIDEST_HELP},
)


def _show_version(is_set: bool) -> None:  # noqa: FBT001 - Typer calls it with the flag
    if is_set:
        print(f"cnncli {__version__}")
        raise typer.Exit


@app.callback()
def _program(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - handled by its callback
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


def main(start: float | None = None) -> None:
    """The console script.

    Args:
        start: when the process was started, by `time.perf_counter`.
    """
    # Importing torch creates so many objects that the garbage collector takes a seventh of the time. This program creates
    # few reference cycles, so the collector may run less often.
    gc.set_threshold(50_000, 20, 100)
    adapt_to_load()
    # We only draw into files. Notebooks export a backend of their own environment, without which matplotlib cannot be imported.
    os.environ["MPLBACKEND"] = "agg"
    app(prog_name="cnncli", obj=start)
