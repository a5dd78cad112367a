"""No command writes over what it reads, not even with `--overwrite`."""

import io
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from cnncli.errors import UsageError
from cnncli.images.file_names import STDIN, is_image_name
from cnncli.records.defaults import PATH_COLUMN

_OUTPUTS = ("output", "sheet", "preview")
"""The parameters of commands that name what is written; all others are read."""


def require_inputs_kept(parameters: Mapping[str, object]) -> None:
    """Check that the outputs of a command are none of its inputs, and no images in the folders that it reads.

    Args:
        parameters: values of all options and arguments, by name.

    Raises:
        UsageError: an output would replace an input.
    """
    if not parameters.get("overwrite"):  # then nothing that exists is replaced
        return
    outputs = [(name, output) for name in _OUTPUTS for output in _existing_outputs(parameters.get(name))]
    inputs = [path for name, value in parameters.items() if name not in _OUTPUTS for path in _paths(value)]
    for name, output in outputs:
        require_not_among(name, output, inputs)
        require_not_among(name, output, _listed_paths(parameters))
        for path in inputs:
            if _is_image_in(output, path):
                raise UsageError(
                    f"--{name} {output} is one of the images in {path}, which would be lost",
                    "choose another name",
                )


def require_not_among(name: str, output: str | Path, inputs: Iterable[str]) -> None:
    """Check that an output is none of some inputs.

    Args:
        name: of the option.
        output: an existing file or folder; one that does not exist passes.
        inputs: paths.

    Raises:
        UsageError: it is one of them, perhaps under another name.
    """
    if not os.path.exists(output):  # noqa: PTH110 - also False for a name that is too long
        return
    for path in inputs:
        if os.path.exists(path) and Path(path).samefile(output):  # noqa: PTH110
            raise UsageError(
                f"--{name} {output} is also an input, which would be lost", "choose another name"
            )


def _listed_paths(parameters: Mapping[str, object]) -> Iterator[str]:
    """The paths in the list of `--files-from`, unless that is a pipe, which can be read only once."""
    file = parameters.get("files_from")
    if isinstance(file, str) and file != STDIN and os.path.isfile(file):  # noqa: PTH113
        from cnncli.images.path_list import read_paths

        separator = b"\0" if parameters.get("null") else b"\n"
        column = str(parameters.get("path_column") or PATH_COLUMN)
        paths = read_paths(file, io.BytesIO(), separator=separator, path_column=column)
        yield from filter(None, paths)


def _existing_outputs(value: object) -> Iterator[str]:
    """The files and folders that exist where an option says to write."""
    yield from _paths(value)
    if isinstance(value, str | Path) and str(value).lower().endswith(".npy"):  # has a table beside it
        yield from _paths(Path(value).with_suffix(".csv"))


def _paths(value: object) -> Iterator[str]:
    """The existing paths among the values of an option."""
    if isinstance(value, str | Path):
        if str(value) not in {STDIN, ""} and os.path.exists(value):  # noqa: PTH110 - also False for a name that is too long
            yield str(value)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _paths(item)


def _is_image_in(file: str, folder: str) -> bool:
    """Whether a file is an image by its name, and lies below a folder."""
    is_within = Path(file).resolve().is_relative_to(Path(folder).resolve())
    return is_within and os.path.isdir(folder) and is_image_name(os.path.basename(file))  # noqa: PTH112, PTH119
