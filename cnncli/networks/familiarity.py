"""How unlike the images that a network was trained on an image is.

A run keeps features of some training images, and the score of held-out images, of which a share decides the threshold. The score
adds the distance to the nearest of the features, all of length one (Y. Sun et al., "Out-of-distribution detection with deep nearest
neighbors", 2022), and the energy of the logits (`logits.energies`), each standardised on the held-out images: the distance is better on images
that have nothing to do with the classes, the energy on those of similar classes (`benchmarks/unfamiliar.py`). Without such features,
the energy alone is the score.
"""

import math
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import ModelFolderError, UsageError
from cnncli.logits import energies
from cnncli.networks.model_folder import ModelFolder
from cnncli.networks.tensor_files import read_arrays
from cnncli.records.defaults import KNOWN_SHARE
from cnncli.records.networks import FEATURES
from cnncli.records.tasks import Task
from cnncli.text import percent, share_hint

Floats = NDArray[np.float32]

_LEAST_SPREAD = 1e-3
"""Standard deviation below which values count as equal: energies of outputs that are probabilities differ by rounding only."""

_ROWS = 64
"""Images that are compared with all features at a time."""


@frozen_dataclass
class TrainingFeatures:
    """What a run keeps of its images.

    Attributes:
        vectors: (M, D) float16, embeddings of training images, of length one.
        distances: (V,), of held-out images to the nearest of these.
        energies: (V,), of the same images.
    """

    vectors: NDArray[np.float16]
    distances: Floats
    energies: Floats

    @classmethod
    def measure(
        cls, training: Floats, held_out: Floats, logits: Floats, tasks: Sequence[Task]
    ) -> "TrainingFeatures":
        """From embeddings of training images (M, D) and held-out images (V, D), and the logits (V, K) of the latter."""
        vectors = _of_length_one(training).astype(np.float16)
        return cls(vectors, _distances(held_out, vectors), energies(logits, tasks))

    @classmethod
    def read(cls, file: Path, size: int) -> "TrainingFeatures":
        """What is in a file.

        Args:
            file: written by `write`.
            size: D.

        Raises:
            ModelFolderError: it cannot be read, or is not such a file.
        """
        try:
            arrays = read_arrays(file)
            features = cls(**{item.name: arrays[item.name] for item in fields(cls)})
        except (OSError, ValueError, KeyError) as error:
            raise ModelFolderError(f"cannot read {file}: {error}", _AGAIN) from error
        images = len(features.energies)
        shapes = [features.vectors.shape[1:], features.distances.shape, features.energies.shape]
        if shapes != [(size,), (images,), (images,)] or not min(images, len(features.vectors)):
            raise ModelFolderError(f"{file} does not fit its card", _AGAIN)
        return features

    def write(self, folder: Path) -> None:
        """Write it into the folder of a network that is not sealed yet."""
        from safetensors.numpy import save_file

        save_file(
            {item.name: np.ascontiguousarray(getattr(self, item.name)) for item in fields(self)},
            folder / FEATURES,
        )

    def scores(self, logits: Floats, embeddings: Floats, tasks: Sequence[Task]) -> Floats:
        """Scores (N,) of images with these logits (N, K) and embeddings (N, D)."""
        return self._add(self.distances_of(embeddings), energies(logits, tasks))

    def distances_of(self, embeddings: Floats) -> Floats:
        """Distances (N,) of images with these embeddings (N, D) to the nearest training image."""
        return _distances(embeddings, self.vectors)

    def held_out_scores(self) -> Floats:
        """Scores (V,) of the held-out images."""
        return self._add(self.distances, self.energies)

    def _add(self, distances: Floats, energies_: Floats) -> Floats:
        return _standardise(distances, self.distances) + _standardise(energies_, self.energies)


_AGAIN = "fine-tune the network again"


