"""The options on the columns of a list, which several commands share."""

import csv
import dataclasses
from typing import Annotated

import typer

from cnncli.cli.option_groups import OptionGroup
from cnncli.cli.options import ImageColumn, PathColumn, Root
from cnncli.dataclass import frozen_dataclass
from cnncli.errors import UsageError
from cnncli.records.defaults import PATH_COLUMN
from cnncli.records.list_columns import LABEL_COLUMN, ListColumns
from cnncli.records.tasks import INDICATOR_TASK, LABEL_SEPARATOR

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


@frozen_dataclass
class ListOptions(OptionGroup):
    """The columns of a list of labelled images."""

    path_column: PathColumn = PATH_COLUMN
    label_column: LabelColumns = None
    multi_label: MultiLabel = None
    label_separator: LabelSeparator = LABEL_SEPARATOR
    indicator_columns: IndicatorColumns = None
    split_column: SplitColumn = "split"
    root: Root = None
    image_column: ImageColumn = None

    def arguments(self) -> list[str]:
        """The options that differ from the defaults, for another command that takes a list."""
        words = []
        for field in dataclasses.fields(ListOptions):
            value = getattr(self, field.name)
            if value != field.default:
                option = f"--{field.name.replace('_', '-')}"
                values = value if isinstance(value, list) else [value]
                words += [word for item in values for word in (option, str(item))]
        return words

    def columns(self) -> ListColumns:
        """The columns that the options name.

        Raises:
            UsageError: they contradict each other.
        """
        return ListColumns(
            path=self.path_column,
            labels=tuple(self.label_column or ()),
            split=self.split_column,
            root=self.root,
            image=self.image_column,
            multi_label=tuple(self.multi_label or ()),
            separator=self.label_separator,
            indicators=_names(self.indicator_columns or ""),
        )


@frozen_dataclass
class GroupedListOptions(ListOptions):
    """The columns of a list whose images may be in groups that must not be in two splits."""

    group_column: GroupColumn = None
    group_by: GroupBy = None

    def columns(self) -> ListColumns:
        """As that of the base class."""
        columns = ListOptions.columns(self)
        return dataclasses.replace(columns, group=self.group_column or "", group_by=self.group_by or "")


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
