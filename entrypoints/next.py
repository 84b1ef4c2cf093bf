"""`opsflows next`: what is wrong or waits, by when it matters, and the one command. What could not be looked at is a line too."""

import json
import os
import sys
from dataclasses import dataclass
from datetime import datetime

import click

from domain.attention import Attention, Weight, in_turn
from domain.config import Config, EnvironmentKind
from domain.errors import BadInput, OpsError
from entrypoints import configuration
from entrypoints.prefect_api import require_server
from ledger.opening import Ledger, open_existing
from ledger.places import ledger_url
from steps.attention_words import document, headline, lines
from steps.attentions import attentions
from vendors.registry import ROTATIONS


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was found, and the ledger's time; None where the ledger could not be read."""

    found: list[Attention]
    now: datetime | None


@click.command(name="next")
@click.option("--environment", default="", help="Only what concerns this environment.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def next_(environment: str, as_json: bool) -> None:  # noqa: FBT001 (click passes a flag)
    """List what needs someone, the weightiest first: what is wrong, by when it matters, the one command.

    Exit 0 where nothing is needed now, 1 where something is or where it is not known, 2 for bad input. The rehearsal is shown and
    not counted, unless it is asked for.
    """
    config = configuration.read()
    if environment:
        config.environment(environment)
    seen = _looked(config)
    asked = [one for one in seen.found if environment in {"", one.environment} or not one.environment]
    aside = _not_counted(config, environment)
    counted = [one for one in asked if one.environment not in aside]
    others = [one for one in asked if one.environment in aside]
    if as_json:
        click.echo(json.dumps(document(counted, others), indent=2))
    else:
        click.echo("\n".join([headline(counted), *lines(counted, seen.now)]))
        if others:
            click.echo("\n".join(["", "Of the rehearsal, not counted:", *lines(others, seen.now)]))
    sys.exit(1 if any(one.weight is Weight.NOW for one in counted) else 0)


def _looked(config: Config) -> _Seen:
    """Look at the ledger and for Prefect; what does not answer is a line, and what the other says stands beside it."""
    found: list[Attention] = []
    now: datetime | None = None
    try:
        require_server()
    except OpsError as error:
        found.append(_not_seen("prefect", error, "Whether runs are late, stuck or not scheduled is not known."))
    try:
        ledger = open_existing(ledger_url(os.environ))
        try:
            now, told = _read(ledger, config)
        finally:
            ledger.close()
    except OpsError as error:
        found.append(_not_seen("ledger", error, "Nothing of rotations, verifications, months or alerts is known."))
    else:
        found.extend(told)
    return _Seen(in_turn(found), now)


def _read(ledger: Ledger, config: Config) -> tuple[datetime, list[Attention]]:
    return ledger.now(), attentions(ledger, config, ROTATIONS)


def _not_seen(what: str, error: OpsError, unknown: str) -> Attention:
    """Return the line for what could not be looked at. It is needed now: that nothing is wrong cannot be said."""
    repeats = "" if isinstance(error, BadInput) else " It may answer again by itself."
    return Attention(
        key=f"not-seen:{what}",
        weight=Weight.NOW,
        environment="",
        what=f"NOT KNOWN: {error.happened}",
        means=f"{unknown} {error.next_step}{repeats}",
        by=None,
        command="opsflows doctor",
        runbook="docs/next-and-doctor.md",
    )


def _not_counted(config: Config, asked: str) -> frozenset[str]:
    """Return the environments that decide nothing: the rehearsal, where there is another and it was not asked for."""
    kinds = {name: row.kind for name, row in config.environments.items()}
    rehearsals = frozenset(name for name, kind in kinds.items() if kind is EnvironmentKind.REHEARSAL)
    return frozenset() if asked in rehearsals or rehearsals == kinds.keys() else rehearsals
