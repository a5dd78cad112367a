"""The index of networks: as the libraries are now, and as they themselves publish their counts."""

import random
from pathlib import Path

import pytest
import torchvision

from cnncli.networks import index, zoo
from cnncli.networks.zoo import indexing
from cnncli.records.listing import IndexEntry
from cnncli.records.networks import PackageVersion


@pytest.fixture(scope="module")
def known() -> dict[str, IndexEntry]:
    return {entry.name: entry for entry in index.read().entries}


def require_same_libraries() -> None:
    """Other versions than the index was made from are in the declared ranges, too, and have other networks."""
    if not index.matches_installed(index.read()):
        pytest.skip(f"the index is that of {index.read().versions}, and {indexing.versions()} are installed")


def test_the_index_matches_the_installed_libraries(known: dict[str, IndexEntry]) -> None:
    """Where this fails: `python -m cnncli.networks.zoo.indexing` writes it anew."""
    require_same_libraries()
    assert set(known) == set(indexing.names())


@pytest.mark.slow
def test_sampled_entries_have_the_right_counts(known: dict[str, IndexEntry]) -> None:
    require_same_libraries()
    small = [name for name, entry in known.items() if (entry.multiply_adds or 0) < 3e9]
    for name in random.Random(0).sample(small, 12):
        offered = zoo.offer(name)
        counted = indexing.entry(name, offered, indexing.count(indexing.job(offered)))
        assert counted == known[name], name


@pytest.mark.full
def test_every_entry_agrees_with_its_library(known: dict[str, IndexEntry]) -> None:
    """All but what has to be counted."""
    require_same_libraries()
    for name, entry in known.items():
        counted = indexing.Counts(entry.parameters or 0, entry.multiply_adds)
        assert indexing.entry(name, zoo.offer(name), counted) == entry


def test_counts_agree_with_those_that_torchvision_publishes(known: dict[str, IndexEntry]) -> None:
    """In its metadata: parameters, and multiply-adds in units of 10^9 with three decimals."""
    require_same_libraries()
    checked = 0
    for name, entry in known.items():
        if entry.library != "torchvision":
            continue
        architecture, _, tag = name.removeprefix("torchvision/").partition(".")
        meta = torchvision.models.get_model_weights(architecture)[tag].meta
        if architecture != "googlenet":  # its published count leaves out the auxiliary classifiers
            assert entry.parameters == meta["num_params"], name
        assert entry.multiply_adds is not None
        assert entry.multiply_adds / 1e9 == pytest.approx(meta["_ops"], rel=0.01, abs=0.001), name
        assert entry.top1 == meta["_metrics"]["ImageNet-1K"]["acc@1"]
        checked += 1
    assert checked > 100


def test_image_towers_give_features_and_no_classes(known: dict[str, IndexEntry]) -> None:
    """Their outputs are dimensions of an embedding that a text can be compared with."""
    for name in (
        "vit_base_patch32_clip_224.openai",
        "resnet50_clip.openai",
        "vit_pe_core_tiny_patch16_384.fb",
    ):
        assert index.gives_features_only(name)
        assert not known[name].num_classes
    assert not index.gives_features_only("vit_base_patch16_clip_224.laion2b_ft_in12k_in1k")
    assert not index.gives_features_only("convnext_base.fb_in22k_ft_in1k")
    assert known["vit_base_patch16_224.bamboo"].num_classes == 115_217


def test_well_known_parameter_counts(known: dict[str, IndexEntry]) -> None:
    vgg = known["torchvision/vgg16.IMAGENET1K_V1"]
    assert (vgg.parameters, vgg.multiply_adds) == (138_357_544, 15_470_264_320)
    assert known["resnet50.a1_in1k"].parameters == 25_557_032
    assert known["torchvision/alexnet.IMAGENET1K_V1"].parameters == 61_100_840


def test_an_index_round_trips(tmp_path: Path) -> None:
    entries = (
        IndexEntry("a.x", "timm", 10, 12345, None, (96, 128), None, None, None),
        IndexEntry("torchvision/b.Y", "torchvision", 1000, 5, 7, (224, 224), 71.25, 90.5, "https://a/b"),
    )
    written = index.Index((PackageVersion("timm", "9.9"), PackageVersion("torchvision", "8.0")), entries)
    index.write(written, tmp_path / "index.tsv")
    assert index.read(tmp_path / "index.tsv") == written


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("resnt50", "resnet50"),
        ("torchvision/alexnt", "alexnet"),
        ("MobileNetV3_small_100", "mobilenetv3_small_100"),
        ("qqqq", "cnncli models"),
    ],
)
def test_the_closest_names(known: dict[str, IndexEntry], name: str, hint: str) -> None:
    assert hint in index.closest_names_hint(name, known.values())
