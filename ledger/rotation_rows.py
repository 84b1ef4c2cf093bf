"""Rotations as the ledger's rows tell them: found by id, by credential, by what is due."""

import json
from collections.abc import Collection
from dataclasses import fields
from typing import Any

from sqlalchemy import Row, func, or_, select

from domain.errors import BadInput
from domain.names import Credential, Purpose
from domain.rotation import Kind, RotationRecord, State, Wait
from domain.windows import Window
from ledger.opening import Ledger
from ledger.rotation_schema import GROUP_HOLDS, ROTATIONS

_NAMES = tuple(field.name for field in fields(RotationRecord))


def find_rotation(ledger: Ledger, rotation: str) -> RotationRecord:
    """Return the rotation. Raises BadInput where there is none of that id."""
    with ledger.reading() as connection:
        found = connection.execute(select(ROTATIONS).where(ROTATIONS.c.id == rotation)).first()
    if found is None:
        raise not_open(rotation, None)
    return record_of(found)


def is_known(ledger: Ledger, rotation: str) -> bool:
    """Say whether this ledger has a rotation of that id, of whatever credential, open or over."""
    with ledger.reading() as connection:
        return connection.execute(select(ROTATIONS.c.id).where(ROTATIONS.c.id == rotation)).first() is not None


def group_holder(ledger: Ledger, groups: Collection[str]) -> str:
    """Return the open rotation that has one of the groups, empty where none has."""
    query = select(GROUP_HOLDS.c.rotation).join(ROTATIONS, ROTATIONS.c.id == GROUP_HOLDS.c.rotation)
    with ledger.reading() as connection:
        found = connection.execute(query.where(GROUP_HOLDS.c.name.in_(groups), ROTATIONS.c.closed_at.is_(None))).first()
    return str(found.rotation) if found else ""


def times_given_up(ledger: Ledger, credential: Credential) -> int:
    """Return how many rotations of the credential ended without a new one: each of them ends its window."""
    ended = (ROTATIONS.c.credential == str(credential), ROTATIONS.c.state == State.ABORTED.value)
    with ledger.reading() as connection:
        query = select(func.count()).select_from(ROTATIONS).where(*ended, ROTATIONS.c.kind != Kind.ADOPTION.value)
        return int(connection.execute(query).scalar_one())


def open_rotation_of(ledger: Ledger, credential: Credential) -> RotationRecord | None:
    with ledger.reading() as connection:
        found = connection.execute(open_of(credential)).first()
    return record_of(found) if found else None


def rotations(
    ledger: Ledger, *, environment: str = "", credential: Credential | None = None, open_only: bool = False, limit: int = 200
) -> list[RotationRecord]:  # fmt: skip
    """Return rotations, the open ones first and the newest first among each."""
    query = select(ROTATIONS).order_by(ROTATIONS.c.closed_at.is_not(None), ROTATIONS.c.opened_at.desc()).limit(limit)
    if environment:
        query = query.where(ROTATIONS.c.environment == environment)
    if credential is not None:
        query = query.where(ROTATIONS.c.credential == str(credential))
    if open_only:
        query = query.where(ROTATIONS.c.closed_at.is_(None))
    with ledger.reading() as connection:
        return [record_of(row) for row in connection.execute(query)]


def rotation_spans(ledger: Ledger, environment: str, window: Window) -> list[tuple[Credential, Window]]:
    """Return when credentials that applications send with were rotated, as far as it lies in the window.

    A span is from the new value's minting, or the flip where nothing was minted, to the rotation's end: before and after
    it one value alone is in use. One that is still open goes on to the window's end.
    """
    rows = ROTATIONS.c
    begins = func.coalesce(rows.minted_at, rows.flipped_at)
    query = select(ROTATIONS).where(
        rows.environment == environment,
        begins < window.end,
        or_(rows.closed_at.is_(None), rows.closed_at > window.start),
    )
    with ledger.reading() as connection:
        found = [record_of(row) for row in connection.execute(query)]
    spans = [
        (one.credential, Window(begin, one.closed_at or window.end).overlap(window))
        for one in found
        if one.credential.purpose is Purpose.SEND and (begin := one.minted_at or one.flipped_at) is not None
    ]
    return sorted(
        ((credential, span) for credential, span in spans if span is not None), key=lambda one: (one[1], str(one[0]))
    )


def due_rotations(ledger: Ledger, limit: int = 10_000) -> list[RotationRecord]:
    """Return the open rotations whose moment has come and that nobody works on, the longest due first."""
    rows = ROTATIONS.c
    with ledger.reading() as connection:
        now = ledger.now_in(connection)
        query = (
            select(ROTATIONS)
            .where(rows.closed_at.is_(None), rows.not_before <= now, or_(rows.lease_until.is_(None), rows.lease_until <= now))
            .order_by(rows.not_before, rows.id)
            .limit(limit)
        )  # fmt: skip
        return [record_of(row) for row in connection.execute(query)]


def open_of(credential: Credential) -> Any:
    return select(ROTATIONS).where(ROTATIONS.c.credential == str(credential), ROTATIONS.c.closed_at.is_(None))


def record_of(row: Row[Any]) -> RotationRecord:
    values = row._asdict()
    kept = {name: values[name] for name in _NAMES}
    return RotationRecord(
        **kept
        | {
            "credential": Credential.parse(values["credential"]),
            "kind": Kind(values["kind"]),
            "state": State(values["state"]),
            "wait": Wait(values["wait"]),
            "facts": json.loads(values["facts"]),
        }
    )


def not_open(rotation: str, record: RotationRecord | None) -> BadInput:
    if record is None:
        return BadInput(
            f"There is no rotation {rotation}.",
            "Its id is misspelt, or it belongs to another ledger. Nothing was done.",
            "opsflows rotations lists them.",
        )
    return BadInput(
        f"Rotation {rotation} of {record.credential} is over: {record.state.value}.",
        "Nothing was done.",
        f"opsflows rotation show {rotation} prints its journal.",
    )
