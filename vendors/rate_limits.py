"""When a vendor wants to be asked again: every vendor writes it in a header and a dialect of its own."""

import email.utils
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

# Where a 429 names no time. Source: the operators' retry table, "wait 60 s, retry once".
DEFAULT_RATE_LIMIT_WAIT = timedelta(seconds=60)


class LimitOf(Enum):
    """Whose calls a limit counts together."""

    ACCOUNT = "account"
    CREDENTIAL = "credential"


@dataclass(frozen=True, slots=True)
class Limit:
    """A published rate limit: `calls` per `per`, of the named verbs together (none named: of every verb)."""

    calls: int
    per: timedelta
    of: LimitOf = LimitOf.ACCOUNT
    verbs: frozenset[str] = frozenset()


RetryAfter = Callable[[Mapping[str, str], datetime], timedelta | None]


def retry_after_seconds(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Read `Retry-After`, in seconds or as a date. Source: RFC 9110, 10.2.3."""
    return seconds_header("retry-after")(headers, now) or _date_difference(headers.get("retry-after", ""), now)


def seconds_header(name: str) -> RetryAfter:
    """Return a reader of a header that holds seconds left."""

    def read(headers: Mapping[str, str], now: datetime) -> timedelta | None:
        del now
        text = headers.get(name, "").strip()
        return timedelta(seconds=int(text)) if text.isdecimal() and len(text) < len("1000000") else None

    return read


def epoch_header(name: str) -> RetryAfter:
    """Return a reader of a header that holds the epoch second at which the limit resets."""

    def read(headers: Mapping[str, str], now: datetime) -> timedelta | None:
        text = headers.get(name, "").strip()
        if not text.isdecimal() or len(text) > len("10000000000"):
            return None
        return max(timedelta(0), datetime.fromtimestamp(int(text), UTC) - now)

    return read


def http_date(text: str) -> datetime | None:
    """Return the moment of an HTTP date header, None where there is none."""
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)  # HTTP dates are GMT, whatever they leave out


def _date_difference(text: str, now: datetime) -> timedelta | None:
    moment = http_date(text)
    return max(timedelta(0), moment - now) if moment else None
