"""Paths to embeddings: each image is read once and goes through the engine once, now or some other time."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from importlib import metadata

import numpy as np
from numpy.typing import NDArray

from cnncli.engines.adapters import RetryOnOom
from cnncli.engines.engine import Engine, usable_cores
from cnncli.errors import NotANumberError
from cnncli.features import store
from cnncli.images.augment import FEATURE_VIEWS
from cnncli.images.decode import MAX_PIXELS, allow_pixels
from cnncli.images.digest import sha256
from cnncli.images.loader import Reader, ViewReader, batches
from cnncli.networks.model_folder import ModelFolder
from cnncli.prepare import open_engine
from cnncli.records.engines import EngineOptions
from cnncli.records.predictions import ImageSource, Stamp, Unreadable
from cnncli.records.progress import Deduplicated, Progress


@dataclass(frozen=True, slots=True)
class EmbedSettings:
    """How embeddings are made.

    Attributes:
        seed: of random views.
        max_pixels: larger images are not decoded.
        running: engine, device, precision.
        batch_size: images at a time; None leaves it to the engine.
        workers: threads that decode; None is one a core.
    """

    seed: int = 0
    max_pixels: int = MAX_PIXELS
    running: EngineOptions = field(default_factory=EngineOptions)
    batch_size: int | None = None
    workers: int | None = None


@dataclass(frozen=True, slots=True)
class Embeddings:
    """What became of some images.

    Attributes:
        vectors: (N, 1 + views, D) float32: the image itself first; rows of unreadable ones hold no numbers.
        digests: SHA-256 of each file, None where it could not be read.
        unreadable: the others, in input order.
        computed: images and views that went through the engine; the rest was known.
    """

    vectors: NDArray[np.float32]
    digests: tuple[str | None, ...]
    unreadable: tuple[Unreadable, ...]
    computed: int


@dataclass(frozen=True, slots=True)
class _Content:
    """The SHA-256 of an image file, and its stamp from before it was read."""

    digest: str
    stamp: Stamp


class Embedder:
    """A prepared network that is ready to make embeddings; its engine is opened only if one is not known yet."""

    def __init__(self, folder: ModelFolder, settings: EmbedSettings, progress: Progress) -> None:
        self._folder, self._settings, self._progress = folder, settings, Deduplicated(progress)
        self._workers = settings.workers or usable_cores()
        self._opened: Engine | None = None
        allow_pixels(settings.max_pixels)
        if settings.running.device not in {"auto", "cpu"}:
            self._engine()  # a device that is not there is to be told of, though all may be known

    def embed(
        self, sources: Sequence[ImageSource], views: int = 0, advance: Callable[[], None] = lambda: None
    ) -> Embeddings:
        """Embeddings of images and their views.

        Args:
            sources: N images.
            views: random ones of each image, beside the image itself.
            advance: called once for each image and view.

        Raises:
            CnncliError: the network cannot be run as wished.
        """
        contents = self._contents(sources)
        digests = [content.digest if content else None for content in contents]
        vectors = np.full((len(sources), 1 + views, self._folder.card.embedding.size), np.nan, np.float32)
        unreadable: dict[int, Unreadable] = {}
        computed = 0
        with store.opened(self._folder.card.name, self._identity(), vectors.shape[2], self._progress) as kept:
            for view in range(1 + views):
                keys = [self._key(digest, view) if digest else None for digest in digests]
                known = kept.find(sorted({key for key in keys if key}))
                for row, key in enumerate(keys):
                    if key in known:
                        vectors[row, view] = known[key]
                        advance()
                for _ in unreadable:  # whose further views nobody will see
                    advance()
                todo = [row for row, key in enumerate(keys) if key not in known and row not in unreadable]
                with kept.writing() as keep:
                    for row, made in self._computed(sources, todo, view):
                        advance()
                        if isinstance(made, Unreadable):
                            unreadable[row] = made
                            continue
                        vectors[row, view] = made
                        computed += 1
                        content = contents[row]
                        if (key := keys[row]) and content and content.stamp == sources[row].stamp():
                            keep(key, made)  # it is still the file whose digest was taken
        readable = tuple(None if row in unreadable else digest for row, digest in enumerate(digests))
        return Embeddings(vectors, readable, tuple(unreadable[row] for row in sorted(unreadable)), computed)

    def _computed(
        self, sources: Sequence[ImageSource], rows: Sequence[int], view: int
    ) -> Iterator[tuple[int, NDArray[np.float32] | Unreadable]]:
        """The embedding of one view of each image, as the engine gives it."""
        if not rows:
            return
        engine, settings = self._engine(), self._settings
        reader = Reader(self._folder.card.preprocessing, settings.max_pixels)
        read = ViewReader(reader, view, settings.seed) if view else reader
        found = (sources[row] for row in rows)
        place = iter(rows)
        for batch in batches(
            found, read, batch_size=settings.batch_size or engine.batch_size, workers=self._workers
        ):
            vectors = iter(finite(engine.run(batch.pixels).embeddings) if len(batch.pixels) else ())
            for entry in batch.entries:
                yield next(place), entry if isinstance(entry, Unreadable) else next(vectors)

    def _engine(self) -> Engine:
        if self._opened is None:
            self._opened = RetryOnOom(open_engine(self._folder, self._settings.running, self._progress))
        return self._opened

    def _contents(self, sources: Sequence[ImageSource]) -> list[_Content | None]:
        with ThreadPoolExecutor(self._workers, thread_name_prefix="digest") as pool:
            return list(pool.map(_content, sources))

    def _identity(self) -> str:
        """Everything that an embedding depends on but the image: network, pixels, arithmetic."""
        card, settings = self._folder.card, self._settings
        network = [self._folder.digest, asdict(card.architecture), card.embedding.layer]
        pixels = [asdict(card.preprocessing), settings.max_pixels, metadata.version("pillow"), _RULES]
        return json.dumps([network, pixels, asdict(settings.running)], sort_keys=True)

    def _key(self, digest: str, view: int) -> bytes:
        if not view:
            return bytes.fromhex(digest)
        told = f"{digest} view {view} seed {self._settings.seed} of {FEATURE_VIEWS}"
        return hashlib.sha256(told.encode()).digest()


_RULES = 2
"""Of decoding and of views; another number forgets what was computed under others."""


def _content(source: ImageSource) -> _Content | None:
    """None where the image cannot be read; the decoder reports why."""
    stamp = source.stamp()
    digest = sha256(source) if stamp else None
    return _Content(digest, stamp) if stamp and digest else None


def finite(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same vectors.

    Raises:
        NotANumberError: one of them overflows.
    """
    if not np.isfinite(vectors).all():
        raise NotANumberError(
            "the network's features of some image are no numbers",
            "try --precision fp32 or bf16, whose range is wider than that of fp16",
        )
    return vectors
