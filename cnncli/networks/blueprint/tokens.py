"""The text of a blueprint as tokens, and the words of one step."""

import re
from collections.abc import Iterator

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import BlueprintError
from cnncli.networks.blueprint.tree import Location

_TOKEN = re.compile(
    r"(?P<space>[ \t\r\f\v]+)|(?P<comment>\#[^\n]*)|(?P<end>[\n;])|(?P<sign>[{}|])"
    r"|(?P<word>[^\s;{}|\#(]+(?:\([^)\n]*\))?|\()"
)


@frozen_dataclass
class Token:
    """A piece of a blueprint's text.

    Attributes:
        kind: word, sign (a brace or a bar), end (of a step), or stop (the end of the text).
        text: as written.
        line: from 1.
    """

    kind: str
    text: str
    line: int


def tokenize(text: str) -> Iterator[Token]:
    """The tokens of a text, without spaces and comments.

    Raises:
        BlueprintError: a character that starts no token.
    """
    line, start = 1, 0
    while start < len(text):
        match = _TOKEN.match(text, start)
        if match is None or match.lastgroup is None:  # a control character, for example
            raise BlueprintError(f"line {line}: unexpected {text[start]!r}")
        if match.lastgroup not in {"space", "comment"}:
            yield Token(match.lastgroup, match[0], line)
        line += match[0].count("\n")
        start = match.end()
    yield Token("end", "\n", line)
    yield Token("stop", "", line)


class StepWords:
    """The words of one step, consumed one by one.

    Attributes:
        head: the first word.
        location: of the step.
    """

    def __init__(self, words: list[str], location: Location) -> None:
        self.location = location
        self.head = words[0]
        self._rest = words[1:]

    def error(self, message: str, hint: str | None = None) -> BlueprintError:
        """An error whose message begins with the location of the step."""
        return BlueprintError(f"{self.location}: {message}", hint)

    def take(self, *names: str) -> str | None:
        """Consume the first of these words that is present."""
        for name in names:
            if name in self._rest:
                self._rest.remove(name)
                return name
        return None

    def take_match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Consume the first word that matches a pattern."""
        for word in self._rest:
            if match := pattern.fullmatch(word):
                self._rest.remove(word)
                return match
        return None

    def take_value(self, *names: str) -> str | None:
        """Consume the first of these words that is present and the word after it, and return the latter.

        Raises:
            BlueprintError: nothing follows the word.
        """
        for name in names:
            if name in self._rest:
                index = self._rest.index(name)
                if index + 1 == len(self._rest):
                    raise self.error(f"{name} needs a value")
                value = self._rest[index + 1]
                del self._rest[index : index + 2]
                return value
        return None

    def take_next(self) -> str | None:
        """Consume the next word."""
        return self._rest.pop(0) if self._rest else None

    def take_rest(self) -> list[str]:
        """Consume all other words."""
        rest, self._rest = self._rest, []
        return rest

    def require_empty(self) -> None:
        """Check that all words were consumed.

        Raises:
            BlueprintError: a word is left.
        """
        if self._rest:
            raise self.error(
                f"unexpected {self._rest[0]!r}", "`cnncli summary --help-blueprint` explains the notation"
            )
