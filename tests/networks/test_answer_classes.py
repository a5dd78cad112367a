"""Which classes predictions are given in: `--classes` and `--rollup`."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from cnncli.errors import UsageError
from cnncli.networks.answer_classes import AnswerClasses, answer_classes, read_class_list, read_rollup
from cnncli.networks.class_groups import merge_classes
from cnncli.records.networks import ModelCard
from cnncli.records.predictions import LabelStyle
from tests.networks_for_tests import TASKS, colour_card

SHARES = np.array([[0.4, 0.3, 0.2, 0.1]], np.float32)


@pytest.fixture
def card() -> ModelCard:
    card = colour_card()
    return dataclasses.replace(
        card, class_names=("Persian cat", "beagle", "crane", "cat"), synsets=("n1", "n2", "n3", "n4")
    )


def shares_of(classes: AnswerClasses) -> dict[str, float]:
    assert classes.groups is not None
    return dict(zip(classes.labels, merge_classes(SHARES, classes.groups)[0].tolist(), strict=True))


def test_classes_are_named_as_everywhere_and_keep_their_indices(card: ModelCard) -> None:
    classes = answer_classes(card, LabelStyle.NAME, ["n3", "persian_cat"], None)
    assert (list(classes.labels), list(classes.indices)) == (["crane", "Persian cat"], [2, 0])
    assert shares_of(classes) == pytest.approx({"crane": 1 / 3, "Persian cat": 2 / 3})
    styled = answer_classes(card, LabelStyle.SYNSET, ["crane", "0"], None)
    assert list(styled.labels) == ["n3", "n1"]


def test_a_group_includes_the_class_of_its_own_name_and_others_stay(card: ModelCard) -> None:
    classes = answer_classes(card, LabelStyle.NAME, None, {"cat": ["Persian cat"]})
    assert shares_of(classes) == pytest.approx({"cat": 0.5, "beagle": 0.3, "crane": 0.2})
    assert list(classes.indices) == [0, 1, 2]
    assert classes.card.class_names == ("cat", "beagle", "crane")


def test_groups_can_be_restricted(card: ModelCard) -> None:
    rollup = {"pet": ["Persian cat", "beagle"]}
    classes = answer_classes(card, LabelStyle.NAME, ["crane", "pet"], rollup)
    assert shares_of(classes) == pytest.approx({"crane": 2 / 9, "pet": 7 / 9})


def test_digests_differ_where_predictions_may(card: ModelCard) -> None:
    every, some, others, grouped = (
        answer_classes(card, LabelStyle.NAME, names, rollup).digest()
        for names, rollup in (
            (None, None),
            (["crane", "cat"], None),
            (["cat", "crane"], None),
            (None, {"pet": ["cat"]}),
        )
    )
    assert every is None
    assert len({some, others, grouped}) == 3


@pytest.mark.parametrize(
    ("names", "rollup", "style", "message", "hint"),
    [
        (["beagel", "cat"], None, LabelStyle.NAME, "no class 'beagel'", "did you mean beagle"),
        (["cat"], None, LabelStyle.NAME, "has only 'cat'", "at least two"),
        (["pets", "cat"], {"pet": ["beagle"]}, LabelStyle.NAME, "no class 'pets'", "did you mean pet"),
        (None, {"pet": ["beagel"]}, LabelStyle.NAME, "no class 'beagel'", "did you mean beagle"),
        (
            None,
            {"pet": ["cat"], "animal": ["n4"]},
            LabelStyle.NAME,
            "'cat' both as 'pet' and as",
            "one class",
        ),
        (None, {"pet": ["cat"]}, LabelStyle.SYNSET, "no synset", "--label-style name"),
    ],
)
def test_errors_say_what_to_do(
    card: ModelCard,
    names: list[str] | None,
    rollup: dict[str, list[str]] | None,
    style: LabelStyle,
    message: str,
    hint: str,
) -> None:
    with pytest.raises(UsageError, match=message) as error:
        answer_classes(card, style, names, rollup)
    assert hint in (error.value.hint or "")


def test_a_network_with_tasks_is_not_restricted() -> None:
    with pytest.raises(UsageError, match="'colour' \\(one class per image\\) and 'mood' \\(several labels"):
        answer_classes(colour_card(TASKS), LabelStyle.NAME, ["red", "green"], None)


def test_lists_and_files(tmp_path: Path) -> None:
    assert read_class_list("ants, bees,") == ("ants", "bees")
    (tmp_path / "names.txt").write_text("tench, Tinca tinca\n\nbee\n")
    assert read_class_list(f"@{tmp_path}/names.txt") == ("tench, Tinca tinca", "bee")
    (tmp_path / "pairs.csv").write_text('beagle,pet\n"tench, Tinca tinca",fish\ncat,pet\n')
    assert read_rollup(tmp_path / "pairs.csv") == {"pet": ["beagle", "cat"], "fish": ["tench, Tinca tinca"]}
    (tmp_path / "empty.csv").write_text("\n")
    (tmp_path / "single.csv").write_text("beagle\n")
    for text, message in (
        (",", "--classes is empty"),
        ("@nowhere", "cannot read the class names file nowhere"),
    ):
        with pytest.raises(UsageError, match=message):
            read_class_list(text)
    for name, message in (
        ("empty.csv", "is empty"),
        ("single.csv", "entry 1 is not a pair"),
        ("nowhere.csv", "cannot read --rollup"),
    ):
        with pytest.raises(UsageError, match=message):
            read_rollup(tmp_path / name)
