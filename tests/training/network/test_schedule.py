"""The learning rate at every moment, and the image size in every epoch."""

from dataclasses import replace

import pytest

from cnncli.records.training import Schedule, Tune
from cnncli.training.network.schedule import enough_epochs, image_size, learning_rate, pixel_share
from cnncli.training.options import TrainingOptions
from cnncli.training.resolve import resolve


def make_options(**explicit: object) -> TrainingOptions:
    return resolve(Tune.SCRATCH, {"epochs": 10, "warmup_epochs": 2.0} | explicit)


def test_cosine_schedule_with_warm_up() -> None:
    settings = make_options()
    assert learning_rate(settings, 0.1, 0) == 0
    assert learning_rate(settings, 0.1, 1) == pytest.approx(0.05)
    assert learning_rate(settings, 0.1, 2) == pytest.approx(0.1)
    assert learning_rate(settings, 0.1, 6) == pytest.approx(0.05)
    assert learning_rate(settings, 0.1, 10) == pytest.approx(0)
    assert learning_rate(replace(settings, min_lr=0.01), 0.1, 10) == pytest.approx(0.01)


def test_step_and_constant_schedules() -> None:
    settings = replace(make_options(), sched=Schedule.STEP, warmup_epochs=0, decay_epochs=3, decay_rate=0.1)
    rates = [learning_rate(settings, 1, epoch) for epoch in (0, 2.9, 3, 5.9, 6, 9)]
    assert rates == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.001])
    settings = replace(settings, sched=Schedule.CONSTANT, warmup_epochs=1)
    assert [learning_rate(settings, 1, epoch) for epoch in (0.5, 1, 9.9)] == [0.5, 1, 1]


def test_onecycle_agrees_with_torch() -> None:
    """But for the last step, where torch's ends at a 10,000th of what it began with and ours at nothing."""
    import torch

    settings = replace(make_options(), sched=Schedule.ONE_CYCLE)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=1001, div_factor=25)
    for step in range(1001):
        ours = learning_rate(settings, 0.1, settings.epochs * step / 1000)
        assert ours == pytest.approx(theirs.get_last_lr()[0], abs=5e-4)
        optimizer.step()
        if step < 1000:
            theirs.step()


def test_warm_up_takes_at_most_half_of_the_epochs() -> None:
    settings = make_options(epochs=2, warmup_epochs=5.0)
    assert learning_rate(settings, 1, 1) == pytest.approx(1)


def test_growing_images_cost_less() -> None:
    growing = make_options(epochs=6, initial_scale=0.85)
    sizes = [image_size(growing, (224, 224), epoch)[0] for epoch in range(growing.epochs)]
    assert sizes == [192, 196, 204, 212, 220, 224]
    assert pixel_share(growing, (224, 224)) == pytest.approx(sum(size**2 for size in sizes) / (6 * 224**2))
    assert pixel_share(make_options(epochs=6), (224, 224)) == 1


@pytest.mark.parametrize(
    ("images", "given", "epochs"), [(10_000, 10, 6), (300, 10, 6), (243, 10, 8), (150, 10, 10), (150, 4, 4)]
)
def test_few_images_need_more_epochs(images: int, given: int, epochs: int) -> None:
    options = resolve(Tune.AUTO, {"epochs": given, "batch_size": 32})
    assert enough_epochs(options, images) == epochs
