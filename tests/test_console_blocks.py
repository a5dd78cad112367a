"""Console blocks are parsed, run, compared and updated, and a comparison can fail."""

import os
from pathlib import Path

import pytest

from tests import console_blocks

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


def test_a_page_is_parsed_into_commands_and_outputs() -> None:
    assert console_blocks.steps(PAGE) == [
        console_blocks.Step("first", ("one 1.00 ▉▉ 95.8%",)),
        console_blocks.Step("second | more", ("a", "…", "z")),
        console_blocks.Step("third", ()),
    ]


@pytest.mark.parametrize(
    ("page", "now", "agree"),
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
def test_outputs_agree_up_to_times_and_rounding(page: list[str], now: list[str], agree: bool) -> None:  # noqa: FBT001 - pytest gives it by name
    assert console_blocks.outputs_agree(page, now) is agree


@pytest.mark.parametrize(
    ("page", "now", "agree"),
    [
        ("val 75.0 % of 20, +5.1 points", "val 60.0 % of 20, -12.0 points", True),
        ("a/03.png  a  b  75.0 %", "b/1.png  b  a  5.0 %", False),
        ("is 3 · 1", "is 2 2 ·", True),
        ("▉▉▉▉▉ 95.8 %", "▉ 15.8 %", True),
        ("3 mistakes", "3 images", False),
        ("resnet18", "resnet50", False),
    ],
)
def test_numbers_in_varying_blocks_are_not_compared(page: str, now: str, agree: bool) -> None:  # noqa: FBT001 - as above
    (step,) = console_blocks.steps(f"```console varying\n$ x\n{page}\n```")
    assert console_blocks.matches(step, [now]) is agree
    (strict,) = console_blocks.steps(f"```console\n$ x\n{page}\n```")
    assert not console_blocks.matches(strict, [now])
    assert console_blocks.matches(strict, [page])


def test_a_misspelt_fence_is_an_error() -> None:
    with pytest.raises(AssertionError, match="fence"):
        console_blocks.steps("```console variing\n$ x\n```")


def test_an_update_keeps_elisions() -> None:
    new = console_blocks.update_page(PAGE, {"first": ["two"], "second | more": ["b", "c", "d", "e"]})
    assert new == PAGE.replace("one 1.00 ▉▉ 95.8%", "two").replace("a\n…\nz", "b\n…\ne")
    varying = PAGE.replace("```console", "```console varying")
    assert console_blocks.update_page(varying, {"first": ["two"]}) == varying.replace(
        "one 1.00 ▉▉ 95.8%", "two"
    )


@pytest.mark.skipif(os.name != "posix", reason="a POSIX pseudo-terminal")
def test_commands_run_on_a_terminal_and_must_succeed(tmp_path: Path) -> None:
    assert console_blocks.run("echo; test -t 1 && echo yes; echo also >&2; pwd", tmp_path) == (
        "yes",
        "also",
        str(tmp_path),
    )
    with pytest.raises(AssertionError, match="false"):
        console_blocks.run("false | cat", tmp_path)


def test_the_svg_contains_the_output_lines() -> None:
    svg = console_blocks.terminal_svg("cnncli x", ["\x1b[32mgreen\x1b[0m  & <more>"])
    assert svg.startswith("<svg")
    assert console_blocks.svg_lines(svg) == ["$ cnncli x", "green  & <more>"]


def test_commands_without_output_and_files() -> None:
    page = "```console commands\n$ x  # why\n```\n\n```python a.py\nprint(1)\n```\n\n```csv b.csv\nc\n```\n\n```python\nprint(2)\n```\n"
    (step,) = console_blocks.steps(page)
    assert console_blocks.matches(step, ["anything"])
    assert console_blocks.update_page(page, {step.command: ("anything",)}) == page
    assert console_blocks.files(page) == {"a.py": "print(1)\n", "b.csv": "c\n"}
