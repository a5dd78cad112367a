"""Paths to embeddings: each image is read once and goes through the engine once, now or some other time."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnncli.engines.adapters import Halving
from cnncli.engines.engine import Engine, usable_cores
from cnncli.features import store
from cnncli.images.decode import MAX_PIXELS, allow_pixels
from cnncli.images.loader import Reader, ViewReader, batches
from cnncli.networks.model_folder import WEIGHTS, ModelFolder, sha256
from cnncli.prepare import open_engine
from cnncli.records.predictions import ImageSource, Unreadable
from cnncli.records.progress import Progress
from cnncli.records.running import Running


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
    running: Running = field(default_factory=Running)
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


class Embedder:
    """A prepared network that is ready to make embeddings; its engine is opened only if one is not known yet."""

    def __init__(self, folder: ModelFolder, settings: EmbedSettings, progress: Progress) -> None:
        self._folder, self._settings, self._progress = folder, settings, progress
        self._workers = settings.workers or usable_cores()
        self._opened: Engine | None = None
        allow_pixels(settings.max_pixels)

    def embed(
        self, paths: Sequence[str], views: int = 0, advance: Callable[[], None] = lambda: None
    ) -> Embeddings:
        """Embeddings of images and their views.

        Args:
            paths: of image files.
            views: random ones of each image, beside the image itself.
            advance: called once for each image and view.

        Raises:
            CnncliError: the network cannot be run as wished.
        """
        digests = self._digests(paths)
        vectors = np.full((len(paths), 1 + views, self._folder.card.embedding.size), np.nan, np.float32)
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
                todo = [row for row, key in enumerate(keys) if key not in known and row not in unreadable]
                with kept.writing() as keep:
                    for row, made in self._computed(paths, todo, view):
                        advance()
                        if isinstance(made, Unreadable):
                            unreadable[row] = made
                            continue
                        vectors[row, view] = made
                        computed += 1
                        if key := keys[row]:
                            keep(key, made)
        readable = tuple(None if row in unreadable else digest for row, digest in enumerate(digests))
        return Embeddings(vectors, readable, tuple(unreadable[row] for row in sorted(unreadable)), computed)

    def _computed(
        self, paths: Sequence[str], rows: Sequence[int], view: int
    ) -> Iterator[tuple[int, NDArray[np.float32] | Unreadable]]:
        """The embedding of one view of each image, as the engine gives it."""
        if not rows:
            return
        engine, settings = self._engine(), self._settings
        reader = Reader(self._folder.card.preprocessing, settings.max_pixels)
        read = ViewReader(reader, view, settings.seed) if view else reader
        found = (ImageSource(paths[row]) for row in rows)
        place = iter(rows)
        for batch in batches(
            found, read, batch_size=settings.batch_size or engine.batch_size, workers=self._workers
        ):
            vectors = iter(engine.run(batch.pixels).embeddings if len(batch.pixels) else ())
            for entry in batch.entries:
                yield next(place), entry if isinstance(entry, Unreadable) else next(vectors)

    def _engine(self) -> Engine:
        if self._opened is None:
            self._opened = Halving(open_engine(self._folder, self._settings.running, self._progress))
        return self._opened

    def _digests(self, paths: Sequence[str]) -> list[str | None]:
        with ThreadPoolExecutor(self._workers, thread_name_prefix="digest") as pool:
            return list(pool.map(_digest, paths))

    def _identity(self) -> str:
        """Everything that an embedding depends on but the image."""
        card = self._folder.card
        weights = next(facts.sha256 for facts in card.files if facts.name == WEIGHTS)
        precision = self._settings.running.precision
        return json.dumps(
            [weights, asdict(card.preprocessing), card.embedding.layer, precision], sort_keys=True
        )

    def _key(self, digest: str, view: int) -> bytes:
        if not view:
            return bytes.fromhex(digest)
        return hashlib.sha256(f"{digest} view {view} seed {self._settings.seed}".encode()).digest()


def _digest(path: str) -> str | None:
    """None where the file cannot be read; whoever decodes it will say why."""
    try:
        return sha256(Path(path)) if Path(path).is_file() else None
    except (OSError, ValueError):
        return None
