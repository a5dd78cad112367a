"""The features of training images that the run of a trained network keeps."""

import numpy as np
from numpy.typing import NDArray

from cnncli.inference import ImageOutput, Session
from cnncli.networks.familiarity import TrainingFeatures
from cnncli.records.data import DataSet, Split
from cnncli.records.progress import Progress, ProgressBar
from cnncli.training.familiarity import choose_training_images

_FEWEST_IMAGES, _PER_CLASS, _MOST_IMAGES = 50, 20, 500
"""Training images whose features are kept: so many of each class, but no fewer and no more in all. Each is run through the network
once more for that. With all 243 images of ants_bees instead of 50, the AUROC is 0.5 points higher."""


def store_training_features(
    session: Session, data: DataSet, held_out: NDArray[np.float32], progress: Progress, bar: ProgressBar
) -> None:
    """Write features of some training images, and the scores of some validation images, into the folder of a network.

    Args:
        session: the finished network, whose folder is sealed afterwards.
        data: its images.
        held_out: (V, K + D), logits and embeddings of some validation images.
        progress: reports if no image can be read.
        bar: opens a progress bar over the images.
    """
    card, train = session.folder.card, data.split(Split.TRAIN)
    classes = len(card.class_names)
    most = int(np.clip(_PER_CLASS * classes, _FEWEST_IMAGES, _MOST_IMAGES))
    vectors = []
    with bar(min(most, len(train))) as advance:
        sources = (train[number].source for number in choose_training_images(train, most))
        for output in session.embeddings(sources):
            if isinstance(output, ImageOutput):
                vectors.append(output.values)
            advance()
    if not vectors or not len(held_out):
        progress.warning("no training features are kept: the images can no longer be read")
        return
    logits, embeddings = np.split(held_out, [classes], axis=1)
    features = TrainingFeatures.measure(np.stack(vectors), embeddings, logits, data.tasks)
    features.write(session.folder.path)
