"""A worker that stands still in the middle of a write keeps the others out for a while only."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import make_url, text

from domain.errors import OutcomeUnknown
from domain.names import Credential
from ledger.held_credentials import find_credential, mark_compromised, see_credential, set_vendor_id
from ledger.opening import Ledger, open_ledger

CREDENTIAL = Credential.parse("datadog-default-prod-send")
NOW = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.mark.parametrize("backend", ["postgresql"])
def test_its_rows_are_free_again_and_it_is_told_that_its_write_is_lost(url: str) -> None:
    quick = make_url(url).update_query_dict({"options": "-c idle_in_transaction_session_timeout=50"})
    still = open_ledger(quick.render_as_string(hide_password=False))
    other = open_ledger(url)
    see_credential(still, CREDENTIAL, "k:1")

    with pytest.raises(OutcomeUnknown) as lost:
        _stand_still(still, lambda: mark_compromised(other, CREDENTIAL, NOW))  # which waits until the row is free

    assert lost.value.symptom == "ledger.commit_lost"
    found = find_credential(other, CREDENTIAL)
    assert found is not None
    assert (found.vendor_id, found.compromised_at) == ("", NOW)
    for one in (still, other):
        one.close()


@pytest.mark.parametrize("backend", ["postgresql"])
def test_every_session_is_bounded_unless_the_url_says_otherwise(url: str) -> None:
    ledger = open_ledger(url)

    with ledger.reading() as connection:
        bound = connection.execute(text("SHOW idle_in_transaction_session_timeout")).scalar()

    assert bound == "1min"
    ledger.close()


def _stand_still(ledger: Ledger, meanwhile: Callable[[], object]) -> None:
    with ledger.writing() as connection:
        set_vendor_id(connection, CREDENTIAL, "late")
        meanwhile()
