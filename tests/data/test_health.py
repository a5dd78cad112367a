"""What an examination finds, in folders with known faults."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnncli.data import near_duplicates
from cnncli.data.health import examine
from cnncli.data.layout import read
from cnncli.data.near_duplicates import Fingerprint, Fingerprints, fingerprint, groups
from cnncli.records.data import DataHealth, FindingKind


def picture(seed: int, size: tuple[int, int] = (120, 90)) -> Image.Image:
    """Large soft shapes, as photographs have them; another one for each seed."""
    draws = np.random.default_rng(seed)
    return Image.fromarray(draws.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize(
        size, Image.Resampling.BICUBIC
    )


def saved(image: Image.Image, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    image.save(file)


@pytest.fixture
def tidy(tmp_path: Path) -> Path:
    """Two splits, two classes, nothing wrong."""
    seed = 0
    for split, count in (("train", 6), ("val", 3)):
        for name in ("a", "b"):
            for number in range(count):
                saved(picture(seed), tmp_path / "set" / split / name / f"{number}.png")
                seed += 1
    return tmp_path / "set"


def examined(root: Path) -> DataHealth:
    return examine(read(root), max_pixels=10**6, workers=2)


def findings(root: Path) -> dict[FindingKind, tuple[bool, int, str]]:
    """Whether it harms, how many examples there are, and the words."""
    return {
        item.kind: (item.is_problem, len(item.examples), item.message) for item in examined(root).findings
    }


def test_clean_data_has_no_problems(tidy: Path) -> None:
    health = examined(tidy)
    assert health.findings == ()
    assert health.is_healthy
    assert health.sizes == ((120, 90),) * 3
    assert health.modes == {"RGB PNG": 18}


def test_unreadable_files_are_reported(tidy: Path) -> None:
    (tidy / "train" / "a" / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    (tidy / "val" / "b" / "empty.png").touch()
    harms, count, text = findings(tidy)[FindingKind.UNREADABLE]
    assert (harms, count) == (True, 2)
    assert text == "2 of 20 images cannot be read"


def test_a_class_that_is_missing_from_a_split(tidy: Path) -> None:
    for number in range(5):
        saved(picture(100 + number), tidy / "train" / "c" / f"{number}.png")
    assert findings(tidy)[FindingKind.MISSING_CLASS] == (
        True,
        1,
        "1 of 3 classes have no readable image in val",
    )


def test_names_that_differ_only_in_case_or_spaces(tidy: Path) -> None:
    (tidy / "val" / "b").rename(tidy / "val" / "B ")
    (finding,) = (item for item in examined(tidy).findings if item.kind is FindingKind.SIMILAR_NAMES)
    assert finding.is_problem
    assert finding.message == "1 set of classes whose names differ only in case, spaces or Unicode form"
    assert finding.examples == (("'B '", "'b'"),)


def test_few_images_and_imbalance(tidy: Path) -> None:
    for number in range(2):
        saved(picture(200 + number), tidy / "train" / "rare" / f"{number}.png")
        saved(picture(300 + number), tidy / "val" / "rare" / f"{number}.png")
    for number in range(20):
        saved(picture(400 + number), tidy / "train" / "a" / f"more{number}.png")
    actual = findings(tidy)
    assert actual[FindingKind.FEW_IMAGES] == (True, 1, "1 of 3 classes have fewer than 5 training images")
    assert actual[FindingKind.IMBALANCE][2].startswith("a has 26 training images, rare has 2")


def test_the_same_image_in_two_splits_and_in_two_classes(tidy: Path) -> None:
    (tidy / "val" / "a" / "copy.png").write_bytes((tidy / "train" / "a" / "0.png").read_bytes())
    saved(picture(6).resize((90, 68)), tidy / "val" / "b" / "smaller.jpg")  # of train/b/0.png
    (tidy / "train" / "b" / "wrong.png").write_bytes((tidy / "train" / "a" / "1.png").read_bytes())
    (tidy / "train" / "b" / "twice.png").write_bytes((tidy / "train" / "b" / "2.png").read_bytes())
    actual = [
        item
        for item in examined(tidy).findings
        if item.kind in {FindingKind.LEAKAGE, FindingKind.CONFLICTING_LABELS, FindingKind.DUPLICATES}
    ]
    assert [(item.kind, item.is_problem, item.examples) for item in actual] == [
        (FindingKind.LEAKAGE, True, (("train/a/0.png", "val/a/copy.png"),)),
        (FindingKind.LEAKAGE, True, (("train/b/0.png", "val/b/smaller.jpg"),)),
        (FindingKind.CONFLICTING_LABELS, True, (("train/a/1.png", "train/b/wrong.png"),)),
        (FindingKind.DUPLICATES, False, (("train/b/2.png", "train/b/twice.png"),)),
    ]
    assert "of identical images in several splits" in actual[0].message
    assert "of nearly identical images in several splits" in actual[1].message


def test_odd_sizes_and_modes_are_harmless_findings(tidy: Path) -> None:
    saved(picture(500, (20, 20)), tidy / "train" / "a" / "small.png")
    saved(picture(501, (500, 60)), tidy / "train" / "a" / "long.png")
    saved(picture(502).convert("CMYK"), tidy / "train" / "a" / "printed.jpg")
    actual = findings(tidy)
    assert actual[FindingKind.UNUSUAL_SIZES][:2] == (False, 2)
    assert actual[FindingKind.UNUSUAL_MODES][:2] == (False, 1)
    assert examined(tidy).is_healthy


def test_images_of_one_colour_are_not_near_duplicates() -> None:
    assert fingerprint(Image.new("RGB", (50, 50), "red")) is None


def table(items: Sequence[Fingerprint | None]) -> Fingerprints:
    fingerprints = Fingerprints(len(items))
    for index, item in enumerate(items):
        if item:
            fingerprints[index] = item
    return fingerprints


def test_small_drawings_on_the_same_background_are_not_near_duplicates() -> None:
    """The same ground, and another colour or another place of what is on it."""
    drawings = []
    for colour, place in (("red", 20), ("blue", 20), ("red", 60)):
        image = Image.new("RGB", (96, 96), "white")
        image.paste(Image.new("RGB", (16, 16), colour), (place, place))
        drawings.append(fingerprint(image))
    assert groups(table(drawings), [None] * 3) == []


@pytest.mark.parametrize("margin", [0, 90])
def test_near_duplicates_agree_with_a_comparison_of_all_pairs(
    margin: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the bands leave out is not alike; also where most bits are the same in all images, as with a black margin."""
    monkeypatch.setattr(near_duplicates, "_PAIRS_AT_A_TIME", 1000)  # several blocks
    draws = np.random.default_rng(0)
    bits = draws.integers(0, 2, (400, 128)).astype(bool)
    bits[:, :margin] = False
    for copy, flips in zip(bits[:24], np.repeat(np.arange(12), 2), strict=True):
        copy[:] = bits[-1]
        copy[draws.choice(128, flips, replace=False)] ^= True
    items = [Fingerprint(item, np.zeros((16, 16, 3), np.uint8)) for item in bits]
    distances = (bits[:, np.newaxis] != bits).sum(axis=2)
    reach = distances <= near_duplicates.MAX_BITS
    for _ in range(9):  # 2 ** 9 steps
        reach = reach @ reach
    expected = {tuple(np.flatnonzero(row).tolist()) for row in reach if row.sum() > 1}
    assert expected
    assert {tuple(group) for group in groups(table(items), [None] * len(items))} == expected


def test_a_similar_third_image_hides_no_duplicates(tidy: Path) -> None:
    """Leakage stays leakage when another class has something like it."""
    image = picture(900)
    saved(image, tidy / "train" / "a" / "leak.png")
    saved(image, tidy / "val" / "a" / "leaked.png")
    assert findings(tidy)[FindingKind.LEAKAGE][:2] == (True, 1)
    saved(image.resize((240, 180)), tidy / "train" / "b" / "like.png")
    actual = [(item.kind, item.is_problem) for item in examined(tidy).findings]
    assert (FindingKind.LEAKAGE, True) in actual
    assert (FindingKind.CONFLICTING_LABELS, False) in actual
    assert not examined(tidy).is_healthy


def test_a_similar_copy_does_not_make_exact_ones_harmless(tmp_path: Path) -> None:
    for name in ("a", "b"):
        for number in range(6):
            saved(picture(ord(name) * 10 + number), tmp_path / "set" / name / f"{number}.png")
    image = picture(900)
    for file in ("one.png", "two.png"):
        saved(image, tmp_path / "set" / "a" / file)
    saved(image.resize((240, 180)), tmp_path / "set" / "a" / "like.png")
    assert not examined(tmp_path / "set").is_healthy
