"""What arrived at one vendor, in order, as a test or a person may ask for it. The newest are kept."""

from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

KEPT_ENTRIES = 20_000


@dataclass(slots=True)
class Entry:
    """One request. `status` is None while it is unanswered and for ever where the connection was cut.

    A gRPC call is a POST to the method's path, its message as JSON, and has the status that HTTP would have.
    """

    method: str
    path: str
    query: str
    host: str
    headers: dict[str, str]
    body: str
    at: float
    status: int | None = None
    fault: str = ""
    rpc: str = ""


class Journal:
    """The newest entries of one vendor."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=KEPT_ENTRIES)

    def note(self, entry: Entry) -> Entry:
        self._entries.append(entry)
        return entry

    def listing(self) -> list[dict[str, Any]]:
        return [asdict(entry) for entry in self._entries]

    def clear(self) -> None:
        self._entries.clear()
