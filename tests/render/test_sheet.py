"""The picture sheet: its size, its pictures, its bars."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnncli.errors import OutputError
from cnncli.records.predictions import ImageSource, Prediction, Score, Unreadable
from cnncli.render.sheet import THUMBNAIL, Card, save_sheet


def thumbnail(colour: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", THUMBNAIL, colour).save(file, "PNG")
    return file.getvalue()


def card(colour: str, probability: float) -> Card:
    scores = (Score(0, "first", probability), Score(1, "second", 1 - probability))
    return Card(Prediction(ImageSource(f"{colour}.jpg"), scores), thumbnail(colour))


def test_pictures_and_bars(tmp_path: Path) -> None:
    save_sheet([card("red", 1.0), card("blue", 0.5)], tmp_path / "s.png")
    sheet = np.asarray(Image.open(tmp_path / "s.png"))
    width = sheet.shape[1]
    assert width == 2 * (THUMBNAIL[0] + 12) + 12
    assert tuple(sheet[60, 100]) == (255, 0, 0)
    assert tuple(sheet[60, width - 100]) == (0, 0, 255)
    best = np.array([0x9A, 0xD1, 0xA4])
    bars = (sheet == best).all(axis=2)
    assert bars[:, : width // 2].any(axis=0).sum() == THUMBNAIL[0]
    assert bars[:, width // 2 :].any(axis=0).sum() == THUMBNAIL[0] // 2 + 1


def test_the_true_class_has_a_frame(tmp_path: Path) -> None:
    plain, framed = card("red", 0.75), card("red", 0.75)
    framed = Card(framed.record, framed.thumbnail, (1, "second"))
    save_sheet([plain, framed], tmp_path / "s.png")
    sheet = np.asarray(Image.open(tmp_path / "s.png"))
    ink = (sheet == np.array([0x1B, 0x1B, 0x1B])).all(axis=2)
    rows = ink.sum(axis=1)
    lines = [row for row in range(len(rows)) if rows[row] > THUMBNAIL[0]]
    assert len(lines) == 2
    assert lines[1] - lines[0] == 17
    top = 12 + THUMBNAIL[1] + 3 + 2 * 19
    assert lines[0] == top - 1
    assert ink[top + 5, sheet.shape[1] // 2 :].any()
    assert not ink[lines[0], : sheet.shape[1] // 2 - 10].any()


def test_unreadable_images_and_long_names(tmp_path: Path) -> None:
    broken = Card(Unreadable(ImageSource("d/" + "long" * 50 + "\n.jpg"), "because " * 30), None)
    save_sheet([broken] * 9, tmp_path / "s.png")
    with Image.open(tmp_path / "s.png") as sheet:
        assert sheet.width == 4 * (THUMBNAIL[0] + 12) + 12


def test_where_it_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        save_sheet([card("red", 1.0)], tmp_path / "none" / "s.png")
