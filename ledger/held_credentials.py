"""Which version of each credential is current, and what it is at the vendor. Moving that row is the flip."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, or_, select, update

from domain.errors import Rejected
from domain.names import Credential
from ledger.inserting import insert_new
from ledger.opening import Ledger
from ledger.rotation_schema import HELD_CREDENTIALS


@dataclass(frozen=True, slots=True)
class HeldCredential:
    """One credential that we know of.

    `version` names the current value's document, empty while the value is in its block alone. `vendor_id` is empty until
    it is adopted. `fingerprint` is the current value's. `minted_at` is None where nobody knows. `compromised_at` is the
    moment until which every value counts as exposed, None where there was no compromise.
    """

    credential: Credential
    version: str
    vendor_id: str
    fingerprint: str
    minted_at: datetime | None
    first_seen_at: datetime
    flips: int
    compromised_at: datetime | None = None

    @property
    def since(self) -> datetime:
        """Since when the current value is in use, as far as we know: the age counts from here."""
        return self.minted_at or self.first_seen_at

    @property
    def is_exposed(self) -> bool:
        """Whether the value in use may be in foreign hands: it was there at a compromise, or nobody knows since when it is."""
        return self.compromised_at is not None and (self.minted_at is None or self.minted_at <= self.compromised_at)


def see_credential(ledger: Ledger, credential: Credential, fingerprint: str) -> HeldCredential:
    """Return what is known of the credential, which is recorded where it was not known yet."""
    with ledger.writing() as connection:
        values = {
            "credential": str(credential),
            "environment": credential.environment,
            "fingerprint": fingerprint,
            "first_seen_at": ledger.now_in(connection),
        }
        insert_new(connection, HELD_CREDENTIALS, values)
        return _held(connection.execute(_query().where(_is(credential))).one())


def find_credential(ledger: Ledger, credential: Credential) -> HeldCredential | None:
    with ledger.reading() as connection:
        row = connection.execute(_query().where(_is(credential))).first()
    return _held(row) if row else None


def held_credentials(ledger: Ledger, environment: str = "") -> list[HeldCredential]:
    """Return every credential that we know of, by name."""
    query = _query().order_by(HELD_CREDENTIALS.c.credential)
    if environment:
        query = query.where(HELD_CREDENTIALS.c.environment == environment)
    with ledger.reading() as connection:
        return [_held(row) for row in connection.execute(query)]


def move_pointer(
    connection: Connection,
    credential: Credential,
    *,
    expected: str,
    version: str,
    vendor_id: str,
    fingerprint: str,
    minted_at: datetime | None,
) -> None:
    """Make `version` the current one, by compare-and-set, within the caller's transaction.

    Raises:
        Rejected: another version is current than the expected one; nothing is changed.
    """
    moved = connection.execute(
        update(HELD_CREDENTIALS)
        .where(_is(credential), HELD_CREDENTIALS.c.version == expected)
        .values(
            version=version,
            vendor_id=vendor_id,
            fingerprint=fingerprint,
            minted_at=minted_at,
            flips=HELD_CREDENTIALS.c.flips + 1,
        )
    )
    if moved.rowcount != 1:
        raise Rejected(
            f"{credential} has another current version than {expected or 'its block'}.",
            "Something moved it since this rotation began; nothing was changed.",
            f"opsflows rotations shows what else works on {credential}; then resume or roll back.",
            "rotation.pointer_moved",
        )


def set_vendor_id(connection: Connection, credential: Credential, vendor_id: str) -> None:
    """Bind the current value to its entry at the vendor, within the caller's transaction."""
    connection.execute(update(HELD_CREDENTIALS).where(_is(credential)).values(vendor_id=vendor_id))


def mark_compromised(ledger: Ledger, credential: Credential, at: datetime) -> None:
    """Record that every value minted until `at` is exposed; an earlier moment does not take back a later one.

    A credential that nobody has looked at yet is recorded with it.
    """
    rows = HELD_CREDENTIALS.c
    with ledger.writing() as connection:
        unseen = {
            "credential": str(credential),
            "environment": credential.environment,
            "first_seen_at": ledger.now_in(connection),
        }
        insert_new(connection, HELD_CREDENTIALS, unseen)
        later = or_(rows.compromised_at.is_(None), rows.compromised_at < at)
        connection.execute(update(HELD_CREDENTIALS).where(_is(credential), later).values(compromised_at=at))


def note_minted(ledger: Ledger, credential: Credential, at: datetime | None) -> None:
    """Record when the vendor says that the current value was made, where nobody knew; its age counts from there."""
    if at is None:
        return
    with ledger.writing() as connection:
        unknown = (_is(credential), HELD_CREDENTIALS.c.minted_at.is_(None))
        connection.execute(update(HELD_CREDENTIALS).where(*unknown).values(minted_at=at))


def _query() -> Any:
    return select(*(HELD_CREDENTIALS.c[field.name] for field in fields(HeldCredential)))


def _is(credential: Credential) -> Any:
    return HELD_CREDENTIALS.c.credential == str(credential)


def _held(row: Row[Any]) -> HeldCredential:
    credential, *rest = row
    return HeldCredential(Credential.parse(credential), *rest)
