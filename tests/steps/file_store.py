"""A value store in a folder, as durable as a file system: where tests kill processes by the thousand."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from domain.errors import Rejected
from domain.names import Credential
from domain.values import TAKEN, StoredValue


@dataclass(frozen=True, slots=True)
class FileStore:
    """One file per document, one per projection; each appears whole or not at all."""

    folder: Path

    def keep(self, name: str, stored: StoredValue) -> None:
        draft = self._draft({"value": stored.value, "vendor_id": stored.vendor_id, "marker": stored.marker})
        try:
            os.link(draft, self.folder / f"{name}.json")  # fails where the name is taken, unlike a rename
        except FileExistsError:
            raise Rejected(f"{name} is taken.", "It was not overwritten.", "Look what is there.", TAKEN) from None
        finally:
            draft.unlink()

    def read(self, name: str) -> StoredValue | None:
        try:
            return StoredValue(**json.loads((self.folder / f"{name}.json").read_text()))
        except FileNotFoundError:
            return None

    def drop(self, name: str) -> None:
        (self.folder / f"{name}.json").unlink(missing_ok=True)

    def names(self, credential: Credential) -> list[str]:
        return sorted(file.stem for file in self.folder.glob(f"{credential}--*.json"))

    def project(self, credential: Credential, value: str) -> None:
        self._draft({"value": value}).replace(self.folder / f"{credential}.json")

    def projected(self, credential: Credential) -> str:
        try:
            return str(json.loads((self.folder / f"{credential}.json").read_text())["value"])
        except FileNotFoundError:
            return ""

    def _draft(self, content: dict[str, str]) -> Path:
        draft = self.folder / f".{uuid4().hex}"
        draft.write_text(json.dumps(content))
        return draft
