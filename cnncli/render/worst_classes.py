"""Which classes of a confusion matrix are shown, where they are too many to see anything."""

from collections.abc import Mapping

MOST = 60
"""Largest number of classes that are shown."""


def worst_classes(mistakes: Mapping[int, int]) -> list[int]:
    """All classes in order, or those with the most mistakes.

    Args:
        mistakes: by class: its images that were predicted to be another, and images of others predicted to be this one.
    """
    if len(mistakes) <= MOST:
        return list(mistakes)
    return sorted(sorted(mistakes, key=lambda index: -mistakes[index])[:MOST])


def part_text(classes: int) -> str:
    """What is shown of a matrix of so many classes; empty for all of it."""
    return f"the {MOST} of {classes:,} classes with the most mistakes" if classes > MOST else ""
