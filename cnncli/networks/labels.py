"""Class names: read from a file, or what the field calls the classes of ImageNet."""

from collections.abc import Sequence
from pathlib import Path

from cnncli.errors import UsageError, WeightsError
from cnncli.records.networks import ModelCard
from cnncli.records.predictions import LabelStyle


def read_labels(file: Path) -> tuple[str, ...]:
    """Class names, one a line, in the order of the logits.

    Raises:
        WeightsError: the file cannot be read as UTF-8 text, or holds no name.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise WeightsError(f"cannot read the class names file {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise WeightsError(f"the class names file {file} is not UTF-8 text") from error
    names = tuple(line.strip() for line in lines if line.strip())
    if not names:
        raise WeightsError(f"the class names file {file} is empty", "write one class name a line")
    return names


def labels(card: ModelCard, style: LabelStyle) -> Sequence[str]:
    """What each class is called, in the order of the logits.

    Raises:
        UsageError: synsets are asked of a network whose classes are not WordNet's.
    """
    match style:
        case LabelStyle.NAME:
            return card.class_names
        case LabelStyle.INDEX:
            return [str(index) for index in range(len(card.class_names))]
        case LabelStyle.SYNSET:
            if card.synsets is None:
                raise UsageError(
                    f"the classes of {card.name} have no WordNet synsets", "use --label-style name"
                )
            return card.synsets
