"""`cnncli summary`: layers, shapes, parameters, multiply-adds, receptive fields."""

import enum
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from cnncli.cli import options
from cnncli.cli.console import is_terminal, quiet_libraries, write_data
from cnncli.errors import UsageError

if TYPE_CHECKING:
    from cnncli.inspection.summary import SummarySettings
    from cnncli.records.anatomy import Summary

_ALL = "all"


class SummaryFormat(enum.StrEnum):
    """How a summary is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"


class Dtype(enum.StrEnum):
    """Of weights and activations, for the columns that count bytes."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"
    FLOAT64 = "float64"


class _ExplainsAll(TyperCommand):
    """`--explain` may stand without a value, and then explains every layer."""

    def parse_args(self, context: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - as in typer
        """Put in the value that goes without saying."""
        given = list(args)
        if "--explain" in given:
            after = given.index("--explain") + 1
            if after == len(given) or given[after].startswith("-"):
                given.insert(after, _ALL)
        return super().parse_args(context, given)


summary = typer.Typer(
    name="summary", add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)


@summary.command("summary", cls=_ExplainsAll)
def summarize(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL...",
            help="Names, blueprints (files, or their text in quotes), model folders; several are compared.",
            show_default=False,
        ),
    ] = None,
    depth: Annotated[
        int | None,
        typer.Option("--depth", min=0, metavar="N", help="Roll blocks up that lie within N others."),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option("--columns", metavar="A,B", help="These columns only; `all` for all of them."),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option("--only", metavar="A,B", help="Only layers whose type has this in it: conv,linear."),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option("--sort", metavar="COLUMN", help="Largest first: params, macs, memory, field."),
    ] = None,
    explain: Annotated[
        str | None,
        typer.Option(
            "--explain", metavar="[LAYER]", help="The arithmetic of one layer, or of all, in numbers."
        ),
    ] = None,
    img_size: options.ImageSize = None,
    batch_size: Annotated[
        int, typer.Option("--batch-size", "-b", metavar="INT", min=1, max=65536, help="Images at a time.")
    ] = 1,
    channels: Annotated[
        int | None, typer.Option("--channels", metavar="INT", min=1, max=4096, help="Planes of the input.")
    ] = None,
    num_classes: Annotated[
        int | None,
        typer.Option("--num-classes", metavar="INT", min=1, max=1_000_000, help="Rows of the last layer."),
    ] = None,
    dtype: Annotated[
        Dtype, typer.Option("--dtype", help="Of weights and activations, for what is counted in bytes.")
    ] = Dtype.FLOAT32,
    format_: Annotated[
        SummaryFormat, typer.Option("--format", "-f", help="The JSON holds everything.")
    ] = SummaryFormat.TABLE,
    show_blueprint: Annotated[
        bool,
        typer.Option("--show-blueprint", help="Write a blueprint back in its notation, and nothing else."),
    ] = False,
    help_blueprint: Annotated[
        bool, typer.Option("--help-blueprint", help="Explain the notation, and nothing else.")
    ] = False,
) -> None:
    """Show what a network is made of and what it costs, without downloading a weight.

    For each layer: kernel, stride, padding, shapes, parameters, multiply-adds, what one value sees of the image
    (field) and how far apart two neighbours look (jump), the memory of its output.

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
        taken = (
            f"{explain!r} was taken for the layer that --explain names; "
            if explain not in {None, _ALL}
            else ""
        )
        raise UsageError("no network is given", f"{taken}write cnncli summary vgg16")
    names, kinds = _columns(columns), _words("--only", only)
    if names and (format_ in {SummaryFormat.JSON, SummaryFormat.CSV} or explain is not None):
        raise UsageError("--columns is for tables", "csv and JSON have all of them")
    compares = len(models) > 1 and format_ is SummaryFormat.TABLE and explain is None
    if compares and (names or kinds or sort or depth is not None):
        raise UsageError(
            "several networks are compared by their totals, without layers",
            "leave out --columns, --only, --sort and --depth, or name one network",
        )
    if format_ is not SummaryFormat.TABLE and (explain is not None or show_blueprint):
        raise UsageError(
            f"--format {format_} is for summaries",
            "leave it out, or --explain and --show-blueprint; the JSON of a summary has all numbers",
        )
    if show_blueprint:
        _require_nothing_else(
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
    with quiet_libraries():
        from cnncli.inspection.summary import SummarySettings

        settings = SummarySettings(size, batch_size, channels, num_classes, dtype)
        summaries = [_summary(model, settings, depth, kinds, sort) for model in models]
    if explain is not None:
        write_data("\n".join(_explained(item, explain) for item in summaries))
        return
    write_data(_rendered(summaries, names, format_))


def _require_nothing_else(given: Mapping[str, bool]) -> None:
    if useless := [option for option, is_given in given.items() if is_given]:
        raise UsageError(
            f"{', '.join(useless)}: no effect with --show-blueprint, which writes the blueprint as it is",
            "leave that out; --img-size may stay",
        )


def _blueprint_text(model: str, size: tuple[int, int] | None) -> str:
    """A blueprint in its notation: one by name, a file's, a text, or that of a model folder."""
    from cnncli.networks import model_folder
    from cnncli.networks.blueprint import find
    from cnncli.networks.blueprint.shapes import output_shape
    from cnncli.networks.blueprint.writer import written
    from cnncli.networks.prepared import find_finished
    from cnncli.networks.reference import Reference

    path = find_finished(Reference(model))
    text = model_folder.open_folder(path).card.architecture.blueprint if path else None
    drawn = find(text or model, size)
    output_shape(drawn)  # what is too large to be built is too large to be written
    return written(drawn)


