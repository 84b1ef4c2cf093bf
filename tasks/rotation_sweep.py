"""The sweeper's part in rotations: step what is due, replace what is exposed, put back what drifted, look for orphans."""

from datetime import timedelta

from domain.drill import is_drill
from domain.errors import OpsError, Unavailable
from domain.names import REHEARSAL, Credential
from domain.rotation import RotationRecord
from ledger.held_credentials import held_credentials
from ledger.rotation_rows import due_rotations, rotations
from steps.compromise import channels_of
from steps.conduct import running_stand_ins
from steps.drift import make_due_where_drifted, put_back_drift
from steps.emergency import renew_exposed
from tasks.parts import expect, part
from tasks.preparing_rotation import RotationDesk
from tasks.rotation import step_all, sweep_all_orphans

# A worker that was paused in a rotation may wake up after it is over; so long after its end it is looked at once more.
_LOOKED_AFTER = timedelta(days=2)


def step_what_is_due(desk: RotationDesk) -> list[str]:
    """Step every due rotation that nobody works on; return where each stands. One that waits for someone is an alert, no failure.

    Raises:
        Unavailable: some could not even be looked at.
    """
    said = [
        f"{record.credential}: exposed, rotation {record.id} was opened."
        for record in renew_exposed(desk.run.ledger, channels_of(desk.config))
    ]
    due = due_rotations(desk.run.ledger)
    waiting = [record.credential for record in due if not _is_reachable(record.credential)]
    said.extend(f"{credential}: waits for the rehearsal's stand-ins." for credential in waiting)
    rows = step_all(desk, (record for record in due if _is_reachable(record.credential)))
    # A canary whose stand-ins another run has at this moment is stepped by the next sweep.
    failed = [row for row in rows if not row.rotation and not is_drill(Credential.parse(row.credential))]
    if failed:
        words = " ".join(f"{row.credential}: {row.words}" for row in failed)
        raise Unavailable(words, "The other rotations were stepped.", failed[0].next_step, "rotation.not_stepped")
    return [*said, *(f"{row.credential}: {row.state}{f' ({row.wait})' if row.wait else ''}." for row in rows)]


def put_back_what_drifted(desk: RotationDesk) -> list[str]:
    """Look at every credential's block and sinks, and put the current value back where an earlier one stands.

    What an open rotation looks after is made due for it.

    Raises:
        Unavailable: some could not be looked at; the others were.
    """
    open_ones = {record.credential: record for record in rotations(desk.run.ledger, open_only=True, limit=100_000)}
    said: list[str] = []
    failed: list[str] = []
    looked_at = [
        held.credential
        for held in held_credentials(desk.run.ledger)
        if held.version and not is_drill(held.credential) and _is_reachable(held.credential)
    ]
    expect(len(looked_at))
    for credential in looked_at:
        record = open_ones.get(credential)
        try:
            with part(str(credential)), desk.hands(credential) as hands:
                said.extend(make_due_where_drifted(hands, record) if record else put_back_drift(hands))
        except OpsError as error:
            failed.append(f"{credential}: {error}")
    if failed:
        raise Unavailable(
            " ".join([*failed, *said]),
            "The others were looked at.",
            "The next sweep tries again.",
            "rotation.not_looked_at",
        )
    return said


def sweep_recent_orphans(desk: RotationDesk) -> list[str]:
    """Look for what rotations of the last days left at the vendors; the daily run looks at all credentials.

    Raises:
        Unavailable: some vendors could not be looked at.
    """
    since = desk.run.ledger.now() - _LOOKED_AFTER
    recent = [record for record in rotations(desk.run.ledger, limit=1000) if _is_recent(record, since.timestamp())]
    credentials = dict.fromkeys(record.credential for record in recent if _is_reachable(record.credential))
    swept = sweep_all_orphans(desk, credentials)
    if swept.failed:
        raise Unavailable(
            " ".join(swept.failed), "The others were looked at.", "The next sweep tries again.", "rotation.not_swept"
        )
    return [f"Orphan deleted: {one}." for one in swept.deleted]


def _is_recent(record: RotationRecord, since: float) -> bool:
    ended = record.closed_at
    return (ended is None and record.attempt > 1) or (ended is not None and ended.timestamp() >= since)


def _is_reachable(credential: Credential) -> bool:
    """Rotations of the rehearsal need its stand-ins; those of the drill bring their own."""
    return credential.environment != REHEARSAL or is_drill(credential) or bool(running_stand_ins())
