"""A service's last log lines as a report may hold them: few, short, without control characters and without our own secrets."""

from collections.abc import Collection, Iterable

LINES = 20
LONGEST_LINE = 300
# A shorter value would be found in half of all lines.
_SHORTEST_SECRET = 6
_REMOVED = "[removed]"


def shown_lines(lines: Iterable[str], secrets: Collection[str]) -> tuple[str, ...]:
    """Return the last lines. A service may log anything, so what we hold ourselves is taken out before a line is cut."""
    kept = [line for line in lines if line.strip()][-LINES:]
    return tuple(_shown(line, secrets) for line in kept)


def _shown(line: str, secrets: Collection[str]) -> str:
    for secret in sorted((one for one in secrets if len(one) >= _SHORTEST_SECRET), key=len, reverse=True):
        line = line.replace(secret, _REMOVED)
    plain = "".join(sign if sign.isprintable() else " " for sign in line).rstrip()
    return plain if len(plain) <= LONGEST_LINE else f"{plain[: LONGEST_LINE - 3]}..."
