"""`cnncli summary`: layers, shapes, parameters, multiply-adds and receptive fields of a network."""

import enum
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnncli.cli import completion, options
from cnncli.cli.console import Console, quiet_libraries, terminal_width, write_data
from cnncli.cli.groups import SectionedCommand
from cnncli.errors import UsageError

if TYPE_CHECKING:
    from cnncli.inspection.network.summary import SummarySettings
    from cnncli.records.anatomy import Summary

_ALL = "all"


class SummaryFormat(enum.StrEnum):
    """Output format of a summary."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"


class Dtype(enum.StrEnum):
    """Data type of weights and activations, on which their bytes depend."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"
    FLOAT64 = "float64"


class _ExplainCommand(SectionedCommand):
    """A command in which the value of `--explain` is optional; without it, every layer is explained."""

    def parse_args(self, context: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - as in typer
        """Insert the value `all` where there is none."""
        words = list(args)
        if "--explain" in words:
            after = words.index("--explain") + 1
            if after == len(words) or words[after].startswith("-"):
                words.insert(after, _ALL)
        return super().parse_args(context, words)


summary = typer.Typer(
    name="summary", add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)


@summary.command("summary", cls=_ExplainCommand)
def summarize(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL...",
            autocompletion=completion.complete_model,
            help="Names, blueprints (files, or text in quotes) or model folders; several are compared.",
            show_default=False,
        ),
    ] = None,
    depth: Annotated[
        int | None,
        typer.Option(
            "--depth",
            min=0,
            metavar="N",
            help="Show N levels of nested modules; deeper ones are added up in the module that contains them.",
        ),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option("--columns", metavar="A,B", help="Columns of the table to show, or all."),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            "--only", metavar="A,B", help="Show only layers whose type contains this, e.g. conv,linear."
        ),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            "--sort", metavar="COLUMN", help="Sort by params, macs, memory or field, largest first."
        ),
    ] = None,
    explain: Annotated[
        str | None,
        typer.Option(
            "--explain",
            metavar="[LAYER]",
            autocompletion=completion.complete_layer,
            help="Show the arithmetic of one layer, or of all layers, with its numbers.",
        ),
    ] = None,
    img_size: options.ImageSize = None,
    batch_size: Annotated[
        int, typer.Option("--batch-size", "-b", metavar="INT", min=1, max=65536, help="Images per batch.")
    ] = 1,
    channels: Annotated[
        int | None,
        typer.Option("--channels", metavar="INT", min=1, max=4096, help="Number of input channels."),
    ] = None,
    num_classes: Annotated[
        int | None,
        typer.Option("--num-classes", metavar="INT", min=1, max=1_000_000, help="Number of classes."),
    ] = None,
    dtype: Annotated[
        Dtype, typer.Option("--dtype", help="Data type of weights and activations, for the memory columns.")
    ] = Dtype.FLOAT32,
    format_: Annotated[
        SummaryFormat, typer.Option("--format", "-f", help="Output format; csv and json have all columns.")
    ] = SummaryFormat.TABLE,
    show_blueprint: Annotated[
        bool, typer.Option("--show-blueprint", help="Print the text of a blueprint and exit.")
    ] = False,
    help_blueprint: Annotated[
        bool, typer.Option("--help-blueprint", help="Print the blueprint notation and exit.")
    ] = False,
) -> None:
    """Show the layers of a network and what they cost, without downloading weights.

    For each layer: kernel, stride, padding, shapes, parameters, multiply-adds, the receptive field of one value (field),
    the distance between the fields of neighbouring values (jump), and the memory of the output.

    \b
    Examples:
      cnncli summary vgg16
      cnncli summary googlenet-2014 --depth 1
      cnncli summary resnet50 --explain layer1.0.conv2
      cnncli summary vgg16 resnet50 mobilenetv3_small_100
      cnncli summary 'input 3x32x32; conv3-32 relu; maxpool; FC-10'
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    size = options.image_size(img_size)
    if help_blueprint:
        from cnncli.networks.blueprint import notation

        write_data(notation())
        return
    if not models:
        remark = f"{explain!r} was read as the layer to --explain; " if explain not in {None, _ALL} else ""
        raise UsageError("no network given", f"{remark}try cnncli summary vgg16")
    names, kinds = _columns(columns), _words("--only", only)
    if names and (format_ in {SummaryFormat.JSON, SummaryFormat.CSV} or explain is not None):
        raise UsageError("--columns applies to tables only", "csv and json always have all columns")
    compares = len(models) > 1 and format_ is SummaryFormat.TABLE and explain is None
    if compares and (names or kinds or sort or depth is not None):
        raise UsageError(
            "several networks are compared by their totals, without layers",
            "omit --columns, --only, --sort and --depth, or name one network",
        )
    if format_ is not SummaryFormat.TABLE and (explain is not None or show_blueprint):
        raise UsageError(
            f"--format {format_} does not work with --explain or --show-blueprint", "omit one of them"
        )
    if show_blueprint:
        _require_unset(
            {
                "--explain": explain is not None,
                "--depth": depth is not None,
                "--columns": bool(names),
                "--only": bool(kinds),
                "--sort": bool(sort),
                "--batch-size": batch_size != 1,
                "--channels": channels is not None,
                "--num-classes": num_classes is not None,
                "--dtype": dtype is not Dtype.FLOAT32,
            }
        )
        for model in models:
            write_data(_blueprint_text(model, size))
        return
    _require_networks(models, size)
    with quiet_libraries(), Console().spinner("building the network"):
        from cnncli.inspection.network.summary import SummarySettings

        settings = SummarySettings(size, batch_size, channels, num_classes, dtype)
        summaries = [_summary(model, settings, depth, kinds, sort) for model in models]
    if explain is not None:
        write_data("\n".join(_explanation(item, explain) for item in summaries))
        return
    write_data(_render(summaries, names, format_))


def _require_unset(options: Mapping[str, bool]) -> None:
    if unused := [option for option, is_set in options.items() if is_set]:
        raise UsageError(
            f"{', '.join(unused)}: no effect with --show-blueprint",
            "of these options only --img-size works with it",
        )


def _require_networks(models: Sequence[str], size: tuple[int, int] | None) -> None:
    """Check names and blueprints before torch is imported, which takes seconds."""
    from cnncli.networks import blueprint
    from cnncli.networks.known import require_known
    from cnncli.networks.prepared import find_finished
    from cnncli.networks.reference import Reference

    for model in models:
        reference = Reference(model)
        if blueprint.is_blueprint(model):
            blueprint.find(model, size)
        elif not find_finished(reference) and not reference.is_exported:
            require_known(reference)


def _blueprint_text(model: str, size: tuple[int, int] | None) -> str:
    """The text of a blueprint: a shipped one, a file, a text, or that of a model folder."""
    from cnncli.networks import model_folder
    from cnncli.networks.blueprint import find
    from cnncli.networks.blueprint.shapes import output_shape
    from cnncli.networks.blueprint.writer import to_text
    from cnncli.networks.prepared import find_finished
    from cnncli.networks.reference import Reference

    path = find_finished(Reference(model))
    text = model_folder.read_folder(path).card.architecture.blueprint if path else None
    tree = find(text or model, size)
    output_shape(tree)  # raises for a blueprint that is too large to be built
    return to_text(tree)


def _words(option: str, text: str | None) -> list[str]:
    words = list(dict.fromkeys(word.strip().lower() for word in (text or "").split(",") if word.strip()))
    if text is not None and not words:
        raise UsageError(f"{option} {text!r} is empty")
    return words


def _columns(text: str | None) -> list[str]:
    """Column names from a list of names or of table headers."""
    from cnncli.render.anatomy import FIELDS

    titles = {field.title: name for name, field in FIELDS.items()}
    names = list(FIELDS) if text == _ALL else [titles.get(word, word) for word in _words("--columns", text)]
    if unknown := [name for name in names if name not in FIELDS]:
        raise UsageError(f"no column is called {', '.join(unknown)}", f"columns: {', '.join(FIELDS)}")
    return names


def _summary(
    model: str, settings: "SummarySettings", depth: int | None, kinds: Sequence[str], sort: str | None
) -> "Summary":
    from cnncli.inspection.network.summary import inspect_network
    from cnncli.inspection.rollup import rows, select_rows
    from cnncli.networks.prepared import warn_hidden_folder
    from cnncli.networks.reference import Reference
    from cnncli.records.anatomy import Summary

    warn_hidden_folder(Reference(model), Console())
    spec, anatomy = inspect_network(Reference(model), settings)
    return Summary(anatomy, tuple(select_rows(rows(anatomy.layers, depth), kinds, sort)), spec.top1)


def _explanation(item: "Summary", layer: str) -> str:
    from cnncli.inspection.rollup import rows_named
    from cnncli.render.explanation import explanation

    layers = item.anatomy.layers
    selection = item.rows if layer == _ALL else rows_named(layers, layer)
    if not selection:
        import difflib

        names = dict.fromkeys(part.name for part in layers)
        close = difflib.get_close_matches(layer, names, 4, cutoff=0.4)
        raise UsageError(
            f"no layer is called {layer!r}", f"did you mean {', '.join(close)}?" if close else None
        )
    return "\n".join(map(explanation, selection))


def _render(summaries: "Sequence[Summary]", names: Sequence[str], format_: SummaryFormat) -> str:
    from cnncli.render import anatomy as render

    width = terminal_width()
    match format_:
        case SummaryFormat.JSON:
            return render.summary_json(summaries)
        case SummaryFormat.CSV:
            return render.summary_csv(summaries)
        case SummaryFormat.MARKDOWN:
            return "\n".join(render.summary_markdown(item, names) for item in summaries)
        case SummaryFormat.TABLE if len(summaries) > 1:
            return render.comparison(summaries, width)
        case SummaryFormat.TABLE:
            return render.summary_table(summaries[0], names, width)
