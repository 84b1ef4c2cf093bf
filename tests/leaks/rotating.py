"""Rotations lived through: planned, adopted, applied, published, entered by hand, replaced in an emergency, drilled; and failing.

What the stand-ins mint on the way is a secret like any other: it is collected at the end from where values are kept.
"""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from click.testing import CliRunner
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State

from blocks.versions import CredentialVersion
from domain.config import Config
from domain.names import Credential, Purpose
from domain.rotation import RotationRecord
from domain.rotation import State as Stage
from domain.run_mode import Mode
from entrypoints.rotations import rotation
from flows.check_credential_ages import check_credential_ages
from flows.drill_rotations import drill_rotations
from flows.respond_to_a_compromise import respond_to_a_compromise
from flows.rotate_credentials import CredentialChoice, Reason, rotate_credentials
from flows.rotate_what_is_due import rotate_what_is_due
from flows.step_a_rotation import step_a_rotation
from flows.sweep_what_is_due import sweep_what_is_due
from ledger.rotation_rows import rotations
from steps.adoption_order import AdoptionOrder, adopt
from steps.audited_run import audited_run, open_own_ledger
from tasks.preparing import own_ledger, read_own_config
from tasks.preparing_rotation import rotation_desk
from tests.leaks.canaries import secret_parts
from tests.leaks.sinks import PLACES, PUBLISHED_LIVE
from tests.leaks.world import FAULTS, LIVE, LIVE_PLATFORMS, Control
from vendors.registry import INTEGRATIONS, PLATFORMS, ROTATIONS

_WEBHOOK = ("github", Purpose.RECEIVE)
# What manages a platform's keys is such a key itself; the drill, which takes all of them, rotates it too.
BY_API = [
    (name, purpose)
    for (name, purpose), row in ROTATIONS.items()
    if row.connect is not None and (name in INTEGRATIONS or purpose is not Purpose.MANAGE)
]
# One of each target, and one more: that one waits for the other, as all of a target do.
_FIRST = [kind for kind in ROTATIONS if kind[1] is Purpose.SEND]
_CHOSEN = [*_FIRST, ("pagerduty", Purpose.READ)]
# No two of them are of one group, so that each is tried.
_SENDING = [kind for kind in BY_API if kind[1] is Purpose.SEND and kind[0] in (*INTEGRATIONS, *LIVE_PLATFORMS)]
# Echoing answers are the dangerous ones; the rest shows the other ways of failing.
_FAULTS = tuple(fault for fault in FAULTS if fault.name in {"echo403", "echo500", "reset"})
_ECHO, _RESET = (next(fault for fault in FAULTS if fault.name == name) for name in ("echo500", "reset"))
_WHO: dict[str, Any] = {"operator": "a test", "ticket": "T-2"}


def rotate_everything(control: Control) -> dict[str, str]:
    """Rotate what the environment staging has, as far as it goes now, by every flow that there is; in LIVE a webhook's secret."""
    outcomes = {"rotation plan": _rotated([*_CHOSEN, _WEBHOOK], Mode.PLAN)}
    outcomes["adopted"] = str(_adopt_all("staging"))
    outcomes["rotation apply"] = _rotated(_CHOSEN, Mode.APPLY)
    outcomes["entered by hand"] = _enter_by_hand(control)
    _let_the_webhook_deliver(control)
    outcomes["webhook"] = _rotated([_WEBHOOK], Mode.APPLY, environment=LIVE)
    outcomes["published"] = _published("staging")
    outcomes["rotate due plan"] = _named(rotate_what_is_due(return_state=True))
    outcomes["rotate due"] = _named(rotate_what_is_due(mode=Mode.APPLY, return_state=True))
    outcomes["ages"] = _named(check_credential_ages(return_state=True))
    outcomes["sweep with rotations"] = _named(sweep_what_is_due(return_state=True))
    outcomes["emergency plan"] = _responded("staging/splunk", Mode.PLAN)
    outcomes["emergency"] = _responded("splunk-default-staging-send", Mode.APPLY)
    outcomes["drill"] = _named(drill_rotations(return_state=True))
    outcomes["no such rotation"] = _named(step_a_rotation("r00000000000", return_state=True))
    return outcomes


def fail_everywhere(control: Control) -> dict[str, str]:
    """Rotate what the live environment has while the stand-ins fail, each time in another way, and once they are mended.

    The plan is of staging, which has every platform: it tries each credential and asks its vendor.
    """
    outcomes: dict[str, str] = {}
    for at, fault in enumerate(_FAULTS):
        control.break_with(fault)
        if at == 0:
            outcomes[f"rotation {fault.name}"] = _rotated(_SENDING, Mode.APPLY, environment=LIVE)
            outcomes[f"plan {fault.name}"] = _rotated(BY_API, Mode.PLAN)
        else:
            outcomes[f"steps {fault.name}"] = ", ".join(sorted(_stepped(_two_of_live())))
        if fault.name == "echo500":
            outcomes[f"emergency {fault.name}"] = _responded(f"datadog-default-{LIVE}-send", Mode.APPLY)
        control.mend()
    outcomes["steps with places failing"] = ", ".join(_published_to_failing_places(control))
    outcomes["steps mended"] = ", ".join(sorted(_stepped(_two_of_live())))
    outcomes[f"published {LIVE}"] = _published(LIVE)
    return outcomes


