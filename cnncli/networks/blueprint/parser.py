"""Blueprint text to tree. Checks the syntax only; `shapes` checks whether the layers fit together.

input 3x224x224             the header: the input shape, and
activation: relu            the activation of every hidden layer that names none
normalize: 0..1             what is done with pixels before the first layer
conv3-64 valid relu         a step: the layer, then its options in any order
a; b; c                     several steps on one line
residual { … }              a block of steps; branches { … | … } has several
repeat 3 { … }              the same as writing the block three times
# …                         a comment
"""

from collections.abc import Callable
from typing import Any

from cnncli.errors import BlueprintError, UsageError
from cnncli.networks.blueprint.step_parser import parse_activation, parse_number, parse_positive, parse_step
from cnncli.networks.blueprint.tokens import StepWords, Token, tokenize
from cnncli.networks.blueprint.tree import (
    Activation,
    Auxiliary,
    Blueprint,
    Branches,
    Location,
    Residual,
    Shortcut,
    Step,
    Steps,
)
from cnncli.networks.normalization import Normalization, parse_normalization

MAX_STEPS = 10_000
MAX_NESTING = 32


def parse(text: str) -> Blueprint:
    """Parse the text of a blueprint.

    Raises:
        BlueprintError: a syntax error; the message begins with the line.
    """
    return _Parser(text).parse_blueprint()


class _Parser:
    def __init__(self, text: str) -> None:
        self._is_one_line = "\n" not in text.strip()
        self._tokens = list(tokenize(text))
        self._next = 0
        self._axes = 2

    def parse_blueprint(self) -> Blueprint:
        """Header lines, then steps."""
        header = self._parse_header()
        steps = self._parse_steps(nesting=0)
        if self._token.kind != "stop":
            raise BlueprintError(f"{self._line()}unmatched {self._token.text!r}")
        if not steps:
            raise BlueprintError("the blueprint has no layers", "write e.g. FC-10 after the input")
        return Blueprint(header["input"], steps, header.get("activation"), header.get("normalize"))

    def _parse_header(self) -> dict[str, Any]:
        """The values of the header lines, by the word that a line begins with."""
        header: dict[str, Any] = {}
        while words := self._take_header():
            if words.head in header:
                raise words.error(f"{words.head} given twice")
            value = words.take_next()
            if value is None:
                raise words.error(f"{words.head} needs a value")
            match words.head:
                case "input":
                    header["input"] = _parse_input(value, words)
                case "activation":
                    header["activation"] = parse_activation(value, words)
                case _:
                    header["normalize"] = self._parse_normalization(value, words)
            words.require_empty()
        if "input" not in header:
            raise BlueprintError(
                "a blueprint begins with its input", "write e.g. input 3x224x224 on the first line"
            )
        self._axes = len(header["input"]) - 1
        if normalization := header.get("normalize"):
            _require_normalization(normalization, header["input"][0])
        return header

    def _parse_normalization(self, value: str, words: StepWords) -> Normalization:
        """`mean 0.5; std 0.25` continues after a semicolon or on the next line."""
        parts = [value, *words.take_rest()]
        self._skip_ends()
        if value == "mean" and "std" not in parts and self._token.text.lower() == "std":
            std = self._take_words()
            parts += [std.head, *std.take_rest()]
        try:
            return parse_normalization(" ".join(parts))
        except UsageError as error:
            raise words.error(error.message, error.hint) from error

    # ---- statements

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _line(self) -> str:
        return "" if self._is_one_line else f"line {self._token.line}: "

    def _skip_ends(self) -> None:
        while self._token.kind == "end":
            self._next += 1

    def _take_words(self) -> StepWords:
        """The words up to the end of the step, or up to a sign."""
        line, words = self._token.line, []
        while self._token.kind == "word":
            words.append(self._token.text)
            self._next += 1
        location = Location(0 if self._is_one_line else line, " ".join(words))
        return StepWords([word.lower() for word in words], location)

    def _take_header(self) -> StepWords | None:
        self._skip_ends()
        is_header = self._token.text.lower().rstrip(":") in _HEADER
        if self._token.kind != "word" or not is_header:
            return None
        words = self._take_words()
        words.head = words.head.rstrip(":")
        return words

    def _parse_steps(self, nesting: int) -> Steps:
        """The steps up to a closing sign, or up to the end of the text."""
        steps: list[Step] = []
        while True:
            self._skip_ends()
            if self._token.kind != "word":
                if self._token.text == "{":
                    raise BlueprintError(f"{self._line()}unexpected '{{' without a block name before it")
                return tuple(steps)
            words = self._take_words()
            if self._token.text == "{":
                steps += self._parse_block(words, nesting)
            else:
                steps.append(parse_step(words, self._axes))
                words.require_empty()
            if len(steps) > MAX_STEPS:
                raise words.error(f"more than {MAX_STEPS:,} layers")
            if self._token.kind == "word":
                raise words.error("start the next step on a new line or after a semicolon")

    def _parse_block(self, words: StepWords, nesting: int) -> Steps:
        """A step with others inside."""
        if nesting >= MAX_NESTING:
            raise words.error(f"more than {MAX_NESTING} nested blocks")
        bodies = []
        sign = "{"
        while sign in {"{", "|"}:
            self._next += 1
            bodies.append(self._parse_steps(nesting + 1))
            sign = self._token.text
        if sign != "}":
            raise words.error("the closing brace is missing")
        self._next += 1
        trailer = self._take_words() if self._token.kind == "word" else None
        return _block(words, bodies, trailer)


