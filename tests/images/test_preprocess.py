"""Bit for bit what timm's and torchvision's own evaluation transforms compute on the same image."""

import dataclasses
import math

import numpy as np
import pytest
import timm
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from timm.data.config import resolve_data_config
from timm.data.transforms_factory import create_transform

from cnncli.images.preprocess import preprocess, size_after_resize
from cnncli.networks import zoo
from cnncli.networks.zoo import timm as zoo_of_timm
from cnncli.records.networks import Interpolation, Preprocessing, Resize

sides = st.integers(1, 90)
crops = st.tuples(st.integers(1, 48), st.integers(1, 48))


def noise(width: int, height: int, channels: int = 3) -> Image.Image:
    draw = np.random.default_rng(width * 1000 + height)
    shape = (height, width, 3) if channels == 3 else (height, width)
    return Image.fromarray(draw.integers(0, 256, shape, dtype=np.uint8))


def timm_spec(
    size: tuple[int, int],
    crop_pct: float,
    crop_mode: str,
    interpolation: str,
    mean: tuple[float, ...],
    std: tuple[float, ...],
) -> Preprocessing:
    """As `zoo` translates a timm configuration, for any configuration."""
    config = timm.models.PretrainedCfg(
        input_size=(len(mean), *size),
        crop_pct=crop_pct,
        crop_mode=crop_mode,
        interpolation=interpolation,
        mean=mean,
        std=std,
    )
    return zoo_of_timm.preprocessing(config, None)


@given(
    width=sides,
    height=sides,
    size=st.one_of(crops, st.integers(1, 48).map(lambda side: (side, side))),
    crop_pct=st.sampled_from([0.5, 0.875, 0.9, 0.95, 0.965, 1.0]),
    crop_mode=st.sampled_from(["center", "squash", "border"]),
    interpolation=st.sampled_from([interpolation.value for interpolation in Interpolation]),
    channels=st.sampled_from([1, 3]),
)
@settings(max_examples=100, deadline=None)
def test_pixels_equal_timms_transform(
    width: int,
    height: int,
    size: tuple[int, int],
    crop_pct: float,
    crop_mode: str,
    interpolation: str,
    channels: int,
) -> None:
    image = noise(width, height, channels)
    mean, std = (0.485, 0.456, 0.406)[:channels], (0.229, 0.224, 0.225)[:channels]
    spec = timm_spec(size, crop_pct, crop_mode, interpolation, mean, std)
    transform = create_transform(
        (channels, *size),
        is_training=False,
        crop_pct=crop_pct,
        crop_mode=crop_mode,
        interpolation=interpolation,
        mean=mean,
        std=std,
    )
    actual = preprocess(image, spec)
    if 1 in size_after_resize(
        image.size, spec
    ):  # a sliver: timm may ask Pillow for a side of no pixels, we keep one
        return
    expected = transform(image).numpy()
    assert actual.dtype == np.float32
    assert actual.tobytes() == expected.tobytes()


@given(
    width=sides,
    height=sides,
    crop=st.integers(1, 48),
    resize=st.integers(1, 60),
    interpolation=st.sampled_from(["nearest", "bilinear", "bicubic"]),
)
@settings(max_examples=60, deadline=None)
def test_pixels_equal_torchvisions_transform(
    width: int, height: int, crop: int, resize: int, interpolation: str
) -> None:
    transform = torchvision.transforms._presets.ImageClassification(
        crop_size=crop,
        resize_size=resize,
        interpolation=torchvision.transforms.InterpolationMode(interpolation),
    )
    spec = Preprocessing(
        channels=3,
        size=(crop, crop),
        resize_mode=Resize.SHORTER,
        resize=(resize, resize),
        interpolation=Interpolation(interpolation),
        fill=(0, 0, 0),
        mean=tuple(transform.mean),
        std=tuple(transform.std),
    )
    image = noise(width, height)
    assert preprocess(image, spec).tobytes() == transform(image).numpy().tobytes()


NETWORKS = [
    "resnet50.a1_in1k",
    "vit_base_patch16_224.augreg2_in21k_ft_in1k",
    "convnext_tiny.fb_in22k",
    "inception_v3.tv_in1k",
    "efficientnet_b0.ra_in1k",
    "mobilenetv4_conv_small.e2400_r224_in1k",
    "eva02_tiny_patch14_336.mim_in22k_ft_in1k",
    "regnety_016.tv2_in1k",
    "test_resnet.r160_in1k",
]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("size", [(500, 375), (375, 500), (33, 401), (224, 224), (100, 90), (640, 641)])
def test_pixels_equal_timms_for_its_networks(name: str, size: tuple[int, int]) -> None:
    config = timm.get_pretrained_cfg(name)
    assert config
    transform = create_transform(**resolve_data_config(pretrained_cfg=config.to_dict()), is_training=False)
    image = noise(*size)
    assert preprocess(image, zoo.offer(name).preprocessing).tobytes() == transform(image).numpy().tobytes()


@pytest.mark.parametrize(
    "name",
    [
        "torchvision/alexnet",
        "googlenet",
        "torchvision/resnet50.IMAGENET1K_V2",
        "torchvision/vit_b_16",
        "torchvision/inception_v3",
        "torchvision/efficientnet_v2_s",
        "squeezenet1_0",
    ],
)
def test_pixels_equal_torchvisions_for_its_networks(name: str) -> None:
    architecture, _, tag = name.removeprefix("torchvision/").partition(".")
    available = torchvision.models.get_model_weights(architecture)
    transform = (available[tag] if tag else available.DEFAULT).transforms()
    for size in [(500, 375), (211, 340), (30, 31), (256, 256)]:
        image = noise(*size)
        assert (
            preprocess(image, zoo.offer(name).preprocessing).tobytes() == transform(image).numpy().tobytes()
        )


@pytest.mark.slow
@given(width=st.integers(1, 5000), height=st.integers(1, 5000), mode=st.sampled_from(list(Resize)))
def test_the_announced_size_is_that_after_the_resize(width: int, height: int, mode: Resize) -> None:
    spec = dataclasses.replace(zoo.offer("resnet50").preprocessing, resize_mode=mode, resize=(40, 30))
    resized = size_after_resize((width, height), spec)
    assert min(resized) >= 1
    match mode:
        case Resize.SQUASH:
            assert resized == (30, 40)
        case Resize.SHORTER:
            assert min(resized) == 40
        case Resize.COVER:
            assert resized[0] >= 30
            assert resized[1] >= 40
        case Resize.FIT:
            assert resized[0] <= 30
            assert resized[1] <= 40
    if mode is not Resize.SQUASH and max(width, height) < 20 * min(width, height):
        assert math.isclose(resized[0] / resized[1], width / height, rel_tol=0.3, abs_tol=1)
