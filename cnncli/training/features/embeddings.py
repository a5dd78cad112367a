"""Embeddings of a labelled data set, split by split."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cnncli.data.folds import Indices, group_numbers
from cnncli.data.labels import answer_text
from cnncli.dataclass import frozen_dataclass
from cnncli.features.embed import Embedder, EmbedSettings
from cnncli.networks.model_folder import ModelFolder
from cnncli.records.data import DataSet, Sample, Split
from cnncli.records.engines import InferenceOptions
from cnncli.records.predictions import Unreadable
from cnncli.records.progress import Progress, ProgressBar
from cnncli.records.tasks import AnswerKind
from cnncli.text import counted, shortlist
from cnncli.training.manifest import UnreadableSample
from cnncli.training.settings import FinetuneSettings


@frozen_dataclass
class EmbeddedSplit:
    """The readable images of a split.

    Attributes:
        samples: N images.
        vectors: (N, 1 + V, D) float32, embeddings of each image and of V random views of it.
        digests: SHA-256 of each file.
    """

    samples: tuple[Sample, ...]
    vectors: NDArray[np.float32]
    digests: tuple[str, ...]

    @property
    def labels(self) -> "np.ndarray[tuple[int], np.dtype[np.intp]]":
        """(N,), the class index of each image."""
        return np.array([sample.label for sample in self.samples], np.intp)

    @property
    def groups(self) -> Indices | None:
        """(N,), number of each image's group; None if none has one."""
        return group_numbers(self.samples)

    def joined(self, other: "EmbeddedSplit") -> "EmbeddedSplit":
        """These images, then those of another split with as many views."""
        return EmbeddedSplit(
            self.samples + other.samples,
            np.concatenate([self.vectors, other.vectors]),
            self.digests + other.digests,
        )

    def subset(self, rows: Indices, split: Split) -> "EmbeddedSplit":
        """The images at some rows, as those of a split."""
        return EmbeddedSplit(
            tuple(dataclasses.replace(self.samples[row], split=split) for row in rows),
            self.vectors[rows],
            tuple(self.digests[row] for row in rows),
        )

    def of_task(self, place: int, kind: AnswerKind) -> "EmbeddedSplit":
        """The images whose labels of a task are known, with these alone; `place` is that of the task among all."""
        rows = [row for row, sample in enumerate(self.samples) if sample.answers[place] is not None]
        return EmbeddedSplit(
            tuple(_of_task(self.samples[row], place, kind) for row in rows),
            self.vectors if len(rows) == len(self.samples) else self.vectors[rows],
            tuple(self.digests[row] for row in rows),
        )


def _of_task(sample: Sample, place: int, kind: AnswerKind) -> Sample:
    """An image with its known labels of a task alone: its class, where exactly one is right."""
    answer = sample.answers[place]
    if kind is AnswerKind.SEVERAL or not answer:
        return dataclasses.replace(sample, answers=(answer,))
    return dataclasses.replace(sample, label=answer[0], answers=())


@frozen_dataclass
class EmbeddedData:
    """A data set and its embeddings.

    Attributes:
        data: the readable images.
        full_data: all images.
        splits: the embeddings.
        unreadable: images that could not be read.
    """

    data: DataSet
    full_data: DataSet
    splits: Mapping[Split, EmbeddedSplit]
    unreadable: Sequence[Unreadable]

    def digest(self) -> str:
        """SHA-256 of a listing of the data: split, class and digest of each file, in sorted order."""
        lines = sorted(
            f"{name}\t{self._label_text(sample)}\t{digest}\n"
            for name, split in self.splits.items()
            for sample, digest in zip(split.samples, split.digests, strict=True)
        )
        return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()

    def _label_text(self, sample: Sample) -> str:
        """The classes of an image, by task if there are some."""
        if not self.data.tasks:
            return self.data.class_names[sample.label]
        answers = zip(self.data.tasks, sample.answers, strict=True)
        return "\t".join(
            answer_text(None if answer is None else [task.class_names[index] for index in answer])
            for task, answer in answers
        )

    def of_task(self, place: int) -> "EmbeddedData":
        """The data of one task, as if there were no other; without tasks, if exactly one of its classes is right."""
        task = self.data.tasks[place]
        splits = {name: split.of_task(place, task.kind) for name, split in self.splits.items()}
        data = dataclasses.replace(
            self.data,
            class_names=task.class_names,
            samples=tuple(sample for split in splits.values() for sample in split.samples),
            tasks=(task,) if task.kind is AnswerKind.SEVERAL else (),
        )
        return EmbeddedData(data, self.full_data, splits, self.unreadable)

    def unreadable_samples(self) -> tuple[UnreadableSample, ...]:
        """The unreadable images with their labels and splits."""
        samples = {sample.path: sample for sample in self.full_data.samples}
        return tuple(
            UnreadableSample(
                self.full_data.relative(record.path),
                samples[record.path].label,
                samples[record.path].split,
                record.reason,
                samples[record.path].answers,
            )
            for record in self.unreadable
        )


def embed_data(
    folder: ModelFolder, data: DataSet, settings: FinetuneSettings, progress: Progress, bar: ProgressBar
) -> EmbeddedData:
    """Compute the embeddings of all images, or read them from the cache.

    Raises:
        CnncliError: the network cannot be run as requested.
    """
    inference = InferenceOptions(
        engine=settings.engine_options,
        batch_size=settings.batch_size,
        max_pixels=settings.max_pixels,
        workers=settings.workers,
    )
    embedder = Embedder(folder, EmbedSettings(settings.seed, inference), progress)
    augmented = settings.augment_features
    views = {Split.TRAIN: augmented, Split.VAL: augmented if settings.folds else 0, Split.TEST: 0}
    splits: dict[Split, EmbeddedSplit] = {}
    unreadable: list[Unreadable] = []
    with bar(sum(len(data.split(split)) * (1 + count) for split, count in views.items())) as advance:
        for split, count in views.items():
            samples = data.split(split)
            embeddings = embedder.embed([sample.source for sample in samples], count, advance)
            rows = [row for row, digest in enumerate(embeddings.digests) if digest]
            splits[split] = EmbeddedSplit(
                tuple(samples[row] for row in rows),
                embeddings.vectors if len(rows) == len(samples) else embeddings.vectors[rows],
                tuple(digest for digest in embeddings.digests if digest),
            )
            unreadable += embeddings.unreadable
    readable = tuple(sample for split in Split for sample in splits[split].samples)
    return EmbeddedData(dataclasses.replace(data, samples=readable), data, splits, unreadable)


def warn_about_data(embedded: EmbeddedData, progress: Progress) -> None:
    """Warn about unreadable images, duplicates across splits, and classes without validation images."""
    for record in embedded.unreadable:
        progress.warning(f"{record.path} is left out: {record.reason}")
    train, val = embedded.splits[Split.TRAIN], embedded.splits[Split.VAL]
    if shared := len(set(train.digests) & set(val.digests)):
        progress.warning(f"{counted(shared, 'image')} in both train and val; `cnncli check` lists the paths")
    counts = zip(embedded.data.class_names, embedded.data.count(Split.VAL), strict=True)
    if missing := [name for name, count in counts if not count]:
        progress.warning(f"no validation images of {shortlist(missing)}: accuracy on them is unknown")
