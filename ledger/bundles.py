"""What a run leaves to read: report, evidence and a manifest that fixes every file's digest. Owner-only, sealed once.

A bundle lies at `<home>/audit/<flow>/<yyyy>/<mm>/<dd>/<run>/`, by the UTC day on which the ledger opened the run.
"""

import hashlib
import json
import os
import re
import secrets
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from domain.errors import BadInput, OutcomeUnknown, Rejected
from domain.exchanges import Exchange

AUDIT = "audit"
EVIDENCE = "evidence.jsonl"
REPORT = "report.md"
MANIFEST = "manifest.json"
_FORMAT = 1
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


def bundle_path(flow: str, opened_at: datetime, run_id: str) -> str:
    """Return where a run's bundle lies below `audit`."""
    for part in (flow, run_id):
        _check_name(part)
    return f"{flow}/{opened_at.astimezone(UTC):%Y/%m/%d}/{run_id}"


@dataclass(frozen=True, slots=True)
class Bundle:
    """One run's folder. `record` and `write` may be called from any thread, until it is sealed."""

    folder: Path
    path: str
    flow: str
    run_id: str
    opened_at: datetime
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @classmethod
    def open(cls, home: Path, *, flow: str, run_id: str, at: datetime) -> "Bundle":
        """Create the run's folder. `at` is the run's `opened_at`, by which the audit finds it.

        Raises:
            BadInput: the folder cannot be made.
            Rejected: the run has a bundle already.
        """
        path = bundle_path(flow, at, run_id)
        folder = home / AUDIT / path
        try:
            _make_private(home, folder.parent)
            folder.mkdir(mode=0o700)
        except OSError as error:
            if folder.is_dir():
                raise _refused(run_id, "there is one already") from None
            raise BadInput(
                f"The audit bundle {folder} cannot be written: {error.strerror}.",
                "A run that leaves no evidence may not start. Nothing was sent.",
                "Make room or the folder writable, or set OPSFLOWS_HOME to another one.",
            ) from error
        return cls(folder, path, flow, run_id, at)

    def record(self, exchanges: Iterable[Exchange]) -> None:
        """Append one line per exchange, in one write. Raises Rejected once the bundle is sealed."""
        lines = "".join(f"{_line(exchange)}\n" for exchange in exchanges)
        if lines:
            self._add(EVIDENCE, lines, os.O_APPEND)

    def write(self, name: str, text: str) -> None:
        """Write a file of the bundle, in place of one of that name. Raises Rejected once the bundle is sealed."""
        _check_name(name)
        if name in {MANIFEST, EVIDENCE}:
            raise BadInput(f"{name} is written by the bundle itself.", "Nothing was written.", "Choose another name.")
        self._add(name, text, os.O_TRUNC)

    def write_bytes(self, name: str, content: bytes) -> None:
        """Write a file that is no text, as `write` does."""
        _check_name(name)
        self._add(name, content, os.O_TRUNC)

    def seal(
        self,
        *,
        verdict: str,
        actor: str,
        reason: str,
        ticket: str,
        environment: str,
        mode: str,
        parameters: Mapping[str, object],
        versions: Mapping[str, str],
    ) -> str:
        """Write the manifest, after which nothing more is taken; return the digest that the ledger keeps.

        Raises:
            Rejected: it is sealed already.
        """
        with self._lock:
            self._check_open()
            if not (self.folder / EVIDENCE).exists():
                _put(self.folder / EVIDENCE, "", os.O_APPEND)
            content = {
                "format": _FORMAT,
                "flow": self.flow,
                "run": self.run_id,
                "environment": environment,
                "mode": mode,
                "verdict": verdict,
                "opened_at": self.opened_at.isoformat(),
                "actor": actor,
                "reason": reason,
                "ticket": ticket,
                "parameters": parameters,
                "versions": versions,
                "files": {file.name: _described(file) for file in sorted(self.folder.iterdir())},
            }
            told = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"
            _replace(self.folder / MANIFEST, told)
        return hashlib.sha256(told).hexdigest()

    def copy_to(self, audit_url: str) -> None:
        """Copy the sealed bundle below OPSFLOWS_AUDIT_URL, its manifest last; nothing where the URL is empty.

        Raises:
            OutcomeUnknown: the copy is not complete. The bundle here is.
        """
        if not audit_url:
            return
        import fsspec  # type: ignore[import-untyped]  # noqa: PLC0415 (only where bundles go elsewhere)

        try:
            files, root = fsspec.core.url_to_fs(audit_url)
            there = f"{root.rstrip('/')}/{self.path}"
            files.makedirs(there, exist_ok=True)
            names = sorted((file.name for file in self.folder.iterdir()), key=lambda name: (name == MANIFEST, name))
            for name in names:
                files.pipe_file(f"{there}/{name}", (self.folder / name).read_bytes())
        except (OSError, ValueError, ImportError) as error:
            # The URL is left out because it may hold a credential.
            raise OutcomeUnknown(
                f"The audit bundle of {self.run_id} was not copied to OPSFLOWS_AUDIT_URL ({type(error).__name__}).",
                f"It is complete and sealed at {self.folder}.",
                "Correct the URL or the rights there, and copy the folder by hand to the same path below it.",
                "ledger.bundle_copy",
            ) from error

    def _add(self, name: str, content: str | bytes, how: int) -> None:
        with self._lock:
            self._check_open()
            _put(self.folder / name, content, how)

    def _check_open(self) -> None:
        if (self.folder / MANIFEST).exists():
            raise _refused(self.run_id, "it is sealed")


def _line(exchange: Exchange) -> str:
    said: dict[str, Any] = {
        "at": exchange.at.isoformat(),
        "system": exchange.system,
        "verb": exchange.verb,
        "host": exchange.host,
        "status": exchange.status,
        "ms": exchange.duration_ms,
        "request_id": exchange.request_id,
        "nonce": exchange.nonce,
        "outcome": exchange.outcome,
        "vendor_date": exchange.vendor_date.isoformat() if exchange.vendor_date else None,
    }
    return json.dumps(said, ensure_ascii=False)


def _put(file: Path, content: str | bytes, how: int) -> None:
    """Write at once and to the end, so that a killed run leaves whole lines."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | how, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content.encode() if isinstance(content, str) else content)


def _replace(file: Path, content: bytes) -> None:
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)
    _sync_folder(file.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _described(file: Path) -> dict[str, object]:
    # What the manifest vouches for must survive a power cut as it does.
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
        content = stream.read()
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def _make_private(home: Path, folder: Path) -> None:
    """Create each missing folder as 0700; mkdir's own `parents` would leave those between open to others."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    step = home
    for part in folder.relative_to(home).parts:
        step /= part
        step.mkdir(mode=0o700, exist_ok=True)


def _check_name(name: str) -> None:
    if not _PLAIN_NAME.fullmatch(name):
        raise BadInput(
            f"{name!r} cannot be a name in an audit bundle.",
            "Names there hold letters, digits, dots, dashes and underscores. Nothing was written.",
            "Choose another name.",
        )


def _refused(run_id: str, why: str) -> Rejected:
    return Rejected(
        f"Nothing can be added to the audit bundle of {run_id}: {why}.",
        "What a run leaves is written once.",
        "Start the flow again; it takes a new run and a new bundle.",
    )
