"""Search languages of several vendors share one skeleton: terms joined by AND (or a blank), OR, NOT and brackets.

What a term means is the vendor's; how terms combine is here.
"""

import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Generic, TypeVar

Document = TypeVar("Document")
Test = Callable[[Document], bool]

# A term ends at a blank or a bracket, unless these stand within double quotes.
_TOKEN = re.compile(r'[()]|(?:"(?:[^"\\]|\\.)*"|[^\s()"])+')


class UnreadableQuery(Exception):
    """The query does not follow the vendor's language."""


def parse(query: str, term: Callable[[str], Test[Document]]) -> Test[Document]:
    """Return a test for documents; an empty query fits everything.

    Raises:
        UnreadableQuery: a bracket or an operand is missing, or `term` does not know a term.
    """
    return _Reader(_TOKEN.findall(query), term).whole()


def fits(pattern: str, value: str) -> bool:
    """Compare without regard to case; `*` in the pattern stands for anything."""
    if "*" not in pattern:
        return value.lower() == pattern.lower()
    return fnmatchcase(value.lower(), pattern.lower().replace("[", "[[]").replace("?", "[?]"))


def unquoted(text: str) -> str:
    """Return the text without its surrounding double quotes."""
    inner = text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
    return re.sub(r"\\(.)", r"\1", inner)


class _Reader(Generic[Document]):
    def __init__(self, tokens: list[str], term: Callable[[str], Test[Document]]) -> None:
        self._tokens = tokens
        self._term = term

    def whole(self) -> Test[Document]:
        if not self._tokens:
            return lambda _: True
        test = self._either()
        if self._tokens:
            raise UnreadableQuery(f"unexpected {self._tokens[0]}")
        return test

    def _either(self) -> Test[Document]:
        tests = [self._all()]
        while self._next_is("OR"):
            self._tokens.pop(0)
            tests.append(self._all())
        return lambda document: any(test(document) for test in tests)

    def _all(self) -> Test[Document]:
        tests = [self._one()]
        while self._tokens and not self._next_is("OR", ")"):
            if self._next_is("AND"):
                self._tokens.pop(0)
            tests.append(self._one())
        return lambda document: all(test(document) for test in tests)

    def _one(self) -> Test[Document]:
        if not self._tokens:
            raise UnreadableQuery("the query ends where a term is expected")
        token = self._tokens.pop(0)
        if token in {"NOT", "-"}:
            return _opposite(self._one())
        if token == "(":  # noqa: S105 - a bracket of the query
            test = self._either()
            if not self._next_is(")"):
                raise UnreadableQuery("a bracket is not closed")
            self._tokens.pop(0)
            return test
        if token in {")", "AND", "OR"}:
            raise UnreadableQuery(f"unexpected {token}")
        if token.startswith("-"):
            return _opposite(self._term(token[1:]))
        return self._term(token)

    def _next_is(self, *tokens: str) -> bool:
        return bool(self._tokens) and self._tokens[0] in tokens


def _opposite(test: Test[Document]) -> Test[Document]:
    return lambda document: not test(document)
