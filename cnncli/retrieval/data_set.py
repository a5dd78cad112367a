"""Near duplicates in a labelled data set: leaks between its splits, and images of one scene in several classes."""

import dataclasses

import numpy as np

from cnncli.data.likeness import LikePair, near_duplicate_findings
from cnncli.engines.cores import usable_cores
from cnncli.features.embed import Embedder, EmbedSettings
from cnncli.networks.model_folder import ModelFolder
from cnncli.records.data import DataHealth
from cnncli.records.engines import InferenceOptions
from cnncli.records.progress import Progress, ProgressBar
from cnncli.retrieval.duplicate_groups import group
from cnncli.retrieval.duplicates import DuplicateOptions, DuplicateSearch, EmbeddedImages


def add_near_duplicates(
    health: DataHealth, folder: ModelFolder, inference: InferenceOptions, progress: Progress, bar: ProgressBar
) -> DataHealth:
    """What was found out about a data set, with its near duplicates; those in different splits come first.

    Args:
        health: the other findings.
        folder: the network whose features propose pairs.
        inference: how it runs.
        progress: reports what is being done.
        bar: opens a progress bar for a number of images.

    Raises:
        CnncliError: the network cannot run with these options.
    """
    samples = health.data.samples
    with bar(len(samples)) as advance:
        embedder = Embedder(folder, EmbedSettings(inference=inference), progress)
        embeddings = embedder.embed([sample.source for sample in samples], advance=advance)
    rows = np.flatnonzero([digest is not None for digest in embeddings.digests])
    if not len(rows):
        return health
    images = EmbeddedImages([samples[row].source for row in rows], embeddings.vectors[rows, 0])
    options = DuplicateOptions(inference.max_pixels, inference.workers or usable_cores())
    with progress.spinner("looking for near duplicates"):
        search = DuplicateSearch(images, None, options, bar)
    with progress.spinner("comparing pixels"):
        duplicates = search.find()
        groups = [
            [int(rows[member.row]) for member in members] for members in group(duplicates, search.select)
        ]
    pairs = [
        LikePair(int(rows[first]), int(rows[second]), round(score, 4))
        for first, second, score, _ in duplicates
    ]
    digests = embeddings.digests
    findings = near_duplicate_findings(
        health.data,
        [pair for pair in pairs if digests[pair.first] != digests[pair.second]],
        [members for members in groups if len({digests[place] for place in members}) > 1],
    )
    ordered = sorted((*findings, *health.findings), key=lambda finding: not finding.is_problem)
    return dataclasses.replace(health, findings=tuple(ordered))
