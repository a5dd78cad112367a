"""Embeddings of images and their random views, each computed once and then read from the cache."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, field

import numpy as np
import PIL
from numpy.typing import NDArray

from cnncli.dataclass import frozen_dataclass
from cnncli.engines.cores import usable_cores
from cnncli.engines.select import resolve
from cnncli.features import store
from cnncli.images.augment import FEATURE_VIEWS
from cnncli.images.decode import header
from cnncli.images.digest import sha256
from cnncli.images.threads import reading_pool, reading_threads
from cnncli.images.views import ViewReader
from cnncli.inference import ImageOutput, Session
from cnncli.networks.model_folder import ModelFolder
from cnncli.records.engines import InferenceOptions, Precision
from cnncli.records.predictions import ImageSource, Stamp, Unreadable
from cnncli.records.progress import Deduplicated, Progress


@frozen_dataclass
class EmbedSettings:
    """How embeddings are computed.

    Attributes:
        seed: random seed of the augmented views.
        inference: engine, batches, decoding.
        with_logits: whether the logits come before each embedding.
    """

    seed: int = 0
    inference: InferenceOptions = field(default_factory=InferenceOptions)
    with_logits: bool = False


@frozen_dataclass
class Embeddings:
    """Embeddings of N images.

    Attributes:
        vectors: (N, 1 + views, D) float32: the image itself first, then its views; NaN for unreadable images. (N, 1 + views, K + D)
            with logits.
        digests: SHA-256 of each file, None where it could not be read.
        unreadable: the images that could not be read, in input order.
        computed: images and views that went through the engine; the others were in the cache.
    """

    vectors: NDArray[np.float32]
    digests: tuple[str | None, ...]
    unreadable: tuple[Unreadable, ...]
    computed: int


@frozen_dataclass
class _Content:
    """The SHA-256 of an image file, and its stamp from before it was read."""

    digest: str
    stamp: Stamp


class Embedder:
    """A network that computes embeddings; its engine is opened only if one is missing in the cache."""

    def __init__(self, folder: ModelFolder, settings: EmbedSettings, progress: Progress) -> None:
        self._folder, self._settings, self._progress = folder, settings, Deduplicated(progress)
        self._workers = settings.inference.workers or usable_cores()
        self._session: Session | None = None
        if settings.inference.engine.device not in {"auto", "cpu"}:
            self._open_session()  # reports a device that does not exist even if every embedding is cached

    def embed(
        self, sources: Sequence[ImageSource], views: int = 0, advance: Callable[[], None] = lambda: None
    ) -> Embeddings:
        """Embeddings of images and their views.

        Args:
            sources: N images.
            views: random augmentations of each image, in addition to the image itself.
            advance: called once for each image and view.

        Raises:
            CnncliError: the network cannot run with these options, or overflows.
        """
        contents = self._contents(sources)
        digests = [content.digest if content else None for content in contents]
        vectors = np.full((len(sources), 1 + views, self._width), np.nan, np.float32)
        unreadable: dict[int, Unreadable] = {}
        computed = 0
        with store.open_store(
            self._folder.card.name, self._identity(), vectors.shape[2], self._progress
        ) as cache:
            for view in range(1 + views):
                keys = [self._key(digest, view) if digest else None for digest in digests]
                cached = cache.find(sorted({key for key in keys if key}))
                for row, key in enumerate(keys):
                    if key in cached:
                        vectors[row, view] = cached[key]
                        advance()
                for _ in unreadable:  # their further views are skipped
                    advance()
                todo = [row for row, key in enumerate(keys) if key not in cached and row not in unreadable]
                with cache.writing() as save:
                    for row, output in self._compute(sources, todo, view):
                        advance()
                        if isinstance(output, Unreadable):
                            unreadable[row] = output
                            continue
                        vectors[row, view] = output.values
                        computed += 1
                        content = contents[row]
                        if (key := keys[row]) and content and content.stamp == sources[row].stamp():
                            save(key, output.values)  # the file has not changed since its digest was computed
        readable = tuple(None if row in unreadable else digest for row, digest in enumerate(digests))
        return Embeddings(vectors, readable, tuple(unreadable[row] for row in sorted(unreadable)), computed)

    def _compute(
        self, sources: Sequence[ImageSource], rows: Sequence[int], view: int
    ) -> Iterator[tuple[int, ImageOutput | Unreadable]]:
        """Row and embedding of one view of each image that is not cached."""
        if not rows:
            return
        session = self._open_session()
        read = ViewReader(session.reader, view, self._settings.seed) if view else session.reader
        compute = session.logits_and_embeddings if self._settings.with_logits else session.embeddings
        yield from zip(rows, compute((sources[row] for row in rows), read), strict=True)

    @property
    def _width(self) -> int:
        """The length of a vector."""
        card = self._folder.card
        return card.embedding.size + (len(card.class_names) if self._settings.with_logits else 0)

    def _open_session(self) -> Session:
        if self._session is None:
            self._session = Session(self._folder, self._settings.inference, self._progress)
        return self._session

    def _contents(self, sources: Sequence[ImageSource]) -> list[_Content | None]:
        threads = reading_threads(sources, self._workers)
        with reading_pool(threads, "digest") as pool:
            return list(pool.map(_content, sources))

    def _identity(self) -> str:
        """Everything that an embedding depends on apart from the image: network, preprocessing, engine."""
        card, options = self._folder.card, self._settings.inference
        network = [self._folder.digest, asdict(card.architecture), card.embedding.layer]
        pixels = [asdict(card.preprocessing), options.max_pixels, PIL.__version__, _VERSION]
        engine = options.engine
        if engine.precision is Precision.AUTO:
            engine = resolve(self._folder, engine)
        logits = ["with logits"] if self._settings.with_logits else []
        return json.dumps([network, pixels, asdict(engine), *logits], sort_keys=True)

    def _key(self, digest: str, view: int) -> bytes:
        if not view:
            return bytes.fromhex(digest)
        text = f"{digest} view {view} seed {self._settings.seed} of {FEATURE_VIEWS}"
        return hashlib.sha256(text.encode()).digest()


_VERSION = 2
"""Version of decoding and of views; embeddings cached under another version are ignored."""


_LARGE = 64 << 20
"""Size in bytes of a file from which its header is looked at before all of it is read."""


def _content(source: ImageSource) -> _Content | None:
    """Digest and stamp of an image; None if it cannot be read, in which case the decoder reports why."""
    stamp = source.stamp()
    if not stamp or (stamp.size > _LARGE and isinstance(header(source), Unreadable)):
        return None
    digest = sha256(source)
    return _Content(digest, stamp) if digest else None
