"""Networks of Hugging Face transformers, from the files of `save_pretrained`; no code of a repository is run."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cnncli.errors import MissingPackageError, ModelNotFoundError, WeightsError
from cnncli.networks.downloads import Checkpoint
from cnncli.networks.saved import PROCESSOR
from cnncli.networks.zoo.offer import Offer, no_drop_path, resize_input
from cnncli.networks.zoo.transformers_processor import ProcessorPixels, translate
from cnncli.networks.zoo.weights import USE_ORIGINAL, StateDict, require_floats
from cnncli.records.networks import Architecture
from cnncli.records.tasks import AnswerKind
from cnncli.text import first_line, install_command

try:
    import transformers
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES
except ModuleNotFoundError as error:
    raise MissingPackageError(
        "networks of transformers need the package transformers", install_command("cnncli[transformers]")
    ) from error

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

_CLASSIFIER = "ForImageClassification"
_BACKBONES = ("Model", "ForMaskedImageModeling", "ForPreTraining")
"""Ends of the names of networks without a classifier, which give features."""

_REMOTE_CODE = "auto_map"
_NOT_OF_A_NETWORK = frozenset(
    {
        *("_name_or_path", "transformers_version", "id2label", "label2id", "num_labels", "problem_type"),
        *("dtype", "torch_dtype", "return_dict", "output_hidden_states", "output_attentions", _REMOTE_CODE),
    }
)
"""Entries of a configuration that a model card has elsewhere, or that change what the network returns."""

_MODEL = "model."
"""Prefix of the names of the network's weights in `TransformersNetwork`."""

_MAX_COMPLAINTS = 3
"""Complaints that an error message lists."""


class TransformersNetwork(nn.Module):
    """A network of transformers that maps images to logits."""

    def __init__(self, model: nn.Module, *, reverses_channels: bool) -> None:
        """Wrap a network.

        Args:
            model: an image classifier of transformers.
            reverses_channels: whether it expects blue, green, red.
        """
        super().__init__()
        self.model = model
        self._reverses_channels = reverses_channels

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K) for images (N, C, H, W); embeddings (N, D) if there is no classifier."""
        images = images.flip(1) if self._reverses_channels else images
        logits: Tensor = self.model(pixel_values=images)[0]
        return logits


def offer(
    name: str, document: Mapping[str, Any], published: Checkpoint, image_size: tuple[int, int] | None
) -> Offer:
    """The network in a folder that transformers wrote.

    Args:
        name: path or name of the repository, also for messages.
        document: its config.json.
        published: where its files are.
        image_size: (height, width) in pixels; None for its own.

    Raises:
        ModelNotFoundError: it is no image classifier of transformers, needs code of its own, or has another preprocessing than
            ours.
    """
    _require_classifier(name, document)
    config = _configuration(name, document)
    channels = getattr(getattr(config, "vision_config", config), "num_channels", 3)
    if channels not in {1, 3}:
        raise ModelNotFoundError(f"{name} expects images with {channels} channels; 1 and 3 are supported")
    pixels = _read_processor(name, published.folder, channels)
    classifier = _class_name(document)
    count = len(_label_names(name, document)) if classifier else 0
    return Offer(
        name=name,
        architecture=Architecture(
            "transformers", config.model_type, count, channels, config=_to_text(document, pixels)
        ),
        preprocessing=resize_input(pixels.preprocessing, image_size),
        class_names=_class_names(name, document) if classifier else None,
        imagenet=None,
        published=published,
        has_classes=bool(classifier),
        kind=(
            AnswerKind.SEVERAL
            if document.get("problem_type") == "multi_label_classification"
            else AnswerKind.ONE
        ),
    )


def _require_classifier(name: str, document: Mapping[str, Any]) -> None:
    """Refuse what is not an image classifier or its backbone, before anything is built."""
    kind, (architecture, *_) = document["model_type"], document.get("architectures") or [None]
    if kind not in MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES:
        if _REMOTE_CODE in document:
            raise ModelNotFoundError(f"{name} needs Python code from its repository, which is not run")
        raise ModelNotFoundError(
            f"{name} holds a network of type {kind!r}, which is no image classifier of transformers {transformers.__version__}",
        )
    if document.get("quantization_config"):
        raise ModelNotFoundError(f"{name} has quantized weights, which are not supported", USE_ORIGINAL)
    if document.get("problem_type") == "regression":
        raise ModelNotFoundError(f"{name} is trained for regression, not for classes")
    is_backbone = "vision_config" not in document and str(architecture).endswith(_BACKBONES)
    if architecture and _CLASSIFIER not in str(architecture) and not is_backbone:
        raise ModelNotFoundError(f"{name} holds a {architecture}, which is no image classifier")


def _class_name(document: Mapping[str, Any]) -> str | None:
    """The class of a classifier; None for a backbone."""
    names = MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES[document["model_type"]]
    choices = (names,) if isinstance(names, str) else names
    architectures = document.get("architectures") or choices[:1]
    return next((str(name) for name in architectures if name in choices), None)


def _configuration(name: str, document: Mapping[str, Any]) -> Any:  # noqa: ANN401 - one class per architecture
    """The configuration that transformers makes of config.json."""
    values = {key: value for key, value in document.items() if key not in _NOT_OF_A_NETWORK}
    try:
        return transformers.AutoConfig.for_model(**values)
    except Exception as error:  # every architecture checks its own settings
        raise ModelNotFoundError(f"the config.json of {name} is invalid: {first_line(error)}") from error


def _to_text(document: Mapping[str, Any], pixels: ProcessorPixels) -> str:
    """What is needed to build the network, as JSON for the model card."""
    config = {key: value for key, value in document.items() if key not in _NOT_OF_A_NETWORK}
    names = MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES[document["model_type"]]
    config["architectures"] = [_class_name(document) or (names if isinstance(names, str) else names[0])]
    return json.dumps({"config": config, "reverses_channels": pixels.reverses_channels}, sort_keys=True)


def _label_names(name: str, document: Mapping[str, Any]) -> list[str]:
    """The labels in the order of the logits; transformers has two where config.json does not say."""
    labels = document.get("id2label")
    if labels is None:
        return [f"LABEL_{index}" for index in range(int(document.get("num_labels", 2)))]
    if not isinstance(labels, dict) or set(labels) != {str(index) for index in range(len(labels))}:
        raise ModelNotFoundError(f"the id2label of {name} does not number its classes from 0")
    return [str(labels[str(index)]) for index in range(len(labels))]


def _class_names(name: str, document: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The names of the classes; None where they are only numbered."""
    labels = _label_names(name, document)
    is_numbered = labels == [f"LABEL_{index}" for index in range(len(labels))]
    return None if is_numbered else tuple(labels)


