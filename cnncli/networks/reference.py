"""References to networks, as users type them. Handles names and files only, no library."""

import glob
import json
import os
import re
from pathlib import Path

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import ModelNotFoundError, UsageError, WeightsError
from cnncli.networks import pocket
from cnncli.networks.foreign import NOTHING_SAID, ForeignOptions
from cnncli.networks.model_folder import is_model_folder
from cnncli.networks.saved import has_only_graph, identifying_files, is_saved_network
from cnncli.networks.zero_shot import ZeroShotClasses
from cnncli.regular_file import contains
from cnncli.text import is_url, quote

LIBRARY = "torchvision/"
"""Prefix that selects torchvision's network where timm has one of the same name."""

HUB = "hf-hub:"
"""Prefix of a repository on the Hugging Face hub, `org/name` or `org/name@revision`, as in timm."""

BLUEPRINT = ".cnn"
"""Suffix of blueprint files."""

EXPORTED = ".onnx"
"""Suffix of exported networks."""

EXPORTED_CARD = "cnncli_card"
"""The entry in an exported network's metadata that holds its card."""

_WEIGHTS_FILES = frozenset(
    {EXPORTED, ".bin", ".ckpt", ".h5", ".keras", ".pkl", ".pt", ".pth", ".safetensors", ".tar"}
)
"""Suffixes of files with weights, and of exported networks."""

_WEIGHTS_HINT = "for a weights file, name its architecture: -m resnet50 --weights FILE"

_FOR_OTHERS = "it is for another runtime; name the model that it was exported from, or export it as .onnx"

_EXPORT_ULTRALYTICS = "yolo export model=FILE format=onnx; then -m the ONNX file"

_EXPORT_HINTS = {
    **dict.fromkeys((".xml", ".tflite", ".pte"), _FOR_OTHERS),
    **dict.fromkeys(
        (".keras", ".h5"),
        "it holds Python code, which is not run; in Keras: python -c \"import keras; net = keras.saving.load_model('FILE'); "
        "net(keras.ops.zeros((1, *net.input_shape[1:]))); net.export('net.onnx', format='onnx')\"; then -m net.onnx",
    ),
    ".pkl": (
        'it holds Python code, which is not run; in fastai: python -c "import torch; from fastai.vision.all import load_learner; '
        "torch.onnx.export(load_learner('FILE').model.eval(), (torch.zeros(1, 3, 224, 224),), 'net.onnx')\", with its image size for 224; then -m net.onnx"
    ),
    ".pt": f"{_WEIGHTS_HINT}; of Ultralytics: {_EXPORT_ULTRALYTICS}",
}
"""What to do with files of other programs, by suffix."""


def ultralytics_hint(file: Path) -> str:
    """What to do with a file of Ultralytics."""
    return _EXPORT_ULTRALYTICS.replace("FILE", quote(file))


_BLUEPRINT_TEXT = re.compile(r"\s*(#|input\s|input:|activation:)", re.IGNORECASE)


def is_blueprint_text(name: str) -> bool:
    """Whether this is the text of a blueprint instead of a name."""
    return _BLUEPRINT_TEXT.match(name) is not None or ";" in name or "\n" in name


def split_hub_name(name: str) -> tuple[str, str | None]:
    """Repository and revision of a name that begins with `HUB`; the revision is None for the main branch.

    Raises:
        ModelNotFoundError: it is not the name of a repository.
    """
    match = re.fullmatch(r"([\w.-]+/[\w.-]+)(?:@([\w./-]+))?", name.removeprefix(HUB))
    if not match:
        raise ModelNotFoundError(f"{name} is not a repository on the hub", f"write {HUB}org/name")
    return match[1], match[2]


