"""An image with the names of its classes, and the data set that such images make up."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import DataError
from cnncli.records.data import NO_LABEL, DataSet, Sample, Split
from cnncli.records.predictions import ImageSource
from cnncli.records.tasks import Task
from cnncli.text import nfc, path_text


@frozen_dataclass
class LabelledImage:
    """An image, its group, and the name of its class; where there are tasks, those of its classes in each, None where unknown."""

    source: ImageSource
    label: str
    split: Split | None
    answers: tuple[tuple[str, ...] | None, ...] = ()
    group: str = ""

    @property
    def path(self) -> str:
        return self.source.path


def build_data_set(
    name: str,
    root: str,
    images: Sequence[LabelledImage],
    remarks: Iterable[str],
    tasks: Sequence[Task] = (),
) -> DataSet:
    """The data set of labelled images, with its classes sorted as by torchvision's ImageFolder.

    Args:
        name: of the data set.
        root: the folder that paths are shown relative to.
        images: in the order that paths keep within a class.
        remarks: what was left out and why, one line each.
        tasks: those that the images have answers to, with the class names that are known already.

    Raises:
        DataError: no image has a label of a task.
    """
    if tasks:
        return _build_with_tasks(name, root, images, remarks, tasks)
    forms = {item.label: nfc(item.label) for item in images}
    names = sorted(set(forms.values()))
    index = {name: i for i, name in enumerate(names)}
    samples = sorted(
        (Sample(item.source, index[forms[item.label]], item.split, group=item.group) for item in images),
        key=lambda sample: (_place(sample), sample.label),  # within a class, paths keep their order
    )
    return DataSet(name, root, _titles(names), tuple(samples), (*remarks, *_form_remarks(forms)))


def _build_with_tasks(
    name: str, root: str, images: Sequence[LabelledImage], remarks: Iterable[str], tasks: Sequence[Task]
) -> DataSet:
    """The data set of images with answers; within a split, paths keep their order."""
    forms = [
        {label: nfc(label) for item in images for label in item.answers[place] or ()}
        for place in range(len(tasks))
    ]
    tasks = [
        replace(task, class_names=tuple(sorted({*task.class_names, *labels.values()})))
        for task, labels in zip(tasks, forms, strict=True)
    ]
    if empty := next((task.name for task in tasks if not task.class_names), None):
        raise DataError(f"no image of {name} has a label in the column {empty!r}", "leave the column out")
    indices = [{label: index for index, label in enumerate(task.class_names)} for task in tasks]
    samples = [
        Sample(item.source, NO_LABEL, item.split, _indices(item, forms, indices), item.group)
        for item in images
    ]
    tasks = [replace(task, class_names=_titles(task.class_names)) for task in tasks]
    class_names = tuple(label for task in tasks for label in task.class_names)
    form_remarks = [remark for labels in forms for remark in _form_remarks(labels)]
    ordered = tuple(sorted(samples, key=_place))
    return DataSet(name, root, class_names, ordered, (*remarks, *form_remarks), tuple(tasks))


def _indices(
    image: LabelledImage, forms: Sequence[Mapping[str, str]], indices: Sequence[Mapping[str, int]]
) -> tuple[tuple[int, ...] | None, ...]:
    """The classes of an image in each task, as indices in increasing order."""
    return tuple(
        None if answer is None else tuple(sorted({index[form[label]] for label in answer}))
        for answer, form, index in zip(image.answers, forms, indices, strict=True)
    )


def _place(sample: Sample) -> int:
    """The place of an image's split among the splits."""
    return [*Split, None].index(sample.split)


def _titles(names: Iterable[str]) -> tuple[str, ...]:
    """Class names as they are shown: bytes that are not UTF-8 are percent-encoded."""
    return tuple(map(path_text, names))


def _form_remarks(forms: Mapping[str, str]) -> Iterator[str]:
    """Remarks on names that differ only in their Unicode form, as those of folders from macOS and elsewhere may."""
    for name, count in Counter(forms.values()).items():
        if count > 1:
            yield f"{count} names in different Unicode forms look the same and are one class: {path_text(name)!r}"
