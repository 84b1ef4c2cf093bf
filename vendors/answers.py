"""What several vendors' answers have in common, read with care: a field may be missing, or hold what it should not."""

from datetime import datetime


def iso_moment(text: object) -> datetime | None:
    """Return the aware moment that an ISO 8601 text names, None where it names none."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None
