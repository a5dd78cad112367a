"""The numbers behind pictures of filters, maps, fields and class activation."""

import math
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from cnncli.errors import UsageError
from cnncli.images.local_file import LocalFile
from cnncli.inspection import cam, filters, maps, receptive, shift
from cnncli.inspection.network import Opened, Seen, opened, seen
from cnncli.networks import model_folder
from cnncli.networks.layers import answer_of, answers, as_maps, maps_of, named_layer
from cnncli.networks.reference import Reference
from cnncli.prepare import prepare
from cnncli.records.choices import Method
from cnncli.records.pictures import Scale
from cnncli.records.progress import NullProgress

DRAWN = "input 3x32x32; conv3-6 valid relu; maxpool 2; conv3-8 same relu; gap; FC-5; soft-max"
"""Its layers: conv1, relu1, maxpool1, conv2, relu2, …"""


def network(name: str, **more: Any) -> Opened:
    return opened(prepare(Reference(name, pretrained=False, **more), NullProgress()))


@pytest.fixture
def drawn() -> Opened:
    return network(DRAWN)


@pytest.fixture
def image(drawn: Opened, tmp_path: Path) -> Seen:
    return noise(drawn, tmp_path)


def noise(of: Opened, folder: Path) -> Seen:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "noise.png")
    return seen(LocalFile(str(folder / "noise.png")), of.card)


def test_an_image_is_seen_as_the_network_gets_it(drawn: Opened, image: Seen) -> None:
    how = drawn.card.preprocessing
    again = (image.picture / 255 - np.array(how.mean)) / np.array(how.std)
    np.testing.assert_allclose(image.images[0].permute(1, 2, 0).numpy(), again, atol=1e-5)


# ---- layers


