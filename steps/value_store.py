"""Where values live, as steps are given it: write-once documents, and the block with the stable name as a projection."""

from typing import Protocol

from domain.errors import Rejected
from domain.names import Credential
from domain.values import StoredValue


class ValueStore(Protocol):
    """Documents by name, each written once; and per credential the projection that operators and flows read.

    `keep` raises Rejected (domain.values.TAKEN) where the name is taken, whatever stands there. `read` returns None and `drop` does
    nothing where there is no such document. `projected` is empty where the credential has no value.
    """

    def keep(self, name: str, stored: StoredValue) -> None: ...

    def read(self, name: str) -> StoredValue | None: ...

    def drop(self, name: str) -> None: ...

    def names(self, credential: Credential) -> list[str]: ...

    def project(self, credential: Credential, value: str) -> None: ...

    def projected(self, credential: Credential) -> str: ...


def keep_once(store: ValueStore, name: str, stored: StoredValue) -> StoredValue:
    """Keep the value, or find the one that an earlier try kept under this name; return what stands there."""
    there = store.read(name)
    if there is not None:
        return there
    try:
        store.keep(name, stored)
    except Rejected:
        there = store.read(name)
        if there is None:
            raise
        return there
    return stored
