"""An image with the name of its class, and the data set that such images make up."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cnncli.records.data import DataSet, Sample, Split
from cnncli.records.predictions import ImageSource
from cnncli.text import nfc, path_text


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """An image and the name of its class."""

    source: ImageSource
    label: str
    split: Split | None

    @property
    def path(self) -> str:
        return self.source.path


def build_data_set(name: str, root: str, images: Sequence[LabelledImage], remarks: Iterable[str]) -> DataSet:
    """The data set of labelled images, with its classes sorted as by torchvision's ImageFolder.

    Args:
        name: of the data set.
        root: the folder that paths are shown relative to.
        images: in the order that paths keep within a class.
        remarks: what was left out and why, one line each.
    """
    forms = {item.label: nfc(item.label) for item in images}
    names = sorted(set(forms.values()))
    index = {name: i for i, name in enumerate(names)}
    titles = tuple(path_text(name) for name in names)  # bytes that are not UTF-8 are percent-encoded
    order = [*Split, None]
    samples = sorted(
        (Sample(item.source, index[forms[item.label]], item.split) for item in images),
        key=lambda sample: (
            order.index(sample.split),
            sample.label,
        ),  # within a class, paths keep their order
    )
    return DataSet(name, root, titles, tuple(samples), (*remarks, *_form_remarks(forms)))


def _form_remarks(forms: Mapping[str, str]) -> Iterator[str]:
    """Remarks on names that differ only in their Unicode form, as those of folders from macOS and elsewhere may."""
    for name, count in Counter(forms.values()).items():
        if count > 1:
            yield f"{count} names in different Unicode forms look the same and are one class: {path_text(name)!r}"
