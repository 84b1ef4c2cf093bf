"""Where each credential stands: how old, by which policy, due when, served where, proven when. Asks ledger and configuration alone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from domain.config import Config, EnvironmentKind
from domain.drill import is_drill
from domain.names import AT_VENDOR, REHEARSAL, Credential, Purpose, Target
from domain.policies import Policy, is_too_old
from domain.rotation import Kind, RotationRecord
from domain.rotation_calendar import LOOKS_AHEAD, DueMoment, Life, Next, SinkVersion, due_moments, next_of, sink_version
from domain.rotation_config import is_rotated, policy_of, sinks_of
from ledger.credential_history import LastProof, last_proofs, sinks_filled
from ledger.held_credentials import HeldCredential, held_credentials
from ledger.opening import Ledger
from ledger.rotation_rows import rotations
from ledger.verifications import LastVerified, last_verified_in
from steps.rotation_inventory import Rows, credentials_in, lives_of
from steps.rotation_scope import named_credentials
from vendors.rotation import Rotation

_VERIFICATION = "verification"


@dataclass(frozen=True, slots=True)
class Standing:
    """One credential as the ledger and opsflows.toml know it.

    `life` is None where the ledger has not seen the credential yet, `at` where no moment is known for what comes next, `proof`
    where none was recorded. `rotation` is the open one. `ahead` is the life that schedules will renew, None where none will.
    `exposed_until` is the moment of the compromise that the value in use was there at, None where it is not exposed.
    """

    credential: Credential
    policy: Policy
    life: Life | None
    age: timedelta | None
    is_too_old: bool
    next: Next
    at: datetime | None
    rotation: RotationRecord | None
    sinks: Mapping[str, SinkVersion]
    proof: LastProof | None
    ahead: Life | None
    exposed_until: datetime | None


@dataclass(frozen=True, slots=True)
class Seen:
    """What the ledger tells of more than credentials: its time, what is held, the open rotations, and by environment what was verified."""

    now: datetime
    held: Sequence[HeldCredential]
    lives: Mapping[Credential, Life]
    rotations: Sequence[RotationRecord]
    verified: Mapping[str, Mapping[Target, LastVerified]]


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of all credentials, by credential."""

    now: datetime
    held: Mapping[Credential, HeldCredential]
    lives: Mapping[Credential, Life]
    open: Mapping[Credential, RotationRecord]
    proofs: Mapping[Credential, LastProof]
    sinks: Mapping[Credential, Mapping[str, str]]


def scheduled_environments(config: Config) -> list[str]:
    """Return the environments that schedules look at: all but the rehearsal."""
    return [name for name, row in config.environments.items() if row.kind is not EnvironmentKind.REHEARSAL]


def listed_credentials(
    ledger: Ledger, config: Config, rows: Rows, names: Iterable[str], environment: str
) -> list[Credential]:
    """Return the credentials that were named, or all of the environment, or of every one but the rehearsal; canaries with it.

    Raises:
        BadInput: a name is none, or not in scope; the environment is not declared.
    """
    canaries = {str(one): one for one in _canaries(ledger, rows)}
    asked = list(names)
    if asked:
        others = named_credentials(config, [one for one in asked if one not in canaries], environment, rows)
        return [*others, *(canaries[one] for one in asked if one in canaries)]
    environments = [environment] if environment else scheduled_environments(config)
    found = [one for name in environments for one in credentials_in(config, name, rows)]
    return [*found, *(one for one in canaries.values() if one.environment in environments and one not in found)]


def standings(ledger: Ledger, config: Config, rows: Rows, credentials: Iterable[Credential]) -> list[Standing]:
    """Return where each stands, the next due first; those for which no moment is known come last."""
    asked = list(credentials)
    verified = last_verified_in(ledger, {one.environment for one in asked})
    held, open_ones = held_credentials(ledger), rotations(ledger, open_only=True, limit=100_000)
    seen = Seen(ledger.now(), held, lives_of(config, rows, held), open_ones, verified)
    return standings_among(ledger, config, rows, asked, seen)


def standings_among(
    ledger: Ledger, config: Config, rows: Rows, credentials: Iterable[Credential], seen: Seen
) -> list[Standing]:
    """Return the same where somebody has asked for the most of it already."""
    known = _known(ledger, seen)
    found = [_standing(config, rows, known, one) for one in credentials]
    return sorted(found, key=lambda one: (one.at is None, one.at or known.now, str(one.credential)))


