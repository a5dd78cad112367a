"""How unlike known images an image is: by hand, on three dimensions."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from cnncli.errors import ModelFolderError, UsageError
from cnncli.networks.familiarity import Detector, Limit, TrainingFeatures
from cnncli.networks.model_folder import ModelFolder, open_folder, seal
from cnncli.records.networks import FEATURES
from tests.networks_for_tests import colour_card, write_colours

TRAINING = np.array([[2, 0, 0], [0, 0.5, 0]], np.float32)
HELD_OUT = np.array([[1, 0, 0], [0, 3, 4]], np.float32)
LOGITS = np.array([[0, 0], [np.log(7), 0]], np.float32)
"""Energies -log 2 and -log 8: their mean is -log 4, their standard deviation log 2."""


@pytest.fixture
def features() -> TrainingFeatures:
    return TrainingFeatures.measure(TRAINING, HELD_OUT, LOGITS, ())


@pytest.fixture
def folder(features: TrainingFeatures, tmp_path: Path) -> ModelFolder:
    path = write_colours(tmp_path / "run")
    features.write(path)
    return seal(path, colour_card())


def test_distances_are_between_directions(features: TrainingFeatures) -> None:
    assert features.vectors.tolist() == [[1, 0, 0], [0, 1, 0]]
    assert features.distances == pytest.approx([0, np.sqrt(2 - 2 * 0.6)], abs=1e-6)
    assert features.energies == pytest.approx([-np.log(2), -np.log(8)])


def test_a_score_adds_both_in_standard_deviations_of_held_out_images(features: TrainingFeatures) -> None:
    assert features.held_out_scores() == pytest.approx([-1 + 1, 1 - 1], abs=1e-5)
    away = features.scores(np.array([[0, 0]], np.float32), np.array([[0, 0, -1]], np.float32), ())
    middle = np.sqrt(0.8) / 2
    assert away == pytest.approx([(np.sqrt(2) - middle) / middle + 1], abs=1e-5)


def test_energies_that_differ_by_rounding_only_say_nothing() -> None:
    shares = np.log(np.array([[0.5, 0.5], [0.3, 0.7]], np.float32))
    features = TrainingFeatures.measure(TRAINING, HELD_OUT, shares, ())
    assert features.held_out_scores() == pytest.approx([-1, 1], abs=1e-5)


def test_a_folder_keeps_them_and_needs_no_library_to_read_them(
    folder: ModelFolder, features: TrainingFeatures
) -> None:
    opened = open_folder(folder.path)
    assert {facts.name for facts in opened.card.files} >= {FEATURES}
    read = Detector.open(opened).features
    assert read is not None
    for item in dataclasses.fields(features):
        value, read_value = getattr(features, item.name), getattr(read, item.name)
        assert read_value.dtype == value.dtype
        assert np.array_equal(read_value, value)


def test_a_folder_without_them_has_the_energy_alone(colours: Path) -> None:
    detector = Detector.open(open_folder(colours))
    logits = np.array([[0, 0, 0], [np.log(6), 0, 0]], np.float32)
    assert detector.scores(logits, logits) == pytest.approx([-np.log(3), -np.log(8)])
    with pytest.raises(UsageError, match="has no training features"):
        detector.threshold(0.5)
    assert detector.threshold(0.5, np.array([3, 1, 2], np.float32)) == 2


@pytest.mark.parametrize(
    "content", [b"", b"\x02\0\0\0\0\0\0\0{}", b"\x02\0\0\0\0\0\0\0[]", b"\xff" * 20, b"\x02\0\0\0\0\0\0\0{]"]
)
def test_a_damaged_file_is_one_error(folder: ModelFolder, content: bytes) -> None:
    (folder.path / FEATURES).write_bytes(content)
    with pytest.raises(ModelFolderError, match=f"cannot read .*{FEATURES}"):
        Detector.open(folder)


def test_features_of_another_network_are_an_error(folder: ModelFolder) -> None:
    embedding = dataclasses.replace(folder.card.embedding, size=4)
    with pytest.raises(ModelFolderError, match="does not fit its card"):
        Detector.open(ModelFolder(folder.path, dataclasses.replace(folder.card, embedding=embedding)))


@pytest.mark.parametrize(
    ("share", "kept"), [(0.01, 1), (0.5, 50), (0.9, 90), (0.94, 94), (0.95, 95), (0.96, None)]
)
def test_the_share_holds_for_one_more_image(colours: Path, share: float, kept: int | None) -> None:
    detector = Detector.open(open_folder(colours))
    known = np.arange(1, 20, dtype=np.float32)  # 19 images: 0.95 is 19 of 20
    if kept is None:
        with pytest.raises(UsageError, match="19 known images are too few to keep"):
            detector.threshold(share, known)
        return
    assert detector.threshold(share, known) == np.ceil(kept / 5)


def test_scores_that_are_all_alike_are_an_error(colours: Path) -> None:
    with pytest.raises(UsageError, match="scores all known images alike"):
        Detector.open(open_folder(colours)).threshold(0.5, np.full(9, 1e-7, np.float32))


def test_the_threshold_itself_is_known(colours: Path) -> None:
    limit = Limit(Detector.open(open_folder(colours)), 2.0)
    assert limit.reason(2.0) is None
    assert limit.reason(2.5) == "unlike known images (score 2.50, threshold 2.00)"
