"""How well two images match where they show the same: the correlation of their details, after the best alignment.

Both are squares of 48 x 48 grey pixels, whatever their proportions were. Their place in each other is found at a third of the resolution
(`template_matching`), then refined by Gauss-Newton steps together with gain and bias of the brightness (Lucas and Kanade 1981).
What is compared in the end is the difference of each point from its surroundings: smooth shades, such as a sky or an evenly lit
wall, are alike in many photographs, details are not.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from cnncli.retrieval.template_matching import FLAT, SIDE, Boxes, Pixels, Scores, find

_PROMISING = 0.75
"""Least correlation at a third of the resolution; altered copies of photographs had 0.86 and more in 99 of 100 cases."""

_GRID = 24
"""Points per side at which aligned images are compared."""

_STEPS, _LONGEST = 6, 0.06
"""Gauss-Newton steps, and the longest of them, as a share of a side."""

_LEAST, _MOST = np.array([[0.5, 0.5, -0.3, -0.3], [1.1, 1.1, 0.5, 0.5]], np.float32)
"""Limits of a box: height, width, top and left."""

_DAMPING = np.array([1e-4, 1e-4, 1e-4, 1e-4, 1e-7, 1e-7], np.float32)
"""Of height, width, top, left, gain and bias, relative to the trace of the normal equations (Levenberg-Marquardt)."""

_REACH = 2
"""Points to each side that the surroundings of a point extend."""

_RICH = 5.0
"""Effective rank of an image with enough detail: photographs mostly have 4.7 to 6.8, handwritten digits 2.3 to 2.9."""

_POINTS = (np.arange(_GRID, dtype=np.float32) + 0.5) / _GRID
"""The points along a side, as shares of it."""


def likeness(first: Pixels, second: Pixels) -> Scores:
    """(P,): how well the images of each pair match, 1 at best; 0 where it is clear at a third of the resolution that they do not.

    Images with little detail, such as digits or logos, are often alike without being copies. What they lack in correlation counts
    for more, by the fourth power of what they lack in effective rank.

    Args:
        first: (P, 48, 48).
        second: (P, 48, 48).
    """
    views = [(first, second), (first, second[:, :, ::-1]), (second, first), (second, first[:, :, ::-1])]
    matches = [*find(first, second, with_shifts=True), *find(second, first, with_shifts=False)]
    coarse = np.stack([match.scores for match in matches])
    scores = np.zeros(len(first), np.float32)
    for number, (image, part) in enumerate(views):
        rows = np.flatnonzero((coarse.argmax(axis=0) == number) & (coarse[number] >= _PROMISING))
        if len(rows):
            scores[rows] = _aligned_likeness(image[rows], part[rows], matches[number].boxes[rows])
    return scores


def _aligned_likeness(images: Pixels, parts: Pixels, boxes: Boxes) -> Scores:
    """(P,): how well parts match the images in their boxes, which are refined."""
    targets = _View(_WHOLE).sample(parts)
    view = _View(_refine(images, targets, boxes))
    ours, theirs = (_details(values) * view.is_inside for values in (view.sample(images), targets))
    correlations = _correlation(ours, theirs, view.is_inside)
    ranks = np.minimum(_effective_rank(ours), _effective_rank(theirs))
    scores: Scores = 1 - (1 - correlations) * np.maximum(1, (_RICH / ranks) ** 4)
    return np.maximum(scores, 0)


def _refine(images: Pixels, targets: Pixels, boxes: Boxes) -> Boxes:
    """Boxes moved and resized by a few Gauss-Newton steps, to where the correlation was highest."""
    best, scores = boxes, np.full(len(boxes), -1, np.float32)
    for _ in range(_STEPS):
        view = _View(boxes)
        correlations = _correlation(view.sample(images), targets, view.is_inside)
        is_better = correlations > scores
        scores = np.where(is_better, correlations, scores)
        best = np.where(is_better[:, None], boxes, best)
        boxes = _step(images, targets, boxes, view)
    return best


def _step(images: Pixels, targets: Pixels, boxes: Boxes, view: "_View") -> Boxes:
    """Boxes after one step towards gain * target + bias = image, which is linear in the changes of the box."""
    down, right = view.slopes(images)
    columns = [down * _POINTS[:, None], right * _POINTS, down, right, -targets, -np.ones_like(targets)]
    jacobian = np.stack([(column * view.is_inside).reshape(len(boxes), -1) for column in columns], axis=1)
    normal = jacobian @ jacobian.transpose(0, 2, 1)
    normal += (np.trace(normal, axis1=1, axis2=2)[:, None, None] + FLAT) * np.diag(_DAMPING)
    current = view.sample(images).reshape(len(boxes), -1, 1)
    steps = np.linalg.solve(normal, -jacobian @ current)[:, :4, 0]
    moved: Boxes = np.clip(boxes + np.clip(steps, -_LONGEST, _LONGEST), _LEAST, _MOST)
    return moved


class _View:
    """Images at the points of a grid (G, G) in their boxes; each point is a weighted mean of the pixels around, as in a resize.

    Attributes:
        is_inside: (P, G, G) float32, 1 where a point is within the image.
    """

    def __init__(self, boxes: Boxes) -> None:
        """The view of boxes."""
        height, width, top, left = (column[:, None] for column in boxes.T)
        self._rows = _Lines((top + height * _POINTS) * SIDE - 0.5, height)
        self._columns = _Lines((left + width * _POINTS) * SIDE - 0.5, width)
        is_inside = self._rows.is_inside[:, :, None] & self._columns.is_inside[:, None, :]
        self.is_inside = is_inside.astype(np.float32)

    def sample(self, images: Pixels) -> Pixels:
        """(P, G, G): the images."""
        sampled: Pixels = self._rows.weights() @ images @ self._columns.weights().transpose(0, 2, 1)
        return sampled

    def slopes(self, images: Pixels) -> tuple[Pixels, Pixels]:
        """(P, G, G): slopes of the images downwards and to the right, per side."""
        rows, columns = self._rows.weights(), self._columns.weights().transpose(0, 2, 1)
        down, right = (
            self._rows.slopes() @ images @ columns,
            rows @ images @ self._columns.slopes().transpose(0, 2, 1),
        )
        return down, right


class _Lines:
    """Rows or columns through an image.

    Attributes:
        is_inside: (P, G), whether a line is within the image.
    """

    def __init__(self, positions: Pixels, size: Pixels) -> None:
        """The lines.

        Args:
            positions: (P, G), in pixels.
            size: (P, 1), of the box that they divide, as a share of the side.
        """
        self._positions = positions
        self._reach = np.maximum(size * SIDE / _GRID, 1)
        self.is_inside = np.abs(positions - (SIDE - 1) / 2) <= SIDE / 2

    def weights(self, offset: float = 0) -> Pixels:
        """(P, G, SIDE): how much each pixel counts for each line, shifted by some pixels."""
        positions = np.clip(self._positions + offset, 0, SIDE - 1)[:, :, None]
        weights: Pixels = np.maximum(self._reach[:, :, None] - np.abs(positions - _PIXELS), 0)
        weights /= weights.sum(axis=2, keepdims=True)
        return weights

    def slopes(self) -> Pixels:
        """(P, G, SIDE): the same for the slope at each line, per side."""
        return (self.weights(0.5) - self.weights(-0.5)) * SIDE


_PIXELS = np.arange(SIDE, dtype=np.float32)

_WHOLE = np.array([[1, 1, 0, 0]], np.float32)
"""The box of a whole image."""


def _correlation(ours: Pixels, theirs: Pixels, is_inside: Pixels) -> Scores:
    """(P,): normalised correlation of the points that are inside; 0 where there is one shade only."""
    counts = is_inside.sum(axis=(1, 2), keepdims=True)
    ours, theirs = (
        (values - (values * is_inside).sum(axis=(1, 2), keepdims=True) / counts) * is_inside
        for values in (ours, theirs)
    )
    lengths = [np.sqrt(np.einsum("nij,nij->n", values, values)) for values in (ours, theirs)]
    is_flat = np.minimum(*lengths) < FLAT
    correlations: Scores = np.einsum("nij,nij->n", ours, theirs) / np.where(
        is_flat, np.inf, lengths[0] * lengths[1]
    )
    return correlations


def _details(images: Pixels) -> Pixels:
    """The difference of each point from the mean of its surroundings."""
    reach = (_REACH, _REACH)
    padded = np.pad(images, ((0, 0), reach, reach), mode="edge")
    side = 2 * _REACH + 1
    means: Pixels = sliding_window_view(padded, (side, side), axis=(1, 2)).mean(axis=(3, 4))
    return images - means


def _effective_rank(images: Pixels) -> Scores:
    """(P,): participation ratio of the squared singular values, (sum s^2)^2 / sum s^4; 1 for an image of one shade."""
    squares = np.linalg.svd(images, compute_uv=False) ** 2
    ratios: Scores = (squares.sum(axis=1) ** 2 + FLAT) / ((squares**2).sum(axis=1) + FLAT)
    return ratios
