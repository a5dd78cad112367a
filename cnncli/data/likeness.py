"""Identical and nearly identical images of a data set, and what they mean: by their classes and splits."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from cnncli.data.near_duplicates import FingerprintTable, groups
from cnncli.dataclass import frozen_dataclass
from cnncli.records.data import DataFinding, DataSet, FindingKind, Sample, Split
from cnncli.text import counted


def likeness_findings(
    data: DataSet, fingerprints: FingerprintTable, digests: Sequence[str | None]
) -> Iterator[DataFinding]:
    """Identical and nearly identical images, the worst kind first.

    Args:
        data: the data set.
        fingerprints: of its images.
        digests: of their files; None is equal to nothing.
    """
    examples: dict[tuple[FindingKind, bool], list[tuple[str, ...]]] = defaultdict(list)
    for group in groups(fingerprints, digests):
        copies: dict[str | None, list[int]] = defaultdict(list)
        for index in group:
            copies[digests[index]].append(index)
        # Identical images are reported separately, so that a third image that is only similar does not hide them.
        for same in copies.values():
            if len(same) > 1:
                for kind in _likeness_kinds(data, same):
                    examples[kind, True].append(_relative_paths(data, same))
        if len(copies) > 1:
            for kind in _likeness_kinds(data, group):
                examples[kind, False].append(_relative_paths(data, group))
    for (kind, is_exact), sets in sorted(
        examples.items(), key=lambda item: (list(FindingKind).index(item[0][0]), not item[0][1])
    ):
        yield _likeness_finding(data, kind, sets, is_exact=is_exact)


def _likeness_finding(
    data: DataSet, kind: FindingKind, sets: Sequence[tuple[str, ...]], *, is_exact: bool
) -> DataFinding:
    """The finding for sets of images that are identical, or nearly so."""
    # If no validation split exists yet, copies may be split between train and val.
    may_be_split = kind is FindingKind.DUPLICATES and is_exact and not data.split(Split.VAL)
    is_problem = (
        may_be_split or kind is FindingKind.LEAKAGE or (kind is FindingKind.CONFLICTING_LABELS and is_exact)
    )
    likeness = "identical" if is_exact else "nearly identical"
    location = (_LABELLED if data.tasks else _LOCATIONS)[kind]
    message = (
        f"{counted(len(sets), 'set')} of {likeness} images {location}{_MAY_BE_SPLIT if may_be_split else ''}"
    )
    return DataFinding(kind, is_problem, message, tuple(sets))


@frozen_dataclass
class LikePair:
    """Two images of a data set that are near duplicates, by their places in it; a score of 1 stands for equal pixels."""

    first: int
    second: int
    score: float


def near_duplicate_findings(
    data: DataSet, pairs: Sequence[LikePair], like_groups: Iterable[Sequence[int]]
) -> Iterator[DataFinding]:
    """Near duplicates: first those in different splits, then groups of them in different classes, or in one.

    Args:
        data: the data set.
        pairs: near duplicates whose files differ.
        like_groups: groups of near duplicates.
    """
    yield from _leaks(data, pairs)
    examples: dict[FindingKind, list[tuple[str, ...]]] = defaultdict(list)
    for group in like_groups:
        for kind in _likeness_kinds(data, group):
            if kind is not FindingKind.LEAKAGE:
                examples[kind].append(_relative_paths(data, group))
    for kind in sorted(examples, key=list(FindingKind).index):
        yield _likeness_finding(data, kind, examples[kind], is_exact=False)


def _leaks(data: DataSet, pairs: Sequence[LikePair]) -> Iterator[DataFinding]:
    """For each two splits, the images of the later one with their most similar image of the earlier one; best matches first."""
    best: dict[tuple[Split, Split], dict[int, LikePair]] = defaultdict(dict)
    for pair in sorted(pairs, key=lambda pair: -pair.score):
        ends = [(split, place) for place in (pair.first, pair.second) if (split := data.samples[place].split)]
        if len({split for split, _ in ends}) > 1:
            (earlier, source), (later, place) = sorted(ends, key=lambda end: _ORDER.index(end[0]))
            best[earlier, later].setdefault(place, LikePair(place, source, pair.score))
    for earlier, later in sorted(best, key=lambda splits: tuple(map(_ORDER.index, splits))):
        leaks = tuple(best[earlier, later].values())
        images = f"{len(leaks):,} of {counted(len(data.split(later)), f'{later} image')}"
        yield DataFinding(
            FindingKind.LEAKAGE,
            True,
            f"{images} nearly identical to images of {earlier}: {later} accuracy would be too high",
            tuple(_relative_paths(data, (pair.first, pair.second)) for pair in leaks),
            tuple(pair.score for pair in leaks),
        )


_ORDER = (Split.TRAIN, Split.VAL, Split.TEST)


def _likeness_kinds(data: DataSet, group: Sequence[int]) -> list[FindingKind]:
    """What a group of similar images means, by the classes and splits that they are in."""
    samples = [data.samples[index] for index in group]
    kinds = []
    if _contradict(samples):
        kinds.append(FindingKind.CONFLICTING_LABELS)
    if len({sample.split for sample in samples}) > 1:
        kinds.append(FindingKind.LEAKAGE)
    return kinds or [FindingKind.DUPLICATES]


def _contradict(samples: Sequence[Sample]) -> bool:
    """Whether images have different classes; labels that are unknown contradict none."""
    answers = zip(*(sample.answers for sample in samples), strict=True)
    known = ({answer for answer in task if answer is not None} for task in answers)
    return len({sample.label for sample in samples}) > 1 or any(len(different) > 1 for different in known)


def _relative_paths(data: DataSet, group: Sequence[int]) -> tuple[str, ...]:
    return tuple(data.relative(data.samples[index].path) for index in group)


_MAY_BE_SPLIT = ": --val-split may put copies into both train and val"
_LOCATIONS = {
    FindingKind.LEAKAGE: "in several splits: test or validation accuracy would be too high",
    FindingKind.CONFLICTING_LABELS: "in several classes",
    FindingKind.DUPLICATES: "in one class",
}
_LABELLED = _LOCATIONS | {
    FindingKind.CONFLICTING_LABELS: "with different labels",
    FindingKind.DUPLICATES: "with the same labels",
}
"""Where images have several labels, or several tasks."""
