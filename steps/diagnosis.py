"""Finds out what an ambiguous refusal means, by asking; reads only, and only the vendor's own published homes."""

import time
from collections.abc import Callable
from datetime import timedelta

from domain.errors import OpsError, Rejected
from vendors.capabilities import Client, Relocatable
from vendors.dialing import finish_by

ASKING_BOUND = timedelta(seconds=15)


def investigator(client: Client, *, ask_other_homes: bool) -> Callable[[OpsError], OpsError]:
    """Return what turns a refusal into the place that does know the credential, where there is one."""
    if not (ask_other_homes and isinstance(client, Relocatable)):
        return lambda error: error

    def investigate(error: OpsError) -> OpsError:
        if not isinstance(error, Rejected):
            return error
        with finish_by(time.monotonic() + ASKING_BOUND.total_seconds()):
            known = [home for home in client.other_homes(error.symptom) if _is_known(client, home)]
        return _at_home(error, known) if known else error

    return investigate


def _is_known(client: Relocatable, home: str) -> bool:
    try:
        return client.is_known_at(home)
    except OpsError:
        return False


def _at_home(error: OpsError, known: list[str]) -> OpsError:
    names = " and ".join(known)
    return Rejected(
        error.happened,
        f"The credential is good, but not here: {names} knows it.",
        f"Set the site or region of this credential to {names} and verify again.",
        "wrong_home",
    )
