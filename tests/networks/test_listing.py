"""Which networks there are, which are prepared, and their removal."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from cnncli.errors import ModelNotFoundError
from cnncli.networks import cache
from cnncli.networks.card import SCHEMA
from cnncli.networks.listing import cache_size, listing, remove
from cnncli.networks.model_folder import open_folder
from cnncli.networks.reference import Reference
from cnncli.records.listing import ListEntry, SortOrder
from cnncli.records.progress import NullProgress


class Listener(NullProgress):
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warning(self, message: str) -> None:
        self.warnings.append(message)


@pytest.fixture
def own_home(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with one network in it, which was asked for as `test_resnet`."""
    monkeypatch.setenv("CNNCLI_HOME", str(tmp_path / "home"))
    name = open_folder(tiny).card.name
    shutil.copytree(tiny, cache.folder_path(name))
    cache.remember(Reference("test_resnet").key(), name)
    return tmp_path / "home"


def names(actual: Sequence[ListEntry]) -> list[str]:
    return [item.entry.name for item in actual]


@pytest.mark.parametrize(
    ("pattern", "within", "without"),
    [
        ("alexnet", "torchvision/alexnet.IMAGENET1K_V1", "resnet18.a1_in1k"),
        ("ALEXNET", "torchvision/alexnet.IMAGENET1K_V1", "resnet18.a1_in1k"),
        ("resnet50", "resnet50.a1_in1k", "resnet18.a1_in1k"),
        ("resnet50", "torchvision/resnet50.IMAGENET1K_V1", "resnet5.x"),
        ("resnet50", "seresnet50.a1_in1k", "resnet101.a1_in1k"),
        ("resnet50*", "resnet50.a1_in1k", "seresnet50.a1_in1k"),
        ("resnet50", "wide_resnet50_2.racm_in1k", "vgg16.tv_in1k"),
        ("*net50", "torchvision/resnet50.IMAGENET1K_V2", "resnet50d.ra2_in1k"),
        ("resnet?8", "resnet18.a1_in1k", "resnet101.a1_in1k"),
        ("resnet[13]*", "resnet34.a1_in1k", "resnet50.a1_in1k"),
        ("torchvision/*", "torchvision/vgg11.IMAGENET1K_V1", "vgg11.tv_in1k"),
        ("*_in1k", "resnet50.a1_in1k", "torchvision/vgg11.IMAGENET1K_V1"),
    ],
)
def test_patterns(pattern: str, within: str, without: str) -> None:
    actual = names(listing(pattern, SortOrder.NAME, NullProgress()))
    assert within in actual
    assert without not in actual


def test_names_sort_by_the_numbers_in_them() -> None:
    actual = names(listing("resnet*", SortOrder.NAME, NullProgress()))
    assert actual.index("resnet18.a1_in1k") < actual.index("resnet101.a1_in1k")


def value(item: ListEntry, order: SortOrder) -> float | None:
    entry = item.entry
    match order:
        case SortOrder.NAME:
            return 0
        case SortOrder.PARAMETERS:
            return entry.parameters
        case SortOrder.MULTIPLY_ADDS:
            return entry.multiply_adds
        case SortOrder.INPUT:
            return entry.image_size[0] * entry.image_size[1]
        case SortOrder.TOP1:
            return -entry.top1 if entry.top1 else None
        case SortOrder.DISK:
            return -item.prepared.bytes if item.prepared else None


@pytest.mark.parametrize("order", SortOrder)
def test_orders(own_home: Path, order: SortOrder) -> None:
    assert own_home.is_dir()
    values = [value(item, order) for item in listing("", order, NullProgress())]
    numbers = [number for number in values if number is not None]
    assert numbers
    assert numbers == sorted(numbers)
    assert values[: len(numbers)] == numbers  # what has no value comes last


def test_prepared_networks_are_listed(own_home: Path, tiny: Path) -> None:
    assert own_home.is_dir()
    (only,) = listing("test", SortOrder.NAME, NullProgress(), only_prepared=True)
    assert only.entry.name == "test_resnet.r160_in1k+random"
    assert only.entry.parameters == 469_688
    assert only.prepared is not None
    assert only.prepared.bytes == sum(file.stat().st_size for file in tiny.iterdir())
    assert cache_size() > only.prepared.bytes
    assert only in listing("test_*", SortOrder.NAME, NullProgress())
    with pytest.raises(ModelNotFoundError, match="no prepared network matches 'resnet50'"):
        listing("resnet50", SortOrder.NAME, NullProgress(), only_prepared=True)


def test_a_prepared_network_for_another_image_size_has_other_counts(own_home: Path) -> None:
    folder = next(cache.folders())
    card = json.loads((folder / "card.json").read_text())
    card["preprocessing"]["size"] = [96, 96]
    (folder / "card.json").write_text(json.dumps(card))
    (only,) = listing("test", SortOrder.NAME, NullProgress(), only_prepared=True)
    assert own_home in folder.parents
    assert (only.entry.parameters, only.entry.multiply_adds) == (469_688, None)


def test_a_damaged_folder_is_listed_and_can_be_removed(own_home: Path) -> None:
    folder = next(cache.folders())
    (folder / "model.onnx").unlink()
    listener = Listener()
    with pytest.raises(ModelNotFoundError):
        listing("test", SortOrder.NAME, listener, only_prepared=True)
    (warning,) = listener.warnings
    assert "model.onnx: No such file" in warning
    assert f"cnncli models rm {folder.name}" in warning
    assert remove(folder.name).folder == folder
    assert own_home.is_dir()
    assert list(cache.folders()) == []


@pytest.mark.parametrize("name", ["test_resnet", "test_resnet.r160_in1k+random"])
def test_removal_by_the_name_asked_for_or_listed(own_home: Path, name: str) -> None:
    gone = remove(name)
    assert not gone.folder.exists()
    assert gone.bytes > 1_000_000
    assert list((own_home / f"names-{SCHEMA}").iterdir()) == []
    with pytest.raises(ModelNotFoundError, match="no prepared network is called"):
        remove(name)


def test_entries_that_cannot_be_read_do_not_keep_a_folder_from_being_removed(own_home: Path) -> None:
    (own_home / f"names-{SCHEMA}" / "garbage.json").write_text("[1")
    remove("test_resnet")
    assert list(cache.folders()) == []


def test_a_link_is_removed_but_not_its_target(own_home: Path, tmp_path: Path) -> None:
    folder = next(cache.folders())
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    remove(folder.name)
    assert own_home.is_dir()
    assert (tmp_path / "elsewhere" / "card.json").exists()


@pytest.mark.parametrize("name", ["..", ".", "", "../..", "/"])
def test_nothing_outside_the_cache_is_removed(own_home: Path, name: str) -> None:
    with pytest.raises(ModelNotFoundError):
        remove(name)
    assert len(list(cache.folders())) == 1
    assert own_home.is_dir()
