"""What an examination finds, in folders with known faults."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnncli.data import near_duplicates
from cnncli.data.health import examine
from cnncli.data.layout import read
from cnncli.data.near_duplicates import Fingerprint, FingerprintTable, fingerprint, groups
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


def collect(items: Sequence[Fingerprint | None]) -> FingerprintTable:
    fingerprints = FingerprintTable(len(items))
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
    assert groups(collect(drawings), [None] * 3) == []


def test_nothing_is_alike_without_fingerprints() -> None:
    assert groups(FingerprintTable(0), []) == []
    assert groups(FingerprintTable(3), [None, "same", "same"]) == [[1, 2]]


@pytest.mark.parametrize("margin", [0, 90])
def test_near_duplicates_agree_with_a_comparison_of_all_pairs(
    margin: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bands, prefilter and blocks leave out no pair; also where most bits are the same in all images, as with a black margin."""
    monkeypatch.setattr(near_duplicates, "_PAIRS_AT_A_TIME", 50)
    monkeypatch.setattr(near_duplicates, "_THUMBNAILS_AT_A_TIME", 10)
    draws = np.random.default_rng(0)
    bits = draws.integers(0, 2, (200, 128)).astype(bool)
    bits[:, :margin] = False
    colours = draws.integers(40, 200, (200, 16 * 16 * 3), dtype=np.uint8)
    base = 199
    for copy in range(60):
        bits[copy], colours[copy] = bits[base], colours[base]
        bits[copy, draws.choice(128, copy % 12, replace=False)] ^= True
        colours[copy, draws.integers(colours.shape[1])] += 31 + copy % 4
    has_fingerprint = np.arange(200) % 10 > 0
    digests: list[str | None] = [None] * 200
    for image, other in ((50, 57), (61, 71), (2, 90)):
        bits[other], colours[other], has_fingerprint[other] = (
            bits[image],
            colours[image],
            has_fingerprint[image],
        )
        digests[image] = digests[other] = f"digest {image}"

    levels = np.abs(colours[:, np.newaxis].astype(np.int16) - colours).max(axis=2)
    assert set(levels[base, :50]) == {31, 32, 33, 34}
    is_alike = (bits[:, np.newaxis] != bits).sum(axis=2) <= near_duplicates.MAX_BITS
    is_alike &= (levels <= near_duplicates.MAX_LEVELS) & has_fingerprint & has_fingerprint[:, np.newaxis]
    is_same = [[one is not None and one == other for other in digests] for one in digests]
    reach = is_alike | np.array(is_same) | np.eye(200, dtype=bool)
    for _ in range(8):  # 2 ** 8 steps
        reach = reach @ reach
    expected = {tuple(np.flatnonzero(row).tolist()) for row in reach if row.sum() > 1}
    assert len(expected) > 1
    items = [
        Fingerprint(hash_, values.reshape(16, 16, 3)) if known else None
        for hash_, values, known in zip(bits, colours, has_fingerprint, strict=True)
    ]
    assert {tuple(group) for group in groups(collect(items), digests)} == expected


@pytest.mark.parametrize(("flips", "expected"), [(7, [[0, 1]]), (8, [])])
def test_hashes_may_differ_in_seven_bits(flips: int, expected: list[list[int]]) -> None:
    bits = np.zeros((2, 128), np.bool_)
    bits[1, :flips] = True
    colours = np.zeros((16, 16, 3), np.uint8)
    assert groups(collect([Fingerprint(item, colours) for item in bits]), [None] * 2) == expected


def test_bits_that_do_not_vary_are_spread_over_the_bands() -> None:
    bits = np.random.default_rng(0).integers(0, 2, (2000, 128)).astype(bool)
    bits[:, :90] = False
    bands = near_duplicates._bands(np.packbits(bits, axis=1))
    assert bands.shape == (8, 2000)
    assert min(len(np.unique(band)) for band in bands) > 2**3
    counts = np.bitwise_count(bands).sum(axis=0)
    assert counts.tolist() == bits.sum(axis=1).tolist()  # each bit is in one band


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