def _of_length_one(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Floats = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return scaled


def _distances(embeddings: Floats, vectors: NDArray[np.float16]) -> Floats:
    """(N,): distances of embeddings (N, D), scaled to length one, to the nearest of M vectors (M, D)."""
    scaled, others = _of_length_one(embeddings), vectors.astype(np.float32)
    cosines = [(scaled[row : row + _ROWS] @ others.T).max(axis=1) for row in range(0, len(scaled), _ROWS)]
    distances: Floats = np.sqrt(np.maximum(2 - 2 * np.concatenate(cosines), 0))
    return distances


def _standardise(values: Floats, reference: Floats) -> Floats:
    """Values less the mean of a reference, in its standard deviations; 0 where the reference does not vary."""
    spread = float(reference.std())
    if spread < _LEAST_SPREAD:
        return np.zeros_like(values)
    standardised: Floats = (values - reference.mean()) / spread
    return standardised


@frozen_dataclass
class Detector:
    """Scores images by how unlike those of a network they are; high means unlike.

    Attributes:
        model: name of the network.
        tasks: of the network.
        features: what its run keeps of its images; None for the energy alone.
    """

    model: str
    tasks: Sequence[Task]
    features: TrainingFeatures | None

    @classmethod
    def open(cls, folder: ModelFolder) -> "Detector":
        """That of a network.

        Raises:
            ModelFolderError: what its run keeps of its images is damaged.
        """
        file, card = folder.training_features, folder.card
        features = TrainingFeatures.read(file, card.embedding.size) if file else None
        return cls(card.name, card.tasks, features)

    @property
    def method(self) -> str:
        """What the score is, as text."""
        return "distance to training features and energy of logits" if self.features else "energy of logits"

    def scores(self, logits: Floats, embeddings: Floats) -> Floats:
        """Scores (N,) of images with these logits (N, K) and embeddings (N, D)."""
        if self.features is None:
            return energies(logits, self.tasks)
        return self.features.scores(logits, embeddings, self.tasks)

    def threshold(self, share: float, known: Floats | None = None) -> float:
        """The score above which an image is unfamiliar, so that at least a share of images like known ones is kept.

        Args:
            share: from 0 to 1.
            known: scores of known images that were not trained on; None for the held-out images of the run.

        Raises:
            UsageError: there are none, or too few.
        """
        if known is None:
            if self.features is None:
                raise UsageError(
                    f"{self.model} has no training features, which only runs of finetune keep",
                    "--known FOLDER, with some images of its classes, makes do with the energy of its logits, which is a weaker sign",
                )
            known = self.features.held_out_scores()
        # So that one more such image is kept with at least this probability; rounded, as 0.07 * 100 is more than 7.
        rank = math.ceil(round(share * (len(known) + 1), 9))
        if rank > len(known):
            raise UsageError(
                f"{len(known)} known images are too few to keep {percent(share)} of them",
                f"use a smaller share; `predict --known FOLDER` takes others, at least {math.ceil(share / (1 - share)):,}",
            )
        if np.ptp(known) < _LEAST_SPREAD:
            raise UsageError(
                f"{self.model} scores all known images alike, as networks do whose outputs are probabilities",
                "use a run of `cnncli finetune`",
            )
        return float(np.sort(known)[rank - 1])


@frozen_dataclass
class Limit:
    """Tells unfamiliar images from known ones: those with a score above `threshold`."""

    detector: Detector
    threshold: float

    def reason(self, score: float) -> str | None:
        """Why an image with this score is unfamiliar; None for an image that is not."""
        if score <= self.threshold:
            return None
        like = "the training images" if self.detector.features else "known images"
        return f"unlike {like} (score {score:.2f}, threshold {self.threshold:.2f})"


def require_known_share(share: float) -> None:
    """Check the share of known images to keep.

    Raises:
        UsageError: it is not between 0 and 1.
    """
    if not 0 < share < 1:  # also NaN
        raise UsageError(
            f"--unfamiliar {share:g} is not a share between 0 and 1",
            share_hint(share) or f"e.g. {KNOWN_SHARE}",
        )


def require_single_view(*, is_averaged: bool) -> None:
    """Check that outputs are not averaged over views of each image, which have no logits, and so no energy.

    Raises:
        UsageError: they are.
    """
    if is_averaged:
        raise UsageError("--tta does not work with --unfamiliar and --others", "leave out --tta")