_HEADER = ("input", "activation", "normalize")
"""The words that header lines begin with."""


def _require_normalization(normalization: Normalization, channels: int) -> None:
    """Check that it has as many values as the input has channels."""
    try:
        normalization.for_channels(channels)
    except UsageError as error:
        raise BlueprintError(error.message, error.hint) from error


def _parse_input(value: str, words: StepWords) -> tuple[int, ...]:
    shape = tuple(parse_positive(side, words) for side in value.split("x"))
    if len(shape) > 4:  # noqa: PLR2004 - channels and the three axes of a volume
        raise words.error(
            "the input is channels x height x width, channels x length, channels x depth x height x width, "
            "or a number of values"
        )
    return shape


# ---- blocks


def _block(words: StepWords, bodies: list[Steps], trailer: StepWords | None) -> Steps:
    """The steps that a block stands for.

    Args:
        words: before the opening brace.
        bodies: steps inside the braces, separated by bars.
        trailer: words after the closing brace.
    """
    head = words.head
    if head not in _BLOCKS:
        raise words.error("takes no block", f"braces belong to {', '.join(_BLOCKS)}")
    if head != "branches" and len(bodies) > 1:
        raise words.error("`|` is allowed in branches only")
    if head != "branches" and not bodies[0]:
        raise words.error("the block is empty")
    activation = None
    if trailer is not None:
        if head != "residual":
            raise words.error(f"unexpected {trailer.head!r} after the closing brace")
        activation = parse_activation(trailer.head, words)
        trailer.require_empty()
    steps = _BLOCKS[head](words, bodies, activation)
    words.require_empty()
    return steps


def _repeat(words: StepWords, bodies: list[Steps], _: Activation | None) -> Steps:
    times = parse_positive(words.take_next() or "", words)
    if times * len(bodies[0]) > MAX_STEPS:
        raise words.error(f"more than {MAX_STEPS:,} layers")
    return bodies[0] * times


def _residual(words: StepWords, bodies: list[Steps], activation: Activation | None) -> Steps:
    kind = words.take(*Shortcut)
    shortcut = Shortcut(kind) if kind else Shortcut.IDENTITY
    return (Residual(bodies[0], shortcut, activation, location=words.location),)


def _branches(words: StepWords, bodies: list[Steps], _: Activation | None) -> Steps:
    if len(bodies) < 2:  # noqa: PLR2004 - a single one does not branch
        raise words.error("needs at least two branches", "write branches { … | … }")
    return (Branches(tuple(bodies), location=words.location),)


def _auxiliary(words: StepWords, bodies: list[Steps], _: Activation | None) -> Steps:
    return (Auxiliary(parse_number(words.take_next(), words), bodies[0], location=words.location),)


_BLOCKS: dict[str, Callable[[StepWords, list[Steps], Activation | None], Steps]] = {
    "repeat": _repeat,
    "residual": _residual,
    "branches": _branches,
    "aux": _auxiliary,
}
