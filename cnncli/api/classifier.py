"""A network as an object: images in, records out."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from cnncli.api.choices import (
    FilePath,
    ImageSize,
    RunOptions,
    in_order,
    inference_options,
    reference,
    require_positive,
)
from cnncli.api.images import ImageLike, image_sources
from cnncli.api.records import Records
from cnncli.api.reports import Listener, Listening
from cnncli.networks.model_folder import ModelFolder, read_folder
from cnncli.networks.predict_settings import PredictSettings
from cnncli.predict import Predictor
from cnncli.prepare import prepare
from cnncli.records.networks import Preprocessing
from cnncli.records.predictions import Unreadable
from cnncli.records.progress import NullProgress, Progress


def load(
    model: FilePath | None = None,
    *,
    topk: int | None = None,
    threshold: float | None = None,
    unfamiliar: float | None = None,
    known: FilePath | None = None,
    classes: str | Sequence[str] | None = None,
    prompt: str | None = None,
    weights: FilePath | None = None,
    labels: FilePath | None = None,
    image_size: ImageSize | None = None,
    offline: bool = False,
    progress: Listener | None = None,
    **run_options: Unpack[RunOptions],
) -> "Classifier":
    """A network that is ready to classify images; it is prepared first if that has not been done.

    Args:
        model: as after `-m`: a run or another model folder, a name in timm or torchvision, `hf-hub:org/name`. None for the
            default model, or the one in the environment variable CNNCLI_MODEL.
        topk: number of classes of a prediction, 5 by default.
        threshold: a class less probable than this is called `unknown`; where several labels can be right, it is left out.
        unfamiliar: share of known images to keep, such as 0.95, where images unlike any class are called `unknown`, with the reason.
        known: folder of known images for `unfamiliar`, needed where the model is no run of fine-tuning.
        classes: the only classes that can be predicted; for a CLIP network, which has no classes of its own, any names.
        prompt: what a CLIP network compares an image with, `{}` being the name of a class.
        weights: file with weights for the network that `model` names.
        labels: file with one class name per line.
        image_size: 224, or (height, width) in pixels; None for the network's own.
        offline: use only what is in the caches.
        progress: called with a message for each step that takes long.
        run_options: device, engine, precision, batch_size, workers, tta, max_pixels, exact_decode; see `RunOptions`.

    Raises:
        CnncliError: there is no such network, or it does not have what is asked for.
    """
    require_positive(topk=topk)
    settings = PredictSettings(
        topk=topk,
        threshold=threshold,
        unfamiliar=unfamiliar,
        known=None if known is None else os.fspath(known),
        classes=None if classes is None else in_order(classes),
        inference=inference_options("load", **run_options),
    )
    listening = Listening(progress)
    named = reference(model, listening, weights, labels, image_size)
    wanted, settings = settings.choose_classes(named, prompt, listening)
    folder = prepare(wanted, listening, is_offline=offline, needs_classes=True)
    return Classifier(folder, settings, listening)


class Classifier:
    """A network that is ready to classify images; `load` opens one.

    It can be pickled: the copy opens the same model folder, with the same options. Several can be used in one process.
    """

    def __init__(self, folder: ModelFolder, settings: PredictSettings, progress: Progress) -> None:
        """Open a model folder.

        Args:
            folder: the network.
            settings: what predictions contain, and how images go through the network.
            progress: reports if torch runs the network because it could not be compiled.

        Raises:
            CnncliError: the network or this machine does not have what the settings ask for.
        """
        self._folder, self._settings, self._progress = folder, settings, progress
        self._predictor = Predictor(folder, settings, progress)

    def __repr__(self) -> str:
        """The name of the network, and its model folder."""
        return f"<cnncli.Classifier {self._folder.card.name}: {self._predictor}>"

    def __reduce__(self) -> tuple[object, ...]:
        """The folder and the options, for `pickle`."""
        return _open, (self._folder.path.resolve(), self._settings)

    @property
    def name(self) -> str:
        """The name of the network."""
        return self._folder.card.name

    @property
    def path(self) -> Path:
        """Its model folder."""
        return self._folder.path

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes that predictions are given in."""
        return tuple(self._predictor.layout.labels)

    @property
    def preprocessing(self) -> Preprocessing:
        """How images become pixels for the network."""
        return self._folder.card.preprocessing

    def predict(self, images: ImageLike | Iterable[ImageLike]) -> Records:
        """A record for each image, in order; images are read as their records are asked for.

        Args:
            images: one or many: paths and URLs of images, folders and archives; bytes of image files; images of Pillow;
                arrays (H, W, 3) or (H, W) uint8.

        Returns:
            An iterator over `Prediction`s, and an `Unreadable` for each image that cannot be read.

        Raises:
            UsageError: something else is among the images.
            NotANumberError: the network overflows on some image.
        """
        return Records(self._predictor.predict(image_sources(images)))

    def embed(self, images: ImageLike | Iterable[ImageLike]) -> NDArray[np.float32]:
        """The embedding of each image: the pooled input of the network's last layer.

        Args:
            images: as for `predict`.

        Returns:
            (N, D) float32, a row for each image, in order; NaN for those that cannot be read.

        Raises:
            UsageError: something else is among the images.
            NotANumberError: the network overflows on some image.
        """
        outputs = self._predictor.session.embeddings(image_sources(images))
        rows = [None if isinstance(output, Unreadable) else output.values for output in outputs]
        size = self._folder.card.embedding.size
        empty = np.full(size, np.nan, np.float32)
        return (
            np.stack([empty if row is None else row for row in rows])
            if rows
            else np.empty((0, size), np.float32)
        )


def _open(path: Path, settings: PredictSettings) -> Classifier:
    return Classifier(read_folder(path), settings, NullProgress())
