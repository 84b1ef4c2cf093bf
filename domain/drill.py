"""The drill: canary credentials that are rotated every day through the very same code, so that the quarterly path cannot rot."""

from dataclasses import replace
from datetime import timedelta

from domain.manifests import Manifest
from domain.names import REHEARSAL, Credential, Target
from domain.policies import Policy

DRILL_INSTANCE = "drill"
# The drill's stand-ins keep their state in this file of the home, so that an overlap outlives the run that began it.
DRILL_STATE = "drill-stand-ins.json"

# max_age is twice the period: a drill that fell out once is late, twice is an alert.
DRILL_POLICY = Policy(
    max_age=timedelta(days=2), overlap=timedelta(hours=1), quiet=timedelta(0), soak=timedelta(minutes=10), spread=timedelta(0), is_drill=True
)  # fmt: skip


def canary_target(integration: str) -> Target:
    return Target(integration, DRILL_INSTANCE)


def drill_manifest(manifest: Manifest) -> Manifest:
    """Return the manifest as a drill takes it: nobody uses a canary, so the vendor's lag in telling uses is not waited for."""
    return replace(manifest, last_used_lag=None if manifest.last_used_lag is None else timedelta(0))


def is_drill(credential: Credential) -> bool:
    """Say whether it is a canary on the drill's own stand-ins."""
    return credential.environment == REHEARSAL and credential.target.instance == DRILL_INSTANCE
