"""What a folder's name means to a network."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from cnncli.errors import DataError, UsageError
from cnncli.evaluation.classes import align_classes, match_classes, read_class_map
from cnncli.evaluation.scoring import EnsembleMember
from cnncli.networks.class_names import find_class, find_classes
from cnncli.networks.model_folder import ModelFolder
from cnncli.records.networks import ModelCard
from tests.networks_for_tests import colour_card

SYNSETS = ("n01", "n02", "n03", "n04")


@pytest.fixture
def card() -> ModelCard:
    card = colour_card()
    return dataclasses.replace(
        card,
        architecture=dataclasses.replace(card.architecture, num_classes=4),
        class_names=("Persian cat", "beagle", "crane", "crane"),
        synsets=SYNSETS,
    )


@pytest.mark.parametrize(
    ("names", "places"),
    [
        (["Persian cat", "beagle"], (0, 1)),
        (["n02", "n04"], (1, 3)),
        (["0", "3", "2"], (0, 3, 2)),
        (["beagle", "persian_cat"], (1, 0)),
    ],
)
def test_classes_match_by_name_synset_index_or_loosely(
    card: ModelCard, names: list[str], places: tuple[int, ...]
) -> None:
    result = match_classes(names, range(len(names)), card, None, subset=False)
    assert result.indices == places
    assert result.groups is None
    assert result.class_names == card.class_names


def test_names_match_without_apostrophes(card: ModelCard) -> None:
    card = dataclasses.replace(card, class_names=("potter's wheel", "jack-o'-lantern", "crane", "beagle"))
    result = match_classes(["jack_o_lantern", "Potters_wheel"], range(2), card, None, subset=False)
    assert result.indices == (1, 0)


def test_a_number_is_a_name_only_if_a_class_has_it(card: ModelCard) -> None:
    assert find_classes(card, ["persian_cat", "n02", "0", "crane", "ants"]) == [0, 1, None, None, None]
    digits = dataclasses.replace(card, class_names=("3", "0", "7", "1"))
    assert find_classes(digits, ["0", "1", "2"]) == [1, 3, None]


@pytest.mark.parametrize(
    "names",
    [("1", "2", "3", "4"), ("18", "25", "40", "60"), ("none", "2", "3", "4"), ("-1", "0.5", "1.5", "2")],
)
def test_a_number_is_never_an_index_where_names_are_numbers(card: ModelCard, names: tuple[str, ...]) -> None:
    card = dataclasses.replace(card, class_names=names, synsets=None)
    assert match_classes(names, range(4), card, None, subset=False).indices == (0, 1, 2, 3)
    with pytest.raises(DataError, match="does not have 1 of the classes: '0'"):
        match_classes(["0", *names[1:]], range(4), card, None, subset=False)
    with pytest.raises(DataError, match="does not have 1 of the classes: '0'"):
        match_classes(["none at all"], range(1), card, {"none at all": ["0"]}, subset=False)
    assert find_class(card, "0") is None
    assert find_class(card, names[3]) == 3


def test_names_match_in_any_unicode_form(card: ModelCard) -> None:
    composed, decomposed = ("caf\u00e9", "\u00e4", "x", "y"), ("cafe\u0301", "a\u0308", "x", "y")
    for names, folders in ((composed, decomposed), (decomposed, composed)):
        network = dataclasses.replace(card, class_names=names, synsets=None)
        assert match_classes(folders, range(4), network, None, subset=False).indices == (0, 1, 2, 3)
        assert match_classes(["CAF\u00c9 "], range(1), network, None, subset=False).indices == (0,)
        assert find_class(network, folders[1]) == 1


def test_a_class_map_in_another_unicode_form(card: ModelCard, tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("cafe\u0301,beagle\n", encoding="utf-8")
    class_map = read_class_map(tmp_path / "pairs.csv")
    assert match_classes(["caf\u00e9"], range(1), card, class_map, subset=False).indices == (1,)


def test_unknown_classes_are_listed(card: ModelCard) -> None:
    with pytest.raises(DataError, match="does not have 2 of the classes: 'ants', 'bees'"):
        match_classes(["ants", "beagle", "bees"], range(3), card, None, subset=False)
    result = match_classes(["ants", "beagle"], [1], card, None, subset=False)  # no image shows ants
    assert result.indices == (-1, 1)


def test_an_ambiguous_name_is_an_error(card: ModelCard) -> None:
    with pytest.raises(DataError, match="has 2 classes named 'crane'"):
        match_classes(["crane", "beagle"], range(2), card, None, subset=False)


def test_two_names_for_one_class_are_an_error(card: ModelCard) -> None:
    with pytest.raises(DataError, match="'Hund' and 'beagle' are both 'beagle'"):
        match_classes(["Hund", "beagle"], range(2), card, {"Hund": ["beagle"]}, subset=False)


def test_predictions_can_be_restricted_to_a_subset(card: ModelCard, tmp_path: Path) -> None:
    result = match_classes(["n03", "n01"], range(2), card, None, subset=True)
    assert result.class_names == ("crane", "Persian cat")
    member = EnsembleMember(ModelFolder(tmp_path, card), result.groups)
    merged = member.merge_classes(np.array([[0.2, 0.5, 0.2, 0.1]], np.float32))
    assert merged[0].tolist() == pytest.approx([0.5, 0.5])


def test_several_classes_can_be_merged_into_one(card: ModelCard, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("bird,n03\nbird,n04\ncat,n01\n")
    result = match_classes(["bird", "cat"], range(2), card, read_class_map(pairs), subset=False)
    assert result.class_names == ("bird", "cat", "beagle")
    merged = EnsembleMember(ModelFolder(tmp_path, card), result.groups).merge_classes(
        np.array([[0.2, 0.3, 0.1, 0.4]], np.float32)
    )
    assert merged[0].tolist() == pytest.approx([0.5, 0.2, 0.3])


def test_a_class_map_in_an_encoding_of_windows(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_bytes("Bär,bear \r\n".encode("utf-16"))
    assert read_class_map(tmp_path / "pairs.csv") == {"Bär": ["bear"]}
    (tmp_path / "pairs.csv").write_text('Bär,"bear\nZebra,zebra\n')
    with pytest.raises(UsageError, match="is not valid CSV"):
        read_class_map(tmp_path / "pairs.csv")


@pytest.mark.parametrize("text", ["one\n", "a,b,c\n", "a,\n"])
def test_a_class_map_has_two_columns(tmp_path: Path, text: str) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text(text)
    with pytest.raises(UsageError, match="entry 1 is not a pair of names"):
        read_class_map(file)
    with pytest.raises(UsageError, match="cannot read --map"):
        read_class_map(tmp_path / "nothing.csv")


def test_classes_in_another_order_are_reordered(card: ModelCard, tmp_path: Path) -> None:
    first = dataclasses.replace(card, class_names=("a", "b", "c", "d"), synsets=None)
    other = dataclasses.replace(first, class_names=("d", "c", "b", "a"))
    mine, theirs = (match_classes(["b", "d"], range(2), one, None, subset=False) for one in (first, other))
    result = align_classes(mine, theirs)
    assert result.indices == mine.indices == (1, 3)
    merged = EnsembleMember(ModelFolder(tmp_path, other), result.groups).merge_classes(
        np.array([[0.1, 0.2, 0.3, 0.4]], np.float32)
    )
    assert merged[0].tolist() == pytest.approx([0.4, 0.3, 0.2, 0.1])
    strange = dataclasses.replace(first, class_names=("a", "b", "x", "d"))
    with pytest.raises(DataError, match="these networks have different classes"):
        align_classes(mine, match_classes(["b", "d"], range(2), strange, None, subset=False))