def _words(option: str, text: str | None) -> list[str]:
    words = list(dict.fromkeys(word.strip().lower() for word in (text or "").split(",") if word.strip()))
    if text is not None and not words:
        raise UsageError(f"{option} {text!r} names nothing")
    return words


def _columns(text: str | None) -> list[str]:
    """By the names of the option, or by what stands above them in the table."""
    from cnncli.render.anatomy import FIELDS

    titles = {field.title: name for name, field in FIELDS.items()}
    names = list(FIELDS) if text == _ALL else [titles.get(word, word) for word in _words("--columns", text)]
    if unknown := [name for name in names if name not in FIELDS]:
        raise UsageError(f"no column is called {', '.join(unknown)}", f"there are {', '.join(FIELDS)}")
    return names


def _summary(
    model: str, settings: "SummarySettings", depth: int | None, kinds: Sequence[str], sort: str | None
) -> "Summary":
    from cnncli.inspection.rollup import chosen, rows
    from cnncli.inspection.summary import taken_apart
    from cnncli.networks.reference import Reference
    from cnncli.records.anatomy import Summary

    item, whole = taken_apart(Reference(model), settings)
    return Summary(whole, tuple(chosen(rows(whole.layers, depth), kinds, sort)), item.top1)


def _explained(item: "Summary", layer: str) -> str:
    from cnncli.inspection.rollup import named
    from cnncli.render.explanation import explanation

    layers = item.anatomy.layers
    asked = item.rows if layer == _ALL else named(layers, layer)
    if not asked:
        import difflib

        names = dict.fromkeys(part.name for part in layers)
        close = difflib.get_close_matches(layer, names, 4, cutoff=0.4)
        raise UsageError(
            f"no layer is called {layer!r}", f"did you mean {', '.join(close)}?" if close else None
        )
    return "\n".join(map(explanation, asked))


def _rendered(summaries: "Sequence[Summary]", names: Sequence[str], format_: SummaryFormat) -> str:
    from cnncli.render import anatomy as render

    width = shutil.get_terminal_size().columns if is_terminal(sys.stdout) else None
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
