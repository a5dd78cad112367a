"""Labels of several tasks, side by side as numbers."""

import numpy as np

from cnncli.data.targets import targets
from cnncli.images.sources import image_source
from cnncli.records.data import NO_LABEL, DataSet, Sample
from cnncli.records.tasks import AnswerKind, Task

TASKS = (
    Task("habitat", ("lake", "wood"), AnswerKind.ONE),
    Task("tags", ("bird", "deer", "fish"), AnswerKind.SEVERAL),
)
SAMPLES = (
    Sample(image_source("1.png"), NO_LABEL, None, ((1,), (0, 2))),
    Sample(image_source("2.png"), NO_LABEL, None, ((0,), ())),
    Sample(image_source("3.png"), NO_LABEL, None, (None, (1,))),
)


def test_targets_tell_no_class_from_unknown_labels() -> None:
    unknown = np.nan
    np.testing.assert_array_equal(
        targets(SAMPLES, TASKS), [[0, 1, 1, 0, 1], [1, 0, 0, 0, 0], [unknown, unknown, 0, 1, 0]]
    )


def test_images_are_counted_under_each_of_their_classes() -> None:
    names = tuple(name for task in TASKS for name in task.class_names)
    assert DataSet("d", "d", names, SAMPLES, tasks=TASKS).count() == [1, 1, 1, 1, 1]
