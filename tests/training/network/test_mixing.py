"""Mixup and CutMix."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cnncli.training.network.batches import Batch
from cnncli.training.network.mixing import Mixer, Mixing, mix_labels
from tests.training.small_runs import settings_for, train_run


@pytest.mark.slow
def test_mixing_ends_at_mixup_off_epoch(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mixed: list[int] = []
    real = Mixer.mix

    def watch(
        self: Mixer, batch: Batch, images: torch.Tensor, labels: torch.Tensor, position: tuple[int, int]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        images, targets = real(self, batch, images, labels, position)
        if targets.ndim == 2:
            mixed.append(position[0])
        return images, targets

    monkeypatch.setattr(Mixer, "mix", watch)
    train_run(settings_for(data, epochs=4, mixup=0.5, mixup_off_epoch=2))
    assert set(mixed) == {0, 1}
    mixed.clear()
    train_run(settings_for(data, epochs=2, cutmix=0.5))
    assert set(mixed) == {0, 1}


def test_what_is_unknown_of_either_image_is_unknown_of_the_mixed_one() -> None:
    nan = torch.nan
    labels, partners = torch.tensor([[1.0, 0.0, nan]]), torch.tensor([[0.0, nan, 1.0]])
    mixed = mix_labels(labels, partners, 3, Mixing(0.75, None, np.array([0])))
    assert torch.equal(mixed.isnan(), torch.tensor([[False, True, True]]))
    assert mixed[0, 0] == 0.75
    classes = mix_labels(torch.tensor([0]), torch.tensor([2]), 3, Mixing(0.75, None, np.array([0])))
    assert torch.equal(classes, torch.tensor([[0.75, 0, 0.25]]))
