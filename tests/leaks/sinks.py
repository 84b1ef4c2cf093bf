"""Where this world publishes to: each kind of sink, while all goes well, and in LIVE while the places fail as well."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.leaks.world import LIVE, Control, Place

# What is published to one place after the other, each of which fails at first.
PUBLISHED_LIVE = f"opsgenie-default-{LIVE}-send"
# The request that brings a value there, and whose refusal may therefore repeat it.
PLACES: Mapping[str, Mapping[str, str]] = {
    "kubernetes": {"method": "PATCH"},
    "github": {"method": "PUT"},
    "gcpsecret": {"rpc": "AddSecretVersion"},
    "awssecret": {"rpc": "PutSecretValue"},
}
# Whose secrets a vendor is sent because it is a place for them; GitHub is sent them sealed.
HANDED_TO: Mapping[str, frozenset[str]] = {
    "kubernetes": frozenset({"gcpkey", "opsgenie"}),
    "gcpsecret": frozenset({"opsgenie"}),
    "awssecret": frozenset({"opsgenie"}),
}
KUBECONFIG = "KUBERNETES_KUBECONFIG"


def sink_sections(place: Place, control: Control) -> str:
    """Return the sinks of opsflows.toml, and which credential each is for. Without kubectl there are none in a cluster."""
    google, aws = control.credentials()["gcpsecret"], control.credentials()["awssecret"]
    file = f"kind = 'env_file'\npath = '{place.sink}'\n"
    cluster = (
        f"kind = 'kubernetes'\nkubeconfig = '{_kubeconfig(place, control)}'\n"
        "context = 'stand-in'\nnamespace = 'apps'\nsecret = 'app-env'\n"
    )
    actions = "kind = 'github_actions'\nrepository = 'stand-in/application'\n"
    parts = "{ AWS_ACCESS_KEY_ID = 'access_key_id', AWS_SECRET_ACCESS_KEY = 'secret_access_key' }"
    rows = (
        ("datadog-default-staging-send", "app_env", f"{file}variable = 'DD_API_KEY'\n"),
        (f"github-default-{LIVE}-receive", "hook_env", f"{file}variable = 'HOOK'\nprevious = 'HOOK_PREVIOUS'\n"),
        ("gcpkey-default-staging-send", "cluster", f"{cluster}variable = 'GOOGLE_KEY'\ndeployments = ['web']\n"),
        ("awskey-default-staging-send", "actions", f"{actions}variables = {parts}\n"),
        (PUBLISHED_LIVE, "live_cluster", f"{cluster}variable = 'OPSGENIE_API_KEY'\n"),
        (PUBLISHED_LIVE, "live_actions", f"{actions}variable = 'OPSGENIE_API_KEY'\n"),
        (PUBLISHED_LIVE, "live_vault", f"kind = 'gcpsecret'\nsecret = '{google['GOOGLE_SECRET_NAME']}'\n"),
        (
            PUBLISHED_LIVE,
            "live_manager",
            f"kind = 'awssecret'\nsecret = '{aws['AWS_SECRET_ID']}'\nregion = '{aws['AWS_SECRET_REGION']}'\n",
        ),
    )
    chosen = [row for row in rows if has_kubectl() or "kubernetes" not in row[2]]
    users: dict[str, list[str]] = {}
    for credential, name, _ in chosen:
        users.setdefault(credential, []).append(name)
    return "".join(
        (
            *(f"[credentials.{credential}]\nsinks = {names}\n" for credential, names in users.items()),
            *(f"[sinks.{name}]\n{section}" for _, name, section in chosen),
        )
    )


def has_kubectl() -> bool:
    return shutil.which("kubectl") is not None


def _kubeconfig(place: Place, control: Control) -> Path:
    """Write the cluster's, as an operator would, and return where it is."""
    file = place.secret / "kubeconfig.json"
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as stream:
        stream.write(control.cluster()[KUBECONFIG])
    return file
