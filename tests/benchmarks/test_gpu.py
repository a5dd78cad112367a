"""The script that is ready for a GPU runs through on the CPU."""

import sys

import pytest
import torch

from benchmarks import gpu


def test_without_a_gpu_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu"])
    gpu.main()
    assert capsys.readouterr().out == "torch finds no GPU; --device cpu tries this script on tiny settings\n"


@pytest.mark.full
def test_the_cpu_agrees_with_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu", "--device", "cpu"])
    with pytest.raises(SystemExit) as end:
        gpu.main()
    printed = capsys.readouterr().out
    assert end.value.code == 0, printed
    assert "| onnx, fp32 | 20 of 20 | 0.0e+00 |" in printed
    assert "| bf16, 2 processes |" in printed


def test_answers_that_differ_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    accuracies = iter([0.75, 0.70, 0.75, 0.74])
    monkeypatch.setattr(gpu, "_accuracy", lambda *_: next(accuracies))
    far, close = (gpu.check_evaluating("pocket", gpu.LABELLED, "cuda") for _ in range(2))
    assert far.row == ["pocket", "75.0%", "70.0%", "**no**"]
    assert close.row == ["pocket", "75.0%", "74.0%", "yes"]
