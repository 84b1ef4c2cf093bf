"""Every integration, in the order an operator brings them live: easiest first."""

from collections.abc import Mapping
from types import MappingProxyType

from domain.errors import BadInput
from domain.names import Purpose
from vendors import (
    awskey,
    awskey_rotation,
    awssecret,
    awssecret_rotation,
    datadog,
    datadog_counts,
    datadog_rotation,
    gcpkey,
    gcpkey_rotation,
    gcpkms,
    gcpkms_rotation,
    gcpsecret,
    gcpsecret_rotation,
    github,
    github_rotation,
    oidc,
    oidc_rotation,
    opsgenie,
    opsgenie_counts,
    opsgenie_rotation,
    pagerduty,
    pagerduty_counts,
    pagerduty_rotation,
    sentry,
    sentry_counts,
    sentry_rotation,
    slack,
    slack_counts,
    slack_rotation,
    splunk,
    splunk_counts,
    splunk_rotation,
    statuspage,
    statuspage_counts,
    statuspage_rotation,
)
from vendors.capabilities import Integration
from vendors.counting import Counting
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
            statuspage.INTEGRATION,
        )
    }
)

# What issues credentials of other kinds: no events go there, so day 1 does not verify them; rotation is all they have.
PLATFORMS: Mapping[str, Integration] = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            github.INTEGRATION,
            gcpkey.INTEGRATION,
            gcpsecret.INTEGRATION,
            gcpkms.INTEGRATION,
            oidc.INTEGRATION,
            awskey.INTEGRATION,
            awssecret.INTEGRATION,
        )
    }
)

EVERY: Mapping[str, Integration] = MappingProxyType({**INTEGRATIONS, **PLATFORMS})

# How the secret of each purpose is rotated; every secret variable of every integration has a row here.
ROTATIONS: Mapping[tuple[str, Purpose], Rotation] = MappingProxyType(
    {
        (row.integration, row.purpose): row
        for rows in (
            slack_rotation.ROTATIONS,
            sentry_rotation.ROTATIONS,
            pagerduty_rotation.ROTATIONS,
            opsgenie_rotation.ROTATIONS,
            datadog_rotation.ROTATIONS,
            splunk_rotation.ROTATIONS,
            statuspage_rotation.ROTATIONS,
            github_rotation.ROTATIONS,
            gcpkey_rotation.ROTATIONS,
            gcpsecret_rotation.ROTATIONS,
            gcpkms_rotation.ROTATIONS,
            oidc_rotation.ROTATIONS,
            awskey_rotation.ROTATIONS,
            awssecret_rotation.ROTATIONS,
        )
        for row in rows
    }
)

# Published rate limits by integration, which steps keep within.
LIMITS: Mapping[str, tuple[Limit, ...]] = MappingProxyType(
    {
        "slack": slack_rotation.LIMITS,
        "sentry": sentry_rotation.LIMITS,
        "pagerduty": pagerduty_rotation.LIMITS,
        "opsgenie": opsgenie_rotation.LIMITS,
        "datadog": datadog_rotation.LIMITS,
        "splunk": splunk_rotation.LIMITS,
        "statuspage": statuspage_rotation.LIMITS,
        "github": github_rotation.LIMITS,
        "gcpkey": gcpkey_rotation.LIMITS,
        "gcpsecret": gcpsecret_rotation.LIMITS,
        "gcpkms": gcpkms_rotation.LIMITS,
        "oidc": oidc_rotation.LIMITS,
        "awskey": awskey_rotation.LIMITS,
        "awssecret": awssecret_rotation.LIMITS,
    }
)


# How each integration is asked what it received.
COUNTS: Mapping[str, Counting] = MappingProxyType(
    {
        row.integration: row
        for row in (
            slack_counts.COUNTING,
            sentry_counts.COUNTING,
            pagerduty_counts.COUNTING,
            opsgenie_counts.COUNTING,
            datadog_counts.COUNTING,
            splunk_counts.COUNTING,
            statuspage_counts.COUNTING,
        )
    }
)


def integration_named(name: str) -> Integration:
    """Return the integration, or raise BadInput that lists the known ones."""
    if name not in EVERY:
        raise BadInput(f"{name!r} is not an integration.", "Nothing was done.", f"Choose among {', '.join(EVERY)}.")
    return EVERY[name]
