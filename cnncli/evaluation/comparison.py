"""Compare two networks on the same images: is the new one better than the old one?"""

import numpy as np

from cnncli.evaluation.metrics import bootstrap_counts, interval
from cnncli.records.evaluation import Answer, Change, Comparison, Estimate, Evaluation


def compare(new: Evaluation, old: Evaluation) -> Comparison:
    """The difference in top-1 accuracy, and the images that cause it.

    Args:
        new: evaluation of one network.
        old: evaluation of the other one, on the same images in the same order.
    """
    pairs = list(zip(new.answers, old.answers, strict=True))
    gained = [pair for pair in pairs if pair[0].is_correct and not pair[1].is_correct]
    lost = [pair for pair in pairs if pair[1].is_correct and not pair[0].is_correct]
    both = sum(new_answer.is_correct and old_answer.is_correct for new_answer, old_answer in pairs)
    return Comparison(
        new=new,
        old=old,
        difference=accuracy_difference(len(gained), len(lost), len(pairs)),
        both_correct=both,
        neither_correct=len(pairs) - both - len(gained) - len(lost),
        gained=tuple(_changes(new, old, gained)),
        lost=tuple(_changes(new, old, lost)),
        p_value=mcnemar(len(gained), len(lost)),
    )


def accuracy_difference(gained: int, lost: int, images: int) -> Estimate:
    """The difference of two networks' accuracies on the same images.

    Args:
        gained: images that only the new network gets right.
        lost: images that only the old one gets right.
        images: all images.
    """
    counts = np.array([gained, lost, images - gained - lost])
    samples = np.concatenate([(draws[:, 0] - draws[:, 1]) / images for draws in bootstrap_counts(counts)])
    difference = (gained - lost) / images
    return Estimate(difference, *interval(samples, difference, least=-1.0))


def mcnemar(gained: int, lost: int) -> float:
    """Two-sided p-value of McNemar's exact test (1947): the probability that a fair coin falls at least as unevenly.

    Args:
        gained: images that only one network gets right.
        lost: images that only the other one gets right.
    """
    if not gained + lost:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(gained, gained + lost).pvalue)


def _changes(new: Evaluation, old: Evaluation, pairs: list[tuple[Answer, Answer]]) -> list[Change]:
    """The images as changes, the most confident first."""
    ranked = sorted(pairs, key=lambda pair: -max(pair[0].probability, pair[1].probability))
    return [
        Change(
            new_answer.path,
            new.class_names[new_answer.label],
            old.class_names[old_answer.predicted],
            old_answer.probability,
            new.class_names[new_answer.predicted],
            new_answer.probability,
        )
        for new_answer, old_answer in ranked
    ]
