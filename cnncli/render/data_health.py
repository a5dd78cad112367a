"""The findings about a data set, as text and as JSON."""

import json
from itertools import zip_longest

from cnncli.records.curation import LabelErrors
from cnncli.records.data import DataFinding, DataHealth, Split, TaskLabels
from cnncli.records.tasks import AnswerKind, Task
from cnncli.render.columns import Column, rows
from cnncli.render.label_errors import label_errors_json, label_errors_lines
from cnncli.text import counted, path_text, printable

_MOST_CLASSES = 30
"""Rows of the class table; with more classes, the largest and the smallest are shown."""

_MOST_EXAMPLES = 5
_MAX_NAME = 40
"""Characters of a class name in the table."""


def data_health_text(health: DataHealth, width: int | None, label_errors: LabelErrors | None = None) -> str:
    """Images per class, and the findings; `label_errors` where they were looked for."""
    data = health.data
    splits = ", ".join(f"{count:,} {_name(split)}" for split, count in health.images.items())
    classes, images = (
        counted(len(data.class_names), "class", "classes"),
        counted(sum(health.images.values()), "readable image"),
    )
    tasks = f"{counted(len(data.tasks), 'task')}, " if len(data.tasks) > 1 else ""
    lines = [f"{printable(data.name)}: {tasks}{classes}, {images} ({splits})"]
    if health.sizes:
        smallest, median, largest = (f"{width} x {height}" for width, height in health.sizes)
        modes = ", ".join(f"{count:,} {mode}" for mode, count in list(health.modes.items())[:_MOST_EXAMPLES])
        lines += [f"sizes {smallest} to {largest}, median {median}; {modes}"]
    lines += ["", *_class_table(health, width), "", *_task_lines(health)]
    for finding in health.findings:
        lines += _finding_lines(finding)
    problems = sum(finding.is_problem for finding in health.findings)
    lines.append(f"{counted(problems, 'problem')} found" if problems else "no problems found")
    lines += ["", *label_errors_lines(label_errors, width)] if label_errors else []
    return "\n".join(lines) + "\n"


def _name(split: Split | None) -> str:
    return str(split) if split else "not split"


def _class_table(health: DataHealth, width: int | None) -> list[str]:
    names = health.data.class_names
    order = list(range(len(names)))
    if len(names) > _MOST_CLASSES:
        total = [sum(counts) for counts in zip(*health.readable.values(), strict=True)]
        ranked = sorted(order, key=lambda index: total[index])
        order = sorted(ranked[: _MOST_CLASSES // 2] + ranked[-_MOST_CLASSES // 2 :])
    tasks = [task.name for task in health.data.tasks for _ in task.class_names]
    columns = [
        Column("", [str(index) for index in order], is_number=True),
        *(
            [Column("task", [_truncate(tasks[index]) for index in order], importance=7)]
            if len(health.data.tasks) > 1
            else []
        ),
        Column("class", [_truncate(names[index]) for index in order], importance=9),
        *(
            Column(_name(split), [f"{counts[index]:,}" for index in order], is_number=True, importance=5)
            for split, counts in health.readable.items()
        ),
    ]
    lines = rows(columns, width)
    if len(names) > _MOST_CLASSES:
        lines.append(
            f"(the {_MOST_CLASSES // 2} largest and the {_MOST_CLASSES // 2} smallest of {len(names):,})"
        )
    return lines


def _task_lines(health: DataHealth) -> list[str]:
    """A line for each task with several labels per image, or with unknown ones; and an empty line."""
    pairs = zip(health.data.tasks, health.tasks, strict=True)
    lines = [
        f"{printable(task.name)}: {text}" for task, labels in pairs if (text := _task_text(task, labels))
    ]
    return [*lines, ""] if lines else []


def _task_text(task: Task, labels: TaskLabels) -> str:
    parts = [f"unknown for {counted(labels.unknown, 'image')}"] if labels.unknown else []
    if task.kind is AnswerKind.SEVERAL and labels.known:
        parts += [
            f"{labels.labels / labels.known:.1f} labels per image",
            f"{labels.without:,} without a label",
        ]
        together = [
            f"{printable(' + '.join(task.class_names[index] for index in pair))} ({images:,})"
            for pair, images in list(labels.together.items())[:_MOST_EXAMPLES]
        ]
        parts += [f"most often together: {', '.join(together)}"] if together else []
    return "; ".join(parts)


def _truncate(name: str) -> str:
    name = printable(name)
    return name if len(name) <= _MAX_NAME else f"{name[: _MAX_NAME - 1]}…"


def _finding_lines(finding: DataFinding) -> list[str]:
    mark = "PROBLEM" if finding.is_problem else "note"
    lines = [f"{mark:<7}  {printable(finding.message)}"]
    examples = list(
        zip_longest(finding.examples, (f" ({score:.3f})" for score in finding.scores), fillvalue="")
    )
    lines += [
        f"         {', '.join(map(printable, example))}{score}"
        for example, score in examples[:_MOST_EXAMPLES]
    ]
    if len(finding.examples) > _MOST_EXAMPLES:
        lines.append(f"         and {len(finding.examples) - _MOST_EXAMPLES:,} more (-f json has all)")
    return lines


def data_health_json(health: DataHealth, label_errors: LabelErrors | None = None) -> str:
    """Everything, as one JSON object; `label_errors` where they were looked for."""
    tasks = [task.name for task in health.data.tasks for _ in task.class_names]
    document = {
        "name": path_text(health.data.name),
        "root": path_text(health.data.root),
        "healthy": health.is_healthy,
        "classes": [
            {
                "index": index,
                "name": path_text(name),
                **({"task": path_text(tasks[index])} if tasks else {}),
                "images": {_name(split): counts[index] for split, counts in health.readable.items()},
            }
            for index, name in enumerate(health.data.class_names)
        ],
        **({"tasks": _tasks_json(health)} if tasks else {}),
        "sizes": dict(zip(("smallest", "median", "largest"), health.sizes, strict=False)),
        "modes": health.modes,
        "findings": [
            {
                "kind": finding.kind,
                "problem": finding.is_problem,
                "message": path_text(finding.message),
                "examples": [list(map(path_text, example)) for example in finding.examples],
                **({"scores": list(finding.scores)} if finding.scores else {}),
            }
            for finding in health.findings
        ],
        **({"label_errors": label_errors_json(label_errors)} if label_errors else {}),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _tasks_json(health: DataHealth) -> list[dict[str, object]]:
    return [
        {
            "name": path_text(task.name),
            "kind": task.kind,
            "unknown": labels.unknown,
            "without_label": labels.without,
            "labels": labels.labels,
            "co_occurrence": [
                {"labels": [path_text(task.class_names[index]) for index in pair], "images": images}
                for pair, images in labels.together.items()
            ],
        }
        for task, labels in zip(health.data.tasks, health.tasks, strict=True)
    ]
