"""A service's own encrypt and decrypt path, called as its real writes call it; what comes back may be no ciphertext at all.

One method makes one request. Nothing is stored by it, so that it may be repeated. The contract is docs/kms-application.md.
"""

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from domain.diagnosis import FALLBACK, NETWORK, Kind, Signature
from domain.errors import BadInput
from domain.exchanges import Effect
from domain.kms_sections import ApplicationCanary
from vendors.fields import NOTHING_SENT
from vendors.hosts import is_loopback
from vendors.http import Answer, Conduct, Wire, json_call, succeeded
from vendors.object_stores import conduct_towards

SYSTEM = "application"
# What an authenticated cipher adds at least. Source: NIST SP 800-38D (GCM), 5.2.1.2
TAG_BYTES = 16
# Fewer random bytes may stand in any ciphertext by chance.
LEAST_PLAINTEXT_BYTES = 16
LONGEST_CIPHERTEXT = 65_536
_BOTH = frozenset({"encrypt", "decrypt"})
_BASE64 = re.compile(r"[A-Za-z0-9+/]+")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")
_PIECE = re.compile(r"[A-Za-z0-9+/=_-]+")
_TO_BASE64 = str.maketrans("-_", "+/")


def _row(
    name: str, statuses: set[int], saw: str, means: str, next_step: str, *, verbs: frozenset[str] = _BOTH
) -> Signature:
    return Signature(f"{SYSTEM}.{name}", frozenset(statuses), Kind.REJECTED, saw, means, next_step, "", verbs)


SIGNATURES = (
    _row("token", {401}, "The application answered 401 to {verb}.", "It does not take the canary's token, or asks for one where none is sent.", "Put the token that it was given into the block that `token` names in opsflows.toml."),
    _row("forbidden", {403}, "The application answered 403 to {verb}.", "It knows the token, and does not let it use the canary; or something in front of it refuses.", "Allow the canary's token on these two paths."),
    _row("no_canary", {404, 405, 410, 501}, "The application answered {status} to {verb}.", "It offers no canary at this path.", "Compare `encrypt` and `decrypt` of the section with the application."),
    _row("not_opened", {422}, "The application does not open the ciphertext.", "Its key, or the context, is not what the ciphertext was made with, or the ciphertext was changed.", "If it was encrypted just now, stop its writes and look at its log.", verbs=frozenset({"decrypt"})),
    _row("moved", set(range(300, 400)), "The application answered {verb} with a redirect ({status}), which is not followed.", "Something else than the application would answer there, and get the token.", "Set base_url to the application itself."),
)  # fmt: skip

APPLICATION_FAULTS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys((*NETWORK, *(row.id for row in FALLBACK[Effect.READS])), "kms.application_failed"),
        **dict.fromkeys((row.id for row in SIGNATURES), "kms.application_refused"),
        "http.unauthorized": "kms.application_refused",
        "http.not_found": "kms.application_refused",
        "http.refused": "kms.application_refused",
        "application.not_opened": "kms.application_wrong",
    }
)


class KmsApplication:
    """The canary of one service.

    Raises:
        BadInput: the address or the token cannot be used; nothing was sent.
        Rejected, Unavailable: as the rows say; APPLICATION_FAULTS leads from their `symptom` to a row of domain/kms_faults.py.
    """

    def __init__(self, base_url: str, canary: ApplicationCanary, token: str, conduct: Conduct) -> None:
        self._urls = {verb: base_url.rstrip("/") + getattr(canary, verb) for verb in sorted(_BOTH)}
        self._headers = {"authorization": f"Bearer {_usable(token)}"} if token else {}
        towards = conduct_towards(base_url, conduct)
        self._wire = Wire(SYSTEM, towards, signatures=SIGNATURES, published_hosts=())
        for url in self._urls.values():
            _require_private(url)
            self._wire.check_host(url)

    def encrypt(self, plaintext: bytes, context: Mapping[str, str]) -> str:
        """Return what the application stores for it: a ciphertext, unless `fallen_back` finds that it is none."""
        said = self._asked("encrypt", {"plaintext": _encoded(plaintext), "context": dict(context)}, _has_ciphertext)
        return str(said["ciphertext"])

    def decrypt(self, ciphertext: str, context: Mapping[str, str]) -> bytes:
        """Return the text. What the application does not open is a Rejected with the symptom `application.not_opened`."""
        said = self._asked("decrypt", {"ciphertext": ciphertext, "context": dict(context)}, _has_plaintext)
        return base64.b64decode(said["plaintext"], validate=True)

    def close(self) -> None:
        self._wire.close()

    def _asked(self, verb: str, payload: object, accepted: Callable[[Answer], bool]) -> dict[str, Any]:
        # Said to read, because nothing is stored: a lost answer leaves nothing to look for.
        call = json_call(verb, Effect.READS, "POST", self._urls[verb], headers=self._headers, payload=payload)
        return self._wire.exchange(call, accepted).fields()


