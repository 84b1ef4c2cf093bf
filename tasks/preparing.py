"""Puts together what a run works with: configuration, ledger, credentials from blocks, and in the rehearsal the stand-ins."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from blocks.ledger_identity import claim
from blocks.store import load_values, save_values
from domain.config import Config
from domain.names import Target
from domain.rotation_config import check_purposes, check_usual_ages
from domain.wiring import Mode
from ledger.config_file import config_path, read_config
from ledger.fingerprints import fingerprinter
from ledger.opening import Ledger
from ledger.places import resolve_home
from steps.audited_run import AuditedRun, open_own_ledger
from steps.clock import Clock
from steps.conduct import STAND_INS_URL, conduct_for, stand_ins_url
from steps.context import Context, pace_of
from steps.verifying import new_nonce
from steps.version import code_version
from steps.walk import Walk
from tasks.rehearsal_blocks import targets_in_use
from vendors.registry import EVERY, INTEGRATIONS, PLATFORMS, ROTATIONS
from vendors.stand_ins import connect as connect_stand_ins


def read_own_config() -> Config:
    """Return the configuration this process works with."""
    config = read_config(config_path(), INTEGRATIONS, PLATFORMS)
    check_purposes(config, ROTATIONS, str(config_path()))
    check_usual_ages(config, {kind: row.manifest.usual_age for kind, row in ROTATIONS.items()}, str(config_path()))
    return config


@contextmanager
def own_ledger() -> Iterator[Ledger]:
    """Give the ledger, after the Prefect server has agreed that it is the registered one."""
    ledger = open_own_ledger()
    try:
        claim(ledger.id)
        yield ledger
    finally:
        ledger.close()


def context_of(run: AuditedRun, config: Config, environment: str, may_wake: frozenset[str]) -> Context:
    """Return the context of a run whose credentials come from blocks, each loaded once."""
    loaded: dict[Target, Mapping[str, str] | None] = {}

    def credentials(target: Target) -> Mapping[str, str] | None:
        if target not in loaded:
            loaded[target] = load_values(EVERY[target.integration], target, environment)
        return loaded[target]

    return Context(
        ledger=run.ledger,
        run_id=run.run_id,
        actor=run.actor,
        environment=environment,
        config=config,
        integrations=EVERY,
        credentials=credentials,
        addresses=config.environment(environment).addresses,
        conduct=conduct_for(config, environment, run.record),
        clock=Clock(now=run.ledger.now),
        pace=pace_of(config),
        new_nonce=new_nonce,
        may_wake=may_wake,
    )


@contextmanager
def walk_of(
    run: AuditedRun,
    context: Context,
    mode: Mode,
    skip_rehearsal: str,
    schedule_is_active: Callable[[], bool],
) -> Iterator[Walk]:
    """Give the walk through day 1. Nothing is stored yet: a plan changes nothing."""
    saved: dict[Target, Mapping[str, str]] = {}

    def save(target: Target, values: Mapping[str, str]) -> None:
        integration = EVERY[target.integration]
        save_values(integration, target, context.environment, values)
        saved[target] = load_values(integration, target, context.environment) or {}

    def credentials(target: Target) -> Mapping[str, str] | None:
        return saved.get(target) or context.credentials(target)

    stand_ins = connect_stand_ins(stand_ins_url(), context.conduct) if context.is_rehearsal else None
    addresses = stand_ins.addresses() if stand_ins else context.addresses
    walk = Walk(
        context=replace(context, credentials=credentials, addresses=addresses),
        mode=mode,
        version=code_version(),
        skip_rehearsal=skip_rehearsal,
        keep=run.bundle.write,
        save_credentials=save,
        schedule_is_active=schedule_is_active,
        fingerprint=fingerprinter(fingerprint_key_file()),
        stand_ins=stand_ins,
        stand_in_ports=_stand_in_ports(),
    )
    try:
        yield walk
    finally:
        if stand_ins:
            stand_ins.close()


def store_rehearsal_credentials(walk: Walk) -> None:
    """In the rehearsal, store the running stand-ins' credentials as its blocks, but for what is in use; elsewhere do nothing."""
    if walk.stand_ins is None:
        return
    generated = walk.stand_ins.credentials()
    in_use = targets_in_use(walk.context.ledger)
    for target in (*walk.targets, *walk.context.declared.platform_targets):
        if target in in_use:
            continue
        walk.save_credentials(target, generated[target.integration])


def fingerprint_key_file() -> Path:
    """Return where the fingerprint key is: beside Prefect's encryption key, as set-up wrote it."""
    given = os.environ.get("OPSFLOWS_FINGERPRINT_KEY_FILE", "")
    return Path(given) if given else resolve_home(os.environ) / "fingerprint.key"


def _stand_in_ports() -> tuple[int, ...]:
    """Return the ports where this project's stand-ins are or were: as this process was told, and as ports.json says."""
    url = os.environ.get(STAND_INS_URL, "")
    told = {urlsplit(url).port or 80} if url else set()
    try:
        recorded = json.loads((resolve_home(os.environ) / "ports.json").read_text())
    except (OSError, ValueError):
        recorded = {}
    return tuple(sorted(told | {int(port) for name, port in recorded.items() if name.startswith("stand_ins")}))
