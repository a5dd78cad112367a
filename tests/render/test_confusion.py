"""The picture of a confusion matrix: all classes, or of many those with the most mistakes."""

import io
from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from cnncli.render.confusion import confusion_png
from cnncli.render.matrix import Matrix
from cnncli.render.matrix_picture import matrix_png
from cnncli.render.worst_classes import MAX_CLASSES, part_text, worst_classes


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], str]]:
    """The labels and titles of the matrices that are drawn."""
    calls: list[tuple[list[str], str]] = []
    real = matrix_png

    def draw(matrices: Sequence[Matrix], labels: Sequence[str], meaning: str) -> bytes:
        calls.append((list(labels), matrices[0].title))
        return real(matrices, labels, meaning)

    monkeypatch.setattr("cnncli.render.confusion.matrix_png", draw)
    return calls


def test_a_small_matrix_is_drawn_whole(drawn: list[tuple[list[str], str]]) -> None:
    picture = confusion_png(np.eye(3, dtype=np.intp), ["a", "b", "$c$"])
    assert drawn == [(["a", "b", "$c$"], "")]
    assert Image.open(io.BytesIO(picture)).format == "PNG"


def test_of_many_classes_those_with_the_most_mistakes_are_drawn(drawn: list[tuple[list[str], str]]) -> None:
    counts = 5 * np.eye(150, dtype=np.intp)
    for number in range(MAX_CLASSES // 2):
        counts[2 * number, 2 * number + 80] = 3
    confusion_png(counts, [f"class {number}" for number in range(150)])
    worst = sorted(2 * number + start for number in range(MAX_CLASSES // 2) for start in (0, 80))
    assert drawn == [
        ([f"class {number}" for number in worst], "the 60 of 150 classes with the most mistakes")
    ]


def test_the_selection_of_classes() -> None:
    assert worst_classes({3: 0, 7: 2}) == [3, 7]
    assert worst_classes({index: index for index in range(100)}) == list(range(40, 100))
    assert (part_text(60), part_text(61)) == ("", "the 60 of 61 classes with the most mistakes")
