"""Measurements before a run."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cnncli.records.training import Amp, Layout
from cnncli.training.network import throughput
from cnncli.training.network.remembered_layout import memory_file, recall, remember
from cnncli.training.network.throughput import Throughput
from cnncli.training.options import TrainingOptions
from tests.training.small_runs import Listener, resume_run, settings_for, start_run, train_run


@pytest.mark.slow
def test_auto_measures_throughput_and_finds_a_learning_rate(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throughput, "_WORTH_MEASURING", 1)
    listener, later = Listener(), Listener()
    settings = settings_for(data, lr=None, amp=Amp.AUTO, layout=Layout.AUTO)
    result = train_run(settings, listener)
    assert 1e-7 < result.checkpoint.constants.peak_lr < 1
    assert (result.folder / "lr_range.png").read_bytes().startswith(b"\x89PNG")
    assert any(line.startswith("fastest here: ") for line in listener.said)
    start_run(settings, later)
    constants = result.checkpoint.constants
    precision = "fp32" if constants.amp is Amp.OFF else constants.amp
    assert f"fastest here, as measured before: {constants.layout} {precision}" in later.said
    decided = Listener()
    start_run(settings_for(data, amp=Amp.OFF, layout=Layout.NCHW), decided)
    assert not any(line.startswith("fastest here") for line in decided.said)
    again = resume_run(result.folder, result.settings)
    assert again.checkpoint.constants == result.checkpoint.constants


def test_the_fastest_layout_is_measured_once_for_a_network(tmp_path: Path) -> None:
    options = TrainingOptions(batch_size=4, amp=Amp.AUTO, layout=Layout.AUTO)
    network, cpu = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()), torch.device("cpu")
    file = memory_file(network, (3, 16, 16), options, cpu)
    assert recall(file, options) == options
    remember(file, Throughput(Layout.NCHW, Amp.BF16, 10.0))
    assert recall(file, options) == replace(options, layout=Layout.NCHW, amp=Amp.BF16)
    file.write_text("{}")
    assert recall(file, options) == options

    others = [
        memory_file(network, (3, 16, 17), options, cpu),
        memory_file(network, (3, 16, 16), replace(options, batch_size=5), cpu),
        memory_file(network, (3, 16, 16), replace(options, amp=Amp.OFF), cpu),
        memory_file(network.requires_grad_(requires_grad=False), (3, 16, 16), options, cpu),
    ]
    assert len({file, *others}) == 5
    (tmp_path / "file").touch()
    remember(tmp_path / "file" / "below", Throughput(Layout.NCHW, Amp.OFF, 1.0))  # cannot be written


def test_a_processor_with_bf16_measures_precisions_only(monkeypatch: pytest.MonkeyPatch) -> None:
    options, cpu = TrainingOptions(amp=Amp.AUTO, layout=Layout.AUTO), torch.device("cpu")
    choices = []
    for has in (True, False):
        monkeypatch.setattr(throughput, "has_bf16", lambda _device, has=has: has)
        choices.append(throughput.candidates(options, cpu))
    assert choices[0] == [(Layout.CHANNELS_LAST, Amp.BF16), (Layout.CHANNELS_LAST, Amp.OFF)]
    assert choices[1] == [(Layout.CHANNELS_LAST, Amp.OFF), (Layout.NCHW, Amp.OFF)]
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten(), torch.nn.Linear(784, 2))
    measured = throughput.measure_throughput(network, (3, 16, 16), 4, choices[1], cpu)
    assert {(item.layout, item.amp) for item in measured} == set(choices[1])
    assert min(item.images_per_second for item in measured) > 1


def test_only_the_first_choice_is_tried_with_a_small_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """It shows what a full batch costs: the next ones are measured once, with as many images as the first was last."""
    choices = [(Layout.CHANNELS_LAST, Amp.OFF), (Layout.NCHW, Amp.OFF)]
    for rate, counts in ((1000.0, [8, 32, 32]), (10.0, [8, 8])):
        measured: list[int] = []

        def measure(_network: object, images: torch.Tensor, *_: object, rate: float = rate) -> float:
            measured.append(len(images))  # noqa: B023 - called in this round only
            return rate

        monkeypatch.setattr(throughput, "_measure", measure)
        throughput.measure_throughput(torch.nn.Linear(1, 1), (3, 4, 4), 32, choices, torch.device("cpu"))
        assert measured == counts


def test_nothing_is_measured_where_that_would_not_pay() -> None:
    choices = [(Layout.CHANNELS_LAST, Amp.BF16), (Layout.CHANNELS_LAST, Amp.OFF)]
    assert throughput.default_choice(choices, 1000) is None
    short = throughput.default_choice(choices, 10)
    assert short
    assert (short.layout, short.amp) == (Layout.CHANNELS_LAST, Amp.OFF)
    remembered = throughput.default_choice(choices[:1], 1000)
    assert remembered
    assert remembered.amp is Amp.BF16


@pytest.mark.slow
def test_an_emulated_precision_gives_a_warning(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for has, amp in ((True, Amp.BF16), (False, Amp.OFF), (False, Amp.BF16)):
        monkeypatch.setattr(throughput, "has_bf16", lambda _device, has=has: has)
        listener = Listener()
        train_run(settings_for(data, amp=amp, epochs=1), listener)
        assert any("emulates it" in line for line in listener.said) is (amp is Amp.BF16 and not has)