def moments_ahead(found: Iterable[Standing], now: datetime) -> list[DueMoment]:
    """Return what falls due within the next twelve months, each rotation being begun when it is due."""
    lives = [one.ahead for one in found if one.ahead is not None]
    return sorted(moment for life in lives for moment in due_moments(life, now, now + LOOKS_AHEAD))


def _canaries(ledger: Ledger, rows: Rows) -> list[Credential]:
    """Return the canaries on the drill's own stand-ins, which no configuration names."""
    held = [one.credential for one in held_credentials(ledger, REHEARSAL)]
    return [one for one in held if is_drill(one) and (one.target.integration, one.purpose) in rows]


def _known(ledger: Ledger, seen: Seen) -> _Known:
    held = {one.credential: one for one in seen.held}
    proofs = last_proofs(ledger)
    for environment, verified in seen.verified.items():
        proofs |= _verified(environment, verified, held, proofs)
    open_ones = {record.credential: record for record in seen.rotations}
    return _Known(seen.now, held, seen.lives, open_ones, proofs, sinks_filled(ledger))


def _verified(
    environment: str,
    verified: Mapping[Target, LastVerified],
    held: Mapping[Credential, HeldCredential],
    proofs: Mapping[Credential, LastProof],
) -> dict[Credential, LastProof]:
    """Return the verifications that are newer than a credential's last proof: their events are sent with what sends."""
    found = {}
    for target, last in verified.items():
        credential, at = Credential(target, environment, Purpose.SEND), last.last_pass_at
        known, proof = held.get(credential), proofs.get(credential)
        # One that was made with an earlier value says nothing of this one.
        if at is not None and known is not None and at >= known.since and (proof is None or at > proof.at):
            found[credential] = LastProof(at, _VERIFICATION)
    return found


def _standing(config: Config, rows: Rows, known: _Known, credential: Credential) -> Standing:
    row = rows[credential.target.integration, credential.purpose]
    held, rotation = known.held.get(credential), known.open.get(credential)
    life = known.lives.get(credential)
    policy = life.policy if life is not None else policy_of(config, credential, row.manifest.usual_age)
    left = _left_to(config, credential, policy)
    if rotation is not None:
        comes, at = Next.ROTATING, known.now
    elif left is not None or life is None:
        comes, at = left or Next.NOT_SEEN, None
    else:
        comes, at = next_of(life, known.now), life.due
    return Standing(
        credential=credential,
        policy=policy,
        life=life,
        age=known.now - life.since if life is not None else None,
        is_too_old=life is not None and is_too_old(life.since, known.now, policy),
        next=comes,
        at=at,
        rotation=rotation,
        sinks=_sinks(sinks_of(config, credential), row, known, credential),
        proof=known.proofs.get(credential),
        ahead=None if left is not None or life is None else _ahead(life, rotation, known.now),
        exposed_until=held.compromised_at if held is not None and held.is_exposed else None,
    )


def _left_to(config: Config, credential: Credential, policy: Policy) -> Next | None:
    """Return what keeps the credential out of the daily schedule, None where nothing does."""
    if policy.is_drill:
        return Next.BY_DRILL
    in_schedule = credential.environment in scheduled_environments(config) and is_rotated(config, credential)
    return None if in_schedule else Next.LEFT_OUT


def _ahead(life: Life, rotation: RotationRecord | None, now: datetime) -> Life:
    """Return the life whose end comes next: where a new value is being made, that one's."""
    if rotation is None or rotation.back or rotation.kind is Kind.ADOPTION:
        return life
    return replace(life, since=rotation.minted_at or now)


def _sinks(names: Iterable[str], row: Rotation, known: _Known, credential: Credential) -> dict[str, SinkVersion]:
    """Return which version each place has that serves the credential; the vendor's own pointer is one where it has one."""
    held, rotation = known.held.get(credential), known.open.get(credential)
    current = held.version if held is not None else ""
    coming = rotation.new_version if rotation is not None and rotation.flipped_at is None else ""
    told = known.sinks.get(credential, {})
    places = (*names, *((AT_VENDOR,) if row.point is not None else ()))
    return {name: sink_version(told.get(name, ""), current, coming) for name in places}
