"""Losses: distillation and auxiliary heads."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cnncli.errors import (
    UsageError,
)
from cnncli.images.loader import ImageReader
from cnncli.images.local_file import LocalFile
from cnncli.networks import model_folder, zoo
from cnncli.records.augmentation import Strength
from cnncli.records.progress import NullProgress
from cnncli.training.manifest import load_manifest
from cnncli.training.network import publish
from cnncli.training.preparation import Stopwatch
from tests.training.small_runs import PLAIN, TrainedRun, no_bar, settings_for, train_run


def distance(one: TrainedRun, other: TrainedRun, data: Path) -> float:
    """Mean Kullback-Leibler divergence between what two networks say of the training images."""
    said = []
    for result in (one, other):
        card = load_manifest(result.folder).card
        net = zoo.build(card.architecture)
        net.load_state_dict(result.checkpoint.network)
        reader = ImageReader(card.preprocessing, 10**6)
        pixels = [np.asarray(reader(LocalFile(str(file)))) for file in sorted(data.rglob("*.png"))]
        with torch.no_grad():
            said.append(net.eval()(torch.from_numpy(np.stack(pixels))).log_softmax(dim=1))
    return float(torch.nn.functional.kl_div(said[0], said[1], reduction="batchmean", log_target=True))


@pytest.mark.slow
def test_distillation_follows_its_teacher(data: Path, tmp_path: Path) -> None:
    """With nothing but its answers to learn from, the pupil says what the teacher says: that warm is cold."""
    wrong = tmp_path / "wrong"
    for name, other in {"warm": "cold", "cold": "green", "green": "warm"}.items():
        shutil.copytree(data / name, wrong / other)
    quick: dict[str, Any] = {"epochs": 6, "lr": 0.02, "augment": Strength.NONE}
    settings = settings_for(wrong, PLAIN, output=tmp_path / "teacher", **quick)
    teacher = train_run(settings)
    publish.publish(teacher.folder, settings, None, Stopwatch(NullProgress()), no_bar)
    alone = train_run(settings_for(data, PLAIN, seed=1, **quick))
    wishes: dict[str, Any] = quick | {"kd_model": tmp_path / "teacher", "kd_weight": 1.0}
    pupils = [
        train_run(settings_for(data, PLAIN, seed=1, **(wishes | more)))
        for more in ({}, {"kd_weight": 0.5}, {"kd_temperature": 8.0})
    ]
    assert len({pupil.weights.tobytes() for pupil in [alone, *pupils]}) == 4
    far, near = (distance(result, teacher, data) for result in (alone, pupils[0]))
    assert near < 0.1 * far
    with pytest.raises(UsageError, match=r"--kd-model .* lacks 3 of the classes"):
        stranger = tmp_path / "stranger"
        renamed = data.rename(tmp_path / "renamed")
        for folder in list(renamed.iterdir()):
            folder.rename(folder.with_name(folder.name + "-2"))
        train_run(settings_for(renamed, PLAIN, output=stranger, kd_model=tmp_path / "teacher"))


@pytest.mark.slow
def test_a_teacher_may_have_other_class_names(data: Path, tmp_path: Path) -> None:
    """`cold` is "Cold" to it, and so on: it is the same teacher as with our names."""
    quick: dict[str, Any] = {"epochs": 1, "augment": Strength.NONE}
    teacher, settings = tmp_path / "teacher", settings_for(data, PLAIN, output=tmp_path / "teacher", **quick)
    publish.publish(train_run(settings).folder, settings, None, Stopwatch(NullProgress()), no_bar)
    wishes: dict[str, Any] = quick | {"kd_model": teacher, "kd_weight": 1.0, "seed": 1}
    pupil = train_run(settings_for(data, PLAIN, **wishes))
    result = model_folder.open_folder(teacher)
    names = tuple(name.title() for name in result.card.class_names)
    model_folder.seal(teacher, dataclasses.replace(result.card, class_names=names))
    assert (train_run(settings_for(data, PLAIN, **wishes)).weights == pupil.weights).all()
    shutil.copytree(data / "warm", data / "WARM")
    with pytest.raises(UsageError, match=r"'WARM' and 'warm' are both 'Warm' to --kd-model"):
        train_run(settings_for(data, PLAIN, **wishes))


@pytest.mark.slow
def test_auxiliary_losses_are_weighted(data: Path) -> None:
    text = "input 3x12x12; activation: relu; conv3-6; aux {weight} {{ gap; FC-3 }}; conv3-8/2; FC-3"
    plain, aided, same = (
        train_run(settings_for(data, text.format(weight=weight), augment=Strength.NONE))
        for weight in (0.0001, 0.9, 0.9)
    )
    names = [name for name in aided.checkpoint.network if name.startswith("aux")]
    assert names
    assert all(torch.equal(aided.checkpoint.network[name], same.checkpoint.network[name]) for name in names)
    assert not torch.equal(aided.checkpoint.network["conv1.weight"], plain.checkpoint.network["conv1.weight"])
