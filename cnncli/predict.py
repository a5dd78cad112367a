"""Images to predictions: one record for each input, in input order. Knows nothing of output formats."""

import contextlib
import dataclasses
import hashlib
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cnncli.errors import UsageError
from cnncli.images.sources import ImageInput
from cnncli.inference import ImageOutput, InferenceOptions, Session
from cnncli.logits import top_classes
from cnncli.networks.card import to_json
from cnncli.networks.labels import labels
from cnncli.networks.model_folder import ModelFolder
from cnncli.records.networks import Compilation, ModelCard
from cnncli.records.predictions import UNKNOWN, LabelStyle, Prediction, Record, Score, Unreadable
from cnncli.records.progress import Progress


@dataclass(frozen=True, slots=True)
class PredictSettings:
    """What a prediction contains, and how images go through the network.

    Attributes:
        topk: number of classes of a prediction, most probable first.
        threshold: a class less probable than this is called `unknown`.
        label_style: names, WordNet identifiers or indices as labels.
        inference: engine, batches, decoding.
    """

    topk: int = 5
    threshold: float = 0.0
    label_style: LabelStyle = LabelStyle.NAME
    inference: InferenceOptions = field(default_factory=InferenceOptions)

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise UsageError(f"--threshold {self.threshold} is not a probability", "use a value from 0 to 1")


class Predictor:
    """A prepared network that is ready to classify images."""

    def __init__(self, folder: ModelFolder, settings: PredictSettings, progress: Progress) -> None:
        """Open the network's engine.

        Raises:
            UsageError: a device, an engine or a label style that this network or machine does not have.
        """
        self._folder, self._settings = folder, settings
        self._labels = labels(folder.card, settings.label_style)
        self._session = Session(folder, settings.inference, progress)

    def __str__(self) -> str:
        """Folder, engine, batch size and threads, for `--verbose`."""
        return str(self._session)

    @property
    def card(self) -> ModelCard:
        """The network's card."""
        return self._folder.card

    @property
    def session(self) -> Session:
        """What runs the network."""
        return self._session

    @property
    def labels(self) -> Sequence[str]:
        """The labels of all classes, in the order of the logits."""
        return self._labels

    @property
    def topk(self) -> int:
        """Number of classes per prediction: as many as requested, at most all."""
        return min(self._settings.topk, len(self._labels))

    def identity(self) -> Mapping[str, str | int | float | bool]:
        """Everything that the predictions depend on, apart from the images."""
        options = self._settings.inference
        settings, card = self._settings, self._folder.card
        defining = dataclasses.replace(card, files=(), versions=(), compilation=Compilation(None))
        return {
            "model": card.name,
            "card": hashlib.sha256(to_json(defining).encode()).hexdigest(),
            "weights": self._folder.digest,
            "topk": self.topk,
            "threshold": settings.threshold,
            "label_style": settings.label_style,
            "tta": options.tta,
            "precision": self._session.precision,
            "max_pixels": options.max_pixels,
            "exact_decode": options.exact_decode,
        }

    def predict(self, sources: Iterable[ImageInput | None]) -> Generator[Record]:
        """One record for each input, in input order.

        Args:
            sources: the inputs, from `images.sources`.

        Raises:
            NotANumberError: the network overflows on some image.
        """
        threshold = self._settings.threshold
        with contextlib.closing(self._session.probabilities(sources)) as outputs:
            for output in outputs:
                if isinstance(output, Unreadable):
                    yield output
                else:
                    yield prediction(output, self._labels, topk=self.topk, threshold=threshold)


def prediction(
    output: ImageOutput, class_labels: Sequence[str], *, topk: int, threshold: float
) -> Prediction:
    """The most probable classes of one image.

    Args:
        output: probabilities (K,) of the image.
        class_labels: K labels, in the order of the logits.
        topk: number of classes of a prediction, most probable first; at most K.
        threshold: a class less probable than this is called `unknown`.
    """
    (best,) = top_classes(output.values[None], topk)
    scores = (
        Score(int(index), class_labels[index], float(output.values[index]))
        if output.values[index] >= threshold
        else Score(None, UNKNOWN, float(output.values[index]))
        for index in best
    )
    return Prediction(output.source, tuple(scores))
