"""The classes of a confusion matrix that are shown where there are too many for all of them."""

from collections.abc import Mapping

MAX_CLASSES = 60
"""Largest number of classes that are shown."""


def worst_classes(mistakes: Mapping[int, int]) -> list[int]:
    """All classes in order, or those with the most mistakes.

    Args:
        mistakes: by class; its images predicted as another class, and images of others predicted as this one.
    """
    if len(mistakes) <= MAX_CLASSES:
        return list(mistakes)
    return sorted(sorted(mistakes, key=lambda index: -mistakes[index])[:MAX_CLASSES])


def part_text(classes: int) -> str:
    """What is shown of a matrix of so many classes; empty for all of it."""
    return f"the {MAX_CLASSES} of {classes:,} classes with the most mistakes" if classes > MAX_CLASSES else ""
