"""Weights are compared with the network before they are loaded; what does not fit is named."""

from pathlib import Path

import pytest
import torch
from torch import nn

from cnncli.errors import WeightsError
from cnncli.networks.zoo.weights import (
    infer_num_classes,
    load_into,
    load_saved,
    save_state_dict,
    shapes,
)


def network(classes: int = 4) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Flatten(), nn.Linear(5, classes))


def plain() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return network().state_dict()


def test_the_class_count_is_read_from_the_last_layer() -> None:
    assert infer_num_classes(shapes(network(7).state_dict()), shapes(network(4).state_dict()), 4) == 7
    assert infer_num_classes(shapes(network(4).state_dict()), shapes(network(4).state_dict()), 4) == 4
    assert infer_num_classes({"other": (7, 5)}, shapes(network(4).state_dict()), 4) == 4


def test_weights_that_do_not_fit_are_listed() -> None:
    tensors = plain()
    tensors["0.weight"] = torch.zeros(5, 1, 3, 3)
    del tensors["3.bias"]
    tensors["extra"] = torch.zeros(1)
    with pytest.raises(WeightsError) as caught:
        load_into(network(), tensors, "w.pt")
    assert caught.value.message == (
        "w.pt does not fit the network: 0.weight is 5 x 1 x 3 x 3 instead of 5 x 3 x 3 x 3; "
        "3.bias is missing; extra is not part of the network; it holds 0, 1, 3, extra"
    )


def test_long_lists_of_problems_are_shortened() -> None:
    others = {f"4.{number}": torch.zeros(1) for number in range(9)}
    with pytest.raises(
        WeightsError, match=r"4\.4 is not part of the network and 4 more; it holds 0, 1, 3, 4"
    ):
        load_into(network(), plain() | others, "w.pt")


def test_weights_of_a_wholly_different_network_are_outlined() -> None:
    others = {f"stage{number}.weight": torch.zeros(1) for number in range(12)}
    with pytest.raises(WeightsError) as caught:
        load_into(network(), others, "w.pt", "a hint")
    assert caught.value.message == (
        "w.pt does not fit the network: it has 0 of the 9 tensors in 0, 1, 3; it holds "
        "stage0, stage1, stage2, stage3, stage4, stage5, stage6, stage7, stage8, stage9 and 2 more"
    )
    assert caught.value.hint == "a hint"


def test_quantized_weights_are_refused() -> None:
    tensors = plain() | {"3.weight": torch.zeros(4, 5, dtype=torch.int8)}
    with pytest.raises(WeightsError, match=r"w\.pt: 3\.weight is int8; quantized weights are not supported"):
        load_into(network(), tensors, "w.pt")


def test_saved_weights_are_read_back(tmp_path: Path) -> None:
    torch.manual_seed(1)
    first, second = network(), network()
    first[3].weight = second[3].weight  # type: ignore[index]
    save_state_dict(first, tmp_path / "w.safetensors")
    third = network()
    load_saved(third, tmp_path / "w.safetensors")
    assert all(
        torch.equal(a, b)
        for a, b in zip(first.state_dict().values(), third.state_dict().values(), strict=True)
    )
    (tmp_path / "w.safetensors").write_bytes(b"no")
    with pytest.raises(WeightsError, match="damaged"):
        load_saved(third, tmp_path / "w.safetensors")
