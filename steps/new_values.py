"""Values that we choose ourselves, where the vendor takes what it is given."""

from uuid import uuid4


def new_guid() -> str:
    """Return a random GUID (122 random bits), as Splunk's tokens are."""
    return str(uuid4())
