"""Whether a service says that it encrypts with the KMS: its health page, read strictly and within one deadline.

    python vendors/healthz.py [--base-url URL] [--path /healthz] [--timeout SECONDS] [--verbose] [--json]

Exit codes: 0 healthy, 1 anything else, 2 usage. The file needs Python 3.9 and nothing else, so that another repository may take it
along. HTTP is spoken by hand: http.client takes longer to import than all of this to run (it loads email and ssl), limits each read
where the whole must be limited, and forgives what must not be forgiven.
Source: RFC 9112 (messages), RFC 9111 (Age, Date), RFC 9211 (Cache-Status), RFC 8259 (JSON), RFC 8305 (several addresses)
"""

from __future__ import annotations

import sys

if __name__ == "__main__" and not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):
    # Run as a program, this folder comes first on the path, where our http.py and git.py would be taken for others'.
    del sys.path[0]

import errno
import json
import os
import re
import selectors
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import argparse
    import ssl

BASE_URL = "http://localhost:8000"
PATH = "/healthz"
LIMIT_SECONDS = 3.0
_MOST_SECONDS = 60.0
_MOST_BODY_BYTES = 64 * 1024
# Head, chunk sizes and trailers are limited as well, together with the body.
_MOST_BYTES = 2 * _MOST_BODY_BYTES
_MOST_INTERIM_ANSWERS = 5
_SHOWN_SIGNS = 40
_CLOCKS_DIFFER = timedelta(seconds=60)
_NEXT_ADDRESS_AFTER_SECONDS = 0.25

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_URL_PATH = r"/[A-Za-z0-9!$%&'()*+,./:;=@_~-]*"
_URL = re.compile(
    rf"(https?)://(\[[0-9A-Fa-f:.]+\]|{_LABEL}(?:\.{_LABEL})*)(?::([0-9]{{1,5}}))?({_URL_PATH})?", re.IGNORECASE
)
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-9][0-9][0-9])(?: [^\x00-\x08\x0a-\x1f\x7f]*)?")
_FIELD_NAME = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,8}")
_DATE = re.compile(r"[A-Z][a-z]{2}, ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_JSON_TYPES = frozenset({"application/json", "application/health+json"})
_OK = 200
_REDIRECTS = frozenset({300, 301, 302, 303, 305, 307, 308})
# Where caches write what they did. TCP_MEM_HIT, RefreshHit and `hit; ttl=5` say it in one word each.
_CACHE_FIELDS = frozenset(
    {
        "cache-status", "cf-cache-status", "cdn-cache", "x-cache", "x-cache-status", "x-drupal-cache", "x-fastcgi-cache",
        "x-litespeed-cache", "x-nextjs-cache", "x-proxy-cache", "x-varnish-cache", "x-vercel-cache",
    }
)  # fmt: skip
_STORED = re.compile(r"[a-z]*hit|stale|updating|revalidated")
_JSON_WORDS = {bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object", str: "a text"}
_NETWORK_WORDS = {
    errno.ECONNREFUSED: "the connection is refused",
    errno.ECONNRESET: "the connection was reset",
    errno.EPIPE: "the connection was closed",
    errno.EHOSTUNREACH: "no way leads to the host",
    errno.ENETUNREACH: "no way leads to its network",
}


class Reading(NamedTuple):
    """What one look at a health page came to.

    `fault` is empty where all is well, else the id of a row of domain/kms_faults.py. `detail` is that row's, without a word of the
    body but the mode; on a healthy page it tells of a clock that is far ahead, else nothing. `mode` is what the page says, non-ASCII signs escaped
    and cut at 40; `mode` and `ready` are None where no page said them. A NamedTuple, since dataclasses cost a third of the program.
    """

    fault: str
    detail: str
    status: int | None
    mode: str | None
    ready: bool | None
    milliseconds: float
    at: datetime

    @property
    def state(self) -> str:
        """Return `ok`, or the fault's word: `mode`, `not_ready`, `unreachable`, `timeout`, ..."""
        return self.fault.partition(".")[2] or "ok"


def read_health(base_url: str, *, path: str = PATH, limit_seconds: float = LIMIT_SECONDS) -> Reading:
    """Ask once, and return what was found; nothing that the other side does raises, or takes longer than the limit.

    The limit is for the whole: name, connection, TLS, and every byte of the answer. No proxy is used and no redirect followed. May be
    called in many threads. Certificates are checked with the system's store (or SSL_CERT_FILE), read once per process.

    Raises:
        ValueError: no such address can be asked, or the limit is none; nothing was sent.
    """
    place = _place(base_url, path)
    if not 0 < limit_seconds <= _MOST_SECONDS:
        raise ValueError(f"the limit must be more than 0 and at most {_MOST_SECONDS:.0f} seconds")
    begun, seen = time.monotonic(), _Seen()
    try:
        word, detail = "", _look(place, begun + limit_seconds, seen)
    except _Finding as found:
        word, detail = found.word, found.detail
    except socket.timeout:  # noqa: UP041 (Python 3.9 has two of them)
        word, detail = "timeout", f"{limit_seconds:g} s were over while {seen.doing}"
    except OSError as error:
        word, detail = "unreachable", _network_words(error)
    took = (time.monotonic() - begun) * 1000
    fault = f"health.{word}" if word else ""
    return Reading(fault, detail, seen.status, seen.mode, seen.ready, round(took, 3), _now())


class _Finding(Exception):
    def __init__(self, word: str, detail: str) -> None:
        super().__init__(word, detail)
        self.word, self.detail = word, detail


class _Seen:
    """What is known so far, and what is being done."""

    doing = "its name was looked up"
    status: int | None = None
    mode: str | None = None
    ready: bool | None = None


class _Place(NamedTuple):
    secure: bool
    host: str
    port: int
    path: str

    @property
    def request(self) -> bytes:
        # A query that is new each time would get past most caches, and past routes that know the bare path alone; so a cache is
        # asked to stand aside, and is found out by what it writes into the answer.
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == (443 if self.secure else 80) else f":{self.port}"
        return (
            f"GET {self.path} HTTP/1.1\r\nHost: {host}{port}\r\nUser-Agent: opsflows-healthz\r\nAccept: application/json\r\n"
            "Accept-Encoding: identity\r\nCache-Control: no-cache\r\nConnection: close\r\n\r\n"
        ).encode("ascii")


def _place(base_url: str, path: str) -> _Place:
    parts = _URL.fullmatch(base_url)
    if parts is None or not 0 < int(parts[3] or 1) < 2**16:
        raise ValueError(
            "the address must be like https://api.example.org:8443, without login and query; a host with other letters than a-z in"
            " its xn-- form"
        )
    if not re.fullmatch(_URL_PATH, path):
        raise ValueError("the path must begin with / and hold no query, fragment, blank or other sign than ASCII")
    secure = parts[1].lower() == "https"
    return _Place(
        secure, parts[2].strip("[]"), int(parts[3] or (443 if secure else 80)), f"{(parts[4] or '').rstrip('/')}{path}"
    )


def _look(place: _Place, ends: float, seen: _Seen) -> str:
    addresses = _addresses(place, ends)
    seen.doing = "it was connected to"
    with closing(_secured(_connected(addresses, ends), place, ends, seen)) as line:
        seen.doing = "the answer was waited for"
        line.settimeout(_left(ends))
        line.sendall(place.request)
        answer = _Answer(line, ends)
        head = _head(answer, seen)
        seen.doing = "the answer's body was read"
        note = _judged_head(head)
        _judge_page(_page(_body(answer, head)), seen)
    return note


def _left(ends: float) -> float:
    left = ends - time.monotonic()
    if left <= 0:
        raise socket.timeout  # noqa: UP041 (Python 3.9 has two of them)
    return left


def _addresses(place: _Place, ends: float) -> list[tuple[Any, ...]]:
    # As bytes, the name is not led through Python's own IDNA, which raises at what a resolver would only not find.
    host = place.host.encode("ascii")
    try:
        return socket.getaddrinfo(host, place.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass
    found: list[list[tuple[Any, ...]] | OSError] = []

    def look_up() -> None:
        try:
            found.append(list(socket.getaddrinfo(host, place.port, type=socket.SOCK_STREAM)))
        except OSError as error:
            found.append(error)

    # A look-up cannot be interrupted, only left to itself; the resolver's own limit ends it.
    thread = threading.Thread(target=look_up, name="healthz-name", daemon=True)
    thread.start()
    thread.join(_left(ends))
    if not found:
        raise socket.timeout  # noqa: UP041 (Python 3.9 has two of them)
    if isinstance(found[0], OSError):
        raise _Finding("unreachable", "its name is not found")
    return found[0]


def _connected(addresses: Sequence[tuple[Any, ...]], ends: float) -> socket.socket:
    """Return the first connection that stands. The next address is tried after a quarter of a second without an answer."""
    todo, refusal = list(addresses), OSError(errno.EHOSTUNREACH, "")
    with selectors.DefaultSelector() as started:
        try:
            while todo or started.get_map():
                left = _left(ends)
                if todo:
                    refusal = _start(todo.pop(0), started) or refusal
                if not started.get_map():
                    continue
                for key, _ in started.select(min(left, _NEXT_ADDRESS_AFTER_SECONDS) if todo else left):
                    line: socket.socket = key.data
                    started.unregister(line)
                    if not (code := line.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)):
                        return line
                    line.close()
                    refusal = OSError(code, "")
        finally:
            for key in started.get_map().values():
                key.data.close()
    raise refusal


def _start(address: tuple[Any, ...], started: selectors.BaseSelector) -> OSError | None:
    """Begin to connect; return why it cannot be, None where it may be."""
    family, kind, protocol, _, where = address
    try:
        line = socket.socket(family, kind, protocol)
    except OSError as error:
        return error
    line.settimeout(0)
    code = line.connect_ex(where)
    if code in {0, errno.EINPROGRESS, errno.EWOULDBLOCK}:
        started.register(line, selectors.EVENT_WRITE, line)
        return None
    line.close()
    return OSError(code, "")


def _secured(line: socket.socket, place: _Place, ends: float, seen: _Seen) -> socket.socket:
    if not place.secure:
        return line
    import ssl  # noqa: PLC0415 (costs as much as all the rest, and plain http needs none)

    seen.doing = "TLS was agreed on"
    try:
        trusting = _trusting(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
        line.settimeout(_left(ends))
        return trusting.wrap_socket(line, server_hostname=place.host)
    except ssl.SSLCertVerificationError as error:
        line.close()
        raise _Finding("tls", str(error.verify_message).rstrip(".")) from None
    except ssl.SSLError as error:
        line.close()
        raise _Finding("tls", f"TLS could not be agreed on ({error.reason or 'the connection was closed'})") from None
    except OSError:
        line.close()
        raise


@lru_cache(maxsize=4)
def _trusting(*_files: str | None) -> ssl.SSLContext:
    """Return the system's store, read again where another file was named."""
    import ssl  # noqa: PLC0415 (as above)

    return ssl.create_default_context()


class _Answer:
    """What the other side sends: never more than may be, never after the end."""

    def __init__(self, line: socket.socket, ends: float) -> None:
        self._line, self._ends, self._held, self._taken = line, ends, bytearray(), 0

    def text_line(self) -> bytes:
        while (at := self._held.find(b"\n")) < 0:
            self._take("it ends in the middle of a line")
        text = bytes(self._held[:at])
        del self._held[: at + 1]
        return text[:-1] if text.endswith(b"\r") else text

    def exactly(self, count: int) -> bytes:
        while len(self._held) < count:
            self._take("its body ends early")
        text = bytes(self._held[:count])
        del self._held[:count]
        return text

    def rest(self, most: int) -> bytes:
        while len(self._held) <= most and self._more():
            pass
        return bytes(self._held)

    def _take(self, otherwise: str) -> None:
        if not self._more():
            # Nothing at all is what a service does that is going down.
            raise _Finding(
                *(("unreadable", otherwise) if self._taken else ("unreachable", "it hung up without an answer"))
            )

    def _more(self) -> bool:
        if self._taken >= _MOST_BYTES:
            raise _Finding("unreadable", f"it is larger than {_MOST_BYTES // 1024} KB")
        self._line.settimeout(_left(self._ends))
        came = self._line.recv(16 * 1024)
        self._held += came
        self._taken += len(came)
        return bool(came)


class _Head(NamedTuple):
    status: int
    fields: tuple[tuple[str, str], ...]

    def all(self, name: str) -> list[str]:
        return [text for one, text in self.fields if one == name]


def _head(answer: _Answer, seen: _Seen) -> _Head:
    for _ in range(_MOST_INTERIM_ANSWERS):
        status = _STATUS_LINE.fullmatch(answer.text_line())
        if status is None:
            raise _Finding("unreadable", "it is no HTTP answer")
        fields = []
        while text := answer.text_line():
            name, colon, value = text.partition(b":")
            if not colon or not _FIELD_NAME.fullmatch(name) or _CONTROL.search(value):
                raise _Finding("unreadable", "a header line cannot be read")
            fields.append((name.decode("ascii").lower(), value.strip(b" \t").decode("latin-1")))
        seen.status = int(status[1])
        if not 100 <= seen.status < _OK or seen.status == 101:  # noqa: PLR2004 (interim answers; 101 is none)
            return _Head(seen.status, tuple(fields))
    raise _Finding("unreadable", "it sends one interim answer after the other")


def _judged_head(head: _Head) -> str:
    """Return a note about a clock far ahead, empty where there is none."""
    if head.status in _REDIRECTS:
        raise _Finding("redirect", str(head.status))
    if head.status != _OK:
        raise _Finding("status", f"with status {head.status}")
    note = _judged_age(head)
    types = [text.partition(";")[0].strip().lower() for text in head.all("content-type")]
    if len(types) != 1 or types[0] not in _JSON_TYPES:
        raise _Finding("unreadable", "its content type is not application/json")
    if any(text.lower() not in {"", "identity"} for text in head.all("content-encoding")):
        raise _Finding("unreadable", "it is compressed, which it was not asked for")
    return note


def _says_stored(name: str, text: str) -> bool:
    if name == "cache-status":
        # Of its words only `hit` is an answer from the store; `fwd=stale` went to the service. Source: RFC 9211
        return re.search(r";\s*hit\b(?!\s*=\s*\?0)", text) is not None
    return any(_STORED.fullmatch(word) for word in re.findall(r"[a-z]+", text))


def _judged_age(head: _Head) -> str:
    # An age that is no number is written by a cache as well.
    if any(text.strip("0") for text in head.all("age")):
        raise _Finding("cached", "its Age is not 0")
    for name, text in head.fields:
        if name in _CACHE_FIELDS and _says_stored(name, text.lower()):
            raise _Finding("cached", f"{name} says so")
    # What is missing or malformed says nothing; no cache takes a Date away.
    ahead = [date - _now() for text in head.all("date") if (date := _date(text)) is not None]
    if ahead and min(ahead) < -_CLOCKS_DIFFER:
        raise _Finding("cached", f"its Date is {-min(ahead).total_seconds():.0f} s behind this machine's clock")
    if ahead and max(ahead) > _CLOCKS_DIFFER:
        return f"its clock is {max(ahead).total_seconds():.0f} s ahead of this machine's"
    return ""


def _date(text: str) -> datetime | None:
    parts = _DATE.fullmatch(text)
    if parts is None or parts[2] not in _MONTHS:
        return None
    day, year, hour, minute, second = (int(parts[at]) for at in (1, 3, 4, 5, 6))
    try:
        return datetime(year, _MONTHS.index(parts[2]) + 1, day, hour, minute, second, tzinfo=timezone.utc)  # noqa: UP017 (as in _now)
    except ValueError:
        return None


def _body(answer: _Answer, head: _Head) -> bytes:
    codings, lengths = head.all("transfer-encoding"), head.all("content-length")
    if codings:
        if lengths or [text.lower() for text in codings] != ["chunked"]:
            raise _Finding("unreadable", "it does not say clearly where it ends")
        return _chunks(answer)
    if lengths:
        if len(lengths) > 1 or not (lengths[0].isascii() and lengths[0].isdigit()):
            raise _Finding("unreadable", "it does not say clearly how long it is")
        # Compared as text first, since a number may have as many digits as a line has room for.
        digits = lengths[0].lstrip("0") or "0"
        return answer.exactly(_small_enough(int(digits) if len(digits) < 10 else _MOST_BODY_BYTES + 1))  # noqa: PLR2004
    body = answer.rest(_MOST_BODY_BYTES)
    _small_enough(len(body))
    return body


def _chunks(answer: _Answer) -> bytes:
    body = b""
    while True:
        size = answer.text_line().partition(b";")[0].strip(b" \t")
        if not _CHUNK_SIZE.fullmatch(size):
            raise _Finding("unreadable", "a chunk's size cannot be read")
        if not int(size, 16):
            break
        _small_enough(len(body) + int(size, 16))
        body += answer.exactly(int(size, 16))
        if answer.text_line():
            raise _Finding("unreadable", "a chunk does not end where it says")
    while answer.text_line():
        pass  # a trailer may say nothing that counts here
    return body


def _small_enough(count: int) -> int:
    if count > _MOST_BODY_BYTES:
        raise _Finding("unreadable", f"it is larger than {_MOST_BODY_BYTES // 1024} KB")
    return count


def _page(body: bytes) -> dict[str, object]:
    try:
        page = json.loads(body.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise _Finding("unreadable", "its body is not JSON" if body else "it has no body") from None
    if not isinstance(page, dict):
        raise _Finding("unreadable", "its body is not a JSON object")
    return page


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _Finding("unreadable", "a key stands in it twice")
    return made


def _no_number(word: str) -> object:
    raise ValueError(word)


def _judge_page(page: dict[str, object], seen: _Seen) -> None:
    if "crypto_mode" not in page:
        raise _Finding("unreadable", "it has no crypto_mode")
    mode, ready = page["crypto_mode"], page.get("crypto_ready")
    # Escaped, so that it can be printed everywhere; cut, since it may be anything.
    seen.mode = ascii(mode)[1:-1][:_SHOWN_SIGNS] if isinstance(mode, str) else None
    seen.ready = ready if isinstance(ready, bool) else None
    if not isinstance(mode, str):
        raise _Finding("mode", f"crypto_mode is {_JSON_WORDS.get(type(mode), 'null')}")
    if mode != "kms":
        raise _Finding("mode", f"crypto_mode is '{seen.mode}'")
    if "crypto_ready" not in page:
        raise _Finding("unreadable", "it has no crypto_ready")
    if ready is not True:
        what = "false" if ready is False else f"{_JSON_WORDS.get(type(ready), 'null')}, which is not true"
        raise _Finding("not_ready", f"crypto_ready is {what}")


def _network_words(error: OSError) -> str:
    reason = getattr(error, "reason", "")  # TLS has its own numbers, which are not those of errno
    if reason:
        return f"TLS broke off ({reason})"
    code = error.errno or 0
    return _NETWORK_WORDS.get(code) or errno.errorcode.get(code, "the connection failed")


def _now() -> datetime:
    return datetime.now(timezone.utc)  # noqa: UP017 (Python 3.9 has no datetime.UTC)


def main(arguments: Sequence[str] | None = None) -> int:
    """Read one health page, say what was found, and return the exit code."""
    import argparse  # noqa: PLC0415 (who imports this module needs none)

    parser = argparse.ArgumentParser(prog="healthz.py", description="Check that a service encrypts with the KMS.")
    parser.add_argument(
        "--base-url", default=BASE_URL, metavar="URL", help=f"where the service is (default: {BASE_URL})"
    )
    parser.add_argument("--path", default=PATH, help=f"its health page (default: {PATH})")
    parser.add_argument(
        "--timeout", type=float, default=LIMIT_SECONDS, metavar="SECONDS", help="for the whole (default: 3)"
    )
    parser.add_argument("--verbose", action="store_true", help="tell everything that was seen")
    parser.add_argument("--json", action="store_true", help="for machines: one JSON object")
    chosen = parser.parse_args(arguments)
    try:
        reading = read_health(chosen.base_url, path=chosen.path, limit_seconds=chosen.timeout)
    except ValueError as error:
        parser.error(f"{error}.")
    except KeyboardInterrupt:
        return 1
    print(_told(reading, chosen))  # noqa: T201 (this is a program as well)
    return int(bool(reading.fault))


def _told(reading: Reading, chosen: argparse.Namespace) -> str:
    at = reading.at.isoformat(timespec="milliseconds")
    # Of the address scheme, host and port, since a path may be a secret.
    url = "/".join(chosen.base_url.split("/", 3)[:3])
    shown = {"ok": not reading.fault, **reading._asdict(), "at": at, "url": url}
    if chosen.json:
        return json.dumps(shown)
    found = (
        f"FAIL {reading.fault}: {reading.detail}" if reading.fault else "OK crypto_mode is kms, crypto_ready is true"
    )
    return "\n".join([found, *(f"  {name}: {value}" for name, value in shown.items() if chosen.verbose)])


if __name__ == "__main__":
    sys.exit(main())
