"""Is the new one better than the old one: two networks on the same images."""

import numpy as np

from cnncli.evaluation.metrics import interval, resampled
from cnncli.records.evaluation import Answer, Change, Comparison, Estimate, Evaluation


def compared(new: Evaluation, old: Evaluation) -> Comparison:
    """The difference of two networks' top-1, and the images that make it.

    Args:
        new: of the one network.
        old: of the other, on the same images in the same order.
    """
    pairs = list(zip(new.answers, old.answers, strict=True))
    gained = [(mine, theirs) for mine, theirs in pairs if mine.is_right and not theirs.is_right]
    lost = [(mine, theirs) for mine, theirs in pairs if theirs.is_right and not mine.is_right]
    both = sum(mine.is_right and theirs.is_right for mine, theirs in pairs)
    counts = np.array([len(gained), len(lost), len(pairs) - len(gained) - len(lost)])
    drawn = np.concatenate([(draws[:, 0] - draws[:, 1]) / len(pairs) for draws in resampled(counts)])
    difference = (len(gained) - len(lost)) / len(pairs)
    return Comparison(
        new=new,
        old=old,
        difference=Estimate(difference, *interval(drawn, difference, least=-1.0)),
        both=both,
        neither=len(pairs) - both - len(gained) - len(lost),
        gained=tuple(_changes(new, old, gained)),
        lost=tuple(_changes(new, old, lost)),
        p_value=mcnemar(len(gained), len(lost)),
    )


def mcnemar(gained: int, lost: int) -> float:
    """The two-sided p-value of McNemar's exact test (1947): of a fair coin falling so unevenly, or more so.

    Args:
        gained: images that only the one network names right.
        lost: images that only the other one does.
    """
    if not gained + lost:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(gained, gained + lost).pvalue)


def _changes(new: Evaluation, old: Evaluation, pairs: list[tuple[Answer, Answer]]) -> list[Change]:
    ranked = sorted(pairs, key=lambda pair: -max(pair[0].probability, pair[1].probability))
    return [
        Change(
            mine.path,
            new.class_names[mine.label],
            old.class_names[theirs.predicted],
            theirs.probability,
            new.class_names[mine.predicted],
            mine.probability,
        )
        for mine, theirs in ranked
    ]
