"""The features of training images that the run of a trained network keeps."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from cnncli.inference import ImageOutput, InferenceOptions, Session
from cnncli.networks.familiarity import TrainingFeatures
from cnncli.networks.model_folder import ModelFolder
from cnncli.records.data import DataSet, Sample, Split
from cnncli.records.engines import EngineOptions
from cnncli.records.progress import Deduplicated, Progress, ProgressBar
from cnncli.training.familiarity import choose_held_out_images, choose_training_images
from cnncli.training.settings import NetworkSettings

_MOST_IMAGES = 500
"""Training images, and held-out images, whose features are kept: each is run through the network once more for that."""


def store_training_features(
    folder: ModelFolder, data: DataSet, settings: NetworkSettings, progress: Progress, bar: ProgressBar
) -> None:
    """Write features of some training images, and the scores of some validation images, into the folder of a network.

    Args:
        folder: the finished network; it is sealed afterwards.
        data: its images.
        settings: the run's settings.
        progress: reports if no image can be read.
        bar: opens a progress bar over the images.
    """
    train, val = data.split(Split.TRAIN), data.split(Split.VAL)
    chosen = [train[index] for index in choose_training_images(train, _MOST_IMAGES)]
    held_out = [val[index] for index in choose_held_out_images(len(val), _MOST_IMAGES)]
    options = InferenceOptions(
        max_pixels=settings.max_pixels,
        engine=EngineOptions(device=settings.engine_options.device),
        workers=settings.workers,
    )
    session = Session(folder, options, Deduplicated(progress))
    with bar(len(chosen) + len(held_out)) as advance:
        training, scored = (_embed(session, samples, advance) for samples in (chosen, held_out))
    if training is None or scored is None:
        progress.warning("no training features are kept: the images can no longer be read")
        return
    columns = len(folder.card.class_names)
    features = TrainingFeatures.measure(
        training[:, columns:], scored[:, columns:], scored[:, :columns], data.tasks
    )
    features.write(folder.path)


def _embed(
    session: Session, samples: Sequence[Sample], advance: Callable[[], None]
) -> NDArray[np.float32] | None:
    """Logits and embeddings (N, K + D) of the images that can be read; None if there are none."""
    rows = []
    for output in session.logits_and_embeddings(sample.source for sample in samples):
        if isinstance(output, ImageOutput):
            rows.append(output.values)
        advance()
    return np.stack(rows) if rows else None
