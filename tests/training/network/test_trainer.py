"""Training the network itself: every lever does something, nothing is lost, several processes are one."""

import contextlib
import dataclasses
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cnncli.errors import (
    CnncliError,
    NotANumberError,
    OutOfMemoryError,
    OutputError,
    TrainingError,
    TrainingStopped,
    UsageError,
)
from cnncli.images.image_cache import ImageCache
from cnncli.images.loader import Reader
from cnncli.images.local_file import LocalFile
from cnncli.networks import model_folder, zoo
from cnncli.networks.blueprint.builder import BlueprintNetwork
from cnncli.networks.reference import Reference
from cnncli.records.augmentation import AutoAugment, Strength
from cnncli.records.data import Split
from cnncli.records.engines import EngineOptions
from cnncli.records.predictions import Unreadable
from cnncli.records.progress import NullProgress
from cnncli.records.training import Amp, ClassWeights, Layout, Schedule, TrainingProgress, Tune
from cnncli.training import manifest as beginning
from cnncli.training import options as training_options
from cnncli.training import run as finetune
from cnncli.training.network import checkpoints, loop, optimizers
from cnncli.training.network import publish as ending
from cnncli.training.network import throughput as trials
from cnncli.training.network import trainer as network
from cnncli.training.network.checkpoints import Checkpoint
from cnncli.training.resolve import resolve
from cnncli.training.settings import NetworkSettings

DRAWN = "input 3x12x12; activation: relu; conv3-6; dropout 0.2; conv3-8/2 batchnorm; FC-16; FC-3"
PLAIN = "input 3x12x12; activation: relu; conv3-6; conv3-8/2; FC-3"
"""Without dropout and batch normalisation."""

BASE = {"epochs": 2, "batch_size": 8, "amp": Amp.OFF, "layout": Layout.NCHW, "warmup_epochs": 0.0}

Run = Callable[..., "Trained"]


@dataclasses.dataclass
class Trained:
    """What came of a run."""

    folder: Path
    settings: NetworkSettings
    progressed: Checkpoint

    @property
    def weights(self) -> np.ndarray:
        """All of them, in a row."""
        return np.concatenate([value.double().numpy().ravel() for value in self.progressed.network.values()])


class Listener(NullProgress):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def notice(self, message: str) -> None:
        self.said.append(message)

    def warning(self, message: str) -> None:
        self.said.append(message)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three classes of ten images that differ in their mean colour, the last one rarer."""
    draws = np.random.default_rng(0)
    colours = {"warm": (190, 110, 90), "cold": (90, 110, 190), "green": (110, 170, 110)}
    for name, colour in colours.items():
        for number in range(5 if name == "green" else 12):
            pixels = np.clip(np.array(colour) + draws.normal(0, 60, (20, 16, 3)), 0, 255).astype(np.uint8)
            file = tmp_path / "shades" / name / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(file)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "shades"


def asked(data: Path, model: str = DRAWN, tune: Tune = Tune.SCRATCH, **given: Any) -> NetworkSettings:
    more = {name: given.pop(name) for name in ("class_weights", "seed", "stages", "output") if name in given}
    return NetworkSettings(
        data=data,
        reference=Reference(model),
        tune=tune,
        options=resolve(tune, BASE | given),
        engine_options=EngineOptions(device="cpu"),
        workers=2,
        **more,
    )


def begun(settings: NetworkSettings, listener: Any = None) -> Path:
    found = finetune._begin(settings, listener or NullProgress(), _no_bar, is_offline=True)
    assert found.run
    return found.run


def _no_bar(_images: int) -> Any:
    return contextlib.nullcontext(lambda: None)


def _no_show() -> Any:
    return contextlib.nullcontext(lambda _: None)


def trained(settings: NetworkSettings, listener: Any = None) -> Trained:
    folder = begun(settings, listener)
    return gone_on(folder, settings, listener)


def gone_on(folder: Path, settings: NetworkSettings, listener: Any = None) -> Trained:
    network.train(folder, settings, listener or NullProgress(), _no_show)
    return Trained(folder, settings, checkpoints.load(folder, lambda _: None))


@pytest.fixture
def base(data: Path) -> Trained:
    return trained(asked(data))


def test_the_same_again_gives_the_same(data: Path, base: Trained) -> None:
    assert (trained(asked(data)).weights == base.weights).all()
    assert (trained(asked(data, seed=1)).weights != base.weights).any()


# ---- every lever

CHANGES: dict[str, Any] = {
    "batch_size": 4,
    "opt": "rmsprop",
    "lr": 0.01,
    "weight_decay": 0.5,
    "l1": 0.01,
    "layer_decay": 0.5,
    "sched": Schedule.CONSTANT,
    "warmup_epochs": 1.0,
    "min_lr": 0.0005,
    "smoothing": 0.3,
    "drop": 0.5,
    "mixup": 0.5,
    "cutmix": 1.0,
    "clip_grad": 0.01,
    "balanced_sampling": True,
    "amp": Amp.BF16,
    "augment": Strength.NONE,
    "scale": (0.1, 0.2),
    "ratio": (1.0, 1.0),
    "hflip": 0.0,
    "vflip": 0.5,
    "rotate": 20.0,
    "translate": 0.2,
    "color_jitter": 0.0,
    "aa": AutoAugment.TRIVIAL,
    "reprob": 1.0,
}
"""TrainingOptions that lead to other weights than the base's."""

