"""Where a cell of the wiring board leads into Prefect: to the run that it tells of, else to the deployment that looks after it."""

from dataclasses import replace

from domain.board import Cell, EnvironmentBoard, Look
from domain.names import KMS_SMOKE, RECONCILE, ROTATE, STEP_ROTATION, VERIFY_DUE
from steps.board_schedules import PrefectSeen

# What is well needs no link: a page of links is none to read at night.
_LOOKED_INTO = frozenset({Look.HOLD, Look.WAITING})


def linked(one: EnvironmentBoard, prefect: PrefectSeen) -> EnvironmentBoard:
    """Return the environment's board, each cell that someone looks into with the deployment's id where it names no run."""
    ids = {seen.name: seen.id for seen in prefect.deployments}

    def led(cell: Cell, name: str) -> Cell:
        if cell.run or cell.look not in _LOOKED_INTO:
            return cell
        return replace(cell, deployment=ids.get(name.partition("/")[2], ""))

    rows = (
        replace(
            row,
            verified=led(row.verified, VERIFY_DUE),
            credentials=tuple(led(cell, STEP_ROTATION if cell.facts["rotation"] else ROTATE) for cell in row.credentials),
            month=led(row.month, RECONCILE),
        )
        for row in one.rows
    )  # fmt: skip
    return replace(
        one,
        rows=tuple(rows),
        rotations=tuple(led(cell, STEP_ROTATION) for cell in one.rotations),
        month=led(one.month, RECONCILE),
        kms=tuple(led(cell, KMS_SMOKE) for cell in one.kms),
    )