def test_what_comes_out_of_a_layer_is_what_came_out_and_not_what_became_of_it() -> None:
    chain = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(inplace=True))
    images = torch.randn(1, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    found = answers(chain, {"0": chain[0], "1": chain[1]}, images)
    assert list(found) == ["0", "1"]
    assert (found["0"] < 0).any()
    assert (found["0"].relu() == found["1"]).all()


def test_a_layer_that_is_not_there(drawn: Opened) -> None:
    with pytest.raises(UsageError, match="no layer is called 'conv9'") as error:
        named_layer(drawn.network, "conv9")
    assert "conv1" in (error.value.hint or "")


@pytest.mark.parametrize(
    ("shape", "size", "maps_shape"),
    [
        ((1, 8, 4, 4), (32, 32), (1, 8, 4, 4)),
        ((1, 4, 4, 8), (32, 32), (1, 8, 4, 4)),  # Swin
        ((1, 8, 3, 5), (48, 80), (1, 8, 3, 5)),
        ((1, 17, 8), (32, 32), (1, 8, 4, 4)),  # ViT with its class token
        ((1, 20, 8), (32, 32), (1, 8, 4, 4)),  # and registers
        ((1, 16, 8), (32, 32), (1, 8, 4, 4)),
        ((1, 12, 8), (24, 32), (1, 8, 3, 4)),
        ((1, 5), (32, 32), None),
        ((1, 3, 8), (32, 32), None),
    ],
)
def test_maps_however_they_are_laid_out(
    shape: tuple[int, ...], size: tuple[int, int], maps_shape: tuple[int, ...] | None
) -> None:
    output = torch.arange(math.prod(shape)).reshape(shape)
    found = as_maps(output, size)
    assert (found.shape if found is not None else None) == maps_shape
    if shape == (1, 17, 8) and found is not None:
        assert found[0, :, 0, 1].tolist() == output[0, 2].tolist()


def test_a_network_with_a_head_of_ours_knows_the_names_of_its_own(drawn: Opened, image: Seen) -> None:
    headed = nn.Sequential(OrderedDict(network=drawn.network))
    assert named_layer(headed, "conv2") is drawn.network.get_submodule("conv2")
    whole = Opened(headed, drawn.card)
    assert receptive.field(whole, image, "conv2", None).layer == "network.conv2"
    found = shift.shifted(whole, image, (2, 0), "relu1")
    assert "network.relu1" in shift.plate(whole, found, "relu1").title
    assert "network.conv1" in filters.filters(whole, "conv1", 4, beside_random=False).title


def test_a_layer_that_has_no_answer_for_each_image() -> None:
    """Attention within windows, as Swin's, answers once for each window."""
    found = {"attn": torch.zeros(8, 49, 16), "pooled": torch.zeros(2, 16)}
    with pytest.raises(
        UsageError, match="attn has not one answer for each image: for 2 it gives 8 x 49 x 16"
    ):
        answer_of("attn", found, 2)
    with pytest.raises(UsageError, match="other is not used"):
        answer_of("other", found, 2)
    with pytest.raises(UsageError, match="pooled gives no maps, but 16 numbers"):
        maps_of("pooled", found, torch.zeros(2, 3, 32, 32))


# ---- filters


def test_filters_are_the_weights(drawn: Opened) -> None:
    weights = drawn.network.get_submodule("conv1").weight.detach()  # type: ignore[operator]
    plate = filters.filters(drawn, None, 4, beside_random=False)
    assert len(plate.panels) == 4
    largest = float(weights.abs().max())
    for panel, kernel in zip(plate.panels, weights, strict=False):
        assert panel.scale is Scale.IMAGE
        assert panel.ends == (-largest, largest)
        np.testing.assert_array_equal(panel.values, kernel.permute(1, 2, 0).double())
    deeper = filters.filters(drawn, "conv2", 2, beside_random=False)
    assert len(deeper.panels) == 2 * 6
    second = drawn.network.get_submodule("conv2").weight[1, 3].detach()  # type: ignore[index]
    np.testing.assert_array_equal(deeper.panels[6 + 3].values, second.double())
    assert deeper.panels[0].scale is Scale.SIGNED


def test_random_filters_stand_beside_the_trained_ones(drawn: Opened) -> None:
    both = filters.filters(drawn, None, 6, beside_random=True)
    alone = filters.filters(drawn, None, 6, beside_random=False)
    numbers = [str(number) for number in range(1, 7)]
    assert both.columns == 13
    assert [panel.title for panel in both.panels] == [*numbers, "", *numbers]
    assert all(
        (one.values == other.values).all() for one, other in zip(both.panels[:6], alone.panels, strict=True)
    )
    assert all(
        (one.values != other.values).any() for one, other in zip(both.panels[7:], alone.panels, strict=True)
    )
    deeper = filters.filters(drawn, "conv2", 3, beside_random=True)
    assert deeper.columns == 13
    channels = [f"1, {channel}" for channel in range(1, 7)]
    assert [panel.title for panel in deeper.panels[:13]] == [*channels, "", *channels]


def test_a_fully_connected_first_layer_has_templates() -> None:
    flat = network("input 1x8x8; flatten; FC-4 relu; FC-3")
    plate = filters.filters(flat, None, 64, beside_random=False)
    assert [panel.values.shape for panel in plate.panels] == [(8, 8)] * 4


def test_what_has_no_filters(drawn: Opened) -> None:
    with pytest.raises(UsageError, match="relu1 is a ReLU, which has no filters"):
        filters.filters(drawn, "relu1", 4, beside_random=False)


# ---- maps


def test_maps_are_what_the_layer_answers_the_strongest_first(drawn: Opened, image: Seen) -> None:
    plate = maps.plate_of_layer(drawn, image, "relu1", 3)
    answer = drawn.network.get_submodule("conv1")(image.images).relu()[0].detach()
    order = answer.flatten(1).std(dim=1).argsort(descending=True)[:3].tolist()
    assert [panel.title for panel in plate.panels[1:]] == [f"map {number + 1}" for number in order]
    for panel, number in zip(plate.panels[1:], order, strict=True):
        np.testing.assert_allclose(panel.values, answer[number].numpy(), atol=1e-6)
        assert panel.scale is Scale.STRENGTH


def test_all_layers_in_order_with_their_shapes(drawn: Opened, image: Seen) -> None:
    titles = [panel.title.split(", ")[0] for panel in maps.plate_of_all(drawn, image).panels]
    assert titles[:4] == [
        "the image: 3 x 32 x 32",
        "conv1\n6 x 30 x 30",
        "maxpool1\n6 x 15 x 15",
        "conv2\n8 x 15 x 15",
    ]


def test_a_layer_without_maps(drawn: Opened, image: Seen) -> None:
    with pytest.raises(UsageError, match="fc1 gives no maps, but 5 numbers"):
        maps.layer_maps(drawn, image, "fc1")


# ---- receptive fields


@pytest.mark.parametrize(
    "text",
    [
        "input 1x40x40; conv3-2 valid; maxpool 2; conv5-2 same; conv3-2/2; gap; FC-2",
        "input 1x41x37; conv7-2/2; avgpool 3/2; conv3-2 same; gap; FC-2",
        "input 1x40x40; conv3-2 dilation 2 valid; conv3-2 dilation 3 valid; gap; FC-2",
    ],
)
def test_the_theoretical_field_is_where_the_gradient_can_be(text: str, tmp_path: Path) -> None:
    of = network(text)
    with torch.no_grad():
        for parameter in of.network.parameters():  # nothing cancels out, and no ReLU is closed
            parameter.abs_()
            parameter.add_(0.1)
    image = noise(of, tmp_path)
    names = [name for name, part in of.network.named_modules() if isinstance(part, nn.Conv2d)]
    for name in names:
        for unit in ((0, 0), None):
            found = receptive.field(of, image, name, unit)
            assert found.theoretical
            top, left, bottom, right = found.theoretical
            height, width = found.gradient.shape
            rows, columns = np.nonzero(found.gradient)
            is_max = "maxpool" in text  # looks at some pixels of a window only
            slack = 3 if is_max else 0
            assert max(top, 0) <= rows.min() <= max(top, 0) + slack
            assert max(left, 0) <= columns.min() <= max(left, 0) + slack
            assert min(bottom, height) - slack <= rows.max() + 1 <= min(bottom, height)
            assert min(right, width) - slack <= columns.max() + 1 <= min(right, width)
            assert found.effective
            assert top <= found.effective[0] <= found.effective[2] <= bottom


def test_a_unit_behind_everything_sees_everything(tmp_path: Path) -> None:
    of = network("test_vit")
    found = receptive.field(of, noise(of, tmp_path), "blocks.1", None)
    assert found.theoretical is None
    assert found.of[0] > 1


def test_torchvisions_transformers_are_followed_step_by_step(tmp_path: Path) -> None:
    """Where no gradient is asked for, torch would take one operation for all of a layer."""
    torch.manual_seed(0)
    block = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    of = network("input 3x32x32; conv8-16/8 valid; gap; FC-2")

    class Transformer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches, self.block = nn.Conv2d(3, 16, 8, 8), block

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.block(self.patches(images).flatten(2).transpose(1, 2))
            return found

    whole = Opened(Transformer().eval(), of.card)
    found = receptive.field(whole, noise(of, tmp_path), "block", None)
    assert found.theoretical is None
    assert found.is_followed


def test_windows_of_attention_are_said_not_to_be_followed(tmp_path: Path) -> None:
    class Windows(nn.Module):
        """Positions of the upper half are mixed, and those of the lower one."""

        def __init__(self) -> None:
            super().__init__()
            self.patches = nn.Conv2d(3, 4, 8, 8)
            self.mixed = nn.Identity()

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            maps = self.patches(images)
            tokens = torch.stack(maps.split(2, dim=2)).flatten(3).transpose(2, 3)
            tokens = functional.scaled_dot_product_attention(tokens, tokens, tokens).transpose(2, 3)
            halves = tokens.reshape(2, 1, 4, 2, 4)
            found: torch.Tensor = self.mixed(torch.cat([halves[0], halves[1]], dim=2))
            return found

    torch.manual_seed(0)
    of = network("input 3x32x32; conv8-16/8 valid; gap; FC-2")
    image = noise(of, tmp_path)
    found = receptive.field(Opened(Windows().eval(), of.card), image, "mixed", (0, 0))
    assert found.theoretical is None
    assert not found.is_followed
    plate = receptive.plate(of, image, found)
    assert "not followed" in plate.note
    assert not plate.panels[1].boxes


def test_the_effective_field_holds_its_share(drawn: Opened, image: Seen) -> None:
    found = receptive.field(drawn, image, "conv2", None)
    assert found.effective
    top, left, bottom, right = map(int, found.effective)
    assert found.gradient[top:bottom, left:right].sum() >= 0.95 * found.gradient.sum()


def test_a_silent_unit_is_told_of(tmp_path: Path) -> None:
    of = network("input 1x16x16; conv3-2 same relu; gap; FC-2")
    with torch.no_grad():
        of.network.get_submodule("conv1").bias.fill_(-1000)  # type: ignore[operator]
    found = receptive.field(of, noise(of, tmp_path), "relu1", None)
    assert found.effective is None
    assert found.theoretical == (7.0, 7.0, 10.0, 10.0)
    assert "silent" in receptive.plate(of, noise(of, tmp_path), found).note


def test_a_unit_that_is_not_there(drawn: Opened, image: Seen) -> None:
    with pytest.raises(UsageError, match="no unit 30,0 on maps of 30 x 30"):
        receptive.field(drawn, image, "conv1", (30, 0))


# ---- shifts


def test_maps_move_with_the_image_until_pooling(drawn: Opened, image: Seen) -> None:
    even, odd = (shift.shifted(drawn, image, by).shifts for by in ((2, 0), (1, 0)))
    assert [item.layer for item in even][:3] == ["conv1", "maxpool1", "conv2"]
    assert even[0].change == pytest.approx(0, abs=1e-5)
    assert even[1].by == (1.0, 0.0)
    assert even[1].change == pytest.approx(0, abs=1e-5)
    assert not even[2].sees_border
    assert even[2].change == pytest.approx(0, abs=1e-5)
    assert odd[0].change == pytest.approx(0, abs=1e-5)
    assert (odd[1].change or 0) > 0.05


def test_jumps_and_not_proportions_say_how_far_maps_move(tmp_path: Path) -> None:
    lenet = network("lenet5")
    shifts = {item.layer: item for item in shift.shifted(lenet, noise(lenet, tmp_path), (8, 4)).shifts}
    assert {name: item.by for name, item in shifts.items()} == {
        "conv1": (8, 4),
        "avgpool1": (4, 2),
        "conv2": (4, 2),
        "avgpool2": (2, 1),
    }
    assert all(item.change == pytest.approx(0, abs=1e-5) for item in shifts.values())


def test_where_every_unit_sees_the_border_it_is_said(tmp_path: Path) -> None:
    deep = network("input 1x16x16; repeat 4 { conv5-4 same relu }; gap; FC-2")
    *_, last = shift.shifted(deep, noise(deep, tmp_path), (2, 0)).shifts
    assert last.sees_border
    assert last.by == (2.0, 0.0)
    assert 0 < (last.change or 0) < 1


def test_a_shift_moves_to_the_right_and_downwards(drawn: Opened, image: Seen) -> None:
    found = shift.shifted(drawn, image, (3, -2))
    plate = shift.plate(drawn, found, "conv1")
    before, after = plate.panels[0].values, plate.panels[3].values
    np.testing.assert_array_equal(after[:-2, 3:], before[2:, :-3])
    inner = plate.panels[5].values[3:-3, 4:-4]
    assert np.abs(inner).max() < 1e-5


@pytest.mark.parametrize(("by", "told"), [((0, 0), "moves nothing"), ((20, 0), "more than half")])
def test_shifts_that_make_no_sense(drawn: Opened, image: Seen, by: tuple[int, int], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        shift.shifted(drawn, image, by)


def test_a_layer_that_does_not_convolve_is_compared_if_it_is_asked_for(drawn: Opened, image: Seen) -> None:
    assert "relu1" not in shift.shifted(drawn, image, (2, 0)).before
    found = shift.shifted(drawn, image, (2, 0), "relu1")
    change = {item.layer: item.change for item in found.shifts}["relu1"]
    assert change == pytest.approx(0, abs=1e-5)
    plate = shift.plate(drawn, found, "relu1")
    assert {panel.ends for panel in plate.panels if panel.scale is Scale.STRENGTH} == {plate.panels[1].ends}


# ---- class activation


def test_maps_of_one_value_say_nothing_of_where(tmp_path: Path) -> None:
    of = network("test_resnet")
    with pytest.raises(UsageError, match="maps of 1 x 1"):
        cam.activation(of, noise(of, tmp_path), "global_pool.pool", 0, Method.GRADCAM)


def test_grad_cam_of_a_pooled_network_is_the_class_activation_map(drawn: Opened, image: Seen) -> None:
    """Zhou et al. (2016): with global average pooling before the last layer, its weights weigh the maps."""
    assert cam.target_layer(drawn, image) == "relu2"
    found = cam.activation(drawn, image, "relu2", 3, Method.GRADCAM)
    weights = drawn.network.get_submodule("fc1").weight[3].detach()  # type: ignore[index]
    weighed = (weights[:, None, None] * maps.layer_maps(drawn, image, "relu2")).sum(0).relu()
    large = functional.interpolate(weighed[None, None], (32, 32), mode="bilinear", align_corners=False)[0, 0]
    expected = ((large - large.min()) / (large.max() - large.min())).numpy()
    assert found.shape == (32, 32)
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("method", list(Method))
def test_every_method_gives_values_from_none_to_most(drawn: Opened, image: Seen, method: Method) -> None:
    found = cam.activation(drawn, image, "relu2", 0, method)
    assert found.shape == (32, 32)
    assert found.min() >= 0
    assert found.max() <= 1 + 1e-6


@pytest.mark.parametrize(
    ("name", "expected"),
    [("test_resnet", "layer4"), ("test_vit", "blocks.5.norm1"), ("test_convnext", "norm")],
)
def test_the_layer_to_look_at_is_found(name: str, expected: str, tmp_path: Path) -> None:
    of = network(name)
    image = noise(of, tmp_path)
    found = cam.target_layer(of, image)
    assert expected in found
    heat = cam.activation(of, image, found, 1, Method.GRADCAM_PLUS_PLUS)
    assert heat.shape == of.card.preprocessing.size


def test_classes_by_name_synset_and_index(squeezenet: Path) -> None:
    card = model_folder.open_folder(squeezenet).card
    assert cam.class_indices(card, ["robin", "n01558993", "15", "goldfish"]) == [15, 1]
    with pytest.raises(UsageError, match="knows no class 'robbin'") as error:
        cam.class_indices(card, ["robbin"])
    assert "robin" in (error.value.hint or "")
