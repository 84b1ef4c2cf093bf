"""A page of docs/ on the board: laid out, with places that links lead to, and no markup that its text did not mean."""

from steps.document_page import document_page

PAGE = "# rotation.stuck\n\n## BLOCKED_NO_SLOT\n\nSee [above](../backup.md#frozen) and `opsflows rotations`.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"


def test_headings_lists_links_and_tables_are_laid_out() -> None:
    html = document_page(PAGE, "../")

    assert "<title>rotation.stuck: opsflows</title>" in html
    assert '<h2 id="blocked_no_slot">' in html
    assert '<a href="../backup.md#frozen">' in html
    assert "<code>opsflows rotations</code>" in html
    assert "<td>2</td>" in html


def test_what_is_no_markdown_is_text() -> None:
    html = document_page(
        "# <script>alert(1)</script>\n\n<img src=x onerror=alert(1)> [x](javascript:alert(1))\n\n<b>\n", "../"
    )

    assert "<script" not in html
    assert "<img" not in html
    assert 'href="javascript:' not in html
    assert "&lt;b&gt;" in html


def test_a_comment_is_for_those_who_edit_the_page() -> None:
    html = document_page(
        "# A\n\n<!-- from the code: a -->\nSaid. <!-- and here -->\n\n```\n<!-- shown -->\n```\n", "../"
    )

    assert "from the code" not in html
    assert "and here" not in html
    assert "&lt;!-- shown --&gt;" in html
    assert "Said." in html
