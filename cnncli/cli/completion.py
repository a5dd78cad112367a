"""Values that Tab completes in bash, zsh and fish: from the index, cards, headers of files and fixed lists, without torch.

Where nothing matches, shells complete the names of files.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer._click.shell_completion import CompletionItem, add_completion_class, split_arg_string
from typer._completion_classes import BashComplete

from cnncli.errors import CnncliError

if TYPE_CHECKING:
    from cnncli.networks.model_folder import ModelFolder

VARIABLE = "_CNNCLI_COMPLETE"
"""The environment variable with which a shell asks for completions."""

_WORD_BREAKS = frozenset({":", "="})
"""Characters at which bash splits a word, each of which becomes a word of its own."""

_SPECIAL = re.compile(r"([^\w@%+=:,./~-])")
"""A character that bash interprets unless it is quoted."""

_NORM_AXES = 1
"""Axes of the weights of a normalisation layer; those of convolutions and fully connected layers have more."""


class _Bash(BashComplete):
    """Completion in bash, which splits words at `:` and `=`, and does not quote what it inserts."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the cursor, and the word at the cursor, as they were typed: `last:2` is one word."""
        raw = os.environ["COMP_WORDS"].split("\n")[: int(os.environ["COMP_CWORD"]) + 1]
        words: list[str] = []
        is_joined = False
        for word in raw:
            is_break = word in _WORD_BREAKS
            if words and (is_break or is_joined):
                words[-1] += word
            else:
                words.append(word)
            is_joined = is_break
        current = words[-1]
        self._is_quoted = current.startswith(("'", '"'))
        self._prefix = current.rpartition(":")[0].rpartition("=")[2] + ":" if ":" in raw[-2:] else ""
        plain = [next(iter(split_arg_string(word)), "") for word in words]
        return plain[1:-1], plain[-1]

    def format_completion(self, item: CompletionItem) -> str:
        """A completion as bash inserts it: after the last colon, and quoted."""
        text = str(item.value).removeprefix(self._prefix)
        return text if self._is_quoted else _SPECIAL.sub(r"\\\1", text)


def register_shells() -> None:
    """Use our completion for bash; to be called after Typer has registered its own."""
    add_completion_class(_Bash, _Bash.name)


def complete_model(incomplete: str) -> list[str]:
    """Names for `--model`: prepared and published networks, blueprints, and model folders here and in `runs`."""
    return [*_local_models(), *_prepared_names(), *complete_published(incomplete)]


def complete_published(incomplete: str) -> list[str]:
    """Names of the index; with the tags of weights once the name of a network is complete."""
    from cnncli.networks import index

    names = index.names()
    return names if "." in incomplete else list(dict.fromkeys(name.partition(".")[0] for name in names))


def complete_prepared() -> list[str]:
    """Names for `models rm`."""
    return _prepared_names()


def complete_data_set() -> list[str]:
    """Names for `datasets get`."""
    from cnncli.data.catalogue import DATA_SETS

    return list(DATA_SETS)


def complete_tune() -> list[str]:
    """Values of `--tune`."""
    from cnncli.records.training import Tune

    return [*(tune for tune in Tune if tune is not Tune.LAST), *(f"{Tune.LAST}:{n}" for n in (1, 2, 3))]


def complete_optimizer() -> list[str]:
    """Names for `--opt`."""
    from cnncli.training.optimizer_names import OPTIMIZERS

    return OPTIMIZERS


def complete_device() -> list[str]:
    """Values of `--device`; numbered ones for the GPUs that the driver shows."""
    gpus = (path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*"))
    return ["auto", "cpu", "cuda", "mps", *sorted(f"cuda:{number}" for number in gpus)]


def complete_kernel() -> list[str]:
    """Names for `--kernel`."""
    from cnncli.records.choices import KERNELS

    return list(KERNELS)


def complete_class(ctx: Any) -> list[str]:  # noqa: ANN401 - Typer does not export its context class's base
    """Class names of the model on the command line, if it is prepared."""
    from cnncli.networks.labels import distinct_names

    folder = _model_folder(ctx)
    return list(distinct_names(folder.card)) if folder else []


def complete_layer(ctx: Any) -> list[str]:  # noqa: ANN401 - as above
    """Layers with weights of the model on the command line, and the modules that contain them, if it is prepared."""
    return _modules(tensor.rpartition(".")[0] for tensor in _tensor_shapes(ctx))


def complete_kernel_layer(ctx: Any) -> list[str]:  # noqa: ANN401 - as above
    """Convolutions and fully connected layers of the model on the command line, if it is prepared."""
    kernels = {name for name, shape in _tensor_shapes(ctx).items() if len(shape) > _NORM_AXES}
    return sorted(name.removesuffix(".weight") for name in kernels)


def _modules(layers: Iterable[str]) -> list[str]:
    """Layers and the modules that contain them: `layer1`, `layer1.0`, `layer1.0.conv1`."""
    names: dict[str, None] = {}
    for layer in layers:
        parts = layer.split(".") if layer else []
        names.update(dict.fromkeys(".".join(parts[: end + 1]) for end in range(len(parts))))
    return list(names)


def _tensor_shapes(ctx: Any) -> Mapping[str, Sequence[int]]:  # noqa: ANN401 - as above
    from cnncli.networks.tensor_files import read_shapes

    folder = _model_folder(ctx)
    return {} if folder is None or folder.is_exported else read_shapes(folder.weights)


def _model_folder(ctx: Any) -> "ModelFolder | None":  # noqa: ANN401 - as above
    """The model folder of the command line's model; None where it would have to be prepared first."""
    from cnncli.networks.model_folder import read_folder
    from cnncli.networks.prepared import find_prepared
    from cnncli.networks.reference import Reference
    from cnncli.records.defaults import or_default

    try:
        path = find_prepared(Reference(or_default(_model_name(ctx))))
        return read_folder(path) if path else None
    except (CnncliError, OSError):
        return None


def _model_name(ctx: Any) -> str | None:  # noqa: ANN401 - as above
    """The last model on an incomplete command line, whose arguments may not have been parsed yet."""
    parameter = next(item for item in ctx.command.params if item.name in {"model", "models"})
    words = ctx.args if parameter.param_type_name == "argument" else ()
    models: str | list[str] | None = words or ctx.params.get(parameter.name)
    return models[-1] if isinstance(models, list) else models


def _prepared_names() -> list[str]:
    from cnncli.networks import cache
    from cnncli.networks.model_folder import read_folder

    names = []
    for path in cache.folders():
        try:
            names.append(read_folder(path).card.name)
        except CnncliError:
            names.append(path.name)
    return names


def _local_models() -> list[str]:
    """Model folders, blueprints and exported networks in the working directory and in `runs`."""
    from cnncli.networks.model_folder import is_model_folder
    from cnncli.networks.reference import BLUEPRINT, EXPORTED

    folders = [folder for folder in (Path(), Path("runs")) if folder.is_dir()]
    paths = [path for folder in folders for path in sorted(folder.iterdir())]
    return [str(path) for path in paths if path.name.endswith((BLUEPRINT, EXPORTED)) or is_model_folder(path)]