WITH_OTHERS: dict[str, tuple[dict[str, Any], Any]] = {
    "momentum": ({"opt": "sgd"}, 0.5),
    "decay_epochs": ({"sched": Schedule.STEP}, 1.0),
    "decay_rate": ({"sched": Schedule.STEP, "decay_epochs": 1.0}, 0.5),
    "mixup_off_epoch": ({"cutmix": 1.0}, 1),
}
"""Likewise, beside what they need."""

ELSEWHERE = {
    "epochs",
    "patience",
    "time_budget",
    "lr",
    "model_ema_decay",
    "grad_accum_steps",
    "layout",
    "compile",
    "deterministic",
    "cache_size",
    "drop_path",
    "initial_scale",
    "kd_model",
    "kd_weight",
    "kd_temperature",
}
"""TrainingOptions whose effect tests of their own show."""


def test_every_lever_is_tested() -> None:
    assert CHANGES.keys() | WITH_OTHERS.keys() | ELSEWHERE == set(training_options.declarations())


def test_every_lever_has_an_effect(data: Path, base: Trained) -> None:
    for name, value in CHANGES.items():
        found = trained(asked(data, **{name: value}))
        assert not np.array_equal(found.weights, base.weights), name
        assert np.isfinite(found.weights).all(), name
    for name, (others, value) in WITH_OTHERS.items():
        without, found = trained(asked(data, **others)), trained(asked(data, **others, **{name: value}))
        assert not np.array_equal(found.weights, without.weights), name
    weighted = trained(asked(data, class_weights=ClassWeights.BALANCED))
    assert not np.array_equal(weighted.weights, base.weights)


def test_the_ends_of_a_training(data: Path) -> None:
    assert len(trained(asked(data, epochs=3)).progressed.history) == 3
    still: dict[str, Any] = {"lr": 1e-12, "sched": Schedule.CONSTANT}
    patient = trained(asked(data, PLAIN, epochs=9, patience=2, **still))
    assert patient.progressed.best
    assert len(patient.progressed.history) == patient.progressed.best.number + 2 < 9
    listener = Listener()
    hasty = trained(asked(data, epochs=9, time_budget=1e-9), listener)
    assert len(hasty.progressed.history) == 1
    assert hasty.progressed.updates == 1
    assert any("which is --time-budget" in line for line in listener.said)


def test_a_moving_average_is_what_is_judged_and_kept(data: Path, base: Trained) -> None:
    found = trained(asked(data, model_ema_decay=0.999))
    assert (found.weights == base.weights).all()
    kept = checkpoints.load_best(found.folder)
    assert any(not torch.equal(kept[name], value) for name, value in found.progressed.network.items())
    assert found.progressed.history[-1].val_loss != base.progressed.history[-1].val_loss


def test_pieces_of_a_batch_are_the_batch(data: Path) -> None:
    whole = trained(asked(data, PLAIN)).weights
    assert np.allclose(trained(asked(data, PLAIN, grad_accum_steps=3)).weights, whole, atol=1e-6)


