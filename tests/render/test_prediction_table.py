"""The table fits the terminal, whatever is in it."""

import io
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from cnncli.images.local_file import LocalFile
from cnncli.records.predictions import Prediction, Record, RecordLayout, Score, Unreadable
from cnncli.records.tasks import Task
from cnncli.render.prediction_table import PredictionTable
from tests.render.test_lines import (
    BOTH,
    BROKEN,
    CAT,
    CAT_BY_DAY,
    NEITHER,
    NOTHING_BY_NIGHT,
    SEVERAL,
    UNSURE,
    both_records,
    records,
    several_records,
)

LONG_LABEL = "black-footed ferret, ferret, Mustela nigripes"


def drawn(
    width: int,
    *shown: Record,
    encoding: str = "utf-8",
    labels: Sequence[str] = ("cat", LONG_LABEL),
    tasks: tuple[Task, ...] = (),
) -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    table = PredictionTable(
        Console(file=file, width=width, color_system=None), RecordLayout(labels, tasks, None)
    )
    return table.begin() + "".join(map(table.record, shown)) + table.end()


def test_at_80_columns() -> None:
    assert drawn(80, CAT, UNSURE, BROKEN).splitlines() == [
        "image                    label                                       probability",
        "a.jpg                    cat                            ████████████      75.0 %",
        "                         dog                            ████              25.0 %",
        "",
        "b.jpg                    unknown                        ██████▍           40.0 %",
        "",
        "c.jpg                    cannot be read: no such file",
        "",
    ]


def test_short_labels_leave_room_for_long_paths() -> None:
    path = "hymenoptera/val/ants/10308379_1b6c72e180.jpg"
    lines = drawn(80, Prediction(LocalFile(path), CAT.scores), labels=("ants", "bees")).splitlines()
    assert lines[0].startswith(f"{'image':<45}  {'label':<7}  ")
    assert lines[1].startswith(f"{path:<45}  cat      ████████████")
    assert len(lines[1]) == 80


def test_short_paths_stay_close_to_their_labels() -> None:
    assert drawn(80, CAT, labels=("ants", "bees")) == drawn(80, CAT)


def test_a_narrow_terminal_gets_stacked_rows() -> None:
    lines = [line.rstrip() for line in drawn(28, CAT, BROKEN).splitlines()]
    assert lines == [
        "a.jpg",
        "  cat                 75.0 %",
        "  dog                 25.0 %",
        "",
        "c.jpg",
        "  cannot be read: no such",
        "  file",
        "",
    ]


@given(st.integers(12, 200), st.lists(records, max_size=3))
def test_no_line_is_wider_than_the_terminal(width: int, shown: list[Record]) -> None:
    text = drawn(width, *shown)
    assert all(cell_len(line) <= max(width, 20) for line in text.split("\n"))
    assert all(character == "\n" or character.isprintable() for character in text)


def test_long_paths_lose_their_folders_first() -> None:
    path = "some/where/quite/far/away/in/the/tree/cat.jpg"
    assert drawn(80, Prediction(LocalFile(path), CAT.scores)).splitlines()[1].startswith("…/cat.jpg ")
    assert drawn(140, Prediction(LocalFile(path), CAT.scores)).splitlines()[1].startswith(path)


def test_wide_characters_keep_the_columns() -> None:
    lines = drawn(
        80, Prediction(LocalFile("写真.jpg"), (Score(0, "猫", 0.5), Score(1, "cat", 0.5)))
    ).splitlines()
    assert cell_len(lines[1]) == cell_len(lines[2]) == 80


def test_a_plain_terminal_gets_plain_bars() -> None:
    assert "############ " in drawn(80, CAT, encoding="ascii")


def test_classes_below_the_threshold_are_left_out() -> None:
    low = Score(None, "unknown", 0.1)
    assert "unknown" not in drawn(80, Prediction(LocalFile("x"), (Score(1, "cat", 0.9), low)))
    assert drawn(80, Prediction(LocalFile("x"), (low, low))).count("unknown") == 1


def test_terminal_escape_codes_in_names_are_escaped() -> None:
    assert "\x1b" not in drawn(80, Unreadable("\x1b]0;evil\x07.jpg", "\x1b[2J"))


def test_several_labels() -> None:
    text = drawn(80, CAT, NEITHER, labels=SEVERAL.labels, tasks=SEVERAL.tasks)
    assert [line.rstrip() for line in text.splitlines()] == [
        "image                    label                                       probability",
        "a.jpg                    cat                            ████████████      75.0 %",
        "                         dog                            ████              25.0 %",
        "",
        "n.jpg                    none",
        "",
    ]


def test_several_tasks_at_80_columns() -> None:
    shown = (CAT_BY_DAY, NOTHING_BY_NIGHT, BROKEN)
    text = drawn(80, *shown, labels=BOTH.labels, tasks=BOTH.tasks)
    assert [line.rstrip() for line in text.splitlines()] == [
        "image                 task   label                                   probability",
        "a.jpg                 pets   cat                        ████████████      75.0 %",
        "                             dog                        ████              25.0 %",
        "                      light  day                        ██████████████▍   90.0 %",
        "",
        "n.jpg                 pets   none",
        "                      light  night                      ████████████▊     80.0 %",
        "",
        "c.jpg                 cannot be read: no such file",
        "",
    ]


def test_several_tasks_on_a_narrow_terminal() -> None:
    text = drawn(28, CAT_BY_DAY, NOTHING_BY_NIGHT, labels=BOTH.labels, tasks=BOTH.tasks)
    assert [line.rstrip() for line in text.splitlines()] == [
        "a.jpg",
        "  pets",
        "    cat               75.0 %",
        "    dog               25.0 %",
        "  light",
        "    day               90.0 %",
        "",
        "n.jpg",
        "  pets",
        "    none",
        "  light",
        "    night             80.0 %",
        "",
    ]


@given(st.integers(12, 200), st.lists(several_records, max_size=3), st.lists(both_records, max_size=3))
def test_no_line_of_tasks_is_wider_than_the_terminal(
    width: int, of_one: list[Record], of_both: list[Record]
) -> None:
    text = drawn(width, *of_one, labels=SEVERAL.labels, tasks=SEVERAL.tasks)
    text += drawn(width, *of_both, labels=BOTH.labels, tasks=BOTH.tasks)
    assert all(cell_len(line) <= max(width, 20) for line in text.split("\n"))