def _read_processor(name: str, folder: Path, channels: int) -> ProcessorPixels:
    """The preprocessing that the folder's image processor does, on Pillow if it can."""
    if not (folder / PROCESSOR).is_file():
        raise ModelNotFoundError(
            f"{name} has no {PROCESSOR}, which says how its images are prepared",
            "save it there with AutoImageProcessor.save_pretrained",
        )
    try:
        processor = transformers.AutoImageProcessor.from_pretrained(
            folder, backend="pil", local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # whatever the file makes a processor's class raise
        raise ModelNotFoundError(f"the {PROCESSOR} of {name} cannot be used: {first_line(error)}") from error
    return translate(name, processor, channels)


def build(architecture: Architecture, drop_path: float) -> nn.Module:
    """Build a network with random weights; arguments and errors as `zoo.build`."""
    config, reverses_channels = _read_config(architecture)
    if drop_path:
        if not hasattr(config, "drop_path_rate"):
            raise no_drop_path(architecture)
        config.drop_path_rate = drop_path
    model = transformers.AutoModelForImageClassification.from_config(config, dtype=torch.float32)
    return TransformersNetwork(model, reverses_channels=reverses_channels)


def _read_config(architecture: Architecture) -> tuple[Any, bool]:
    """The configuration on a model card, and whether the network expects blue, green, red."""
    content = json.loads(architecture.config or "{}")
    config = _configuration(architecture.name, content["config"])
    config.num_labels = architecture.num_classes
    return config, bool(content["reverses_channels"])


def adapt(tensors: StateDict, architecture: Architecture, file: str) -> tuple[StateDict, list[str]]:
    """Weights in their file's layout, under the names of `TransformersNetwork`.

    Args:
        tensors: by their name in the file, which earlier versions of transformers may have written.
        architecture: of the network.
        file: name of the file, for messages.

    Returns:
        The weights, and the names of those that are not part of the network.

    Raises:
        WeightsError: they do not fit.
    """
    config, _ = _read_config(architecture)
    with torch.device("meta"):
        unloaded = transformers.AutoModelForImageClassification.from_config(config)
    floats = {name for name, value in unloaded.state_dict().items() if value.is_floating_point()}
    require_floats({name: tensors[name] for name in sorted(floats & tensors.keys())}, file, USE_ORIGINAL)
    try:
        model, report = type(unloaded).from_pretrained(
            None,
            config=config,
            state_dict=tensors,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
        )
    except (RuntimeError, ValueError, KeyError) as error:
        raise WeightsError(f"{file} does not fit its config.json: {first_line(error)}") from error
    complaints = [
        *(
            f"{name} is {_shape(own)} instead of {_shape(expected)}"
            for name, own, expected in report["mismatched_keys"]
        ),
        *(f"{name} is missing" for name in sorted(report["missing_keys"])),
    ]
    if complaints:
        rest = f" and {len(complaints) - _MAX_COMPLAINTS:,} more" if len(complaints) > _MAX_COMPLAINTS else ""
        raise WeightsError(
            f"{file} does not fit its config.json: {'; '.join(complaints[:_MAX_COMPLAINTS])}{rest}",
            "the files are not of the same network",
        )
    state = {f"{_MODEL}{name}": value for name, value in model.state_dict().items()}
    return state, sorted(report["unexpected_keys"])


def _shape(shape: torch.Size) -> str:
    return " x ".join(map(str, shape)) or "a scalar"
