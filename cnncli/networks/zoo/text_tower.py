"""Text towers of open_clip, which turn names of classes into a classifier."""

import dataclasses

import torch
from torch import Tensor, nn

from cnncli.errors import UsageError, WeightsError
from cnncli.networks.zero_shot import TextTower, ZeroShotClasses, require_open_clip
from cnncli.networks.zoo import adapt_weights, build
from cnncli.networks.zoo.weights import StateDict, load_into
from cnncli.records.networks import Architecture, Head, HeadKind
from cnncli.records.progress import Progress
from cnncli.text import counted

require_open_clip()
import open_clip  # noqa: E402 - an extra

WEIGHTS_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
"""open_clip's names of the file with both towers, in its repositories on the hub."""

_IMAGE_TOWER = "visual."
"""Prefix of the image tower's weights in this file."""

_UNUSED_TOWER = {"image_size": 32, "layers": 1, "width": 64, "patch_size": 32}
"""open_clip builds a text tower only beside an image tower: the smallest will do."""

_BATCH = 256
"""Texts that are encoded at a time."""


def build_classifier(
    architecture: Architecture,
    tower: TextTower,
    classes: ZeroShotClasses,
    tensors: StateDict,
    file: str,
    progress: Progress,
) -> tuple[nn.Module, Architecture]:
    """A network whose logits are those of open_clip: scaled cosines between the features of an image and those of K texts.

    Args:
        architecture: of the image tower in timm; its outputs are the features (N, D).
        tower: the text tower.
        classes: the K classes.
        tensors: the weights of both towers, as open_clip has them.
        file: the name of the file that they come from, for messages.
        progress: reports what takes time.

    Raises:
        UsageError: a name is longer than what the text tower reads.
        WeightsError: the weights are not those of these towers.
    """
    tensors = {name.removeprefix("module."): value for name, value in tensors.items()}
    text = {name: value for name, value in tensors.items() if not name.startswith(_IMAGE_TOWER)}
    if len(text) in {0, len(tensors)}:
        raise WeightsError(
            f"{file} does not hold both an image tower and a text tower, which --classes needs",
            "use a checkpoint of open_clip, or omit --weights",
        )
    image_tower = build(architecture)
    load_into(image_tower, adapt_weights(tensors, image_tower, architecture), file)
    with progress.activity(f"encoding {counted(len(classes.names), 'class name')}"):
        directions = _encode_texts(tower, classes, text, file)
    count, width = directions.shape
    head = Head(HeadKind.COSINE, "", width, architecture.num_classes)
    architecture = dataclasses.replace(architecture, num_classes=count, head=head)
    network = build(architecture)
    weights = {f"network.{name}": value for name, value in image_tower.state_dict().items()}
    network.load_state_dict(weights | {"head.weight": directions, "head.bias": torch.zeros(count)})
    return network, architecture


def _encode_texts(tower: TextTower, classes: ZeroShotClasses, tensors: StateDict, file: str) -> Tensor:
    """(K, D): the features of the text for each class, with the length of the network's logit scale.

    The text tower is built for the longest of these texts: it reads from left to right, and nothing comes after the last token.
    """
    length = _longest_text(tower, classes)
    model = open_clip.create_model(tower.architecture, vision_cfg=_UNUSED_TOWER, force_context_length=length)
    del model.visual
    positions = {name: value[:length] for name, value in tensors.items() if name == "positional_embedding"}
    load_into(model, tensors | positions, file)
    tokens = open_clip.get_tokenizer(tower.architecture, context_length=length)(classes.texts)
    with torch.inference_mode():
        features = [model.encode_text(batch, normalize=True) for batch in tokens.split(_BATCH)]
        directions: Tensor = torch.cat(features) * model.logit_scale.exp()
    return directions.clone()


def _longest_text(tower: TextTower, classes: ZeroShotClasses) -> int:
    """Number of tokens of the longest text.

    Raises:
        UsageError: the text tower cannot read as many.
    """
    tokenizer = open_clip.get_tokenizer(tower.architecture)
    lengths = [len(tokenizer.encode(text)) + 2 for text in classes.texts]  # with start and end
    longest = max(lengths)
    if (excess := longest - tokenizer.context_length) > 0:
        name = classes.names[lengths.index(longest)]
        raise UsageError(
            f"the class {name!r} is {counted(excess, 'token')} longer than the text tower can read",
            "use a shorter name, or a shorter --prompt",
        )
    return longest
