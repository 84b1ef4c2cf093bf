"""An address outside that expects a sign of life, as healthchecks.io has them: called when well, with /fail behind it when not.

The address itself is the credential, so it stands in no message and no record.
Source: https://healthchecks.io/docs/http_api/, https://healthchecks.io/docs/signaling_failures/
"""

from domain.diagnosis import Kind, Signature
from domain.exchanges import Effect
from vendors.http import Answer, Call, Conduct, Wire, succeeded

SYSTEM = "heartbeat"
PUBLISHED_HOSTS = ("hc-ping.com",)
_OK = frozenset({200})
_NEXT = (
    "Copy the address of the check again, and save it in the Secret block that opsflows.toml names under [heartbeats]."
)

# An address by UUID answers 200 whatever became of it; the body tells.
SIGNATURES = (
    Signature("heartbeat.unknown", _OK, Kind.REJECTED, "The heartbeat's address answered {status}, and knows no such check.", "The check was deleted, or the address is misspelt: whoever watches it hears nothing.", _NEXT, "not found"),
    Signature("heartbeat.too_often", _OK, Kind.UNAVAILABLE, "The heartbeat's address answered {status}, and counted nothing: too many calls.", "Nothing is wrong here; the next run calls again.", "Nothing, unless it lasts: then see whether another system calls the same address.", "rate limited"),
    Signature("heartbeat.gone", frozenset({404, 410}), Kind.REJECTED, "The heartbeat's address answered {status}.", "The check was deleted, or the address is misspelt: whoever watches it hears nothing.", _NEXT),
    Signature("heartbeat.ambiguous", frozenset({409}), Kind.REJECTED, "The heartbeat's address answered {status}.", "Two checks have the same slug, so neither was told.", "Use the address with the check's UUID, and save it in the Secret block."),
)  # fmt: skip
_REFUSALS = ("not found", "rate limited")


def tell(address: str, conduct: Conduct, *, is_well: bool) -> None:
    """Call the address once.

    Raises:
        BadInput: its host is not one that it may have; nothing was sent.
        Rejected, Unavailable, OutcomeUnknown: it did not count.
    """
    wire = Wire(SYSTEM, conduct, signatures=SIGNATURES, published_hosts=PUBLISHED_HOSTS)
    url = address.rstrip("/") if is_well else f"{address.rstrip('/')}/fail"
    try:
        wire.exchange(Call("ping", Effect.CHANGES, "POST", url), accepted=_counted)
    finally:
        wire.close()


def _counted(answer: Answer) -> bool:
    return succeeded(answer) and not any(one in answer.text.lower() for one in _REFUSALS)
