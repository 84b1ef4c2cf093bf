"""Keycloak's Admin REST API as a rotation uses it: who may, what is refused, what was lost; against the stand-in."""

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from domain.diagnosis import Signature, Symptom
from domain.errors import BadInput, OpsError, OutcomeUnknown, Rejected, Unavailable
from tests.conftest import StandIns
from tests.vendors.oidc_realm import MANAGE, MARKER, NEW, SEND, holder, id_of, refusal
from tests.vendors.rotating import Account, account_of
from vendors import oidc, oidc_admin
from vendors.oidc import INTEGRATION
from vendors.oidc_rotation import ROTATIONS, SIGNATURES, connect_secrets, new_secret
from vendors.rotation import Pointer, Rotation, Rotator

PAGE = Path(__file__).parents[2] / "docs" / "integrations" / "oidc.md"


@pytest.fixture
def account(stand_ins: StandIns) -> Account:
    return account_of(stand_ins, INTEGRATION)


@pytest.fixture
def rotator(account: Account) -> Iterator[Rotator]:
    with closing(account.rotator(SEND)) as rotator:
        yield rotator


@pytest.fixture
def pointer(account: Account) -> Iterator[Pointer]:
    assert SEND.point is not None
    with closing(SEND.point(account.values, account.address, account.conduct)) as pointer:
        yield pointer


@pytest.mark.parametrize("fault", [{"drop": True}, {"status": 500}, {"status": 403}, {"garbage": True}], ids=str)
def test_a_change_that_could_not_be_seen_afterwards_is_not_taken_for_undone(
    fault: dict[str, object], account: Account, rotator: Rotator
) -> None:
    account.fault(delay_s=0, method="GET")  # the look before the change
    account.fault(**fault, method="GET")

    with pytest.raises(OutcomeUnknown):
        rotator.create(MARKER, NEW)

    assert holder(rotator, NEW) is not None


def test_a_deletion_whose_answer_was_lost_is_unknown_and_may_be_repeated(account: Account, rotator: Rotator) -> None:
    new_id = rotator.create(MARKER, NEW).vendor_id
    account.fault(drop=True, deliver=True, method="DELETE")

    with pytest.raises(OutcomeUnknown):
        rotator.revoke(new_id)

    rotator.revoke(new_id)
    assert holder(rotator, NEW) is None


def test_everything_else_of_the_client_stays_as_it_was(account: Account, rotator: Rotator, pointer: Pointer) -> None:
    account.act("edit", authorization=True, description="written by a person")
    before = _client(account)

    rotator.create(MARKER, NEW)
    pointer.point_to(NEW)

    after = _client(account)
    assert {name for name in before | after if before.get(name) != after.get(name)} == {"secret", "attributes"}


def test_who_may_not_manage_clients_is_told_which_role_is_missing(account: Account, rotator: Rotator) -> None:
    for roles, symptom in ((["view-clients"], "oidc.secrets_hidden"), ([], "oidc.manage_denied")):
        account.act("set_roles", roles=roles)

        with pytest.raises(Rejected, match="manage-clients") as caught:
            rotator.create(MARKER, NEW)

        assert caught.value.symptom == symptom


def test_a_client_that_is_not_there_or_an_admin_that_is_not_known_is_named(account: Account) -> None:
    wrong = {
        "client_id": "oidc.client_missing",
        "admin_client_id": "oidc.admin_client_unknown",
        "admin_client_secret": "oidc.admin_secret_refused",
    }

    for name, symptom in wrong.items():
        with closing(account.having(**{name: "somebody-else"}).rotator(SEND)) as rotator:
            assert refusal(partial(rotator.list_credentials, "")) == symptom


@pytest.mark.parametrize("field", ["admin_client_id", "admin_client_secret"])
def test_a_missing_admin_client_says_what_to_connect(field: str, account: Account) -> None:
    with pytest.raises(BadInput, match=f"OIDC_{field.upper()}") as caught:
        account.having(**{field: ""}).rotator(SEND)

    assert "opsflows connect oidc" in caught.value.next_step
    assert account.requests() == []


