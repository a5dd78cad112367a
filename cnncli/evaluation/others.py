"""How well a network tells images of its classes from others: the figures of `--unfamiliar`."""

import os
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from cnncli.errors import DataError, UsageError
from cnncli.evaluation.metrics import accuracy
from cnncli.images.sources import require_images
from cnncli.inference import ImageOutput, Session
from cnncli.networks.familiarity import Detector, require_known_share, require_single_view
from cnncli.networks.model_folder import ModelFolder
from cnncli.records.data import DataSet
from cnncli.records.engines import InferenceOptions
from cnncli.records.evaluation import Accuracy, OthersEvaluation
from cnncli.records.predictions import ImageSource
from cnncli.records.progress import Progress, ProgressBar
from cnncli.text import counted

Scores = NDArray[np.float32]


def require_others(
    path: str, share: float, data: DataSet, folders: Sequence[ModelFolder], options: InferenceOptions
) -> None:
    """Check, before any network runs, that others can be told apart from the images of a data set.

    Args:
        path: the folder of the others.
        share: of known images to keep.
        data: the known images.
        folders: the networks.
        options: how they run.

    Raises:
        CnncliError: there are no others, they are in the data, or the networks or options do not allow it.
    """
    require_known_share(share)
    require_single_view(is_averaged=options.tta)
    if len(folders) > 1:
        raise UsageError("--others works with one model", "evaluate each model by itself")
    others = {os.path.realpath(image.path) for image in require_images(path, "--others")}
    if shared := sum(os.path.realpath(sample.path) in others for sample in data.samples):
        raise UsageError(
            f"--others {path} has {counted(shared, 'image')} of {data.title} itself",
            "give a folder of images that show none of the classes",
        )
    detector = Detector.open(folders[0])
    if detector.features:
        detector.threshold(share)


def evaluate_others(
    path: str,
    share: float,
    folder: ModelFolder,
    known: Sequence[ImageSource],
    options: InferenceOptions,
    progress: Progress,
    bar: ProgressBar,
) -> OthersEvaluation:
    """Run known images and others through a network.

    The threshold is that of `predict --unfamiliar`. For a network without training features, it keeps the share of the known images here.

    Args:
        path: the folder of the others.
        share: of known images to keep.
        folder: the network.
        known: images of its classes.
        options: how it runs.
        progress: reports others that cannot be read.
        bar: opens a progress bar over the images.

    Raises:
        DataError: none of the others can be read.
    """
    detector, session = Detector.open(folder), Session(folder, options, progress)
    others = require_images(path, "--others")
    with bar(len(known) + len(others)) as advance:
        known_scores, scores = (_scores(session, detector, images, advance) for images in (known, others))
    if not len(scores):
        raise DataError(
            f"--others {path}: no image can be read", "run `cnncli predict` on it to find out why"
        )
    if unreadable := len(others) - len(scores):
        progress.warning(f"{unreadable:,} of {counted(len(others), 'image')} in {path} cannot be read")
    if detector.features:
        threshold = detector.threshold(share)
    else:
        progress.notice(
            f"{detector.model} has no training features; the energy of its logits, which is used instead, is a weaker sign"
        )
        threshold = float(np.quantile(known_scores, share, method="inverted_cdf"))
    return OthersEvaluation(
        path,
        unreadable,
        detector.method,
        auroc(known_scores, scores),
        share,
        threshold,
        kept=_share(known_scores <= threshold),
        rejected=_share(scores > threshold),
    )


def _scores(
    session: Session, detector: Detector, images: Sequence[ImageSource], advance: Callable[[], None]
) -> Scores:
    """Scores (N,) of the images that can be read."""
    scores = []
    for output in session.scores(images, detector.scores):
        if isinstance(output, ImageOutput):
            scores.append(output.values[0])
        advance()
    return np.array(scores, np.float32)


def auroc(known: Scores, others: Scores) -> float:
    """The probability that one of the others has a higher score than a known image; equal ones count half."""
    order = np.sort(known)
    below, upto = (np.searchsorted(order, others, side) for side in ("left", "right"))
    return float((below + upto).mean() / (2 * len(known)))


def _share(holds: NDArray[np.bool_]) -> Accuracy:
    return accuracy(holds.astype(np.intp), np.ones(len(holds), np.intp))