@frozen_dataclass
class Reference:
    """A network as the user names it.

    Attributes:
        name: path or URL of a model folder; path of a folder that transformers or timm saved; `pocket`; name in timm or torchvision, with or without a tag; `hf-hub:org/name`; name,
            file or text of a blueprint.
        weights: file with local weights for the named architecture.
        labels: file with one class name per line.
        pretrained: False for random weights.
        image_size: (height, width) in pixels; None for the network's own.
        foreign: what an ONNX file of another program does not say itself.
        zero_shot: names that the text tower of the network turns into classes; None for its own classes.
    """

    name: str
    weights: Path | None = None
    labels: Path | None = None
    pretrained: bool = True
    image_size: tuple[int, int] | None = None
    foreign: ForeignOptions = NOTHING_SAID
    zero_shot: ZeroShotClasses | None = None

    def __post_init__(self) -> None:
        if (
            self.foreign.explicit()
            and (self.is_exported or not self.name.endswith(EXPORTED))
            and not self.is_foreign
        ):
            options = ", ".join(self.foreign.explicit())
            raise UsageError(f"{options}: only for ONNX files that other programs wrote", "omit them")
        if self.weights and not self.pretrained:
            raise UsageError("--weights and --no-pretrained contradict each other", "omit one of them")
        if self.zero_shot and (self.labels or not self.pretrained):
            option = "--labels" if self.labels else "--no-pretrained"
            raise UsageError(
                f"{option}: not with --classes, which gives {self.name} its classes",
                f"omit {option}",
            )

    def find_folder(self) -> Path | None:
        """The model folder whose path or URL the name is, or the built-in one; None for any other kind of name.

        Raises:
            ModelFolderError: one on a server that cannot be copied.
            ModelNotFoundError: a path that is not a model folder.
            UsageError: options that cannot change a finished model folder.
        """
        if is_url(self.name):
            from cnncli.networks.remote_models import copy_model  # rarely needed

            self._refuse_changes()
            return copy_model(self.name)
        return None if is_blueprint_text(self.name) else self._find_local_folder()

    def _find_local_folder(self) -> Path | None:
        path = self._path
        is_pocket = self.name == pocket.NAME
        if is_pocket:
            path = pocket.FOLDER
        if is_model_folder(path) and (is_pocket or not self.hides_folder):
            self._refuse_changes()
            return path
        if self.is_exported and (not self.is_foreign or self.weights or not self.pretrained):
            self._refuse_changes()
        if not (self.name.endswith(BLUEPRINT) or self.is_exported or self.saved_folder):
            self._require_name(path)
        return None

    def _require_name(self, path: Path) -> None:
        """Refuse what is a path, but of nothing that holds a network.

        Raises:
            ModelNotFoundError: with what the path is.
        """
        if path.suffix.lower() in _WEIGHTS_FILES and not os.path.lexists(path):
            hint = "the path of a model folder, or a name that `cnncli models` lists"
            raise ModelNotFoundError(f"{self.name}: no such file", hint)
        if os.path.isfile(path):  # noqa: PTH113
            raise ModelNotFoundError(
                f"{self.name} is a file, not a model folder",
                _EXPORT_HINTS.get(path.suffix.lower(), _WEIGHTS_HINT).replace("FILE", quote(self.name)),
            )
        if self.name.startswith(HUB):
            return
        if self.name.startswith((".", "/", "~")) or ("/" in self.name and not self.name.startswith(LIBRARY)):
            reason = "it has no card.json and no config.json" if os.path.isdir(path) else "no such folder"  # noqa: PTH112
            raise ModelNotFoundError(
                f"{self.name} is not a model folder: {reason}",
                similar_folders_hint(path, cutoff=0.5) or _hub_hint(self.name, path),
            )

    @property
    def _path(self) -> Path:
        return Path(os.path.expanduser(self.name))  # noqa: PTH111 - does not change an unknown ~user

    @property
    def hides_folder(self) -> bool:
        """Whether the name is that of a known network, and of a model folder in the current directory, too."""
        return is_model_folder(Path(self.name)) and self._is_known

    @property
    def _is_known(self) -> bool:
        """Whether the name is a bare one, and that of a known network."""
        is_bare = not {"/", os.sep} & set(self.name) and not self.name.startswith((".", "~"))
        if not is_bare:
            return False
        from cnncli.networks import known  # imports this module

        return known.is_known(self.name)

    @property
    def saved_folder(self) -> Path | None:
        """The folder of a network that transformers or timm saved, if the name is its path."""
        if self.name.startswith(HUB) or is_blueprint_text(self.name):
            return None
        path = self._path
        return path if is_saved_network(path) and not self._is_known else None

    @property
    def is_exported(self) -> bool:
        """Whether the name is the path of an exported network, an ONNX file."""
        return self.name.endswith(EXPORTED) and os.path.isfile(self._path)  # noqa: PTH113

    @property
    def has_only_graph(self) -> bool:
        """Whether the name is the path of a folder that optimum wrote: with the network as ONNX, and no weights."""
        return (folder := self.saved_folder) is not None and has_only_graph(folder)

    @property
    def onnx_files(self) -> list[Path]:
        """An ONNX file, and those beside it that hold its data, as other programs call them: `net.onnx.data`."""
        file = self._path
        return sorted(path for path in file.parent.glob(f"{glob.escape(file.name)}*") if path.is_file())

    @property
    def is_foreign(self) -> bool:
        """Whether the name is the path of an ONNX file that another program wrote: without a card of cnncli."""
        return self.is_exported and not contains(self._path, EXPORTED_CARD.encode())

    def _blueprint_identity(self) -> list[str | int] | None:
        is_file = self.name.endswith(BLUEPRINT) and not is_blueprint_text(self.name)
        return _identity(Path(self.name), "blueprint") if is_file else None

    def changes(self) -> list[str]:
        """The names of the options that would change a finished model folder."""
        options = {
            "--weights": self.weights is not None,
            "--labels": self.labels is not None,
            "--no-pretrained": not self.pretrained,
            "--img-size": self.image_size is not None,
            "--classes": self.zero_shot is not None,
        }
        return [option for option, is_set in options.items() if is_set]

    def cannot_change_error(self) -> UsageError:
        """Error for options that cannot change a finished model folder."""
        return UsageError(
            f"{self.name} is a finished model folder; {', '.join(self.changes())} cannot change it",
            "name the architecture instead, e.g. --model resnet50",
        )

    def _refuse_changes(self) -> None:
        if self.changes():
            raise self.cannot_change_error()

    def key(self) -> str:
        """Everything that the prepared folder depends on, as JSON; files are identified by path, size and time.

        Raises:
            WeightsError: a file does not exist.
        """
        folder = self.saved_folder
        return json.dumps(
            {
                "name": os.path.realpath(self._path) if self.is_exported or folder else self.name,
                "blueprint": self._blueprint_identity(),
                **(
                    {"exported": [_identity(file, "exported") for file in self.onnx_files]}
                    if self.is_exported
                    else {}
                ),
                **(
                    {"saved": [_identity(file, "saved") for file in identifying_files(folder)]}
                    if folder
                    else {}
                ),
                "weights": self.weights and _identity(self.weights, "weights"),
                "labels": self.labels and _identity(self.labels, "class names"),
                "pretrained": self.pretrained,
                "image_size": self.image_size,
                **({"foreign": repr(self.foreign)} if self.foreign.explicit() else {}),
                **({"zero_shot": self.zero_shot.key()} if self.zero_shot else {}),
            },
            sort_keys=True,
        )


