"""The findings about a data set, as text and as JSON."""

import json

from cnncli.records.data import DataFinding, DataHealth, Split
from cnncli.render.columns import Column, rows
from cnncli.text import counted, path_text, printable

_MOST_CLASSES = 30
"""Rows of the class table; with more classes, the largest and the smallest are shown."""

_MOST_EXAMPLES = 5
_MAX_NAME = 40
"""Characters of a class name in the table."""


def data_health_text(health: DataHealth, width: int | None) -> str:
    """Images per class, and the findings."""
    data = health.data
    counts = {split: sum(images) for split, images in health.readable.items()}
    splits = ", ".join(f"{count:,} {_name(split)}" for split, count in counts.items())
    classes, images = (
        counted(len(data.class_names), "class", "classes"),
        counted(sum(counts.values()), "readable image"),
    )
    lines = [f"{printable(data.name)}: {classes}, {images} ({splits})"]
    if health.sizes:
        smallest, median, largest = (f"{width} x {height}" for width, height in health.sizes)
        modes = ", ".join(f"{count:,} {mode}" for mode, count in list(health.modes.items())[:_MOST_EXAMPLES])
        lines += [f"sizes {smallest} to {largest}, median {median}; {modes}"]
    lines += ["", *_class_table(health, width), ""]
    for finding in health.findings:
        lines += _finding_lines(finding)
    problems = sum(finding.is_problem for finding in health.findings)
    lines.append(f"{counted(problems, 'problem')} found" if problems else "no problems found")
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
    columns = [
        Column("", [str(index) for index in order], is_number=True),
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


def _truncate(name: str) -> str:
    name = printable(name)
    return name if len(name) <= _MAX_NAME else f"{name[: _MAX_NAME - 1]}…"


def _finding_lines(finding: DataFinding) -> list[str]:
    mark = "PROBLEM" if finding.is_problem else "note"
    lines = [f"{mark:<7}  {printable(finding.message)}"]
    lines += [
        f"         {', '.join(map(printable, example))}" for example in finding.examples[:_MOST_EXAMPLES]
    ]
    if len(finding.examples) > _MOST_EXAMPLES:
        lines.append(f"         and {len(finding.examples) - _MOST_EXAMPLES:,} more (-f json has all)")
    return lines


def data_health_json(health: DataHealth) -> str:
    """Everything, as one JSON object."""
    document = {
        "name": path_text(health.data.name),
        "root": path_text(health.data.root),
        "healthy": health.is_healthy,
        "classes": [
            {
                "index": index,
                "name": path_text(name),
                "images": {_name(split): counts[index] for split, counts in health.readable.items()},
            }
            for index, name in enumerate(health.data.class_names)
        ],
        "sizes": dict(zip(("smallest", "median", "largest"), health.sizes, strict=False)),
        "modes": health.modes,
        "findings": [
            {
                "kind": finding.kind,
                "problem": finding.is_problem,
                "message": path_text(finding.message),
                "examples": [list(map(path_text, example)) for example in finding.examples],
            }
            for finding in health.findings
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
