"""A Prefect server that does not answer is named like any other system that does not: by what may be done next."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from prefect.exceptions import PrefectException

from domain.errors import OpsError, OutcomeUnknown, Unavailable


@contextmanager
def answering(*, changes: bool) -> Iterator[None]:
    """Turn what Prefect's client raises into Unavailable, or OutcomeUnknown where a change may have been made."""
    try:
        yield
    except (httpx.HTTPError, PrefectException, OSError) as error:
        raise _away(error, changes=changes) from None


def _away(error: Exception, *, changes: bool) -> OpsError:
    kind = (
        OutcomeUnknown if changes and not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout) else Unavailable
    )
    return kind(
        f"The Prefect server did not answer as it should ({type(error).__name__}).",
        "Values are kept there; what was to be written may be there or not, and is looked at again.",
        "See that the server runs (make up, or its health page); the sweeper goes on by itself.",
        "prefect.away",
    )
