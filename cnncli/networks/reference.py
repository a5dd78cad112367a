"""What a user asks for when asking for a network. Knows names and files, no library of networks."""

import difflib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from cnncli.errors import ModelNotFoundError, UsageError, WeightsError
from cnncli.networks import pocket
from cnncli.networks.model_folder import is_model_folder

LIBRARY = "torchvision/"
"""Before a name, asks for torchvision's network even where timm has one of that name."""

HUB = "hf-hub:"
"""Before `org/name` or `org/name@revision`, asks for a repository on the Hugging Face hub, as timm writes it."""

BLUEPRINT = ".cnn"
"""How files end that hold a blueprint."""

EXPORTED = ".onnx"
"""How files end that hold an exported network."""

_BLUEPRINT_TEXT = re.compile(r"\s*(#|input\s|input:|activation:)", re.IGNORECASE)


def is_blueprint_text(name: str) -> bool:
    """Whether this is no name but a blueprint itself, as one writes it in quotes."""
    return _BLUEPRINT_TEXT.match(name) is not None or ";" in name or "\n" in name


@dataclass(frozen=True, slots=True)
class Reference:
    """A network as a user refers to it.

    Attributes:
        name: a model folder's path; `pocket`; a name of timm or torchvision, with or without a tag; `hf-hub:org/name`; a
            blueprint's name, file or text.
        weights: local weights for the named architecture.
        labels: a file with one class name a line.
        pretrained: False asks for random weights.
        image_size: (height, width) in pixels, where it should differ from the network's own.
    """

    name: str
    weights: Path | None = None
    labels: Path | None = None
    pretrained: bool = True
    image_size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.weights and not self.pretrained:
            raise UsageError("--weights and --no-pretrained contradict each other", "leave one of them out")

    def find_folder(self) -> Path | None:
        """The model folder that the name is a path of, or that comes with cnncli; None where it is another name.

        Raises:
            ModelNotFoundError: a path that leads to no model folder.
            UsageError: options that would change a finished folder.
        """
        if is_blueprint_text(self.name):
            return None
        path = Path(os.path.expanduser(self.name))  # noqa: PTH111 - leaves an unknown ~user as it is
        if self.name == pocket.NAME and not is_model_folder(path):
            path = pocket.FOLDER
        if is_model_folder(path):
            self._refuse_changes()
            return path
        if self.name.endswith(BLUEPRINT):
            return None
        if self.is_exported:
            self._refuse_changes()
            return None
        if os.path.isfile(path):  # noqa: PTH113
            raise ModelNotFoundError(
                f"{self.name} is a file, and a model is a name or a folder",
                "for weights, name their architecture: -m resnet50 --weights FILE",
            )
        if self.name.startswith(HUB):
            return None
        if self.name.startswith((".", "/", "~")) or ("/" in self.name and not self.name.startswith(LIBRARY)):
            what = "it has no card.json" if os.path.isdir(path) else "there is no such folder"  # noqa: PTH112
            raise ModelNotFoundError(f"{self.name} is no model folder: {what}", _folders_like(path))
        return None

    @property
    def is_exported(self) -> bool:
        """Whether the name is the path of a network in one ONNX file."""
        return self.name.endswith(EXPORTED) and os.path.isfile(os.path.expanduser(self.name))  # noqa: PTH111, PTH113

    def _blueprint_identity(self) -> list[str | int] | None:
        is_file = self.name.endswith(BLUEPRINT) and not is_blueprint_text(self.name)
        return _identity(Path(self.name), "blueprint") if is_file else None

    def changes(self) -> list[str]:
        """The options that ask for something else than a finished model folder holds."""
        given = {
            "--weights": self.weights is not None,
            "--labels": self.labels is not None,
            "--no-pretrained": not self.pretrained,
            "--img-size": self.image_size is not None,
        }
        return [option for option, is_given in given.items() if is_given]

    def cannot_change(self) -> UsageError:
        """For a finished model folder and options that would change it."""
        return UsageError(
            f"{self.name} is a finished model folder; {', '.join(self.changes())} cannot change it",
            "name the architecture instead, as in --model resnet50",
        )

    def _refuse_changes(self) -> None:
        if self.changes():
            raise self.cannot_change()

    def key(self) -> str:
        """Everything that the prepared folder depends on, as one line; files count by place, size and time.

        Raises:
            WeightsError: a file that does not exist.
        """
        return json.dumps(
            {
                "name": self.name,
                "blueprint": self._blueprint_identity(),
                **(
                    {"exported": _identity(Path(self.name).expanduser(), "exported")}
                    if self.is_exported
                    else {}
                ),
                "weights": self.weights and _identity(self.weights, "weights"),
                "labels": self.labels and _identity(self.labels, "class names"),
                "pretrained": self.pretrained,
                "image_size": self.image_size,
            },
            sort_keys=True,
        )


def _identity(file: Path, what: str) -> list[str | int]:
    try:
        status = file.stat()
    except OSError as error:
        raise WeightsError(f"cannot read the {what} file {file}: {error.strerror}") from error
    if not file.is_file():
        raise WeightsError(f"the {what} file {file} is not a file")
    return [os.path.realpath(file), status.st_size, status.st_mtime_ns]


def _folders_like(path: Path) -> str | None:
    """Which model folders there are beside it, those with the closest names; None where there are none."""
    try:
        names = [folder.name for folder in path.parent.iterdir() if is_model_folder(folder)]
    except OSError:
        return None
    close = difflib.get_close_matches(path.name, names, 3, cutoff=0.5)
    return f"did you mean {', '.join(str(path.with_name(name)) for name in close)}?" if close else None
