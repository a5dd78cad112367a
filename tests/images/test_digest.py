"""Digests tell images apart, reading little of large files."""

import os

import pytest

from cnncli.images.digest import PARTIAL, distinguishing_digests, image_digest, image_digests
from cnncli.images.in_memory import InMemory


def test_digests_of_many_sources_keep_their_order() -> None:
    sources = [InMemory(str(number), b"%d" % number) for number in range(200)]
    partial = [number % 3 == 0 for number in range(200)]
    expected = [image_digest(source, partial=part) for source, part in zip(sources, partial, strict=True)]
    assert image_digests(sources, partial) == expected
    assert len(set(expected)) == 200
    assert [str(digest).startswith(PARTIAL) for digest in expected] == partial
    assert image_digests([], []) == []


@pytest.mark.parametrize("size", [3, 16_384, 40_000, 65_536, 65_537, 1_000_000])
def test_a_partial_digest_covers_the_size_and_both_ends(size: int) -> None:
    content = os.urandom(size)
    others = [content[:-1] + bytes([content[-1] ^ 1]), bytes([content[0] ^ 1]) + content[1:], content + b"x"]
    if size <= 65_536:  # all of it
        middle = size // 2
        others.append(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    digests = {image_digest(InMemory("-", each), partial=True) for each in (content, content, *others)}
    assert len(digests - {None}) == 1 + len(others)


def test_files_of_one_size_get_whole_digests() -> None:
    sources = [InMemory(str(number), content) for number, content in enumerate((b"ab", b"cd", b"long"))]
    digests = distinguishing_digests(sources, [2, 2, 4])
    assert [str(digest).startswith(PARTIAL) for digest in digests] == [False, False, True]
    assert image_digest(InMemory("-", b"ab"), partial=False) == digests[0]
