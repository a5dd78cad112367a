"""What is suggested about the labels of a data set, and changed."""

from cnncli.dataclass import frozen_dataclass
from cnncli.records.predictions import ImageSource


@frozen_dataclass
class LabelSuggestion:
    """An image that looks more like another class than its own.

    Attributes:
        source: the image.
        path: relative to the data's root.
        label, suggested: name of its class, and of the one that it looks like.
        score: probability of its class, by a classifier that has not seen it; the lower, the more likely its label is wrong.
        suggested_score: that of the other class.
    """

    source: ImageSource
    path: str
    label: str
    suggested: str
    score: float
    suggested_score: float


@frozen_dataclass
class LabelErrors:
    """The images of a data set whose labels may be wrong.

    Attributes:
        model: name of the network whose features the classifiers learn from.
        images: number of images that were compared.
        estimate: how many labels are wrong, as estimated by confident learning.
        suggestions: the images that look more like another class, the most suspicious first.
        remarks: what was not compared, one line each.
    """

    model: str
    images: int
    estimate: int
    suggestions: tuple[LabelSuggestion, ...]
    remarks: tuple[str, ...]


@frozen_dataclass
class LabelChange:
    """An image that gets another label.

    Attributes:
        source: the image.
        path: relative to the data's root.
        label, suggested: its label, and the one that it gets.
        target: where it is moved, relative to the data's root; empty in a list.
    """

    source: ImageSource
    path: str
    label: str
    suggested: str
    target: str = ""
