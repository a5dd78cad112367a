"""The comparison of what pages show with what commands print can fail."""

import os
from pathlib import Path

import pytest

from tests import shown

PAGE = """Text.

```console
$ first
one 1.00 ▉▉ 95.8%
$ second | more
a
…
z
$ third
```

```text
$ no command
```
"""


def test_commands_and_what_follows_them() -> None:
    assert shown.steps(PAGE) == [
        shown.Step("first", ("one 1.00 ▉▉ 95.8%",)),
        shown.Step("second | more", ("a", "…", "z")),
        shown.Step("third", ()),
    ]


@pytest.mark.parametrize(
    ("page", "now", "is_alike"),
    [
        (["lemon ▉▉▉ 95.8%"], ["lemon ▉▉ 95.6%"], True),
        (["lemon ▉▉▉ 95.8%"], ["lemon ▉ 95.8%"], False),
        (["95.0 % of 20"], ["93.5 % of 20"], False),
        (["lemon ▉▉▉ 95.8%"], ["lemon ▉▉▉ 91.8%"], False),
        (["lemon 95.8%"], ["orange 95.8%"], False),
        (["0.4%"], ["0.5%"], True),
        (["2,452,720 parameters"], ["2,452,721 parameters"], False),
        (["20 images, 3.1 s, 80 img/s"], ["20 images, 13 s, 9,000.5 img/s"], True),
        (["20 images, 3.1 s"], ["21 images, 3.1 s"], False),
        (["conv1  5"], ["conv2  5"], False),
        (["a", "…", "z"], ["a", "z"], True),
        (["a", "…", "z"], ["a", "b", "c", "z"], True),
        (["a", "…", "z"], ["a", "b", "c"], False),
        (["a", "…"], ["b"], False),
        (["a", "…", "a"], ["a"], False),
        (["a"], ["a", "b"], False),
        ([], ["a"], False),
    ],
)
def test_what_is_alike(page: list[str], now: list[str], is_alike: bool) -> None:  # noqa: FBT001 - pytest gives it by name
    assert shown.alike(page, now) is is_alike


@pytest.mark.parametrize(
    ("page", "now", "is_alike"),
    [
        ("val 75.0 % of 20, +5.1 points", "val 60.0 % of 20, -12.0 points", True),
        ("a/03.png  a  b  75.0 %", "b/1.png  b  a  5.0 %", False),
        ("is 3 · 1", "is 2 2 ·", True),
        ("▉▉▉▉▉ 95.8 %", "▉ 15.8 %", True),
        ("3 mistakes", "3 images", False),
        ("resnet18", "resnet50", False),
    ],
)
def test_of_a_varying_block_the_numbers_are_not_compared(page: str, now: str, is_alike: bool) -> None:  # noqa: FBT001 - as above
    (step,) = shown.steps(f"```console varying\n$ x\n{page}\n```")
    assert shown.is_still_so(step, [now]) is is_alike
    (strict,) = shown.steps(f"```console\n$ x\n{page}\n```")
    assert not shown.is_still_so(strict, [now])
    assert shown.is_still_so(strict, [page])


def test_a_misspelt_fence_is_found() -> None:
    with pytest.raises(AssertionError, match="fence"):
        shown.steps("```console variing\n$ x\n```")


def test_a_page_is_rewritten_with_as_much_left_out_as_before() -> None:
    new = shown.rewritten(PAGE, {"first": ["two"], "second | more": ["b", "c", "d", "e"]})
    assert new == PAGE.replace("one 1.00 ▉▉ 95.8%", "two").replace("a\n…\nz", "b\n…\ne")
    varying = PAGE.replace("```console", "```console varying")
    assert shown.rewritten(varying, {"first": ["two"]}) == varying.replace("one 1.00 ▉▉ 95.8%", "two")


@pytest.mark.skipif(os.name != "posix", reason="a POSIX pseudo-terminal")
def test_a_command_runs_on_a_terminal_and_must_succeed(tmp_path: Path) -> None:
    assert shown.run("echo; test -t 1 && echo yes; echo also >&2; pwd", tmp_path) == (
        "yes",
        "also",
        str(tmp_path),
    )
    with pytest.raises(AssertionError, match="false"):
        shown.run("false | cat", tmp_path)


def test_a_picture_shows_the_lines_in_their_colours() -> None:
    drawn = shown.picture("cnncli x", ["\x1b[32mgreen\x1b[0m  & <more>"])
    assert drawn.startswith("<svg")
    assert shown.lines_of(drawn) == ["$ cnncli x", "green  & <more>"]
