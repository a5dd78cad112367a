"""Which unlabelled images to label next: those that the network is unsure of, and that differ from each other.

F. Zhdanov, "Diverse mini-batch Active Learning", 2019: of the images with the smallest margins, ten times as many as wanted, k-means
weighted by how small the margins are makes as many clusters as wanted, and the image closest to each centre is chosen.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnncli.data.folds import Indices
from cnncli.data.split_matching import match_splits
from cnncli.dataclass import frozen_dataclass
from cnncli.errors import InputError
from cnncli.features.embed import Embedder, EmbedSettings
from cnncli.logits import probabilities
from cnncli.networks.model_folder import ModelFolder
from cnncli.records.data import NO_LABEL, DataSet, Sample
from cnncli.records.engines import InferenceOptions
from cnncli.records.predictions import ImageSource, Unreadable
from cnncli.records.progress import Progress, ProgressBar
from cnncli.records.tasks import AnswerKind, Task, columns_of
from cnncli.text import counted

Values = NDArray[np.float32]

PRESELECTION = 10
"""How many times as many uncertain images are clustered as are chosen: the paper's beta."""

_LEAST_WEIGHT = 1e-6
_SEED = 0


@frozen_dataclass
class NextImages:
    """The images to label next.

    Attributes:
        sources: the images, the most uncertain first.
        uncertainties: of each, from 0 to 1.
        unlabelled: number of readable images that they were chosen from.
        unreadable: images that could not be read.
    """

    sources: tuple[ImageSource, ...]
    uncertainties: tuple[float, ...]
    unlabelled: int
    unreadable: tuple[Unreadable, ...]


def choose_next(
    sources: Sequence[ImageSource],
    run: Path,
    folder: ModelFolder,
    count: int,
    options: InferenceOptions,
    progress: Progress,
    bar: ProgressBar,
) -> NextImages:
    """Choose the images to label next.

    Args:
        sources: images, of which some may be in the run's data.
        run: the run's folder, whose splits.csv lists the images that have labels, if it has one.
        folder: the network, with classes.
        count: number of images to choose.
        options: how the network runs.
        progress: reports what is left out, and each step.
        bar: opens a progress bar over the images.

    Raises:
        InputError: all images are labelled, or none can be read.
        CnncliError: the network cannot run as requested.
    """
    with progress.activity("comparing with the images of the run"):
        unlabelled = _unlabelled(sources, run, progress)
    with bar(len(unlabelled)) as advance:
        embedder = Embedder(folder, EmbedSettings(_SEED, options, with_logits=True), progress)
        outputs = embedder.embed(unlabelled, 0, advance)
    readable = np.flatnonzero([digest is not None for digest in outputs.digests])
    if not len(readable):
        first = outputs.unreadable[0]
        raise InputError(
            f"none of {counted(len(unlabelled), 'image')} can be read: {first.path}: {first.reason}"
        )
    classes, tasks = len(folder.card.class_names), folder.card.tasks
    values = outputs.vectors[readable, 0]
    doubts = uncertainties(probabilities(values[:, :classes], tasks), tasks)
    with progress.activity("choosing images"):
        chosen = choose_diverse(doubts, values[:, classes:], count)
    return NextImages(
        tuple(unlabelled[readable[row]] for row in chosen),
        tuple(float(doubts[row]) for row in chosen),
        len(readable),
        outputs.unreadable,
    )


def _unlabelled(sources: Sequence[ImageSource], run: Path, progress: Progress) -> list[ImageSource]:
    """The images that a run does not know."""
    samples = tuple(Sample(source, NO_LABEL, None) for source in sources)
    known = match_splits(DataSet("", "", (), samples), [run])
    for remark in known.remarks:
        progress.warning(remark)
    unlabelled = [source for source in sources if source.path not in known.splits]
    if not unlabelled:
        raise InputError(
            f"all {counted(len(sources), 'image')} are in the data of {run} already: nothing is left to label",
            "give other images",
        )
    if labelled := len(sources) - len(unlabelled):
        progress.notice(f"left out: {counted(labelled, 'image')} in the data of {run}")
    return unlabelled


def uncertainties(shares: Values, tasks: Sequence[Task]) -> Values:
    """(N,), one minus the margin between the two most probable classes, the mean over tasks.

    Where several classes can be right, the margin is that of the least certain class between having and lacking it.

    Args:
        shares: (N, K), probabilities of the classes of all tasks.
        tasks: of the network.
    """
    if not tasks:
        return _small_margins(shares)
    columns = zip(tasks, columns_of(tasks), strict=True)
    parts = [
        1 - np.abs(2 * shares[:, place] - 1).min(axis=1)
        if task.kind is AnswerKind.SEVERAL
        else _small_margins(shares[:, place])
        for task, place in columns
    ]
    mean: Values = np.mean(parts, axis=0)
    return mean


def _small_margins(shares: Values) -> Values:
    """(N,), one minus the margin between the two largest of K probabilities in each row; 0 where there is only one."""
    if shares.shape[1] == 1:
        return np.zeros(len(shares), np.float32)
    best = np.partition(shares, -2, axis=1)[:, -2:]
    margins: Values = 1 - (best[:, 1] - best[:, 0])
    return margins


def choose_diverse(doubts: Values, embeddings: Values, count: int) -> Indices:
    """Rows of uncertain images that differ from each other, the most uncertain first.

    Args:
        doubts: (N,), from 0 to 1.
        embeddings: (N, D).
        count: number of rows; all N if it is larger.
    """
    order: Indices = np.argsort(-doubts, kind="stable")
    if count >= len(order):
        return order
    from sklearn.cluster import KMeans

    likely = order[: PRESELECTION * count]
    vectors = embeddings[likely]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about identical images
        clusters = KMeans(count, n_init=1, random_state=_SEED)
        clusters.fit(vectors, sample_weight=np.maximum(doubts[likely], _LEAST_WEIGHT))
    distances = np.linalg.norm(vectors - clusters.cluster_centers_[clusters.labels_], axis=1)
    by_cluster = np.lexsort((distances, clusters.labels_))
    closest = by_cluster[np.unique(clusters.labels_[by_cluster], return_index=True)[1]]
    others = np.setdiff1d(np.arange(len(likely)), closest)  # identical images leave clusters empty
    chosen: Indices = likely[np.sort(np.concatenate([closest, others[: count - len(closest)]]))]
    return chosen
