"""An error is named by what its reader may do next, and arrives whole in another process."""

import pickle
from collections.abc import Callable
from datetime import timedelta

import cloudpickle  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import BadInput, NotYet, OpsError, OutcomeUnknown, Rejected, Unavailable

KINDS = (OpsError, BadInput, Rejected, Unavailable, NotYet, OutcomeUnknown)


def sent_through(dumps: Callable[[object], bytes], error: OpsError) -> OpsError:
    received = pickle.loads(dumps(error))  # noqa: S301 (our own bytes)
    assert isinstance(received, OpsError)
    return received


@pytest.mark.parametrize("dumps", [pickle.dumps, cloudpickle.dumps], ids=["pickle", "cloudpickle"])
@pytest.mark.parametrize("kind", KINDS)
@given(sentences=st.tuples(st.text(), st.text(), st.text(), st.text()), seconds=st.none() | st.integers(0, 10**6))
def test_every_kind_survives_pickling_with_all_its_fields(
    kind: type[OpsError],
    dumps: Callable[[object], bytes],
    sentences: tuple[str, str, str, str],
    seconds: int | None,
) -> None:
    retry_after = None if seconds is None else timedelta(seconds=seconds)
    error = kind(*sentences, retry_after)

    received = sent_through(dumps, error)

    assert type(received) is kind
    assert (received.happened, received.means, received.next_step, received.symptom) == sentences
    assert received.retry_after == retry_after


def test_an_error_reads_as_its_three_sentences() -> None:
    error = Rejected("Slack answered 403.", "The webhook was revoked.", "Create a new one.", "slack.no_service")

    assert str(error) == "Slack answered 403. The webhook was revoked. Create a new one."


@pytest.mark.parametrize("kind", KINDS[1:])
def test_no_kind_is_caught_as_another(kind: type[OpsError]) -> None:
    others = tuple(other for other in KINDS[1:] if other is not kind)

    assert not issubclass(kind, others)


def test_an_error_that_no_row_speaks_of_has_no_symptom_and_no_time_to_wait() -> None:
    error = Unavailable("It broke.", "Nothing happened.", "Repeat.")

    assert (error.symptom, error.retry_after) == ("", None)
