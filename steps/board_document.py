"""The wiring board for machines: the same facts under keys that stay, moments in ISO 8601 UTC, null where there is none, no HTML."""

from datetime import datetime

from domain.attention import Attention
from domain.board import Board, Cell, EnvironmentBoard, Look, Row, Schedule
from domain.errors import OpsError
from steps.board_page import verdict_words


def document(board: Board) -> dict[str, object]:
    """Return the board. Keys are added, and never renamed: docs/board.md lists them."""
    return {
        "verdict": board.verdict.value,
        "verdict_in_world": verdict_words(board),
        "sentence": board.sentence,
        "as_of": board.now.isoformat(),
        "attentions": [_attention(one) for one in board.needs],
        "environments": [_environment(one) for one in board.environments],
        "prefect": _cell(board.prefect),
        "schedules": [_schedule(one) for one in board.schedules],
    }


def away_document(error: OpsError, at: datetime) -> dict[str, object]:
    """Return what stands in place of the board while the ledger cannot be read."""
    return {
        "verdict": Look.NOT_KNOWN.value,
        "sentence": str(error.happened),
        "tried_at": at.isoformat(),
        "error": {"happened": error.happened, "means": error.means, "next_step": error.next_step},
    }


def _attention(one: Attention) -> dict[str, object]:
    return {
        "key": one.key,
        "weight": one.weight.name,
        "environment": one.environment,
        "what": one.what,
        "means": one.means,
        "by": one.by.isoformat() if one.by else None,
        "command": one.command,
        "runbook": one.runbook or None,
    }


def _environment(one: EnvironmentBoard) -> dict[str, object]:
    return {
        "environment": one.name,
        "kind": one.kind,
        "live": one.live,
        "look": one.look.value,
        "counted": one.is_counted,
        "integrations": [_row(row) for row in one.rows],
        "rotations": [_cell(cell) for cell in one.rotations],
        "reconciliation": _cell(one.month),
        "kms": [_cell(cell) for cell in one.kms],
    }


def _row(row: Row) -> dict[str, object]:
    return {
        "target": row.target,
        "look": row.look.value,
        "verified": _cell(row.verified),
        "credentials": [_cell(cell) for cell in row.credentials],
        "month": _cell(row.month),
    }


def _schedule(one: Schedule) -> dict[str, object]:
    return {
        "deployment": one.name,
        "look": one.look.value,
        "counted": one.is_counted,
        "last_run": _cell(one.last),
        "next_run": _cell(one.next),
    }


def _cell(cell: Cell) -> dict[str, object]:
    return {
        "name": cell.name,
        "look": cell.look.value,
        "words": cell.words,
        "more": cell.more,
        "flow_run": cell.run or None,
        "page": cell.page or None,
        "facts": dict(cell.facts),
    }
