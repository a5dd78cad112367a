"""The picture sheet: its size, its pictures, its bars."""

import io

import numpy as np
import pytest
from PIL import Image

from cnncli.images.local_file import LocalFile
from cnncli.records.predictions import Prediction, Score, TaskScores, TrueClasses, Unreadable
from cnncli.render.sheet import THUMBNAIL, Card, sheet_png

GREEN, INK = np.array([0x9A, 0xD1, 0xA4]), np.array([0x1B, 0x1B, 0x1B])


def thumbnail(colour: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", THUMBNAIL, colour).save(file, "PNG")
    return file.getvalue()


def card(colour: str, probability: float) -> Card:
    scores = (Score(0, "first", probability), Score(1, "second", 1 - probability))
    return Card(Prediction(LocalFile(f"{colour}.jpg"), scores), thumbnail(colour))


def test_pictures_and_bars() -> None:
    sheet = np.asarray(Image.open(io.BytesIO(sheet_png([card("red", 1.0), card("blue", 0.5)]))))
    width = sheet.shape[1]
    assert width == 2 * (THUMBNAIL[0] + 12) + 12
    assert tuple(sheet[60, 100]) == (255, 0, 0)
    assert tuple(sheet[60, width - 100]) == (0, 0, 255)
    assert not (sheet == GREEN).all(axis=2).any()  # nothing is right or wrong where labels are not known
    bars = (sheet == np.array([0xD4, 0xDB, 0xE3])).all(axis=2)
    left, right = bars[:, : width // 2].any(axis=0), bars[:, width // 2 :].any(axis=0)
    assert left.sum() == THUMBNAIL[0] - 50
    assert right.sum() == (THUMBNAIL[0] - 50) // 2
    ink = (sheet[12 + THUMBNAIL[1] + 3 + 19 :] == INK).all(axis=2)
    assert ink[
        :15, 12 + THUMBNAIL[0] - 48 : 12 + THUMBNAIL[0]
    ].any()  # the percentage lies beyond the longest bar
    assert not ink[:, 12 + THUMBNAIL[0] - 50].any()


def test_an_unfamiliar_image_has_a_reason_instead_of_bars() -> None:
    prediction = Prediction(
        LocalFile("teapot.jpg"),
        (Score(None, "unknown", 0.7), Score(None, "unknown", 0.3)),
        reason="unlike the training images (score 1.45, threshold 0.98)",
    )
    sheet = np.asarray(Image.open(io.BytesIO(sheet_png([Card(prediction, thumbnail("red"))]))))
    assert not (sheet == np.array([0xD4, 0xDB, 0xE3])).all(axis=2).any()
    ink = (sheet[12 + THUMBNAIL[1] + 3 + 19 :] == INK).all(axis=2)
    assert ink[:19].any()
    assert ink[19:38].any()  # the reason takes two lines


@pytest.mark.parametrize("count", [1, 2, 3, 12, 60])
def test_a_sheet_is_about_four_by_three(count: int) -> None:
    with Image.open(io.BytesIO(sheet_png([card("red", 0.5)] * count))) as sheet:
        aspect = sheet.width / sheet.height
    nearest = {1: 1.0, 2: 1.9, 3: 0.97}.get(count, 4 / 3)  # few cards leave little choice
    assert aspect == pytest.approx(nearest, rel=0.2)


def test_the_true_class_is_green_and_has_a_frame() -> None:
    plain, framed = card("red", 0.75), card("red", 0.75)
    framed = Card(framed.record, framed.thumbnail, TrueClasses((frozenset({1}),), "second"))
    sheet = np.asarray(Image.open(io.BytesIO(sheet_png([plain, framed]))))
    green = (sheet == GREEN).all(axis=2)
    assert not green[:, : sheet.shape[1] // 2].any()
    assert green.any(axis=0).sum() == round(0.25 * (THUMBNAIL[0] - 51)) + 1
    ink = (sheet == INK).all(axis=2)
    rows = ink.sum(axis=1)
    lines = [row for row in range(len(rows)) if rows[row] > THUMBNAIL[0]]
    assert len(lines) == 2
    assert lines[1] - lines[0] == 17
    top = 12 + THUMBNAIL[1] + 3 + 2 * 19
    assert lines[0] == top - 1
    assert ink[top + 5, sheet.shape[1] // 2 :].any()
    assert not ink[lines[0], : sheet.shape[1] // 2 - 10].any()


def test_unreadable_images_and_long_names() -> None:
    broken = Card(Unreadable("d/" + "long" * 50 + "\n.jpg", "because " * 30), None)
    with Image.open(io.BytesIO(sheet_png([broken] * 9))) as sheet:
        assert sheet.width == 4 * (THUMBNAIL[0] + 12) + 12


def test_each_task_has_its_classes_and_its_true_ones() -> None:
    scores = tuple(Score(index, f"class {index}", 1 - index / 10) for index in range(8))
    tasks = (TaskScores("kind", scores), TaskScores("tags", scores[:2]))
    truth = TrueClasses((frozenset({1}), frozenset({0, 1})), "class 1; class 0, class 1")
    prediction = Prediction(LocalFile("a.jpg"), (), tasks)
    sheet = np.asarray(Image.open(io.BytesIO(sheet_png([Card(prediction, thumbnail("red"), truth)]))))
    green = (sheet == GREEN).all(axis=2)
    starts = np.flatnonzero(np.diff(green.any(axis=1).astype(int)) == 1)
    assert [round((start - starts[0]) / 19) for start in starts] == [0, 4, 5]  # five classes of kind
    nothing = Prediction(LocalFile("a.jpg"), (), (TaskScores("kind", scores[:1]), TaskScores("tags", ())))
    with Image.open(io.BytesIO(sheet_png([Card(nothing, thumbnail("red"))]))) as picture:
        assert picture.height == THUMBNAIL[1] + 3 * 19 + 3 * 12
