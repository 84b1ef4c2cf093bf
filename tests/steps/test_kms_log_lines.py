"""A service's log lines are shown few, short, in one line each, and without what the check itself holds."""

from steps.kms_log_lines import LINES, LONGEST_LINE, shown_lines


def test_the_last_lines_are_shown_and_empty_ones_are_not() -> None:
    lines = [word for number in range(50) for word in (f"line {number}", "  ")]

    assert shown_lines(lines, ()) == tuple(f"line {number}" for number in range(50 - LINES, 50))


def test_a_secret_of_ours_is_taken_out_even_where_the_line_is_cut_within_it() -> None:
    secret = "tok-1234567890"
    line = "x" * (LONGEST_LINE - 8) + secret

    [shown] = shown_lines([line], [secret, "abc", ""])

    assert len(shown) <= LONGEST_LINE
    assert secret[:4] not in shown


def test_signs_that_move_a_terminals_cursor_are_blanks() -> None:
    assert shown_lines(["a\x1b[2Jb\tc\u202ed"], ()) == ("a [2Jb c d",)
