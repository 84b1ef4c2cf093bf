"""The text of a file like .env.local: which value it gives a variable, and the same text with that one value replaced.

What a line means is python-dotenv's word, without interpolation. What we write, `sh` reads the same.
"""

import io
import re

from dotenv.parser import Binding, parse_stream

from domain.errors import BadInput, Rejected

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# Characters that neither reader takes for anything but themselves. A tilde is not among them: after a colon sh expands it.
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=-]+")
# With its default setting python-dotenv puts another variable in its place, whatever the quotes.
_PLACEHOLDER = re.compile(r"\$\{[^}]*\}")

# One assignment as python-dotenv takes it apart; blanks are all white space that ends no line.
_HEAD = re.compile(r"(?P<blank>\s*)(?P<export>export[^\S\r\n]+)?(?:'[^']+'|[^=#\s]+)[^\S\r\n]*(?P<equals>=[^\S\r\n]*)?")
_QUOTED = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"", re.DOTALL)
_LINE = re.compile(r"[^\r\n]*")
_TAIL = re.compile(r"(?P<gap>[^\S\r\n]*)(?P<comment>#[^\r\n]*)?(?P<end>\r\n|\n|\r|)")


def value_of(text: str, variable: str) -> str | None:
    """Return what python-dotenv gives the variable, None where the text does not set it. The last assignment counts."""
    return dict(_pairs(_bindings(text))).get(variable)


def with_value(text: str, variable: str, value: str) -> str:
    """Return the text with the variable's last assignment replaced, or with one more line; every other byte stays.

    Indentation, `export`, a comment behind the value and the line's end stay too.

    Raises:
        BadInput: the value cannot be written so that python-dotenv and sh both read it.
        Rejected: with the line in it, the rest of the text would mean something else.
    """
    written = _written(variable, value)
    bindings = _bindings(text)
    pairs = _pairs(bindings)
    lines = [row.original.string for row in bindings]
    # python-dotenv leaves a byte order mark out of its lines.
    lines.insert(0, text[: len(text) - sum(map(len, lines))])
    last = max((place for place, row in enumerate(bindings) if row.key == variable), default=None)
    if last is None:
        lines.append(_appended(text, f"{variable}={written}"))
        pairs.append((variable, value))
    else:
        lines[last + 1] = _replaced(lines[last + 1], variable, written)
        pairs[len(_pairs(bindings[:last]))] = (variable, value)
    changed = "".join(lines)
    # An open quote somewhere above swallows lines; looking is simpler than knowing every way in which a text is broken.
    if _pairs(_bindings(changed)) != pairs:
        raise Rejected(
            f"{variable} cannot be set without changing what other lines mean.",
            "A quote is open somewhere in the file, most likely; nothing was changed.",
            "Correct the file by hand; the next step sets the variable again.",
        )
    return changed


def _written(variable: str, value: str) -> str:
    """Return the value as it stands behind the equal sign: bare, in single quotes, or in double quotes."""
    if not value.isprintable():
        raise _unwritable(variable, "it holds a line break or another character that cannot be printed")
    if _PLACEHOLDER.search(value):
        raise _unwritable(variable, "it holds ${...}, which readers replace by another variable")
    if not value or _PLAIN.fullmatch(value):
        return value
    # Between single quotes sh escapes nothing, python-dotenv a backslash and a quote.
    if "'" not in value and "\\\\" not in value and not value.endswith("\\"):
        return f"'{value}'"
    # Between double quotes sh wants dollar and backtick escaped, which python-dotenv would not undo.
    if "$" not in value and "`" not in value:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    raise _unwritable(variable, "it mixes quotes or backslashes with a dollar sign or a backtick")


def _unwritable(variable: str, why: str) -> BadInput:
    return BadInput(
        f"The value of {variable} cannot be written into an environment file: {why}.",
        "Applications would read something else; nothing was changed.",
        "Have the vendor make another value, or give this credential another sink.",
    )


def _replaced(assignment: str, variable: str, written: str) -> str:
    """Return one assignment, with the blank lines before it and the comment behind it, with another value."""
    head = _HEAD.match(assignment)
    rest = assignment[head.end() :] if head else ""
    equals = head["equals"] if head else None
    tail = _TAIL.fullmatch(rest[_value_length(rest, equals) :])
    if head is None or tail is None:
        raise Rejected(
            f"The line that sets {variable} is not understood.",
            "Nothing was changed.",
            f"Write it as {variable}=value, on a line of its own.",
        )
    blank = head["blank"]
    start = max(blank.rfind("\n"), blank.rfind("\r")) + 1
    indent = blank[start:] if _separates(blank[start:]) else ""
    export = "export " if head["export"] else ""
    return f"{blank[:start]}{indent}{export}{variable}={written}{_behind(**tail.groupdict())}"


def _value_length(rest: str, equals: str | None) -> int:
    if equals is None:
        return 0
    if quoted := _QUOTED.match(rest):
        return quoted.end()
    # `NAME= # comment` is empty, `NAME=#x` is not.
    if len(equals) > 1 and rest.startswith("#"):
        return 0
    found = _LINE.match(rest)
    line = found[0] if found else ""
    comment = re.search(r"\s+#", line)
    return comment.start() if comment else len(line.rstrip())


def _behind(gap: str, comment: str | None, end: str) -> str:
    """Return what follows the value, such that sh ends the value there as well."""
    if not _separates(gap):
        gap = ""
    if comment is None and "\r" in end:
        # sh would take the carriage return into the value; a comment takes it instead.
        comment = "#"
    if comment is None:
        return gap + end
    return (gap or " ") + comment + end


def _separates(blanks: str) -> bool:
    """Return whether sh takes these blanks for blanks, as python-dotenv does."""
    return not blanks.strip(" \t")


def _appended(text: str, line: str) -> str:
    """Return what goes behind the text, with the line end that its last line lacks."""
    end = "\r\n" if "\r\n" in text else "\n"
    missing = "" if text.removeprefix("\ufeff")[-1:] in {"", "\r", "\n"} else end
    return f"{missing}{line}{_behind('', None, end)}"


def _bindings(text: str) -> list[Binding]:
    return list(parse_stream(io.StringIO(text, newline="")))


def _pairs(bindings: list[Binding]) -> list[tuple[str, str | None]]:
    return [(row.key, row.value) for row in bindings if row.key is not None]
