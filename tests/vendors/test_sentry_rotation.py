"""Sentry's client keys and tokens in rotation, against the stand-in."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from domain.diagnosis import Signature
from domain.errors import BadInput, NotYet, OpsError, OutcomeUnknown, Rejected, Unavailable
from domain.manifests import Fit, ListedCredential
from domain.names import Purpose, marker
from tests.conftest import StandIns
from tests.vendors.rehearsal import connected, eventually
from tests.vendors.rotating import Account, account_of, listed
from vendors.registry import LIMITS, ROTATIONS
from vendors.rotation import Rotation, Rotator
from vendors.sentry import INTEGRATION, PAGE_KEYS, connect
from vendors.sentry_dsn import parse_dsn
from vendors.sentry_rotation import SIGNATURES

SEND, READ, MANAGE = (ROTATIONS["sentry", purpose] for purpose in (Purpose.SEND, Purpose.READ, Purpose.MANAGE))
MARKER = marker("r1f2e3d4c5b", 1)
NONCE = "5f0c2b9a7d3e4f1aa0b1c2d3e4f50617"
NO_ID = "0" * 32

CALLS: dict[str, Callable[[Rotator], object]] = {
    "list_client_keys": lambda rotator: rotator.list_credentials(""),
    "create_client_key": lambda rotator: rotator.create(MARKER, ""),
    "disable_client_key": lambda rotator: rotator.disable(NO_ID),
    "enable_client_key": lambda rotator: rotator.enable(NO_ID),
    "delete_client_key": lambda rotator: rotator.revoke(NO_ID),
}
CHECKS = {"check_dsn": SEND, "check_token": READ, "check_manage_token": MANAGE}
MUTATIONS = tuple(CALLS)[1:]
# A key that was not seen yet is looked for first, so a fault says which request it is for.
METHODS = {"create_client_key": "POST", "delete_client_key": "DELETE"} | dict.fromkeys(
    ("disable_client_key", "enable_client_key"), "PUT"
)

each_token = pytest.mark.parametrize("rotation", [READ, MANAGE], ids=lambda row: row.field)


@pytest.fixture
def account(stand_ins: StandIns) -> Account:
    stand_ins.control("POST", "/sentry/actions/set_indexing_delay", {"seconds": 0})
    stand_ins.control("POST", "/sentry/actions/set_propagation_delay", {"seconds": 0})
    return account_of(stand_ins, INTEGRATION)


@pytest.fixture
def rotator(account: Account) -> Iterator[Rotator]:
    with closing(account.rotator(SEND)) as rotator:
        yield rotator


def in_use(account: Account, rotator: Rotator) -> ListedCredential:
    """Return the client key whose DSN is in use."""
    (found,) = (row for row in listed(rotator).values() if row.fits(account.values["dsn"]) is Fit.EXACT)
    return found


def refused(account: Account, rotation: Rotation) -> str:
    """Return the symptom of a refusal; NotYet while the vendor still takes the credential."""
    try:
        account.check(rotation)
    except Rejected as refusal:
        return refusal.symptom
    raise NotYet("The credential still works.", "Its end has not spread.", "Ask again.")


def accepted(account: Account) -> None:
    try:
        account.check(SEND)
    except Rejected as refusal:
        raise NotYet(refusal.happened, refusal.means, refusal.next_step) from refusal


def test_the_dsn_in_use_is_found_exactly_and_shown_by_its_end_alone(account: Account, rotator: Rotator) -> None:
    found = in_use(account, rotator)

    assert found.hint == parse_dsn(account.values["dsn"]).public_key[-4:]
    assert found.enabled
    assert found.last_used_at is None
    assert account.values["dsn"] not in repr(found)
    assert found.fits(account.values["dsn"].replace("://", "://0", 1)) is Fit.NO
    assert found.fits("no dsn at all") is Fit.NO


def test_a_second_client_key_carries_the_marker_and_both_dsns_work(account: Account, rotator: Rotator) -> None:
    minted = rotator.create(MARKER, "")

    shown = listed(rotator)[MARKER]
    assert shown.vendor_id == minted.vendor_id
    assert shown.fits(minted.value) is Fit.EXACT
    assert shown.created_at is not None
    assert datetime.now(UTC) - shown.created_at < timedelta(minutes=1)
    account.check(SEND)
    account.having(dsn=minted.value).check(SEND)


def test_no_value_is_in_a_repr_or_in_the_evidence(account: Account, rotator: Rotator) -> None:
    minted = rotator.create(MARKER, "")
    account.having(dsn=minted.value).check(SEND)

    shown = f"{minted!r} {rotator!r} {listed(rotator)!r} {account.evidence!r}"
    values = (minted.value, *(account.values[name] for name in ("dsn", "auth_token", "manage_token")))
    secrets = (*values, *(parse_dsn(value).public_key for value in (minted.value, account.values["dsn"])))
    assert account.evidence
    assert [secret for secret in secrets if secret in shown] == []


def test_a_marker_may_stand_twice_and_both_are_listed(rotator: Rotator) -> None:
    made = {rotator.create(MARKER, "").vendor_id for _ in range(2)}

    found = {row.vendor_id for row in rotator.list_credentials("").credentials if row.name == MARKER}
    assert found == made


def test_a_long_list_is_read_page_by_page(account: Account, rotator: Rotator) -> None:
    for second in range(3):  # the stand-in keeps to Sentry's limit of 40 a second
        account.stand_ins.control("POST", "/clock", {"offset_s": 2 * second})
        for number in range(PAGE_KEYS // 3 + 1):
            rotator.create(marker(f"many{second}", number), "")

    first = rotator.list_credentials("")
    last = rotator.list_credentials(first.next_cursor)

    assert (len(first.credentials), first.slots, last.next_cursor) == (PAGE_KEYS, None, "")
    assert len({row.vendor_id for page in (first, last) for row in page.credentials}) == 3 * (PAGE_KEYS // 3 + 1) + 1


def test_a_key_is_switched_off_and_on_again_as_often_as_asked(account: Account, rotator: Rotator) -> None:
    minted = rotator.create(MARKER, "")
    second = account.having(dsn=minted.value)

    for _ in range(2):
        rotator.disable(minted.vendor_id)
    off = (listed(rotator)[MARKER].enabled, refused(second, SEND))
    for _ in range(2):
        rotator.enable(minted.vendor_id)

    assert off == (False, "sentry.dsn_unknown")
    assert listed(rotator)[MARKER].enabled
    second.check(SEND)


def test_a_switched_off_key_is_refused_only_once_the_ingest_knows(account: Account, rotator: Rotator) -> None:
    minted = rotator.create(MARKER, "")
    second = account.having(dsn=minted.value)
    account.act("set_propagation_delay", seconds=0.3)
    eventually(partial(accepted, second))

    rotator.disable(minted.vendor_id)

    second.check(SEND)
    assert eventually(partial(refused, second, SEND)) in SEND.refusals


def test_a_revoked_key_is_refused_once_that_has_spread_and_the_other_is_not(account: Account, rotator: Rotator) -> None:
    minted = rotator.create(MARKER, "")

    for _ in range(2):
        rotator.revoke(minted.vendor_id)
    rotator.disable(minted.vendor_id)

    assert eventually(partial(refused, account.having(dsn=minted.value), SEND)) in SEND.refusals
    assert MARKER not in listed(rotator)
    account.check(SEND)


def test_a_key_is_switched_and_deleted_by_one_who_never_listed_it(account: Account, rotator: Rotator) -> None:
    vendor_id = rotator.create(MARKER, "").vendor_id

    for change in ("disable", "enable", "revoke", "revoke"):
        with closing(account.rotator(SEND)) as another:
            getattr(another, change)(vendor_id)

    assert MARKER not in listed(rotator)
    assert in_use(account, rotator).enabled


def test_a_key_that_is_gone_cannot_be_switched_on(rotator: Rotator) -> None:
    minted = rotator.create(MARKER, "")
    rotator.revoke(minted.vendor_id)

    with pytest.raises(Rejected) as caught:
        rotator.enable(minted.vendor_id)

    assert caught.value.symptom == "sentry.client_key_gone"


def test_a_fresh_key_shows_in_the_list_after_its_lag(account: Account, rotator: Rotator) -> None:
    account.act("set_listing_lag", seconds=3600)
    rotator.create(MARKER, "")

    at_once = MARKER in listed(rotator)
    account.stand_ins.control("POST", "/clock", {"offset_s": 3601})

    assert (at_once, MARKER in listed(rotator)) == (False, True)


def test_checking_a_dsn_shows_nobody_anything(account: Account) -> None:
    account.check(SEND)

    assert account.stand_ins.control("GET", "/sentry/inbox") == []
    (request,) = account.requests()
    assert json.loads(request["body"].splitlines()[2]) == {"discarded_events": []}


def test_a_new_dsn_is_proved_by_an_event_that_is_read_back(account: Account, rotator: Rotator) -> None:
    minted = rotator.create(MARKER, "")

    with connected(account.stand_ins, INTEGRATION, connect, SENTRY_DSN=minted.value) as (client, _):
        (probe,) = SEND.probes(client)
        receipt = probe.send(NONCE, datetime.now(UTC))

        assert eventually(partial(probe.confirm[0], receipt)).ids["event_id"] == NONCE
        assert MANAGE.probes(client) == ()


def test_a_token_that_may_only_read_says_which_scope_it_lacks(account: Account) -> None:
    limited = account.having(manage_token=account.values["auth_token"])

    with closing(limited.rotator(SEND)) as rotator:
        rotator.list_credentials("")  # reading is enough for that
        for verb in MUTATIONS:
            with pytest.raises(Rejected, match="project:admin") as caught:
                CALLS[verb](rotator)

            assert caught.value.symptom == "sentry.manage_scope_missing"


def test_a_token_that_may_write_makes_keys_and_deletes_none(account: Account) -> None:
    token = account.act("mint_token", scopes=["project:write"])["token"]

    with closing(account.having(manage_token=token).rotator(SEND)) as rotator:
        minted = rotator.create(MARKER, "")

        with pytest.raises(Rejected) as caught:
            rotator.revoke(minted.vendor_id)

    assert caught.value.symptom == "sentry.manage_scope_missing"


@pytest.mark.parametrize(
    ("field", "name"),
    [("manage_token", "SENTRY_MANAGE_TOKEN"), ("organisation", "SENTRY_ORG"), ("project", "SENTRY_PROJECT")],
)
def test_a_missing_value_says_what_to_connect(field: str, name: str, account: Account) -> None:
    with pytest.raises(BadInput, match=name) as caught:
        account.having(**{field: ""}).rotator(SEND)

    assert "opsflows connect sentry" in caught.value.next_step
    assert account.requests() == []


def test_a_project_that_the_token_cannot_see_is_named(account: Account) -> None:
    with closing(account.having(project="another").rotator(SEND)) as rotator:
        for verb in ("list_client_keys", "create_client_key"):
            with pytest.raises(Rejected) as caught:
                CALLS[verb](rotator)

            assert caught.value.symptom == "sentry.manage_project_unknown"


@each_token
def test_a_token_made_by_hand_is_accepted_and_its_predecessor_refused_once_removed(
    rotation: Rotation, account: Account
) -> None:
    scopes = {"auth_token": ["project:read", "event:write"], "manage_token": ["project:admin"]}
    minted = account.act("mint_token", scopes=scopes[rotation.field])["token"]
    account.having(**{rotation.field: minted}).check(rotation)
    account.check(rotation)

    account.act("revoke_token", token=account.values[rotation.field])

    assert refused(account, rotation) in rotation.refusals
    assert account.values[rotation.field] not in repr(account.evidence)


@each_token
def test_a_token_without_the_scope_or_the_project_is_not_called_revoked(rotation: Rotation, account: Account) -> None:
    stranger = account.act("mint_token", scopes=["event:read"])["token"]

    for wrong in ({rotation.field: stranger}, {"project": "another"}):
        with pytest.raises(Rejected) as caught:
            account.having(**wrong).check(rotation)

        assert caught.value.symptom not in rotation.refusals


@each_token
def test_a_missing_token_is_named_before_anything_is_sent(rotation: Rotation, account: Account) -> None:
    with pytest.raises(BadInput, match="SENTRY_"):
        account.having(**{rotation.field: ""}).check(rotation)

    assert account.requests() == []


@pytest.mark.parametrize("rotation", [SEND, READ, MANAGE], ids=lambda row: row.field)
@pytest.mark.parametrize(
    "answer",
    [
        {"status": 403, "body": "<h1>403 Forbidden</h1>"},
        {"status": 403, "body": '{"detail":"missing authorization information"}'},
        {"status": 500},
        {"throttle_s": 1},
        {"drop": True},
        {"garbage": True},
    ],
    ids=str,
)
def test_only_sentrys_own_refusal_says_anything_about_a_credential(
    answer: dict[str, object], rotation: Rotation, account: Account
) -> None:
    account.fault(**answer)

    with pytest.raises(OpsError) as caught:
        account.check(rotation)

    assert caught.value.symptom not in rotation.refusals
    assert not isinstance(caught.value, OutcomeUnknown)


@pytest.mark.parametrize("verb", MUTATIONS)
@pytest.mark.parametrize(
    "fault", [{"status": 500}, {"status": 503}, {"status": 408}, {"status": 409}, {"drop": True}], ids=str
)
def test_a_lost_answer_to_a_change_leaves_its_outcome_unknown(
    fault: dict[str, object], verb: str, account: Account, rotator: Rotator
) -> None:
    account.fault(**fault, method=METHODS[verb])

    with pytest.raises(OutcomeUnknown):
        CALLS[verb](rotator)


@pytest.mark.parametrize("verb", CALLS)
def test_a_limit_lasts_until_the_second_that_sentry_names(verb: str, account: Account, rotator: Rotator) -> None:
    account.fault(throttle_s=17, method=METHODS.get(verb, "GET"))

    with pytest.raises(Unavailable) as caught:
        CALLS[verb](rotator)

    assert caught.value.retry_after is not None
    assert timedelta(seconds=15) < caught.value.retry_after <= timedelta(seconds=17)


@pytest.mark.parametrize("row", SIGNATURES, ids=lambda row: row.id)
def test_every_signature_is_read_as_its_row_says(row: Signature, account: Account, rotator: Rotator) -> None:
    for status in row.statuses:
        for verb in sorted(row.verbs):
            methods = {"method": METHODS[verb]} if verb in METHODS else {}
            account.fault(status=status, body=f"{{ {row.marker} }}", **methods)

            with pytest.raises(row.kind.value) as caught:
                _asked(account, rotator, verb)

            assert caught.value.symptom == row.id
            assert "{" not in str(caught.value)


def test_limits_speak_of_verbs_that_are_sent(account: Account, rotator: Rotator) -> None:
    rotator.list_credentials("")
    rotator.create(MARKER, "")

    limited = frozenset[str]().union(*(limit.verbs for limit in LIMITS["sentry"]))
    assert {exchange.verb for exchange in account.evidence} <= limited


def _asked(account: Account, rotator: Rotator, verb: str) -> None:
    if verb in CHECKS:
        account.check(CHECKS[verb])
    else:
        CALLS[verb](rotator)
