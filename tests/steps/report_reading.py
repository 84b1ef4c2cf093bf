"""A report's page as tests read it: its tables as rows of texts, without what only screen readers get."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = frozenset({"meta", "link", "br", "wbr", "rect", "path", "line", "polyline", "circle"})


@dataclass
class Element:
    """One element with its texts and children, in order."""

    tag: str
    attributes: dict[str, str]
    inside: "list[Element | str]" = field(default_factory=list)

    @property
    def text(self) -> str:
        parts = (
            part if isinstance(part, str) else part.text
            for part in self.inside
            if isinstance(part, str) or part.attributes.get("class") != "vh"
        )
        return " ".join("".join(parts).split())

    def all(self, tag: str = "", **attributes: str) -> "list[Element]":
        """Return what is inside, at any depth, with this tag and these attributes; `class_` is one of its classes."""
        found: list[Element] = []
        for part in self.inside:
            if isinstance(part, Element):
                if (not tag or part.tag == tag) and part.has(attributes):
                    found.append(part)
                found += part.all(tag, **attributes)
        return found

    def one(self, tag: str = "", **attributes: str) -> "Element":
        [found] = self.all(tag, **attributes)
        return found

    def has(self, attributes: dict[str, str]) -> bool:
        return all(
            value in self.attributes.get("class", "").split() if key == "class_" else self.attributes.get(key) == value
            for key, value in attributes.items()
        )

    def rows(self) -> list[list[str]]:
        """Return the body of a table: a list of texts per row."""
        return [
            [cell.text for cell in row.inside if isinstance(cell, Element)]
            for body in self.all("tbody")
            for row in body.all("tr")
        ]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {key: value or "" for key, value in attrs})
        self.open[-1].inside.append(element)
        if tag not in _VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].inside.append(Element(tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
            self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].inside.append(data)


def read(html: str) -> Element:
    """Return the document; fails where an element is closed that is not open."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.open[0]


def events(text: str) -> int:
    """Return the number that a cell shows, with its sign, and without the days that it lacks."""
    return int(text.partition("without")[0].replace(",", "").replace("\N{MINUS SIGN}", "-").replace("+", ""))
