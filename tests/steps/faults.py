"""The faults every integration is put through, and what each must come to."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

from vendors.dialing import closed_port, silent_port


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `queued` is given to the stand-in; `dial` leads every connection elsewhere.

    `kind` is the error kind that the first exchange must record; `symptoms` are prefixes one of which the diagnosis
    must have. `or_kind` is the kind where a vendor documents that a 5xx may be repeated. `tries` says how often the same send may leave: a refused or unknown one never twice.
    """

    name: str
    kind: str
    symptoms: tuple[str, ...]
    queued: Mapping[str, object] = field(default_factory=dict)
    dial: str = ""
    tries: int = 1
    or_kind: str = ""

    @property
    def never_answers(self) -> bool:
        """Whether only a limit ends the exchange, so that the limit may be short without making the test race."""
        return self.dial in {"full", "silent"} or "drip_bytes_per_s" in self.queued


def _status(status: int, kind: str = "Rejected", tries: int = 1, or_kind: str = "") -> Fault:
    queued = {"times": -1, "status": status, "body": "{}"}
    return Fault(f"http_{status}", kind, ("http.", "VENDOR."), queued, tries=tries, or_kind=or_kind)


FAULTS = (
    Fault("refused", "Unavailable", ("network.refused",), dial="refused", tries=2),
    Fault("dns_failure", "Unavailable", ("network.dns",), dial="dns", tries=2),
    Fault("tls_failure", "Unavailable", ("network.tls",), dial="tls", tries=2),
    Fault("connect_timeout", "Unavailable", ("network.connect_timeout",), dial="full", tries=2),
    Fault("read_timeout", "OutcomeUnknown", ("network.timeout",), dial="silent"),
    Fault("drip", "OutcomeUnknown", ("network.timeout",), {"times": -1, "drip_bytes_per_s": 1}),
    Fault("reset", "OutcomeUnknown", ("network.reset",), {"times": -1, "reset": True}),
    Fault("dropped", "OutcomeUnknown", ("network.reset",), {"times": -1, "drop": True}),
    Fault("truncated_json", "OutcomeUnknown", ("network.reset", "network.garbage", "VENDOR."), {"times": -1, "truncate_bytes": 1}),
    Fault("garbage", "OutcomeUnknown", ("network.garbage", "VENDOR."), {"times": -1, "garbage": True}),
    _status(400),
    _status(401),
    _status(403),
    _status(404),
    _status(410),
    _status(422),
    Fault("http_429", "Unavailable", ("http.rate_limited", "VENDOR."), {"times": -1, "throttle_s": 1}, tries=2),
    _status(500, "OutcomeUnknown", tries=2, or_kind="Unavailable"),
    _status(503, "OutcomeUnknown", tries=2, or_kind="Unavailable"),
    Fault("accepted_never_delivered", "ok", ("delivery.missing", "VENDOR."), {"times": -1, "swallow": True}),
)  # fmt: skip


@contextmanager
def full_port() -> Iterator[int]:
    """A loopback port whose queue of connections is full, so that the next one is neither accepted nor refused."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        port = int(listening.getsockname()[1])
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.settimeout(0)
            filler.connect_ex(("127.0.0.1", port))
        try:
            yield port
        finally:
            for filler in fillers:
                filler.close()


def dead_end(kind: str) -> AbstractContextManager[int]:
    """Return the port that a fault's connections are led to."""
    ports = {"refused": closed_port, "silent": silent_port, "full": full_port}
    return ports[kind]() if kind in ports else nullcontext(0)