def minted() -> dict[str, str]:
    """Return every value that a rotation made or kept, by the name of its document."""
    with get_client(sync_client=True) as client:
        rows = client.request(
            "POST", "/block_documents/filter",
            json={"block_types": {"slug": {"any_": [CredentialVersion.get_block_type_slug()]}}, "include_secrets": True},
        ).json()  # fmt: skip
    return secret_parts({str(row["name"]): str(row["data"]["value"]) for row in rows})


def _rotated(chosen: Any, mode: Mode, *, environment: str = "staging", reason: Reason = Reason.TEST) -> str:
    choices = [CredentialChoice(f"{name} {purpose}") for name, purpose in chosen]
    state = rotate_credentials(choices, environment, reason, mode=mode, return_state=True, **_WHO)
    return _named(state)


def _responded(scope: str, mode: Mode) -> str:
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return _named(respond_to_a_compromise([scope], now, reason="a try", mode=mode, return_state=True, **_WHO))


def _adopt_all(environment: str) -> int:
    """Adopt what can be adopted, and return how many were."""
    config = read_own_config()
    done = 0
    with own_ledger() as ledger, audited_run(
        ledger, flow="adopt", environment=environment, mode="apply", actor="a test", reason="adoption", parameters={}
    ) as run, rotation_desk(run, config) as desk:  # fmt: skip
        for credential in _by_api(config, environment):
            with desk.hands(credential) as hands:
                done += not adopt(hands, AdoptionOrder("a test", "T-2", run.run_id)).is_open
    return done


def _by_api(config: Config, environment: str) -> Iterator[Credential]:
    for target in config.environment(environment).rotated:
        yield from (Credential(target, environment, purpose) for name, purpose in BY_API if name == target.integration)


def _let_the_webhook_deliver(control: Control) -> None:
    """Let there be a delivery to send again, and a receiver that takes both secrets, as one does that has read its file anew."""
    control.act("github", "deliver")
    control.act("github", "receiver_answers", status=200)


def _published(environment: str) -> str:
    """Return whose new value is in use, each with the places that serve it: of platforms all, of the others what has a place."""
    new = [one for one in _open(environment) if one.state is Stage.PUBLISHED]
    told = {one.credential: _places_of(one) for one in new}
    return ", ".join(
        sorted(
            " ".join((str(credential), *places))
            for credential, places in told.items()
            if places or credential.target.integration in PLATFORMS
        )
    )


def _places_of(record: RotationRecord) -> list[str]:
    known = record.facts.get("sinks")
    return sorted(known) if isinstance(known, dict) else []


def _published_to_failing_places(control: Control) -> list[str]:
    """Let every place fail while a value is published, then mend one after the other; return how each step ended.

    Whatever fails after the first time repeats the new value itself.
    """
    (waiting,) = (one for one in _open(LIVE) if str(one.credential) == PUBLISHED_LIVE)
    for place in PLACES:
        control.break_one(place, _RESET, {})
    ended = [_named(step_a_rotation(waiting.id, return_state=True))]
    control.mend(*PLACES)
    made = {name: value for name, value in minted().items() if name.startswith(PUBLISHED_LIVE)}
    for place, request in PLACES.items():
        control.break_one(place, _ECHO, made, request)
    for place in PLACES:
        ended.append(_named(step_a_rotation(waiting.id, return_state=True)))
        control.mend(place)
    return ended


def _enter_by_hand(control: Control) -> str:
    """Make a private key on the app's page and enter it at the prompt, as an operator does; what the command says is searched too."""
    (waiting,) = (one for one in _open("staging") if str(one.credential) == "github-default-staging-send")
    pem = str(control.act("github", "mint_private_key")["private_key"])
    # A prompt takes one line.
    line = " ".join(pem.split("\n")).strip()
    entered = CliRunner().invoke(rotation, ["enter", waiting.id, "--by", "a test"], input=f"{line}\n")
    sys.stdout.write(entered.output)
    step_a_rotation(waiting.id, return_state=True)
    return str(entered.exit_code)


def _two_of_live() -> list[RotationRecord]:
    """Return two of them: all would take minutes."""
    return [one for one in _open(LIVE) if one.credential.target.integration in {"datadog", "opsgenie"}]


def _stepped(records: list[RotationRecord]) -> set[str]:
    return {_named(step_a_rotation(record.id, return_state=True)) for record in records}


def _open(environment: str) -> list[RotationRecord]:
    ledger = open_own_ledger()
    try:
        return rotations(ledger, environment=environment, open_only=True, limit=1000)
    finally:
        ledger.close()


def _named(state: State[Any]) -> str:
    return f"{state.type.value} {state.name}"
