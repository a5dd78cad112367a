"""Class names: from a file, or from a model card in some style."""

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from cnncli.errors import UsageError, WeightsError
from cnncli.records.networks import ModelCard
from cnncli.records.predictions import LabelStyle
from cnncli.regular_file import bounded_lines, open_regular, read_document
from cnncli.text import decode_text, nfc, text_stream


def read_labels(file: Path) -> tuple[str, ...]:
    """Class names from a file, one per line, in the order of the logits.

    Raises:
        WeightsError: the file cannot be read as UTF-8 text, or is empty.
    """
    try:
        lines = decode_text(read_document(file)).split("\n")
    except OSError as error:
        raise WeightsError(f"cannot read the class names file {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise WeightsError(f"the class names file {file} is not UTF-8 text") from error
    names = tuple(line.strip() for line in lines if line.strip())
    if not names:
        raise WeightsError(f"the class names file {file} is empty", "write one class name per line")
    return names


def read_name_pairs(file: Path, option: str, columns: tuple[str, str]) -> list[tuple[str, str]]:
    """Pairs of class names from a CSV or TSV file without a header.

    Args:
        file: with two columns.
        option: that names the file, for messages.
        columns: what the names are, for messages.

    Raises:
        UsageError: the file cannot be read, or is not such a list.
    """
    try:
        with text_stream(open_regular(file)) as stream:
            delimiter = "\t" if file.suffix.lower() == ".tsv" else ","
            rows = [
                row for row in csv.reader(bounded_lines(stream), delimiter=delimiter, strict=True) if any(row)
            ]
    except OSError as error:
        raise UsageError(f"cannot read {option} {file}: {error.strerror}") from error
    except (ValueError, csv.Error) as error:
        raise UsageError(f"{option} {file} is not valid CSV: {error}") from error
    for number, row in enumerate(rows, start=1):
        if len(row) != len(columns) or not all(row):
            raise UsageError(
                f"{file}, entry {number} is not a pair of names",
                f"each line needs {columns[0]} and {columns[1]} of a class",
            )
    return [(nfc(first.strip()), second.strip()) for first, second in rows]


def labels(card: ModelCard, style: LabelStyle) -> Sequence[str]:
    """The labels of all classes in a style, in the order of the logits.

    Raises:
        UsageError: synsets for a network whose classes have none.
    """
    match style:
        case LabelStyle.NAME:
            return card.class_names
        case LabelStyle.INDEX:
            counts = [len(task.class_names) for task in card.tasks] or [len(card.class_names)]
            return [str(index) for count in counts for index in range(count)]
        case LabelStyle.SYNSET:
            if card.synsets is None:
                raise UsageError(
                    f"the classes of {card.name} have no WordNet synsets", "use --label-style name"
                )
            return card.synsets


def distinct_names(card: ModelCard) -> tuple[str, ...]:
    """The names of all classes, in the order of the logits; `task:class` where another task has a class of the same name."""
    counts = Counter(card.class_names)
    names = (
        f"{task.name}:{name}" if counts[name] > 1 else name
        for task in card.tasks
        for name in task.class_names
    )
    return tuple(names) or card.class_names
