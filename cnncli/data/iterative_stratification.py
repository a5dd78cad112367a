"""Choose a share of every class where images may have several classes, or none.

K. Sechidis, G. Tsoumakas, I. Vlahavas, "On the Stratification of Multi-Label Data", 2011: the class with the fewest undecided images
is divided next, since a frequent class can still be balanced later. Where the paper draws images at random, the first ones are
chosen here, so that the order of the images decides. (The Python packages for it are no longer maintained, and draw at random.)
"""

from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heappush

_NO_CLASS = -1
"""Stands for the classes of an image that has none."""


def choose_stratified(classes: Sequence[Sequence[int]], share: float) -> Iterator[int]:
    """Indices of the chosen images: of each class at least one where there are two, and never all.

    Args:
        classes: of each image.
        share: of each class, from 0 to 1.
    """
    return _Division([labels or (_NO_CLASS,) for labels in classes], share).choose()


class _Division:
    """The images of which some are chosen.

    Attributes:
        classes: of each image.
        members: indices of the images of each class.
        undecided: number of images of each class that are neither chosen nor passed over.
        unchosen: number of images of each class that are not chosen.
        wanted: number of images of each class that are still to be chosen; below 0 if more were chosen for other classes.
        queue: (number of undecided images, class), a heap; with entries that are out of date.
    """

    def __init__(self, classes: Sequence[Sequence[int]], share: float) -> None:
        self.classes = classes
        self.members: dict[int, list[int]] = {}
        for index, labels in enumerate(classes):
            for label in labels:
                self.members.setdefault(label, []).append(index)
        self.undecided = {label: len(indices) for label, indices in self.members.items()}
        self.unchosen = dict(self.undecided)
        self.wanted = {
            label: min(max(round(share * count), 1), count - 1) for label, count in self.undecided.items()
        }
        self.queue = [(count, label) for label, count in self.undecided.items()]
        heapify(self.queue)

    def choose(self) -> Iterator[int]:
        """Indices of the chosen images, class after class."""
        is_decided = [False] * len(self.classes)
        while self.queue:
            count, label = heappop(self.queue)
            if count != self.undecided[label]:  # the class has been queued again since
                continue
            for index in self.members[label]:
                if not is_decided[index]:
                    is_decided[index] = True
                    if self._decide(index, label):
                        yield index

    def _decide(self, index: int, label: int) -> bool:
        """Whether an image is chosen for a class."""
        labels = self.classes[index]
        is_chosen = self.wanted[label] > 0 and all(self.unchosen[other] > 1 for other in labels)
        for other in labels:
            self.undecided[other] -= 1
            self.unchosen[other] -= is_chosen
            self.wanted[other] -= is_chosen
            if other != label:
                heappush(self.queue, (self.undecided[other], other))
        return is_chosen
