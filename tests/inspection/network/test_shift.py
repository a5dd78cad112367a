"""Feature maps move with the image until pooling."""

from pathlib import Path

import numpy as np
import pytest

from cnncli.errors import UsageError
from cnncli.inspection.network import shift
from cnncli.inspection.network.loading import InputImage, LoadedModel
from cnncli.records.pictures import Panel, Scale
from tests.inspection.conftest import network, noise


def test_maps_shift_with_the_image_until_pooling(model: LoadedModel, image: InputImage) -> None:
    even, odd = (shift.compare_shift(model, image, by).layers for by in ((2, 0), (1, 0)))
    assert [item.layer for item in even][:3] == ["conv1", "maxpool1", "conv2"]
    assert even[0].difference == pytest.approx(0, abs=1e-5)
    assert even[1].expected_shift == (1.0, 0.0)
    assert even[1].difference == pytest.approx(0, abs=1e-5)
    assert not even[2].includes_border
    assert even[2].difference == pytest.approx(0, abs=1e-5)
    assert odd[0].difference == pytest.approx(0, abs=1e-5)
    assert (odd[1].difference or 0) > 0.05


def test_the_expected_shift_follows_from_the_jump(tmp_path: Path) -> None:
    lenet = network("lenet5")
    shifts = {item.layer: item for item in shift.compare_shift(lenet, noise(lenet, tmp_path), (8, 4)).layers}
    assert {name: item.expected_shift for name, item in shifts.items()} == {
        "conv1": (8, 4),
        "avgpool1": (4, 2),
        "conv2": (4, 2),
        "avgpool2": (2, 1),
    }
    assert all(item.difference == pytest.approx(0, abs=1e-5) for item in shifts.values())


@pytest.mark.slow
def test_layers_whose_units_all_see_the_border_are_marked(tmp_path: Path) -> None:
    deep = network("input 1x16x16; repeat 4 { conv5-4 same relu }; gap; FC-2")
    *_, last = shift.compare_shift(deep, noise(deep, tmp_path), (2, 0)).layers
    assert last.includes_border
    assert last.expected_shift == (2.0, 0.0)
    assert 0 < (last.difference or 0) < 1


def test_a_positive_shift_is_to_the_right_and_down(model: LoadedModel, image: InputImage) -> None:
    result = shift.compare_shift(model, image, (3, -2))
    figure = shift.figure(model, result, "conv1")
    before, after = figure.panels[0].values, figure.panels[3].values
    np.testing.assert_array_equal(after[:-2, 3:], before[2:, :-3])
    inner = figure.panels[5].values[3:-3, 4:-4]
    assert np.abs(inner).max() < 1e-5


@pytest.mark.parametrize(("by", "message"), [((0, 0), "does not move the image"), ((20, 0), "at least half")])
def test_invalid_shifts_are_errors(
    model: LoadedModel, image: InputImage, by: tuple[int, int], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        shift.compare_shift(model, image, by)


def test_a_layer_other_than_a_convolution_is_compared_on_request(
    model: LoadedModel, image: InputImage
) -> None:
    assert "relu1" not in shift.compare_shift(model, image, (2, 0)).before
    result = shift.compare_shift(model, image, (2, 0), "relu1")
    difference = {item.layer: item.difference for item in result.layers}["relu1"]
    assert difference == pytest.approx(0, abs=1e-5)
    figure = shift.figure(model, result, "relu1")
    assert (
        len(
            {
                panel.limits
                for panel in figure.panels
                if isinstance(panel, Panel) and panel.scale is Scale.STRENGTH
            }
        )
        == 1
    )
