"""Puts together what a rotation works with: blocks as its store, the live vendor, sinks and policy of opsflows.toml."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from threading import RLock

from prefect.client.orchestration import SyncPrefectClient

from blocks.connection import prefect_client
from blocks.store import values_with_manage
from blocks.versions import BlockStore
from domain.config import Config
from domain.drill import DRILL_STATE, drill_manifest, is_drill
from domain.errors import BadInput
from domain.manifests import Manifest
from domain.names import REHEARSAL, Credential
from domain.policies import Policy
from domain.rotation_config import policy_of
from ledger.fingerprints import fingerprinter
from ledger.places import resolve_home
from ledger.rotation_rows import open_rotation_of
from steps.audited_run import AuditedRun
from steps.clock import Clock
from steps.conduct import stand_ins_url
from steps.context import Context
from steps.live_vendor import LiveVendor
from steps.new_values import new_guid
from steps.pacing import Pacer
from steps.rotation_hands import Hands
from steps.sinks import Ground, opened_sinks
from steps.stand_ins_process import kept_stand_ins
from tasks.parts import say
from tasks.preparing import context_of, fingerprint_key_file
from tasks.rollout import rollout
from tasks.rotation_schedule import scheduler
from vendors.registry import EVERY, LIMITS, ROTATIONS
from vendors.rotation import Rotation
from vendors.sinks import Sink
from vendors.stand_ins import connect as connect_stand_ins


@dataclass(slots=True)
class RotationDesk:
    """One run's place for rotations: a connection to Prefect, one context per environment, one pacer for all."""

    run: AuditedRun
    config: Config
    client: SyncPrefectClient
    pacer: Pacer
    fingerprint: Callable[[str], str]
    closing: ExitStack
    _contexts: dict[str, Context] = field(default_factory=dict)
    _drill_url: str = ""
    _making: RLock = field(default_factory=RLock)

    @contextmanager
    def hands(self, credential: Credential) -> Iterator[Hands]:
        """Give what one rotation of the credential works with, and close its connections at the end."""
        row = rotation_row(credential)
        context = self._agreed(self._context_for(credential), credential)
        integration = EVERY[credential.target.integration]
        policy = policy_of(self.config, credential, row.manifest.usual_age)
        store = BlockStore(self.client, integration, row, credential)
        # One account per vendor: where there are several, calls wait longer than they would have to, and none is refused.
        account = f"{REHEARSAL if context.is_rehearsal else 'real'}:{credential.target.integration}"
        vendor = LiveVendor(context, credential, row, store.target_values, self.pacer.admit(account, str(credential)))
        with closing(vendor), self._sinks(context, credential) as sinks:
            yield Hands(
                ledger=self.run.ledger,
                credential=credential,
                policy=policy,
                manifest=drill_manifest(row.manifest) if policy.is_drill else row.manifest,
                vendor=vendor,
                store=store,
                worker=self.run.run_id,
                fingerprint=self.fingerprint,
                new_value=row.new_value or new_guid,
                schedule=scheduler(self.run.ledger),
                sinks=sinks,
                by_hand=row.by_hand,
                has_pointer=row.point is not None,
                told=lambda state: say(state.value),
                answer_within=timedelta(hours=self.config.people.answer_hours),
            )

    @contextmanager
    def _sinks(self, context: Context, credential: Credential) -> Iterator[dict[str, Sink]]:
        """Give the credential's sinks; a drill has none, because nobody reads its credential."""
        if is_drill(credential):
            yield {}
            return
        ground = Ground(
            conduct=context.conduct,
            values=lambda target: values_with_manage(EVERY[target.integration], target, context.environment),
            integrations=EVERY,
            addresses=context.addresses,
            restart=lambda seconds: partial(rollout, within=timedelta(seconds=seconds)),
        )
        with opened_sinks(self.config, credential, ground) as sinks:
            yield sinks

    def context(self, environment: str) -> Context:
        """Return the environment's context; the rehearsal's addresses are those of the running stand-ins."""
        return self._context(environment, environment, stand_ins_url)

    def drill_context(self) -> Context:
        """Return the rehearsal's context with stand-ins of the drill's own, which are started for this run."""
        return self._context("drill", REHEARSAL, self.drill_url)

    def drill_url(self) -> str:
        """Return where the drill's own stand-ins are; started once per run, from the state that the last run left."""
        if not self._drill_url:
            state = resolve_home(os.environ) / DRILL_STATE
            self._drill_url = self.closing.enter_context(kept_stand_ins(state)).url
        return self._drill_url

    def _context(self, key: str, environment: str, stand_ins_at: Callable[[], str]) -> Context:
        # One thread makes it, and starts what it needs; the others wait for that.
        with self._making:
            return self._made(key, environment, stand_ins_at)

    def _made(self, key: str, environment: str, stand_ins_at: Callable[[], str]) -> Context:
        if key not in self._contexts:
            context = context_of(self.run, self.config, environment, frozenset())
            if context.is_rehearsal:
                stand_ins = connect_stand_ins(stand_ins_at(), context.conduct)
                try:
                    context = replace(context, addresses=stand_ins.addresses())
                finally:
                    stand_ins.close()
            self._contexts[key] = context
        return self._contexts[key]

    def _context_for(self, credential: Credential) -> Context:
        return self.drill_context() if is_drill(credential) else self.context(credential.environment)

    def _agreed(self, context: Context, credential: Credential) -> Context:
        """Return the context with the agreement to wake someone that was given when the rotation was opened."""
        record = open_rotation_of(self.run.ledger, credential)
        if record is None or record.facts.get("may_page") is not True:
            return context
        return replace(context, may_wake=frozenset({credential.target.integration}))


@contextmanager
def rotation_desk(run: AuditedRun, config: Config) -> Iterator[RotationDesk]:
    """Give the desk, with one connection to the Prefect server for all of its rotations."""
    with prefect_client() as client, ExitStack() as closing:
        yield RotationDesk(
            run, config, client, Pacer(LIMITS, Clock().sleep), fingerprinter(fingerprint_key_file()), closing
        )


def rotation_row(credential: Credential) -> Rotation:
    """Return how the credential is rotated.

    Raises:
        BadInput: its integration has no such credential.
    """
    row = ROTATIONS.get((credential.target.integration, credential.purpose))
    if row is None:
        raise BadInput(
            f"{credential} is not a credential that can be rotated.",
            "Its integration has no secret for that purpose. Nothing was done.",
            f"Choose among {', '.join(sorted({f'{name} {purpose}' for name, purpose in ROTATIONS}))}.",
        )
    return row


def manifest_of(credential: Credential) -> Manifest:
    return rotation_row(credential).manifest


def policy_for(config: Config) -> Callable[[Credential], Policy]:
    return lambda credential: policy_of(config, credential, manifest_of(credential).usual_age)


def policy_or_none(config: Config) -> Callable[[Credential], Policy | None]:
    """Return each credential's policy; None for what is not declared any more. What no schedule rotates grows old all the same."""
    policy = policy_for(config)

    def find(credential: Credential) -> Policy | None:
        if (credential.target.integration, credential.purpose) not in ROTATIONS:
            return None
        declared = (
            credential.environment in config.environments
            and credential.target in config.environment(credential.environment).rotated
        )
        return policy(credential) if declared or is_drill(credential) else None

    return find


def value_in_use(desk: RotationDesk) -> Callable[[Credential], str]:
    """Return what reads a credential's value from its block, empty where there is none."""

    def read(credential: Credential) -> str:
        integration = EVERY[credential.target.integration]
        return BlockStore(desk.client, integration, rotation_row(credential), credential).projected(credential)

    return read
