"""The stand-in of a service that encrypts with a cloud KMS, as its watchers see it: health page, metrics, canary.

It really encrypts, with AES-GCM under a data key, the context bound as additional data; nothing is stored. Traps kept: it can
write plaintext while its health page says kms and ready, a cache can answer for the health page, and a lost key shows only to
who decrypts. Whose contract this is: docs/kms-application.md and docs/kms-metrics.md.
"""

import base64
import secrets
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidTag
from starlette.responses import JSONResponse, Response

from mocks.backend_console import ACTIONS
from mocks.backend_memory import Backend, Memory, Seed, new_memory, new_seed, opened, sealed
from mocks.backend_pages import show_health, show_metrics
from mocks.stage import Ask, Refused, Route, StandIn

LARGEST_PLAINTEXT_BYTES = 4096
# What one KMS call is put down as: a stand-in answers at once.
KMS_CALL_S = 0.02


def _encrypt(desk: Backend, ask: Ask) -> Response:
    said = _said(desk, ask)
    plaintext = _decoded(said.get("plaintext"))
    if len(plaintext) > LARGEST_PLAINTEXT_BYTES:
        raise _refused(413, "too_large")
    _require_ready(desk, "encrypt")
    return JSONResponse({"ciphertext": sealed(desk, plaintext, _context(said))})


def _decrypt(desk: Backend, ask: Ask) -> Response:
    said = _said(desk, ask)
    ciphertext, context = said.get("ciphertext"), _context(said)
    if not isinstance(ciphertext, str):
        raise _refused(400, "bad_request")
    _require_ready(desk, "decrypt")
    try:
        plaintext = _opened(desk, ciphertext, context)
    except (InvalidTag, ValueError):
        desk.memory.counters["decryption_errors"] += 1
        raise _refused(422, "not_opened") from None
    return JSONResponse({"plaintext": base64.b64encode(plaintext).decode()})


def _opened(desk: Backend, ciphertext: str, context: Mapping[str, str]) -> bytes:
    if desk.memory.key_is_lost:
        raise ValueError("the data key cannot be unwrapped")
    plaintext = opened(desk, ciphertext, context)
    return secrets.token_bytes(len(plaintext)) if desk.memory.text_is_swapped else plaintext


def _said(desk: Backend, ask: Ask) -> dict[str, Any]:
    """Return the JSON object of a caller who has the token."""
    if not secrets.compare_digest(ask.authorization("Bearer").encode(), desk.seed.token.encode()):
        raise Refused(JSONResponse({"error": "unauthorized"}, 401, {"www-authenticate": "Bearer"}))
    said = ask.json()
    if not isinstance(said, dict):
        raise _refused(400, "bad_request")
    return said


def _context(said: Mapping[str, Any]) -> Mapping[str, str]:
    context = said.get("context")
    if not isinstance(context, dict) or not all(isinstance(text, str) for text in context.values()):
        raise _refused(400, "bad_request")
    return context


def _decoded(text: object) -> bytes:
    try:
        return base64.b64decode(text if isinstance(text, str) else "?", validate=True)
    except ValueError:
        raise _refused(400, "bad_request") from None


def _require_ready(desk: Backend, operation: str) -> None:
    if not desk.memory.ready:
        desk.memory.counters[f"{operation}ion_errors"] += 1
        raise _refused(503, "crypto_not_ready")
    desk.memory.latencies[operation].observe(KMS_CALL_S)


def _refused(status: int, error: str) -> Refused:
    return Refused(JSONResponse({"error": error}, status))


def _credentials(desk: Backend, base_url: str) -> Mapping[str, str]:
    del base_url
    return {"BACKEND_TOKEN": desk.seed.token}


def _inbox(desk: Backend) -> list[dict[str, Any]]:
    """Return nothing: the service tells nobody anything."""
    del desk
    return []


STAND_IN = StandIn(
    name="backend",
    seed=new_seed,
    memory=new_memory,
    seed_type=Seed,
    memory_type=Memory,
    routes=(
        Route("GET", "/healthz", show_health),
        Route("GET", "/metrics", show_metrics),
        Route("POST", "/crypto/canary/encrypt", _encrypt),
        Route("POST", "/crypto/canary/decrypt", _decrypt),
    ),
    credentials=_credentials,
    inbox=_inbox,
    actions=ACTIONS,
)
