"""Networks that a blueprint describes."""

from cnncli.errors import UsageError
from cnncli.networks import blueprint
from cnncli.networks.blueprint import shapes
from cnncli.networks.blueprint.writer import written
from cnncli.networks.zoo.offer import Offer
from cnncli.records.networks import Architecture, Interpolation, Preprocessing, Resize


def offer(name: str, image_size: tuple[int, int] | None) -> Offer:
    """A blueprint for images; the arguments and errors are `zoo.offer`'s."""
    drawn = blueprint.find(name, image_size)
    channels, *sides = drawn.input
    if channels not in {1, _RGB} or len(sides) != len(_COLOURS):
        raise UsageError(
            f"an image has 1 or 3 channels, height and width, and this network takes {shapes.told(drawn.input)}",
            "`cnncli summary` shows it",
        )
    mean, std = _COLOURS if channels == _RGB else ((0.5,), (0.5,))
    height, width = sides
    return Offer(
        name=blueprint.label(name),
        architecture=Architecture(
            "blueprint",
            blueprint.label(name),
            shapes.num_classes(drawn),
            channels,
            blueprint=written(drawn),
        ),
        preprocessing=Preprocessing(
            channels=channels,
            size=(height, width),
            resize_mode=Resize.SHORTER if height == width else Resize.COVER,
            resize=(height, width),
            interpolation=Interpolation.BILINEAR,
            fill=(0,) * channels,
            mean=mean,
            std=std,
        ),
        class_names=None,
        imagenet=None,
        published=None,
    )


_RGB = 3
_COLOURS = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and deviation of ImageNet's channels, which everybody uses who has no better ones."""
