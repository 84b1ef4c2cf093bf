"""What the ledger tells of every environment, asked once for a look: the wiring board and the list of what needs someone judge the same facts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from domain.config import Config
from domain.names import Credential, Target
from domain.rotation import RotationRecord
from domain.rotation_calendar import Life
from ledger.held_credentials import HeldCredential, held_credentials
from ledger.newest import PartSeen, go_live_days, parts_seen
from ledger.open_facts import Looking, looked_into
from ledger.opening import Ledger
from ledger.rotation_rows import rotations
from ledger.verifications import LastVerified, last_verified_in
from ledger.waivers import Waiver, waivers
from steps.rotation_inventory import Rows, lives_of

_ANY = 100_000


@dataclass(frozen=True, slots=True)
class SharedFacts:
    """One look at the ledger. `now` is its time; `verified` is by environment, `rotations` are the open ones.

    `lives` are those of what is held, by what opsflows.toml says of each.
    """

    now: datetime
    verified: Mapping[str, Mapping[Target, LastVerified]]
    live: Mapping[str, date]
    held: Sequence[HeldCredential]
    lives: Mapping[Credential, Life]
    rotations: Sequence[RotationRecord]
    parts: Sequence[PartSeen]
    waived: Sequence[Waiver]
    looked_into: Mapping[tuple[str, str, str], Looking]


def shared_facts(ledger: Ledger, config: Config, rows: Rows) -> SharedFacts:
    """Return what both ask for: one statement per kind of fact, however much there is.

    Raises:
        Unavailable: the ledger does not answer.
    """
    held = held_credentials(ledger)
    return SharedFacts(
        now=ledger.now(),
        verified=last_verified_in(ledger, config.environments),
        live=go_live_days(ledger),
        held=held,
        lives=lives_of(config, rows, held),
        rotations=rotations(ledger, open_only=True, limit=_ANY),
        parts=parts_seen(ledger),
        waived=waivers(ledger),
        looked_into=looked_into(ledger),
    )
