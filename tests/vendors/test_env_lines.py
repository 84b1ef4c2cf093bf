"""One value in the text of an environment file is replaced, and no other line means anything else afterwards."""

import io

import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import BadInput, Rejected
from tests.vendors.env_texts import VALUES
from vendors.env_lines import value_of, with_value

NAME = "DD_API_KEY"
OLD, NEW = "old0old0old0", "new1new1new1"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", f"{NAME}={NEW}\n"),
        (f"{NAME}={OLD}\n", f"{NAME}={NEW}\n"),
        (f"{NAME}={OLD}", f"{NAME}={NEW}"),
        (f"{NAME}=\n", f"{NAME}={NEW}\n"),
        (f"{NAME}\n", f"{NAME}={NEW}\n"),
        (f"A=1\n\n# ours\n{NAME}={OLD}\nB=2\n", f"A=1\n\n# ours\n{NAME}={NEW}\nB=2\n"),
        (f"{NAME}={OLD} # from the console\n", f"{NAME}={NEW} # from the console\n"),
        (f"{NAME}='{OLD}'# from the console\n", f"{NAME}={NEW} # from the console\n"),
        (f"{NAME}= # still to come\n", f"{NAME}={NEW} # still to come\n"),
        (f"{NAME}={OLD}#7\n", f"{NAME}={NEW}\n"),
        (f"  export {NAME} = '{OLD}'  \n", f"  export {NAME}={NEW}  \n"),
        (f"export {NAME}\n", f"export {NAME}={NEW}\n"),
        (f"'{NAME}'={OLD}\n", f"{NAME}={NEW}\n"),
        (f'{NAME}="{OLD}\n{OLD}" # two lines\nB=2\n', f"{NAME}={NEW} # two lines\nB=2\n"),
        (f'{NAME}="{OLD}\\"#{OLD}"\n', f"{NAME}={NEW}\n"),
        (f"{NAME}=first\nB=2\n{NAME}=last\n", f"{NAME}=first\nB=2\n{NAME}={NEW}\n"),
        (f"#{NAME}={OLD}\nX{NAME}=1\n", f"#{NAME}={OLD}\nX{NAME}=1\n{NAME}={NEW}\n"),
        (f"B='\n{NAME}={OLD}\n'\n", f"B='\n{NAME}={OLD}\n'\n{NAME}={NEW}\n"),
        ("B=2", f"B=2\n{NAME}={NEW}\n"),
        ("\ufeffB=2\n", f"\ufeffB=2\n{NAME}={NEW}\n"),
        (f"{NAME}={OLD}\u00a0\nB=2\n", f"{NAME}={NEW}\nB=2\n"),
        (f"B=2\r\n{NAME}={OLD} # x\r\nC=3\r\n", f"B=2\r\n{NAME}={NEW} # x\r\nC=3\r\n"),
        # An empty comment takes the carriage return, which sh would read as part of the value.
        (f"{NAME}={OLD}\r\nC=3\r\n", f"{NAME}={NEW} #\r\nC=3\r\n"),
        ("B=2\r\nC=3", f"B=2\r\nC=3\r\n{NAME}={NEW} #\r\n"),
    ],
)
def test_only_the_value_is_replaced(before: str, after: str) -> None:
    assert with_value(before, NAME, NEW) == after
    assert with_value(after, NAME, NEW) == after
    assert dotenv_values(stream=io.StringIO(after), interpolate=False)[NAME] == NEW


_FRAGMENTS = (
    *(NAME, f"{NAME}={OLD}\n", "A", "export ", "x", "=", " = ", "'", '"', "\\", "#", " # c", "\n", "\r\n", "\r", "\t"),
    *("\u00a0", "\x0b", "\u2028", "\ufeff"),
)
_ODD_TEXTS = st.text() | st.lists(st.sampled_from(_FRAGMENTS), max_size=14).map("".join)


@given(_ODD_TEXTS, VALUES)
def test_no_text_loses_more_than_the_lines_of_that_assignment(text: str, value: str) -> None:
    try:
        changed = with_value(text, NAME, value)
    except (BadInput, Rejected):
        return

    assert value_of(changed, NAME) == value
    # As python-dotenv opens a file: every line end is one line feed.
    assert value_of(changed.replace("\r\n", "\n").replace("\r", "\n"), NAME) == value
    assert with_value(changed, NAME, value) == changed
    old, new = text.splitlines(keepends=True), changed.splitlines(keepends=True)
    same_above = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    rest = new[same_above:]
    # At most the assignment's own line (and the line end that was missing before an appended one) is new.
    touched = next(n for n in range(len(rest) + 1) if old[len(old) - len(rest) + n :] == rest[n:] or n == len(rest))
    assert touched <= 2


def test_values_that_one_reader_would_take_for_something_else_are_refused() -> None:
    for value in ("a\nb", "a\rb", "a\0b", "a\tb", "\x1b[0m", "a'$b", "a'`b", "\\\\$", "$\\", "${HOME}", "\ud800"):
        with pytest.raises(BadInput) as refused:
            with_value("", NAME, value)
        assert "cannot be written" in refused.value.happened
        assert not value or value not in str(refused.value)


def test_an_open_quote_above_is_not_closed_by_us() -> None:
    with pytest.raises(Rejected, match="A quote is open"):
        with_value('A="open\n', NAME, 'say "x"')
