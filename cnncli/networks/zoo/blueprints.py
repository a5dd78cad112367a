"""Networks built from blueprints."""

from cnncli.networks import blueprint
from cnncli.networks.blueprint import shapes
from cnncli.networks.blueprint.writer import to_text
from cnncli.networks.normalization import IMAGENET, Normalization
from cnncli.networks.zoo.offer import Offer
from cnncli.records.networks import Architecture, Interpolation, Preprocessing, Resize


def offer(name: str, image_size: tuple[int, int] | None) -> Offer:
    """The offer of a blueprint for images; arguments and errors as `zoo.offer`.

    Raises:
        UsageError: its input is not an image with 1 or 3 channels.
    """
    tree = blueprint.find_for_images(name, image_size)
    channels, height, width = tree.input
    normalization = (tree.normalization or _USUAL[channels]).for_channels(channels)
    return Offer(
        name=blueprint.network_name(name),
        architecture=Architecture(
            "blueprint",
            blueprint.network_name(name),
            shapes.num_classes(tree),
            channels,
            blueprint=to_text(tree),
        ),
        preprocessing=Preprocessing(
            channels=channels,
            size=(height, width),
            resize_mode=Resize.SHORTER if height == width else Resize.COVER,
            resize=(height, width),
            interpolation=Interpolation.BILINEAR,
            fill=(0,) * channels,
            mean=normalization.mean,
            std=normalization.std,
        ),
        class_names=None,
        imagenet=None,
        published=None,
    )


_USUAL = {1: Normalization((0.5,), (0.5,)), 3: IMAGENET}
"""The usual normalisation by number of channels, where a blueprint has no other."""
