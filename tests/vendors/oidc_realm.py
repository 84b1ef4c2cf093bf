"""What the tests of a Keycloak client's rotation begin with: its rotations, and what is asked of each secret."""

from collections.abc import Callable

import pytest

from domain.errors import Rejected
from domain.manifests import Fit, ListedCredential
from domain.names import marker
from tests.vendors.rotating import Account
from vendors.oidc_rotation import ROTATIONS, new_secret
from vendors.rotation import Rotator

SEND, MANAGE = ROTATIONS
MARKER = marker("r1f2e3d4c5b", 1)
NEW = new_secret()


def holder(rotator: Rotator, value: str) -> ListedCredential | None:
    """Return what the value is at Keycloak, None where it is nothing there."""
    return next((row for row in rotator.list_credentials("").credentials if row.fits(value) is Fit.EXACT), None)


def id_of(rotator: Rotator, value: str) -> str:
    found = holder(rotator, value)
    assert found is not None
    return found.vendor_id


def works(account: Account, *values: str) -> list[bool]:
    """Say of each value whether the token endpoint accepts it; any refusal but one of a secret fails the test."""

    return [_works(account.having(client_secret=value)) for value in values]


def later(account: Account, seconds: float) -> None:
    account.stand_ins.control("POST", "/clock", {"offset_s": seconds})


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(Rejected) as caught:
        call()
    return caught.value.symptom


def _works(account: Account) -> bool:
    try:
        account.check(SEND)
    except Rejected as refused:
        if refused.symptom not in SEND.refusals:
            raise
        return False
    return True
