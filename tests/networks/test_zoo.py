"""Names become networks, with their own preprocessing and class names."""

import pytest
import torch
import torchvision

from cnncli.errors import ModelNotFoundError, UsageError
from cnncli.networks import zoo
from cnncli.records.networks import Architecture, Library, Resize


@pytest.mark.parametrize(
    ("typed", "name", "library"),
    [
        ("resnet50", "resnet50.a1_in1k", "timm"),
        ("resnet50.tv_in1k", "resnet50.tv_in1k", "timm"),
        ("squeezenet1_0", "torchvision/squeezenet1_0.IMAGENET1K_V1", "torchvision"),
        ("alexnet", "torchvision/alexnet.IMAGENET1K_V1", "torchvision"),
        ("torchvision/resnet50", "torchvision/resnet50.IMAGENET1K_V2", "torchvision"),
        ("torchvision/resnet50.IMAGENET1K_V1", "torchvision/resnet50.IMAGENET1K_V1", "torchvision"),
    ],
)
def test_a_name_means_one_network(typed: str, name: str, library: str) -> None:
    offer = zoo.offer(typed)
    assert offer.name == name
    assert offer.architecture.library == library
    assert zoo.offer(name) == offer


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("resnet5O", "resnet50"),
        ("vgg_16", "vgg16"),
        ("torchvision/squeezenet", "squeezenet1_0"),
        ("resnet50.nope", "a1_in1k"),
        ("alexnet.V9", "IMAGENET1K_V1"),
        ("", "`cnncli models` lists all names"),
        ("🦊", "`cnncli models` lists all names"),
    ],
)
def test_an_unknown_name_gets_the_closest_names(typed: str, hint: str) -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        zoo.offer(typed)
    assert hint in (caught.value.hint or "")


def test_imagenet_names_are_the_same_in_both_libraries() -> None:
    ours, theirs = zoo.offer("resnet50"), zoo.offer("torchvision/resnet50")
    assert ours.class_names == theirs.class_names
    synsets = zoo.synsets(ours)
    assert synsets == zoo.synsets(theirs)
    assert ours.class_names is not None
    assert synsets is not None
    assert len(set(ours.class_names)) == 1000
    assert (ours.class_names[15], synsets[15]) == ("robin", "n01558993")


@pytest.mark.parametrize(
    ("name", "classes", "index", "label"),
    [
        ("convnext_tiny.fb_in22k", 21841, 5, "animal"),
        ("vit_base_patch16_224.augreg_in21k", 21843, 5, "animal"),
        ("focalnet_large_fl3.ms_in22k", 21842, 5, "electric ray"),
        ("vit_base_patch16_clip_224.openai", 512, 0, None),
    ],
)
def test_names_of_larger_sets(name: str, classes: int, index: int, label: str | None) -> None:
    offer = zoo.offer(name)
    assert offer.architecture.num_classes == classes
    assert (offer.class_names[index] if offer.class_names else None) == label


def test_another_image_size() -> None:
    resnet = zoo.offer("resnet50", (160, 160))
    assert (resnet.preprocessing.size, resnet.preprocessing.resize) == ((160, 160), (168, 168))
    assert resnet.architecture.image_size is None
    vit = zoo.offer("vit_tiny_patch16_224", (96, 128))
    assert vit.architecture.image_size == (96, 128)
    assert vit.preprocessing.resize_mode is Resize.COVER
    assert zoo.build(vit.architecture)(torch.zeros(1, 3, 96, 128)).shape == (1, 1000)
    squeezenet = zoo.offer("squeezenet1_0", (112, 112))
    assert (squeezenet.preprocessing.size, squeezenet.preprocessing.resize) == ((112, 112), (128, 128))
    with pytest.raises(UsageError, match="accepts 224 x 224 pixels only"):
        zoo.offer("torchvision/vit_b_16", (96, 96))


def test_random_weights_are_the_same_each_time() -> None:
    first, second = (zoo.build(Architecture("timm", "test_resnet", 5)).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_torchvisions_inceptions_rescale_their_input_as_their_weights_expect(name: str) -> None:
    assert zoo.build(Architecture("torchvision", name, 10)).transform_input
    assert len(list(zoo.build(Architecture("torchvision", name, 10)).children())) > 15


def test_a_transformer_of_torchvision_is_built_for_its_weights_size() -> None:
    offer = zoo.offer("torchvision/vit_b_16.IMAGENET1K_SWAG_E2E_V1")
    assert offer.architecture.image_size == offer.preprocessing.size == (384, 384)
    assert zoo.build(offer.architecture).image_size == 384


def test_one_channel() -> None:
    network = zoo.build(Architecture("timm", "test_resnet", 5, channels=1))
    assert network(torch.zeros(2, 1, 64, 64)).shape == (2, 5)


def test_every_classification_network_of_torchvision_is_available() -> None:
    names = torchvision.models.list_models(module=torchvision.models)
    assert len(names) >= 80
    for name in names:
        assert zoo.offer(f"torchvision/{name}").class_names


@pytest.mark.parametrize(
    "name", ["local-dir:../folder", "hf-hub:org/name", "../folder", "keypointrcnn_resnet50_fpn"]
)
@pytest.mark.parametrize("library", ["timm", "torchvision"])
def test_a_card_names_no_folder_and_no_repository(library: Library, name: str) -> None:
    with pytest.raises(ModelNotFoundError, match=f"{library} .* has no network"):
        zoo.build(Architecture(library, name, 3))