def _identity(file: Path, kind: str) -> list[str | int]:
    """Path, size and modification time of a file; `kind` is for messages."""
    try:
        status = file.stat()
    except OSError as error:
        raise WeightsError(f"cannot read the {kind} file {file}: {error.strerror}") from error
    if not file.is_file():
        raise WeightsError(f"the {kind} file {file} is not a regular file")
    return [os.path.realpath(file), status.st_size, status.st_mtime_ns]


def _hub_hint(name: str, path: Path) -> str | None:
    """A hint for `org/name`, as the Hugging Face Hub writes it, where there is no such folder."""
    organisation = name.partition("/")[0]
    is_repository = re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", name) and organisation != "runs"
    if not is_repository or path.parent.exists():
        return None
    return f"if you mean the repository on the Hugging Face Hub: -m {HUB}{name}"


def similar_folders_hint(path: Path, cutoff: float) -> str | None:
    """A hint with the model folders beside a path whose names are closest; None where there are none.

    Args:
        path: of no model folder.
        cutoff: least similarity of the names, 0 to 1.
    """
    try:
        names = [folder.name for folder in path.parent.iterdir() if is_model_folder(folder)]
    except OSError:
        return None
    import difflib  # only for this message

    close = difflib.get_close_matches(path.name, names, 3, cutoff)
    return f"did you mean {', '.join(quote(path.with_name(name)) for name in close)}?" if close else None
