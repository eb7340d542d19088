"""A command line as GNU getopt_long reads it: options anywhere, long ones by unique prefix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

NONE, REQUIRED, OPTIONAL = 0, 1, 2


class UsageError(Exception):
    """The command line makes no sense; the message says why."""


class Arguments:
    """`short` maps letters, `long` names, to NONE, REQUIRED or OPTIONAL.

    Iterating gives (option, value) as they come: a letter or a full long name, and the value or
    None. `operands` is complete after the last.
    """

    def __init__(self, short: Mapping[str, int], long: Mapping[str, int]) -> None:
        self.short, self.long = short, long
        self.operands: list[str] = []

    def parse(self, argv: list[str]) -> Iterator[tuple[str, str | None]]:
        """Raises UsageError."""
        words = iter(argv)
        for word in words:
            if word == "--":
                self.operands += words
            elif word.startswith("--"):
                yield self._long(word[2:], words)
            elif word.startswith("-") and word != "-":
                yield from self._letters(word[1:], words)
            else:
                self.operands.append(word)

    def _letters(self, letters: str, words: Iterator[str]) -> Iterator[tuple[str, str | None]]:
        while letters:
            letter, letters = letters[0], letters[1:]
            wants = self.short.get(letter)
            if wants is None:
                raise UsageError(f"invalid option -- '{letter}'")
            if wants == NONE:
                yield letter, None
                continue
            value = letters or None
            if value is None and wants == REQUIRED:
                value = next(words, None)
                if value is None:
                    raise UsageError(f"option requires an argument -- '{letter}'")
            yield letter, value
            return

    def _long(self, text: str, words: Iterator[str]) -> tuple[str, str | None]:
        given, equals, value = text.partition("=")
        matches = [given] if given in self.long else [n for n in self.long if n.startswith(given)]
        if not matches:
            from difflib import get_close_matches

            near = get_close_matches(given, list(self.long), n=1)
            hint = f"; did you mean '--{near[0]}'?" if near else ""
            raise UsageError(f"unrecognized option '--{given}'{hint}")
        if len(matches) > 1:
            raise UsageError(
                f"option '--{given}' is ambiguous: "
                + " ".join(f"'--{name}'" for name in sorted(matches))
            )
        name = matches[0]
        wants = self.long[name]
        if equals and wants == NONE:
            raise UsageError(f"option '--{name}' doesn't allow an argument")
        if not equals and wants == REQUIRED:
            follower = next(words, None)
            if follower is None:
                raise UsageError(f"option '--{name}' requires an argument")
            return name, follower
        return name, value if equals else None
