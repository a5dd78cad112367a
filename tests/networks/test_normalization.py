"""The normalisation of pixels, as text and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnncli.errors import UsageError
from cnncli.networks.normalization import IMAGENET, Normalization, parse_normalization


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0..1", Normalization((0.0,), (1.0,))),
        ("-1..1", Normalization((0.5,), (0.5,))),
        ("0..255", Normalization((0.0,), (1 / 255,))),
        ("imagenet", IMAGENET),
        ("mean 0.5; std 0.25", Normalization((0.5,), (0.25,))),
        ("Mean .1, .2, .3 std 1 2 3", Normalization((0.1, 0.2, 0.3), (1.0, 2.0, 3.0))),
    ],
)
def test_texts(text: str, expected: Normalization) -> None:
    assert parse_normalization(text) == expected
    assert parse_normalization(str(expected)) == expected


values = st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3).map(tuple)
positive = st.lists(st.floats(1e-9, 1e6), min_size=3, max_size=3).map(tuple)


@given(st.builds(Normalization, values, positive))
def test_written_normalisations_are_read_back(normalization: Normalization) -> None:
    assert parse_normalization(str(normalization)) == normalization


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "unknown normalisation"),
        ("keras", "unknown normalisation 'keras'"),
        ("1..0", "the smaller number comes first in '1..0'"),
        ("mean 0.5", "unknown normalisation"),
        ("mean 0.5; std 0", "the standard deviation is not above 0"),
        ("mean 1e999; std 1", "the mean is not finite"),
        ("mean 1 2; std 1 2 3", "2 values of the mean, but 3 of std"),
    ],
)
def test_other_texts_are_errors(text: str, complaint: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_normalization(text)
    assert complaint in refused.value.message
    assert "0..1" in (refused.value.hint or "")


def test_one_value_is_for_all_channels_and_other_numbers_must_match() -> None:
    assert parse_normalization("0..1").for_channels(3) == Normalization((0.0,) * 3, (1.0,) * 3)
    with pytest.raises(
        UsageError, match="the normalisation imagenet is for 3 channels, and the input has 1 channel"
    ):
        IMAGENET.for_channels(1)
