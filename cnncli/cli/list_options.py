"""The options on the columns of a list, which several commands share."""

import csv
import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer

from cnncli.cli.options import ImageColumn, PathColumn, Root
from cnncli.errors import UsageError
from cnncli.records.list_columns import INDICATOR_TASK, LABEL_COLUMN, LABEL_SEPARATOR, ListColumns

LabelColumns = Annotated[
    list[str] | None,
    typer.Option(
        "--label-column",
        metavar="NAME",
        help="Column with the class labels in a list or in Parquet files, or their name in the .json files of tar archives. "
        f"Repeat it for several tasks, each with a column of its own.  [default: {LABEL_COLUMN}]",
        show_default=False,
    ),
]
MultiLabel = Annotated[
    list[str] | None,
    typer.Option(
        "--multi-label",
        metavar="NAME",
        help="Column with any number of labels per image, such as cat|dog; an empty cell is none of them, and ? unknown. "
        "It need not be repeated as --label-column.",
        show_default=False,
    ),
]
LabelSeparator = Annotated[
    str,
    typer.Option(
        "--label-separator", metavar="TEXT", help="What is between two labels in a --multi-label column."
    ),
]
IndicatorColumns = Annotated[
    str | None,
    typer.Option(
        "--indicator-columns",
        metavar="NAMES",
        help="Columns with 0 or 1, each a class, with commas between their names: images may have any number of these classes. "
        f"The task is called {INDICATOR_TASK}.",
        show_default=False,
    ),
]
GroupColumn = Annotated[
    str | None,
    typer.Option(
        "--group-column",
        metavar="NAME",
        help="Column with what images share that must not be in two splits, such as a camera or a patient.",
        show_default=False,
    ),
]
GroupBy = Annotated[
    str | None,
    typer.Option(
        "--group-by",
        metavar="REGEX",
        help="The same from paths: what this regular expression matches, or the parentheses in it, e.g. '(cam[0-9]+)'.",
        show_default=False,
    ),
]
SplitColumn = Annotated[
    str,
    typer.Option(
        "--split-column",
        metavar="NAME",
        help="Column with train, val or test in a list or in Parquet files, if there is one.",
    ),
]


def _list_columns(
    path_column: PathColumn = "path",
    label_column: LabelColumns = None,
    multi_label: MultiLabel = None,
    label_separator: LabelSeparator = LABEL_SEPARATOR,
    indicator_columns: IndicatorColumns = None,
    split_column: SplitColumn = "split",
    root: Root = None,
    image_column: ImageColumn = None,
) -> ListColumns:
    """The columns that the options name.

    Raises:
        UsageError: they contradict each other.
    """
    return ListColumns(
        path=path_column,
        labels=tuple(label_column or ()),
        split=split_column,
        root=root,
        image=image_column,
        multi_label=tuple(multi_label or ()),
        separator=label_separator,
        indicators=_names(indicator_columns or ""),
    )


def _names(text: str) -> tuple[str, ...]:
    """`sun,rain` as names; one with a comma in it is in quotation marks, as in CSV.

    Raises:
        UsageError: it is not a row of CSV.
    """
    try:
        return tuple(next(csv.reader([text], skipinitialspace=True, strict=True), ()))
    except csv.Error as error:
        raise UsageError(
            f"--indicator-columns {text!r} is not a row of CSV: {error}", "use commas between the names"
        ) from error


_PARAMETERS = inspect.signature(_list_columns).parameters


def with_list_columns(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options on the columns of a list, in place of its parameter `columns`, which gets their values."""

    @functools.wraps(command)
    def run(**values: Any) -> None:  # noqa: ANN401 - values of any options
        columns = _list_columns(**{name: values.pop(name) for name in _PARAMETERS})
        command(columns=columns, **values)

    signature = inspect.signature(command, eval_str=True)
    parameters = list(_expand(signature))
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _expand(signature: inspect.Signature) -> Iterator[inspect.Parameter]:
    """The parameters of a command, all by keyword, with those of the columns in place of `columns`."""
    for parameter in signature.parameters.values():
        if parameter.name == "columns":
            yield from (item.replace(kind=item.KEYWORD_ONLY) for item in _PARAMETERS.values())
        elif parameter.kind is parameter.VAR_KEYWORD:
            yield parameter
        else:
            yield parameter.replace(kind=parameter.KEYWORD_ONLY)