def test_layouts_and_what_is_kept_change_nothing(data: Path, base: Trained) -> None:
    last = trained(asked(data, PLAIN, layout=Layout.CHANNELS_LAST))  # dropout draws in the order of memory
    assert last.progressed.fixed["layout"] == "channels-last"
    assert np.allclose(last.weights, trained(asked(data, PLAIN)).weights, atol=1e-3)
    assert (trained(asked(data, cache_size=0)).weights == base.weights).all()


def test_what_is_kept_is_bounded(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rooms: list[int] = []

    def counted(folder: Path, room: int) -> ImageCache:
        rooms.append(room)
        return ImageCache(folder, room)

    monkeypatch.setattr(loop, "ImageCache", counted)
    trained(asked(data, cache_size=10_000))
    assert sum(rooms) == 10_000


def test_deterministic_is_switched_on(data: Path) -> None:
    try:
        trained(asked(data, deterministic=True))
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(mode=False)


def test_auto_measures_and_looks_for_a_learning_rate(data: Path) -> None:
    listener = Listener()
    found = trained(asked(data, lr=None, amp=Amp.AUTO, layout=Layout.AUTO), listener)
    assert 1e-7 < found.progressed.fixed["lr"] < 1
    assert (found.folder / "lr_range.png").read_bytes().startswith(b"\x89PNG")
    assert any(line.startswith("fastest here: ") for line in listener.said)
    again = gone_on(found.folder, found.settings)
    assert again.progressed.fixed == found.progressed.fixed


def test_arithmetic_that_is_imitated_is_warned_of(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for has, amp in ((True, Amp.BF16), (False, Amp.OFF), (False, Amp.BF16)):
        monkeypatch.setattr(trials, "has_bf16", lambda _device, has=has: has)
        listener = Listener()
        trained(asked(data, amp=amp, epochs=1), listener)
        assert any("imitates it" in line for line in listener.said) is (amp is Amp.BF16 and not has)


def distance(one: Trained, other: Trained, data: Path) -> float:
    """Mean Kullback-Leibler divergence between what two networks say of the training images."""
    said = []
    for found in (one, other):
        card = beginning.load(found.folder).card
        net = zoo.build(card.architecture)
        net.load_state_dict(found.progressed.network)
        reader = Reader(card.preprocessing, 10**6)
        pixels = [np.asarray(reader(LocalFile(str(file)))) for file in sorted(data.rglob("*.png"))]
        with torch.no_grad():
            said.append(net.eval()(torch.from_numpy(np.stack(pixels))).log_softmax(dim=1))
    return float(torch.nn.functional.kl_div(said[0], said[1], reduction="batchmean", log_target=True))


def test_distillation_follows_its_teacher(data: Path, tmp_path: Path) -> None:
    """With nothing but its answers to learn from, the pupil says what the teacher says: that warm is cold."""
    wrong = tmp_path / "wrong"
    for name, other in {"warm": "cold", "cold": "green", "green": "warm"}.items():
        shutil.copytree(data / name, wrong / other)
    quick: dict[str, Any] = {"epochs": 6, "lr": 0.02, "augment": Strength.NONE}
    settings = asked(wrong, PLAIN, output=tmp_path / "teacher", **quick)
    teacher = trained(settings)
    ending.finish(teacher.folder, settings, None, NullProgress(), _no_bar)
    alone = trained(asked(data, PLAIN, seed=1, **quick))
    wishes: dict[str, Any] = quick | {"kd_model": tmp_path / "teacher", "kd_weight": 1.0}
    pupils = [
        trained(asked(data, PLAIN, seed=1, **(wishes | more)))
        for more in ({}, {"kd_weight": 0.5}, {"kd_temperature": 8.0})
    ]
    assert len({pupil.weights.tobytes() for pupil in [alone, *pupils]}) == 4
    far, near = (distance(found, teacher, data) for found in (alone, pupils[0]))
    assert near < 0.1 * far
    with pytest.raises(UsageError, match=r"--kd-model .* does not know 3 of the classes"):
        stranger = tmp_path / "stranger"
        renamed = data.rename(tmp_path / "renamed")
        for folder in list(renamed.iterdir()):
            folder.rename(folder.with_name(folder.name + "-2"))
        trained(asked(renamed, PLAIN, output=stranger, kd_model=tmp_path / "teacher"))


def test_a_teacher_may_call_its_classes_otherwise(data: Path, tmp_path: Path) -> None:
    """`cold` is "Cold" to it, and so on: it is the same teacher as with our names."""
    quick: dict[str, Any] = {"epochs": 1, "augment": Strength.NONE}
    teacher, settings = tmp_path / "teacher", asked(data, PLAIN, output=tmp_path / "teacher", **quick)
    ending.finish(trained(settings).folder, settings, None, NullProgress(), _no_bar)
    wishes: dict[str, Any] = quick | {"kd_model": teacher, "kd_weight": 1.0, "seed": 1}
    pupil = trained(asked(data, PLAIN, **wishes))
    found = model_folder.open_folder(teacher)
    names = tuple(name.title() for name in found.card.class_names)
    model_folder.seal(teacher, dataclasses.replace(found.card, class_names=names))
    assert (trained(asked(data, PLAIN, **wishes)).weights == pupil.weights).all()
    shutil.copytree(data / "warm", data / "WARM")
    with pytest.raises(UsageError, match=r"'WARM' and 'warm' are both 'Warm' to --kd-model"):
        trained(asked(data, PLAIN, **wishes))


def test_mixing_ends(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mixed: list[int] = []
    real = loop.Loop._mixed

    def watched(self: loop.Loop, *how: Any) -> tuple[torch.Tensor, torch.Tensor]:
        mixed.append(self._at.epoch)
        return real(self, *how)

    monkeypatch.setattr(loop.Loop, "_mixed", watched)
    trained(asked(data, epochs=4, mixup=0.5, mixup_off_epoch=2))
    assert set(mixed) == {0, 1}
    mixed.clear()
    trained(asked(data, epochs=2, cutmix=0.5))
    assert set(mixed) == {0, 1}


def test_images_grow(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[tuple[int, ...]] = []
    real = loop.Loop._images

    def watched(self: loop.Loop, pixels: Any) -> torch.Tensor:
        sizes.append((self._task.network.training, *pixels.shape[1:3]))
        return real(self, pixels)

    monkeypatch.setattr(loop.Loop, "_images", watched)
    pooled = "input 3x20x12; activation: relu; conv3-6; conv3-8/2; gap; FC-3"
    trained(asked(data, pooled, epochs=5, initial_scale=0.3, mixup=0.5))
    assert list(dict.fromkeys(size for size in sizes if size[0])) == [
        (True, 8, 4),
        (True, 12, 8),
        (True, 16, 8),
        (True, 20, 12),
    ]
    assert {size for size in sizes if not size[0]} == {(False, 20, 12)}
    with pytest.raises(UsageError, match="images of 8 x 8 pixels, which this network does not take"):
        begun(asked(data, PLAIN, initial_scale=0.5))
    assert not Path("runs/shades-2").exists()


def test_blocks_are_skipped_where_there_are_any(data: Path) -> None:
    names: dict[str, Any] = {"epochs": 1, "augment": Strength.NONE}
    without = trained(asked(data, "test_resnet", **names))
    assert not np.array_equal(
        trained(asked(data, "test_resnet", drop_path=0.5, **names)).weights, without.weights
    )
    with pytest.raises(UsageError, match="no residual blocks"):
        begun(asked(data, drop_path=0.5))
    with pytest.raises(UsageError, match="no residual blocks"):
        begun(asked(data, "torchvision/squeezenet1_1", drop_path=0.5))


@pytest.mark.slow
def test_compiled_it_learns_the_same(data: Path) -> None:
    found = trained(asked(data, PLAIN, compile=True))
    assert np.allclose(found.weights, trained(asked(data, PLAIN)).weights, atol=1e-4)


# ---- what learns


def frozen_as_they_were(found: Trained, network_of: Path) -> set[str]:
    """Names of the tensors that are what they were in the prepared network."""
    from safetensors.torch import load_file

    before = load_file(network_of / "model.safetensors")
    return {
        name
        for name, value in found.progressed.network.items()
        if name in before and torch.equal(value, before[name])
    }


def test_head_and_last_leave_everything_else_alone_norms_too(data: Path, tiny: Path) -> None:
    names: dict[str, Any] = {"epochs": 1, "lr": 0.01}
    head = trained(asked(data, str(tiny), Tune.HEAD, **names))
    every = set(head.progressed.network)
    assert frozen_as_they_were(head, tiny) == {name for name in every if not name.startswith("fc.")}
    last = trained(asked(data, str(tiny), Tune.LAST, stages=1, **names))
    changed = every - frozen_as_they_were(last, tiny)
    assert {name.split(".")[0] for name in changed} == {"fc", "layer4"}
    assert not any("running" in name for name in changed)
    full = trained(asked(data, str(tiny), Tune.FULL, **names))
    changed = every - frozen_as_they_were(full, tiny)
    assert {name.split(".")[0] for name in changed} >= {"conv1", "layer1", "fc"}
    assert not any("running" in name for name in changed)
    scratch = trained(asked(data, str(tiny), Tune.SCRATCH, **names))
    assert any("running_mean" in name for name in every - frozen_as_they_were(scratch, tiny))


def test_full_begins_with_the_classifier_on_features(data: Path, tiny: Path) -> None:
    """Before any step it answers as the features run does."""
    settings = asked(data, str(tiny), Tune.FULL, epochs=1)
    progressed = checkpoints.load(begun(settings), lambda _: None)
    assert progressed.network["fc.weight"].abs().max() > 0
    head = checkpoints.load(begun(asked(data, str(tiny), Tune.HEAD, epochs=1)), lambda _: None)
    assert head.network["fc.weight"].abs().max() == 0


def test_auxiliary_heads_learn_with_their_weight(data: Path) -> None:
    text = "input 3x12x12; activation: relu; conv3-6; aux {weight} {{ gap; FC-3 }}; conv3-8/2; FC-3"
    plain, aided, same = (
        trained(asked(data, text.format(weight=weight), augment=Strength.NONE))
        for weight in (0.0001, 0.9, 0.9)
    )
    names = [name for name in aided.progressed.network if name.startswith("aux")]
    assert names
    assert all(torch.equal(aided.progressed.network[name], same.progressed.network[name]) for name in names)
    assert not torch.equal(aided.progressed.network["conv1.weight"], plain.progressed.network["conv1.weight"])


def test_a_blueprint_gets_as_many_classes_as_there_are(data: Path) -> None:
    text = "input 3x12x12; conv3-6; aux 0.3 { gap; FC-10 }; FC-10"
    found = trained(asked(data, text)).progressed.network
    assert [len(found[name]) for name in found if name.endswith("fc1.weight")] == [3, 3]


# ---- nothing is lost


class Killed(BaseException):
    """In place of a process that ends without a word."""


@pytest.mark.parametrize("step", [1, 3, 4, 5])
def test_going_on_ends_where_an_unbroken_run_ends(
    data: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Bit for bit, killed before any checkpoint of its own, within an epoch and at its end."""
    how: dict[str, Any] = {"model_ema_decay": 0.9, "mixup": 0.3, "drop": 0.2, "reprob": 0.5, "epochs": 3}
    whole = trained(asked(data, **how))
    folder = begun(asked(data, **how))
    with monkeypatch.context() as patch:
        patch.setattr(loop, "_SAVE_EVERY", 0.0)
        patch.setattr(loop, "_SAVING_SHARE", 1e9)
        _kill_before(patch, step)
        with pytest.raises(Killed):
            gone_on(folder, asked(data, **how))
    found = gone_on(folder, asked(data, **how))
    assert (found.weights == whole.weights).all()
    best, expected = checkpoints.load_best(folder), checkpoints.load_best(whole.folder)
    assert all(torch.equal(best[name], expected[name]) for name in expected)
    told = [dataclasses.replace(epoch, seconds=0, images_per_second=0) for epoch in found.progressed.history]
    assert told == [
        dataclasses.replace(epoch, seconds=0, images_per_second=0) for epoch in whole.progressed.history
    ]


def test_an_interrupt_at_the_last_step_of_an_epoch_can_be_gone_on_from(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As every interrupt is where an epoch is one step."""
    import signal

    settings = asked(data, batch_size=64, epochs=3)
    whole = trained(settings)
    folder = begun(settings)
    real = loop.Loop._step

    def interrupting(self: loop.Loop, *arguments: Any) -> None:
        real(self, *arguments)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(loop.Loop, "_step", interrupting)
    for _ in range(3):
        with pytest.raises(TrainingStopped):
            gone_on(folder, settings)
    monkeypatch.setattr(loop.Loop, "_step", real)
    assert (gone_on(folder, settings).weights == whole.weights).all()


def test_nothing_to_judge_by_is_told_at_once(data: Path) -> None:
    settings = dataclasses.replace(asked(data), max_pixels=10)
    with pytest.raises(CnncliError, match="no image for validation can be read"):
        trained(settings)


def test_a_teacher_that_does_not_fit_leaves_no_run(data: Path) -> None:
    with pytest.raises(CnncliError):
        begun(asked(data, kd_model=Path("nobody-has-this")))
    assert not Path("runs").exists() or not list(Path("runs").iterdir())


def _kill_before(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    real = loop.Loop._step

    def killed(self: loop.Loop, *arguments: Any) -> None:
        if self._at.updates == step:
            raise Killed
        real(self, *arguments)

    monkeypatch.setattr(loop.Loop, "_step", killed)


def test_more_epochs_go_on_from_the_last_one(data: Path) -> None:
    found = trained(asked(data, sched=Schedule.CONSTANT))
    assert found.progressed.epoch == 2
    whole = trained(asked(data, sched=Schedule.CONSTANT, epochs=4))
    result = finetune.resume(
        found.folder, asked(data, sched=Schedule.CONSTANT, epochs=4), NullProgress(), _no_bar, _no_show
    )
    assert result
    assert [epoch.number for epoch in result.epochs] == [1, 2, 3, 4]
    assert (
        checkpoints.load(found.folder, lambda _: None).network["fc1.weight"]
        == whole.progressed.network["fc1.weight"]
    ).all()


def test_fewer_epochs_end_it_sooner_along_the_shorter_curve(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = begun(asked(data, sched=Schedule.COSINE, epochs=5))
    with monkeypatch.context() as patch, pytest.raises(Killed):
        _kill_before(patch, 2)
        gone_on(folder, asked(data, sched=Schedule.COSINE, epochs=5))
    shorter = asked(data, sched=Schedule.COSINE, epochs=3)
    result = finetune.resume(folder, shorter, NullProgress(), _no_bar, _no_show)
    assert result
    assert [epoch.number for epoch in result.epochs] == [1, 2, 3]
    assert result.epochs[-1].lr < 0.1 * max(epoch.lr for epoch in result.epochs)


def test_an_interrupt_saves_and_says_how_to_go_on(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import signal

    folder = begun(asked(data))
    real = loop.Loop._step

    def interrupting(self: loop.Loop, *arguments: Any) -> None:
        real(self, *arguments)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(loop.Loop, "_step", interrupting)
    with pytest.raises(TrainingStopped, match="after step 1") as stopped:
        gone_on(folder, asked(data))
    assert stopped.value.exit_code == 130
    assert f"cnncli finetune --resume {folder}" in (stopped.value.hint or "")
    assert checkpoints.load(folder, lambda _: None).step == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_loss_that_is_no_number_stops_it_and_spoils_nothing(data: Path) -> None:
    settings = asked(data, lr=900.0, opt="sgd", epochs=30)
    folder = begun(settings)
    with pytest.raises(NotANumberError, match="no number any more, in epoch") as lost:
        gone_on(folder, settings)
    assert "--lr below 900" in (lost.value.hint or "")
    progressed = checkpoints.load(folder, lambda _: None)
    assert all(torch.isfinite(value).all() for value in progressed.network.values())


def test_too_little_memory_halves_the_pieces(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = loop.Loop._images
    most = 3

    def scarce(self: loop.Loop, *arguments: Any, **options: Any) -> torch.Tensor:
        return real(self, *arguments, **options)

    def forward(self: BlueprintNetwork, images: torch.Tensor) -> Any:
        if self.training and len(images) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return plain(self, images)

    plain = BlueprintNetwork.forward
    whole = trained(asked(data, PLAIN)).weights
    settings = asked(data, PLAIN)
    folder = begun(settings)
    monkeypatch.setattr(BlueprintNetwork, "forward", forward)
    monkeypatch.setattr(loop.Loop, "_images", scarce)
    listener = Listener()
    found = gone_on(folder, settings, listener)
    assert found.progressed.pieces == 4
    assert np.allclose(found.weights, whole, atol=1e-6)
    assert any("computed in 4 pieces" in line for line in listener.said)
    most = 0
    folder = _another(data)
    with pytest.raises(OutOfMemoryError, match="not even one image"):
        gone_on(folder, settings)


def test_several_processes_with_too_little_memory_say_so() -> None:
    """One of them cannot begin its part again while the others wait for it."""
    stub = SimpleNamespace(_at=None, _accelerator=SimpleNamespace(num_processes=2))
    with pytest.raises(OutOfMemoryError, match="a process has not enough memory"):
        loop.Loop._halve(stub, RuntimeError("out of memory"))  # type: ignore[arg-type]


def test_a_network_that_learned_nothing_is_told_of(data: Path) -> None:
    listener = Listener()
    assert finetune.finetune(asked(data, PLAIN, epochs=1, lr=1e-9), listener, _no_bar, _no_show)
    assert any("has learned next to nothing: its loss" in line for line in listener.said)


def test_an_optimiser_that_wants_more_than_gradients_leaves_no_run(data: Path) -> None:
    with pytest.raises(UsageError, match="--opt adahessian cannot be used: it needs more than the gradients"):
        begun(asked(data, PLAIN, opt="adahessian"))
    assert not list((data.parent / "runs").iterdir())


@pytest.mark.parametrize(
    ("name", "is_fused"), [("adamw", True), ("sgd", True), ("rmsprop", False), ("lookahead_adamw", False)]
)
def test_an_optimiser_takes_one_pass_over_all_weights_where_torch_can(
    data: Path, name: str, *, is_fused: bool
) -> None:
    layers = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 2))
    optimizer = optimizers.create_optimizer(layers, "1", asked(data, opt=name).options, 0.1)
    assert bool(optimizer.param_groups[0].get("fused")) == is_fused
    optimizers.require_steps(optimizer, name)


def _another(data: Path) -> Path:
    """A run begun while nothing measures: amp and layout are set."""
    return begun(asked(data, PLAIN))


def test_a_full_disk_leaves_the_checkpoint_before_it(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = begun(asked(data))
    before = checkpoints.load(folder, lambda _: None)

    def full(_found: object, file: Path) -> None:
        file.write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(
        OutputError, match=r"last\.pt: No space left on device; the checkpoint before it is whole"
    ) as left:
        gone_on(folder, asked(data))
    assert f"--resume {folder}" in (left.value.hint or "")
    assert checkpoints.load(folder, lambda _: None).epoch == before.epoch
    assert {file.name for file in (folder / "checkpoints").iterdir()} <= {
        "beginning.json",
        "last.pt",
        "best.safetensors",
    }


def test_a_checkpoint_that_was_cut_in_half(base: Trained) -> None:
    folder = base.folder / "checkpoints"
    whole = (folder / "last.pt").read_bytes()
    (folder / "last.pt").write_bytes(whole[: len(whole) // 2])
    told: list[str] = []
    assert checkpoints.load(base.folder, told.append).epoch == 1
    assert "is damaged; going on from before.pt" in told[0]
    (folder / "before.pt").unlink()
    with pytest.raises(TrainingError, match=r"no checkpoint of .* can be read"):
        checkpoints.load(base.folder, told.append)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"lr": 0.01}, r"--lr \(was 0.001\)"),
        ({"model": PLAIN}, r"--model \(was "),
        ({"seed": 3}, r"--seed \(was 0\)"),
        ({"mixup": 0.3}, r"--mixup \(was 0.0\)"),
    ],
)
def test_a_run_does_not_go_on_with_other_settings(
    data: Path, base: Trained, changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(TrainingError, match=complaint):
        finetune.resume(base.folder, asked(data, **changes), NullProgress(), _no_bar, _no_show)


def test_a_run_does_not_go_on_elsewhere(data: Path, base: Trained) -> None:
    """And a refusal changes nothing of it."""
    before = (base.folder / "checkpoints" / "beginning.json").read_bytes()
    with pytest.raises(UsageError, match="--output has no effect with --resume"):
        finetune.resume(
            base.folder, asked(data, epochs=9, output=Path("x")), NullProgress(), _no_bar, _no_show
        )
    assert (base.folder / "checkpoints" / "beginning.json").read_bytes() == before


def test_a_run_does_not_go_on_with_other_classes(data: Path, base: Trained) -> None:
    (data / "blue").mkdir()
    (data / "blue" / "1.png").write_bytes((data / "cold" / "1.png").read_bytes())
    with pytest.raises(TrainingError, match=r"has other classes now than when .* was begun, as 'blue'"):
        finetune.resume(base.folder, base.settings, NullProgress(), _no_bar, _no_show)


def test_images_that_cannot_be_read_are_left_out_and_listed(data: Path) -> None:
    (data / "warm" / "broken.png").write_bytes(b"nothing")
    listener = Listener()
    result = finetune.finetune(asked(data, PLAIN, epochs=1), listener, _no_bar, _no_show)
    assert result
    assert [Path(path).name for path in result.unreadable] == ["broken.png"]
    assert sum(result.images) == 29
    assert sum("broken.png is left out" in line for line in listener.said) == 1
    assert "broken.png" in Path(result.folder, "unreadable.csv").read_text()


# ---- pixels


def test_validation_pixels_are_predicts(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit what `predict` sends through an engine, in either layout."""
    seen: list[torch.Tensor] = []
    real = loop.Loop._images

    def watched(self: loop.Loop, pixels: Any) -> torch.Tensor:
        found = real(self, pixels)
        if not self._task.network.training:  # while it is judged
            seen.append(found.clone())
        return found

    monkeypatch.setattr(loop.Loop, "_images", watched)
    for layout in (Layout.NCHW, Layout.CHANNELS_LAST):
        seen.clear()
        settings = asked(data, layout=layout, epochs=1)
        run = trained(settings)
        from cnncli.data.splits import read_splits
        from cnncli.training import manifest as beginning

        start = beginning.load(run.folder)
        samples = read_splits(run.folder, start.root, start.card.class_names, "shades").split(Split.VAL)
        read = Reader(start.card.preprocessing, 10**8)
        expected = [read(sample.source) for sample in samples]
        assert not any(isinstance(pixels, Unreadable) for pixels in expected)
        assert np.array_equal(torch.cat(seen).numpy(), np.stack(expected))  # type: ignore[arg-type]


def test_what_training_tells(data: Path) -> None:
    moments: list[TrainingProgress] = []

    def show() -> Any:
        return contextlib.nullcontext(moments.append)

    settings = asked(data)
    folder = begun(settings)
    listener = Listener()
    network.train(folder, settings, listener, show)
    assert [moment.images for moment in moments[:3]] == [8, 16, 24]
    assert moments[-1].seconds_left == pytest.approx(0)
    lines = [line for line in listener.said if line.startswith("epoch")]
    assert len(lines) == 2
    assert lines[0].startswith("epoch 1/2  lr ")
    table = (folder / "history.csv").read_text().splitlines()
    assert table[0].startswith("number,lr,train_loss,train_top1,val_loss,val_top1")
    assert len(table) == 3
    assert any((folder / "tensorboard").iterdir())


def test_tensorboard_has_each_epoch_once_after_going_on(data: Path, base: Trained) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    time.sleep(
        1.1
    )  # files of one second and one process are told apart by a number, of which 10 is read before 9
    finetune.resume(base.folder, asked(data, epochs=3), NullProgress(), _no_bar, _no_show)
    found = EventAccumulator(str(base.folder / "tensorboard"))
    found.Reload()
    assert [event.step for event in found.Scalars("loss/val")] == [1, 2, 3]


@pytest.fixture(autouse=True)
def torch_as_it_was() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_what_cannot_begin_leaves_no_run(data: Path) -> None:
    refused = [
        (asked(data, opt="nothing"), "--opt nothing cannot be used"),
        (asked(data, amp=Amp.FP16), "--amp fp16 needs a GPU"),
        (asked(data, "input 3x4x4; conv5-6 valid; FC-3"), "does not fit"),
    ]
    for settings, complaint in refused:
        with pytest.raises(CnncliError, match=complaint):
            begun(settings)
    assert not Path("runs").exists() or not list(Path("runs").iterdir())
