"""A classifier on features and its network, written as a run."""

import contextlib
import dataclasses
from pathlib import Path

import numpy as np

from cnncli.data.splits import splits_table
from cnncli.errors import DataError
from cnncli.evaluation.tables import unreadable as unreadable_table
from cnncli.images.loader import ImageReader
from cnncli.images.preprocess import Pixels
from cnncli.networks.dependencies import package_versions
from cnncli.networks.familiarity import TrainingFeatures
from cnncli.networks.model_folder import ModelFolder
from cnncli.records.data import DataSet, Split
from cnncli.records.networks import Compilation, ModelCard, PackageVersion
from cnncli.records.predictions import Unreadable
from cnncli.records.progress import Progress, ProgressBar
from cnncli.records.training import FinetuneResult
from cnncli.training import report, run_folder
from cnncli.training.familiarity import choose_held_out_images, choose_training_images
from cnncli.training.features.class_search import split_logits
from cnncli.training.features.embeddings import EmbeddedSplit
from cnncli.training.features.fit import FeatureSearch, search_classifiers
from cnncli.training.features.publication import ClassPublication, Publication, TaskPublication
from cnncli.training.features.replace_head import write_with_new_head
from cnncli.training.features.task_search import TaskSearch
from cnncli.training.preparation import Stopwatch, find_images
from cnncli.training.settings import FeatureSettings, FinetuneSettings, record_settings

_VERIFIED_IMAGES = 8
"""Images on which the finished network is compared with the network and the classifier that it consists of."""


def finetune_features(
    settings: FeatureSettings, stopwatch: Stopwatch, bar: ProgressBar, *, is_offline: bool = False
) -> FinetuneResult:
    """Fit a classifier to a network's embeddings of labelled images, and write both as a model folder.

    Args:
        settings: the run's settings.
        stopwatch: times and reports each step, and what is left out.
        bar: opens a progress bar over the images.
        is_offline: download nothing.

    Raises:
        CnncliError: the data or the network cannot be used, or the run cannot be written.
    """
    with contextlib.ExitStack() as locks:
        data, target = find_images(settings, stopwatch, locks)
        search = search_classifiers(settings, data, target, stopwatch, bar, is_offline=is_offline)
        return write_run(search, settings, stopwatch)


def write_run(search: FeatureSearch, settings: FinetuneSettings, stopwatch: Stopwatch) -> FinetuneResult:
    """Write the best classifier and its network as a run; pictures that cannot be written are warnings.

    Raises:
        CnncliError: it cannot be written.
    """
    with stopwatch.measure("writing network and report"):
        publication = _publication(search, settings)
        path = _write_folder(search, publication, settings, stopwatch.progress)
    return publication.result(path)


def _publication(search: FeatureSearch, settings: FinetuneSettings) -> Publication:
    result = search.result
    if isinstance(result, TaskSearch):
        return TaskPublication.create(search, result, settings)
    return ClassPublication.create(search, result)


def _write_folder(
    search: FeatureSearch, publication: Publication, settings: FinetuneSettings, progress: Progress
) -> Path:
    """Write everything, and return the run's final path."""
    folder, data, name = search.folder, search.embedded.data, search.target.path.name
    val, unreadable = search.embedded.splits[Split.VAL], search.embedded.unreadable
    recorded = record_settings(
        settings, folder.card.name, folder.card.weights_origin, search.embedded.digest()
    )
    tables = [
        splits_table(data),
        *publication.tables(),
        *unreadable_table(report.with_relative_paths(data, unreadable)),
    ]
    with run_folder.draft_run(search.target) as draft:
        _training_features(search, publication).write(draft)
        card = publication.complete(_card(folder, name, data))
        write_with_new_head(draft, folder, publication.head, card, _first_pixels(folder, val, settings))
        run_folder.write_files(draft, tables, recorded)
        publication.scores.write_pictures(draft, data, progress)
        report.write(
            draft,
            name,
            search.embedded.full_data,
            (publication.scores.val, publication.scores.test),
            publication.summary(),
            recorded,
            unreadable,
            progress,
        )
        return run_folder.install_run(draft, search.target)


def _training_features(search: FeatureSearch, publication: Publication) -> TrainingFeatures:
    """What the run keeps of its images, to tell unfamiliar ones."""
    train, val = search.embedded.splits[Split.TRAIN], search.embedded.splits[Split.VAL]
    held_out = choose_held_out_images(len(val.samples))
    return TrainingFeatures.measure(
        train.vectors[choose_training_images(train.samples), 0],
        val.vectors[held_out, 0],
        split_logits(publication.head, val)[held_out],
        search.embedded.data.tasks,
    )


def _first_pixels(folder: ModelFolder, split: EmbeddedSplit, settings: FinetuneSettings) -> Pixels:
    """(N, C, H, W) of the first few images of a split."""
    read = ImageReader(folder.card.preprocessing, settings.max_pixels)
    images = [read(sample.source) for sample in split.samples[:_VERIFIED_IMAGES]]
    readable = [image for image in images if not isinstance(image, Unreadable)]
    if not readable:
        raise DataError(
            f"{split.samples[0].path} can no longer be read", "do not change data while it is in use"
        )
    return np.stack(readable)


def _card(folder: ModelFolder, name: str, data: DataSet) -> ModelCard:
    """The run's card without what the classifier adds; `write_with_new_head` adapts what depends on it."""
    origin = folder.card.weights_origin
    return dataclasses.replace(
        folder.card,
        name=name,
        class_names=data.class_names,
        tasks=(),
        synsets=None,
        weights_origin=f"{folder.card.name} ({origin})",
        compilation=Compilation(None),
        files=(),
        versions=tuple(PackageVersion(*item) for item in package_versions().items()),
    )