def fallen_back(plaintext: bytes, ciphertext: str, envelope: str) -> str:
    """Return in words why this is no ciphertext of the plaintext, empty where nothing speaks against it.

    The plaintext is looked for as it is and in base64, base64url and hex, in the text and in what the text decodes to, with and
    without the envelope. Nothing is guessed from how random it looks. The words hold nothing of either.

    Raises:
        ValueError: the plaintext is so short that it may stand in a ciphertext by chance.
    """
    if len(plaintext) < LEAST_PLAINTEXT_BYTES:
        raise ValueError(f"the plaintext has fewer than {LEAST_PLAINTEXT_BYTES} bytes")
    has_envelope = ciphertext.startswith(envelope)
    body = ciphertext.removeprefix(envelope)
    found = next((words for text in (body, ciphertext) for words in _shown(plaintext, text)), "")
    if found:
        return f"it holds the plaintext {found}, {'behind its envelope' if has_envelope else 'and no envelope'}"
    if not has_envelope:
        return "it does not begin with its envelope"
    if _size(body) < len(plaintext) + TAG_BYTES:
        return "it is shorter than the plaintext with an authentication tag"
    return ""


def _shown(plaintext: bytes, text: str) -> Iterator[str]:
    """Yield how the plaintext is written in the text, or in what the text or a piece of it decodes to."""
    pieces = {text, "".join(text.split()), *_PIECE.findall(text)}
    for looked_at in (_bytes(text), *(decoded for piece in sorted(pieces) for decoded in _decoded(piece))):
        for words, form in _forms(plaintext):
            if form in (looked_at.lower() if words == "in hex" else looked_at):
                yield words


def _forms(plaintext: bytes) -> Iterator[tuple[str, bytes]]:
    yield "as it is", plaintext
    yield "in base64", base64.b64encode(plaintext).rstrip(b"=")
    yield "in base64url", base64.urlsafe_b64encode(plaintext).rstrip(b"=")
    yield "in hex", plaintext.hex().encode()
    # Bytes taken for letters on their way into the text.
    yield "as it is", plaintext.decode("latin-1").encode()


def _decoded(text: str) -> Iterator[bytes]:
    """Yield what the text is in hex and in base64, where it can be that; padding is not asked for."""
    if _HEX.fullmatch(text):
        yield bytes.fromhex(text)
    plain = text.rstrip("=").translate(_TO_BASE64)
    if _BASE64.fullmatch(plain) and len(plain) % 4 != 1:
        yield base64.b64decode(plain + "=" * (-len(plain) % 4))


def _size(body: str) -> int:
    """Return how many bytes the body stands for: each piece decoded as the first encoding that fits, the rest as it is."""
    pieces = sum(len(next(_decoded(piece), piece.encode())) for piece in _PIECE.findall(body))
    return pieces + len(_bytes(_PIECE.sub("", body)))


def _bytes(text: str) -> bytes:
    # JSON may hold half of a pair of surrogates, which no encoding writes by itself.
    return text.encode("utf-8", "surrogatepass")


def _encoded(plaintext: bytes) -> str:
    return base64.b64encode(plaintext).decode()


def _has_ciphertext(answer: Answer) -> bool:
    told = answer.fields().get("ciphertext")
    return succeeded(answer) and isinstance(told, str) and len(told) <= LONGEST_CIPHERTEXT


def _has_plaintext(answer: Answer) -> bool:
    told = answer.fields().get("plaintext")
    if not (succeeded(answer) and isinstance(told, str)):
        return False
    try:
        base64.b64decode(told, validate=True)
    except ValueError:
        return False
    return True


def _usable(token: str) -> str:
    if token.isascii() and token.isprintable() and " " not in token:
        return token
    raise BadInput(
        "The canary's token cannot be sent.", f"It holds a space, a line break or a letter that no header may hold. {NOTHING_SENT}",
        "Store the token again, in the block that `token` names in opsflows.toml.",
    )  # fmt: skip


def _require_private(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "https" or is_loopback(parts.hostname or ""):
        return
    raise BadInput(
        f"The canary of {parts.hostname or 'an empty host'} would go over plain http.",
        f"Its token could be read on the way. {NOTHING_SENT}",
        "Write base_url with https://, or run the check on the application's own machine.",
    )
