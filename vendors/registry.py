"""Every integration, in the order an operator brings them live: easiest first."""

from types import MappingProxyType

from domain.errors import BadInput
from vendors import datadog, opsgenie, pagerduty, sentry, slack, splunk
from vendors.capabilities import Integration

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


def integration_named(name: str) -> Integration:
    """Return the integration, or raise BadInput that lists the known ones."""
    if name not in INTEGRATIONS:
        raise BadInput(
            f"{name!r} is not an integration.", "Nothing was done.", f"Choose among {', '.join(INTEGRATIONS)}."
        )
    return INTEGRATIONS[name]
