"""Every integration, in the order an operator brings them live: easiest first."""

from types import MappingProxyType

from collections.abc import Mapping

from domain.errors import BadInput
from domain.names import Purpose
from vendors import datadog, opsgenie, pagerduty, sentry, slack, splunk
from vendors.capabilities import Integration
from vendors.rate_limits import Limit
from vendors.rotation import Rotation

INTEGRATIONS = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            slack.INTEGRATION,
            sentry.INTEGRATION,
            pagerduty.INTEGRATION,
            opsgenie.INTEGRATION,
            datadog.INTEGRATION,
            splunk.INTEGRATION,
        )
    }
)

# How the secret of each purpose is rotated; every secret variable of every integration has a row here.
ROTATIONS: Mapping[tuple[str, Purpose], Rotation] = MappingProxyType(
    {
        (row.integration, row.purpose): row
        for rows in (
        )
        for row in rows
    }
)

# Published rate limits by integration, which steps keep within.
LIMITS: Mapping[str, tuple[Limit, ...]] = MappingProxyType(
    {
    }
)


def integration_named(name: str) -> Integration:
    """Return the integration, or raise BadInput that lists the known ones."""
    if name not in INTEGRATIONS:
        raise BadInput(
            f"{name!r} is not an integration.", "Nothing was done.", f"Choose among {', '.join(INTEGRATIONS)}."
        )
    return INTEGRATIONS[name]
