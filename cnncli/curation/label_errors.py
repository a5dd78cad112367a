"""Labels that are probably wrong: images that classifiers trained on the others take for another class.

C. Northcutt, L. Jiang, I. Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", 2021, by cleanlab.
"""

import importlib.util
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cnncli.data.folds import Indices, group_numbers, groups_per_class
from cnncli.errors import DataError, MissingPackageError
from cnncli.features.embed import Embedder, EmbedSettings
from cnncli.networks.model_folder import ModelFolder
from cnncli.records.curation import LabelErrors, LabelSuggestion
from cnncli.records.data import DataSet, Sample
from cnncli.records.engines import InferenceOptions
from cnncli.records.progress import Progress, ProgressBar
from cnncli.text import counted, install_command

_SEED = 0


def require_cleanlab() -> None:
    """Raise MissingPackageError if cleanlab is not installed."""
    if importlib.util.find_spec("cleanlab") is None:
        raise MissingPackageError(
            "--label-errors needs the package cleanlab", install_command("cnncli[labels]")
        )


def require_comparable(data: DataSet) -> None:
    """Raise DataError unless each image has one class, and two classes have two images each, of different groups."""
    if data.tasks:
        raise DataError(
            f"{data.title} has tasks or several labels per image; --label-errors compares classes of which one is right",
            "name one column of labels with --label-column",
        )
    if len(_comparable(data, data.samples)[0]) < 2:  # noqa: PLR2004 - otherwise there is nothing to compare
        message = f"{data.title} has fewer than two classes with two {{}} each: no labels can be compared"
        if any(sample.group for sample in data.samples):
            raise DataError(message.format("groups"), "group by what differs more within a class")
        raise DataError(message.format("images"), "give two classes, with two images each at least")


def find_label_errors(
    data: DataSet, folder: ModelFolder, options: InferenceOptions, progress: Progress, bar: ProgressBar
) -> LabelErrors:
    """The images of a data set whose labels are probably wrong.

    Args:
        data: for which `require_comparable` holds.
        folder: the network whose features are used.
        options: how it runs.
        progress: reports each step.
        bar: opens a progress bar over the images.

    Raises:
        CnncliError: the network cannot run, or too few images can be read.
    """
    with bar(len(data.samples)) as advance:
        embedder = Embedder(folder, EmbedSettings(_SEED, options), progress)
        embeddings = embedder.embed([sample.source for sample in data.samples], 0, advance)
    readable = np.flatnonzero([digest is not None for digest in embeddings.digests])
    classes, kept = _comparable(data, [data.samples[row] for row in readable])
    if len(classes) < 2:  # noqa: PLR2004 - as above
        raise DataError(
            f"{data.title} has fewer than two classes with two readable images each",
            "`cnncli check` says why",
        )
    rows = readable[kept]
    samples = [data.samples[row] for row in rows]
    labels = np.searchsorted(classes, [sample.label for sample in samples])
    with progress.spinner("importing SciPy"):
        from cnncli.training.features.classifiers import Rows
        from cnncli.training.features.held_out import held_out_probabilities
    with progress.activity("comparing images with classifiers of the others"):
        vectors = embeddings.vectors[rows].astype(np.float64)
        probabilities = held_out_probabilities(
            Rows(vectors, labels, len(classes), groups=group_numbers(samples)), _SEED
        )
    with progress.activity("looking for label errors"):
        estimate, order = _rank(labels, probabilities)
    names = [data.class_names[label] for label in classes]
    return LabelErrors(
        folder.card.name,
        len(samples),
        estimate,
        tuple(_suggestion(data, samples[row], names, probabilities[row], labels[row]) for row in order),
        tuple(_remarks(data, len(data.samples) - len(readable), len(readable) - len(rows))),
    )


def _comparable(data: DataSet, samples: Sequence[Sample]) -> tuple[Indices, Indices]:
    """Labels of the classes with two images of different groups, in increasing order, and the indices of their images."""
    labels = np.array([sample.label for sample in samples], np.intp)
    counts = groups_per_class(labels, group_numbers(samples), len(data.class_names))
    return np.flatnonzero(counts > 1), np.flatnonzero(counts[labels] > 1)


def _rank(labels: Indices, probabilities: NDArray[np.float64]) -> tuple[int, Indices]:
    """How many labels are wrong, as estimated, and the images that look more like another class, the worst first."""
    from cleanlab.count import num_label_issues
    from cleanlab.filter import find_label_issues

    order: Indices = find_label_issues(
        labels,
        probabilities,
        filter_by="predicted_neq_given",
        return_indices_ranked_by="self_confidence",
        n_jobs=1,
    )
    return int(num_label_issues(labels, probabilities)), order


def _suggestion(
    data: DataSet, sample: Sample, names: Sequence[str], probabilities: NDArray[np.float64], label: int
) -> LabelSuggestion:
    best = int(probabilities.argmax())
    return LabelSuggestion(
        sample.source,
        data.relative(sample.path),
        names[label],
        names[best],
        float(probabilities[label]),
        float(probabilities[best]),
    )


def _remarks(data: DataSet, unreadable: int, single: int) -> list[str]:
    remarks = [f"not compared: {counted(unreadable, 'unreadable image')}"] if unreadable else []
    if single:
        what = "group" if any(sample.group for sample in data.samples) else "image"
        remarks.append(f"not compared: {counted(single, 'image')} of classes that have only one {what}")
    return remarks
