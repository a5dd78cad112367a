"""What is validated, on which pixels."""

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cnncli.data.splits import read_splits
from cnncli.errors import CnncliError
from cnncli.images.loader import ImageReader
from cnncli.records.data import Split
from cnncli.records.predictions import Unreadable
from cnncli.records.training import ClassWeights, Layout
from cnncli.training.manifest import load_manifest
from cnncli.training.network import checkpoints
from cnncli.training.network.validation import Validation, ValidationResult
from tests.training.small_runs import TrainedRun, settings_for, train_run


def test_the_moving_average_is_evaluated_and_saved(data: Path, base: TrainedRun) -> None:
    result = train_run(settings_for(data, model_ema_decay=0.999))
    assert (result.weights == base.weights).all()
    best = checkpoints.load_kept(result.folder)
    assert any(not torch.equal(best[name], value) for name, value in result.checkpoint.network.items())
    assert result.checkpoint.history[-1].val_loss != base.checkpoint.history[-1].val_loss


def test_missing_validation_images_are_an_error_before_training(data: Path) -> None:
    settings = dataclasses.replace(settings_for(data), max_pixels=10)
    with pytest.raises(CnncliError, match="no validation image can be read"):
        train_run(settings)


def test_validation_pixels_equal_those_of_predict(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit what `predict` sends through an engine, in either layout."""
    seen: list[torch.Tensor] = []
    real = Validation.run

    def watch(self: Validation, *arguments: Any) -> ValidationResult:
        def normalize(pixels: Any) -> torch.Tensor:
            images = self.normalize(pixels)
            seen.append(images.clone())
            return images

        return real(dataclasses.replace(self, normalize=normalize), *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Validation, "run", watch)
    for layout in (Layout.NCHW, Layout.CHANNELS_LAST):
        seen.clear()
        settings = settings_for(data, layout=layout, epochs=1)
        run = train_run(settings)
        start = load_manifest(run.folder)
        samples = read_splits(run.folder, start.root, start.card.class_names, "shades").split(Split.VAL)
        read = ImageReader(start.card.preprocessing, 10**8)
        expected = [read(sample.source) for sample in samples]
        assert not any(isinstance(pixels, Unreadable) for pixels in expected)
        assert np.array_equal(torch.cat(seen).numpy(), np.stack(expected))  # type: ignore[arg-type]


@pytest.mark.parametrize("weights", list(ClassWeights))
def test_weighted_classes_are_validated_by_the_mean_over_classes(data: Path, weights: ClassWeights) -> None:
    run = train_run(settings_for(data, epochs=1, class_weights=weights))
    (epoch,) = run.checkpoint.history
    if weights is ClassWeights.NONE:
        assert epoch.val_balanced is None
        assert epoch.selection_score == epoch.val_top1
        return
    manifest = load_manifest(run.folder)
    samples = read_splits(run.folder, manifest.root, manifest.card.class_names, "shades").split(Split.VAL)
    images = np.bincount([sample.label for sample in samples])
    assert epoch.val_balanced is not None
    assert epoch.selection_score == epoch.val_balanced
    right = [
        counts
        for counts in itertools.product(*(range(count + 1) for count in images))
        if sum(counts) == round(epoch.val_top1 * sum(images))
    ]
    assert any(epoch.val_balanced == pytest.approx(np.mean(counts / images)) for counts in right)
