"""The options on the columns of a list: as they are typed, and as a run records them."""

import dataclasses
from pathlib import Path

import pytest
import tomli_w
import typer
from typer.testing import CliRunner

from cnncli.cli.config import Config
from cnncli.cli.list_options import GroupedListOptions, ListOptions
from cnncli.cli.option_groups import takes_groups
from cnncli.errors import UsageError
from cnncli.networks.reference import Reference
from cnncli.records.list_columns import LABEL_COLUMN, ListColumns
from cnncli.training.settings import FeatureSettings, option_values

parsed: list[ListColumns] = []


@takes_groups
def show(data: str = "", config: Config = None, *, lists: ListOptions) -> None:  # noqa: ARG001 - options of finetune
    parsed.append(lists.columns())


@takes_groups
def show_groups(*, lists: GroupedListOptions) -> None:
    parsed.append(lists.columns())


def parse(*words: str) -> ListColumns:
    app = typer.Typer()
    app.command()(show)
    result = CliRunner().invoke(app, words)
    if result.exception:
        raise result.exception
    return parsed.pop()


SEVERAL = ListColumns(
    labels=("habitat",), multi_label=("tags", "mood"), separator=";", indicators=("sun", "rain, heavy")
)


@pytest.mark.parametrize(
    ("words", "columns"),
    [
        ([], ListColumns()),
        (["--label-column", "kind", "--path-column", "file"], ListColumns("file", ("kind",))),
        (["--label-column", "kind", "--label-column", "mood"], ListColumns(labels=("kind", "mood"))),
        (["--indicator-columns", "sun,rain, snow"], ListColumns(indicators=("sun", "rain", "snow"))),
        (
            [
                *("--label-column", "habitat", "--multi-label", "tags", "--multi-label", "mood"),
                *("--label-separator", ";", "--indicator-columns", 'sun,"rain, heavy"'),
            ],
            SEVERAL,
        ),
    ],
)
def test_typed_options(words: list[str], columns: ListColumns) -> None:
    assert parse(*words) == columns


def test_options_for_lists_are_known_by_their_names() -> None:
    """All but --group-by, which folders take, too."""
    changed = dataclasses.replace(SEVERAL, path="x", split="x", root="x", image="x", group="x")
    app = typer.Typer(add_completion=False)
    app.command()(show_groups)
    command = typer.main.get_command(app)
    offered = {option for parameter in command.params for option in parameter.opts}
    assert {"--group-by", *changed.changed_options} == offered - {"--help"}
    assert ListColumns(labels=(LABEL_COLUMN,), group_by="x").changed_options == ()


def test_names_that_are_no_row_of_csv_are_an_error() -> None:
    with pytest.raises(UsageError, match=r"""--indicator-columns '"sun' is not a row of CSV"""):
        parse("--indicator-columns", '"sun')


@pytest.mark.parametrize(
    "columns", [ListColumns(labels=("label",)), ListColumns("file", ("kind",), root="/x"), SEVERAL]
)
def test_recorded_options_are_read_back(columns: ListColumns, tmp_path: Path) -> None:
    values = option_values(FeatureSettings(data="list.csv", reference=Reference("pocket"), columns=columns))
    offered = {name: value for name, value in values.items() if "column" in name or name in {"root", "multi_label", "label_separator"}}  # fmt: skip
    assert ("multi_label" in offered) is bool(columns.tasks)
    file = tmp_path / "settings.toml"
    file.write_text(tomli_w.dumps({"schema": 1, **offered}))
    assert parse("--config", str(file)) == columns


def test_a_list_is_for_options_that_may_be_repeated(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('schema = 1\npath_column = ["a", "b"]\n')
    with pytest.raises(UsageError, match="path_column must be one value, not a list"):
        parse("--config", str(file))