def test_an_admin_secret_made_by_hand_is_accepted_beside_the_old_one_until_that_is_invalidated(
    account: Account,
) -> None:
    minted = account.act("rotate", client="admin")["secret"]
    account.having(admin_client_secret=minted).check(MANAGE)
    account.check(MANAGE)

    account.act("invalidate", client="admin")

    assert refusal(partial(account.check, MANAGE)) in MANAGE.refusals
    account.having(admin_client_secret=minted).check(MANAGE)


@pytest.mark.parametrize("rotation", ROTATIONS, ids=lambda row: row.field)
@pytest.mark.parametrize(
    "answer",
    [{"status": 401, "body": "<h1>401</h1>"}, {"status": 403, "body": "{}"}, {"status": 404, "body": "{}"}, {"status": 500}, {"drop": True}, {"garbage": True}],
    ids=str,
)  # fmt: skip
def test_only_keycloaks_own_words_say_anything_about_a_secret(
    answer: dict[str, object], rotation: Rotation, account: Account
) -> None:
    account.fault(**answer)

    with pytest.raises(OpsError) as caught:
        account.check(rotation)

    assert caught.value.symptom not in rotation.refusals
    assert not isinstance(caught.value, OutcomeUnknown)


@pytest.mark.parametrize("row", SIGNATURES, ids=lambda row: row.id)
def test_every_signature_is_read_as_its_row_says(
    row: Signature, account: Account, rotator: Rotator, pointer: Pointer
) -> None:
    calls: dict[str, tuple[str, Callable[[], object]]] = {
        "check_admin_secret": ("POST", lambda: account.check(MANAGE)),
        "admin_token": ("POST", lambda: rotator.list_credentials("")),
        "read_client": ("GET", lambda: rotator.list_credentials("")),
        "add_secret": ("PUT", lambda: rotator.create(MARKER, new_secret())),
        "point_to_secret": ("PUT", lambda: pointer.point_to(NEW)),
        "end_secret": ("PUT", lambda: rotator.revoke("secret-1700000000")),
        "delete_second_secret": ("DELETE", lambda: rotator.revoke(id_of(rotator, NEW))),
    }
    for status in sorted(row.statuses):
        for verb in sorted(row.verbs):
            # A second secret that is gone is done, as far as deleting it goes.
            if (verb, status) == ("delete_second_secret", 404):
                continue
            account.act("invalidate")
            if verb in {"point_to_secret", "delete_second_secret"}:
                rotator.create(MARKER, NEW)
            method, call = calls[verb]
            account.fault(status=status, body=f"[{{ {row.marker} }}]", method=method)

            with pytest.raises(row.kind.value) as caught:
                call()

            assert caught.value.symptom == row.id
            assert "{" not in str(caught.value)


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_before_a_change_a_lost_answer_means_that_nothing_happened(
    method: str, account: Account, rotator: Rotator
) -> None:
    account.fault(drop=True, method=method)

    with pytest.raises(Unavailable):
        rotator.create(MARKER, NEW)

    assert holder(rotator, NEW) is None


def test_every_symptom_and_variable_is_on_the_page() -> None:
    page = PAGE.read_text()
    rows: list[Signature | Symptom] = [
        *oidc.SIGNATURES, *SIGNATURES, *oidc.SYMPTOMS.values(), *oidc_admin.SYMPTOMS.values(),
    ]  # fmt: skip

    assert len({row.id for row in rows}) == len(rows)
    assert [row.id for row in rows if f"`{row.id}`" not in page] == []
    assert [row.name for row in INTEGRATION.variables if f"`{row.name}`" not in page] == []


def _client(account: Account) -> dict[str, Any]:
    """Return the client as the admin client reads it."""
    rotator = connect_secrets(account.values, account.address, account.conduct)
    with closing(rotator):
        return dict(rotator.admin.signed_in().read_client().representation)
