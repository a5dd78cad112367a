"""The part of a report on tasks with several answers: which classes occur together, and the worst mistakes of each class."""

from collections.abc import Sequence

from cnncli.dataclass import frozen_dataclass
from cnncli.records.task_evaluation import LabelMetrics, LabelMistake, LabelScore
from cnncli.records.tasks import Task
from cnncli.render.co_occurrence import co_occurrence, mistaken_classes
from cnncli.render.matrix import Matrix
from cnncli.render.tasks_text import occurrence_remark
from cnncli.text import counted, percent, printable

PICTURED_MISTAKES = 6
"""Number of misses, and of false alarms, that are shown of each class."""

_CAPTIONS = (
    "Images of the row's class that have the column's label, too.",
    "Images with the row's prediction that have the column's, too.",
    "Images of the row's class on which the column's is predicted wrongly.",
)
"""What the tables of pairs show."""

_DARK = 0.55
"""Share above which a cell is so dark that its number needs the colour of the paper."""


@frozen_dataclass
class PairCell:
    """A cell of a table of pairs of classes: images, their share of the row's images, and both in words; None if it is empty."""

    images: int
    share: float
    title: str

    @property
    def is_dark(self) -> bool:
        """Whether its number needs the colour of the paper."""
        return self.share > _DARK


@frozen_dataclass
class PairTable:
    """A table of pairs of classes: title, what it shows, and a row of cells for each class."""

    title: str
    caption: str
    rows: Sequence[Sequence[PairCell | None]]


@frozen_dataclass
class ClassMistakes:
    """The worst mistakes of a class: its name, how many images were missed, and how many were false alarms, the worst of each."""

    name: str
    score: LabelScore
    missed: int
    false: int
    misses: Sequence[LabelMistake]
    false_alarms: Sequence[LabelMistake]


@frozen_dataclass
class LabelTask:
    """What the page shows of a network's answers to a task with several right classes.

    Attributes:
        label: name of the task and of the network, unique on the page; empty where there is only one.
        note: how many images it has.
        metrics: all metrics.
        test: the same on the test split; None if the page has none.
        names: of the classes.
        remark: which classes means are over; empty for all.
        matrix: names of the classes in the tables of pairs.
        tables: tables of pairs of these classes.
        mistakes: of each class that has some.
        reliability: chart as an SVG element.
    """

    label: str
    note: str
    metrics: LabelMetrics
    test: LabelMetrics | None
    names: list[str]
    remark: str
    matrix: list[str]
    tables: list[PairTable]
    mistakes: list[ClassMistakes]
    reliability: str


def label_view(
    label: str, note: str, task: Task, metrics: LabelMetrics, test: LabelMetrics | None
) -> LabelTask:
    """What the page shows of a task; arguments as the attributes of the view."""
    from cnncli.render.charts import reliability_svg

    names = [printable(name) for name in task.class_names]
    shown = mistaken_classes(metrics)
    return LabelTask(
        label=printable(label),
        note=note,
        metrics=metrics,
        test=test,
        names=names,
        remark=occurrence_remark(metrics),
        matrix=[names[index] for index in shown],
        tables=_tables(metrics, names, shown),
        mistakes=[_mistakes(score, names[score.index]) for score in metrics.classes if _is_wrong(score)],
        reliability=reliability_svg(metrics.bins, metrics.calibration_error),
    )


def _is_wrong(score: LabelScore) -> bool:
    return score.correct < max(score.support, score.predicted)


def _mistakes(score: LabelScore, name: str) -> ClassMistakes:
    return ClassMistakes(
        name,
        score,
        score.support - score.correct,
        score.predicted - score.correct,
        score.misses[:PICTURED_MISTAKES],
        score.false_alarms[:PICTURED_MISTAKES],
    )


def _tables(metrics: LabelMetrics, names: Sequence[str], shown: Sequence[int]) -> list[PairTable]:
    """What occurs together in the labels and in the predictions, and what is predicted wrongly."""
    return [
        PairTable(matrix.title, caption, _rows(matrix.select(shown), [names[index] for index in shown]))
        for matrix, caption in zip(co_occurrence(metrics), _CAPTIONS, strict=True)
    ]


def _rows(matrix: Matrix, names: Sequence[str]) -> list[list[PairCell | None]]:
    words = f"{matrix.rows} {{}}, {matrix.columns} {{}}"
    return [
        [
            _cell(int(count), int(total), words.format(name, other))
            for count, other in zip(row, names, strict=True)
        ]
        for name, row, total in zip(names, matrix.counts, matrix.totals, strict=True)
    ]


def _cell(images: int, total: int, words: str) -> PairCell | None:
    """A cell with so many images of the row's total; None if there are none."""
    if not images:
        return None
    share = images / total
    return PairCell(images, share, f"{words}: {counted(images, 'image')} ({percent(share)})")
