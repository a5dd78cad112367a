"""`cnncli features`: write embeddings to a file."""

import contextlib
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.cli import completion, options
from cnncli.cli import parts as in_parts
from cnncli.cli.console import Console, quiet_libraries, write_data
from cnncli.cli.inputs import Inputs
from cnncli.cli.option_groups import ComputeOptions, InputListOptions, NetworkOptions, takes_groups
from cnncli.cli.progress import image_progress
from cnncli.errors import OutputError, UsageError
from cnncli.text import counted

if TYPE_CHECKING:
    from cnncli.distribution.tasks import FeaturesTask
    from cnncli.features.extract import Extractor
    from cnncli.files.shards import PartFolder
    from cnncli.networks.reference import Reference
    from cnncli.records.features import EmbeddingRecord


@takes_groups
def features(
    inputs: options.Inputs = None,
    model: options.Model = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="File to write: .npz (embeddings, paths, unreadable inputs, model card), .npy with a .csv beside it, .csv, or .parquet; "
            "saved as FILE.part until complete.",
        ),
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(
            "--layer",
            metavar="NAME",
            autocompletion=completion.complete_layer,
            help="Layer whose output to write, averaged over positions (needs torch).  [default: input of the last layer]",
        ),
    ] = None,
    list_layers: Annotated[
        bool,
        typer.Option("--list-layers", help="List the layers with their output shapes, then exit."),
    ] = False,
    *,
    network: NetworkOptions,
    paths: InputListOptions,
    image_column: options.ImageColumn = None,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    parts: in_parts.PartOptions,
    computation: ComputeOptions,
    quiet: options.Quiet = False,
) -> None:
    """Write the embeddings of images to a file.

    One row of float32 per readable image, in input order; the others are listed with the reason. With a prepared model
    torch is not imported, unless --layer asks for a layer before the last.

    \b
    Examples:
      cnncli features photos/ -o features.npz
      cnncli features photos/ -m resnet50 -o features.parquet
      cnncli features photos/ -m resnet18 --layer layer3 -o middle.npy
      cnncli features --files-from list.txt --parts s3://bucket/features/
      cnncli features -m resnet18 --list-layers
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    from cnncli.files.shards import PartFolder

    console = Console(quiet=quiet)
    if list_layers:
        if inputs or output or paths.files_from or layer or resume or overwrite or parts.parts:
            raise UsageError("--list-layers takes only a model", "leave out inputs and outputs")
        write_data(_layers(network.reference(model, console), options.image_size(network.img_size)))
        return
    image_inputs = paths.inputs(inputs, image_column)
    division = parts.division(resume=resume)
    if division:
        division.refuse(output=output, overwrite=overwrite)
    else:
        target = _require_target(output, resume=resume, overwrite=overwrite)
        if resume and not overwrite and target.exists() and not PartFolder(target).folder.exists():
            _require_own(target)
            console.notice(f"{target} is already complete; skipped (--overwrite starts again)")
            return
    with quiet_libraries(), console.spinner("computing embeddings"):
        from cnncli.distribution.tasks import FeaturesTask

        reference = network.reference(model, console)
        inference = computation.inference()
        task = FeaturesTask(reference, inference, layer, is_offline=network.offline)
        if division:
            in_parts.run_in_parts(division, task, image_inputs.for_parts(), console)
            return
        unreadable = _write_file(task, image_inputs, target, console, resume=resume, overwrite=overwrite)
    if unreadable:
        raise typer.Exit(options.UNREADABLE_INPUTS)


def _write_file(
    task: "FeaturesTask",
    image_inputs: Inputs,
    target: Path,
    console: Console,
    *,
    resume: bool,
    overwrite: bool,
) -> int:
    """Write the embeddings to a file; returns the number of inputs that could not be read."""
    from cnncli.features.extract import Extractor
    from cnncli.files.shards import PartFolder
    from cnncli.files.vectors import EmbeddingFile, save_vectors
    from cnncli.networks.card import to_json
    from cnncli.prepare import prepare

    with contextlib.closing(PartFolder(target)) as part:
        part.reserve(resume=resume, overwrite=overwrite)
        folder = prepare(task.reference, console, is_offline=task.is_offline)
        extractor = Extractor(folder, task.inference, console, task.layer)
        images, unreadable = _run(extractor, image_inputs, part, console, resume=resume, overwrite=overwrite)
        content = EmbeddingFile(
            part.shards, to_json(folder.card), extractor.layer, json.dumps(dict(extractor.identity()))
        )
        with part.keep_on_error():
            save_vectors(content, part.target, overwrite=part.replaces)
        part.discard()
    console.notice(f"saved {target}: {counted(images, 'image')}, {extractor.source} of {folder.card.name}")
    return unreadable


def _require_target(output: Path | None, *, resume: bool, overwrite: bool) -> Path:
    """The file to write.

    Raises:
        UsageError: there is no --output, or its ending is unknown.
        MissingPackageError: the format needs a package that is not installed.
        OutputError: it cannot be written there.
    """
    from cnncli.files.output_path import require_writable_file
    from cnncli.files.vectors import ENDINGS, TABLE, require_package

    formats = f"{', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}"
    if output is None:
        raise UsageError("--output is missing", f"add -o features{formats}")
    if output.suffix.lower() not in ENDINGS:
        raise UsageError(f"--output {output} does not end in {formats}")
    require_package(output)
    require_writable_file(output)
    table = output.with_suffix(TABLE)
    if output.suffix.lower() == ".npy" and table.exists() and not (overwrite or (resume and output.exists())):
        raise OutputError(f"{table}, which would list the images, already exists", "--overwrite replaces it")
    return output


def _require_own(target: Path) -> None:
    """Check that an existing NPZ contains features, and not the values of a picture.

    Raises:
        OutputError: it does not.
    """
    if target.suffix.lower() != ".npz":
        return
    names = zipfile.ZipFile(target).namelist() if zipfile.is_zipfile(target) else []
    if "identity.npy" not in names:
        raise OutputError(
            f"{target} already exists and is not a feature file",
            "--overwrite replaces it, or choose another file with -o",
        )


def _run(
    extractor: "Extractor",
    image_inputs: Inputs,
    part: "PartFolder",
    console: Console,
    *,
    resume: bool,
    overwrite: bool,
) -> tuple[int, int]:
    """Write the shards; returns the number of images, and of inputs that could not be read."""
    from cnncli.files.shards import SHARD
    from cnncli.records.predictions import Unreadable

    sources = image_inputs.sources(console)
    part.begin(extractor.identity(), resume=resume, overwrite=overwrite)
    finished, unreadable = part.skip_complete(sources)
    waiting: list[EmbeddingRecord] = []
    with (
        image_progress(console, image_inputs.count, finished, is_hidden=False) as advance,
        contextlib.closing(extractor.extract(sources)) as entries,
    ):
        try:
            for entry in entries:
                waiting.append(entry)
                if isinstance(entry, Unreadable):
                    unreadable += 1
                    console.warning(f"{entry.path}: {entry.reason}")
                finished += 1
                advance()
                if len(waiting) == SHARD:
                    part.add(waiting)
                    waiting = []
        except KeyboardInterrupt:
            if not finished:
                part.discard()
                raise
            part.add(waiting)
            console.notice(f"finished embeddings are kept in {part.folder}; --resume continues")
            raise
        except BaseException:
            if not finished:
                part.discard()
            raise
    part.add(waiting)
    if not finished:
        part.discard()
        raise image_inputs.no_images_error()
    return finished - unreadable, unreadable


def _layers(reference: "Reference", size: tuple[int, int] | None) -> str:
    """A table of the layers: name, type and output shape."""
    from cnncli.inspection.network.summary import SummarySettings, inspect_network
    from cnncli.render.columns import Column, rows

    _, anatomy = inspect_network(reference, SummarySettings(image_size=size))
    layers = {layer.name: layer for layer in anatomy.layers if layer.name and layer.outputs}.values()
    columns = [
        Column("layer", [layer.name for layer in layers]),
        Column("type", [layer.kind for layer in layers]),
        Column("output", ["x".join(map(str, layer.outputs[0][1:])) for layer in layers], is_number=True),
    ]
    return "\n".join(rows(columns)) + "\n"
