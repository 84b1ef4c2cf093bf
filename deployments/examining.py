"""Looks at Prefect for `opsflows doctor`: blocks, ledger, schedules, workers, late runs, deployments, automations. Changes nothing."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import Worker, WorkerStatus
from prefect.exceptions import ObjectNotFound

from blocks.answering import answering
from blocks.examining import SeenBlock, seen_blocks
from blocks.ledger_identity import registered_ledger
from blocks.store import block_types
from deployments.apply import Difference, left_alone
from deployments.apply import differences as all_differences
from deployments.catalog import CATALOG, POOLS
from deployments.run_history import run_history
from domain.config import Config, EnvironmentKind
from domain.doctor import Finding, advice, broken, fine, not_used
from domain.names import Purpose, block_name
from domain.run_history import DeploymentRuns
from domain.run_watch import LATE_AFTER, WAITS_AFTER, WAITS_FOR_A_SLOT
from ledger.held_credentials import HeldCredential
from vendors.registry import EVERY

_SHOWN = 6


def blocks_can_be_read(client: SyncPrefectClient) -> Finding:
    """Raises Rejected where the encryption key is another one, which is told as what is broken."""
    found = seen_blocks(client)
    if not found:
        return not_used("No block is there yet, so there is nothing to decrypt.")
    return fine(f"{len(found)} blocks can be decrypted.")


def blocks_are_whole(
    client: SyncPrefectClient, config: Config, held: Iterable[HeldCredential], live: Collection[str]
) -> Finding:
    """Look for what is missing of each environment that is live or has any block, and for what does not fit its type."""
    found = {one.name: one for one in seen_blocks(client)}
    unfit = sorted(one.name for one in found.values() if not one.is_whole)
    lost = sorted(one.version for one in held if one.version and one.version not in found)
    missing = _missing(config, found, live)
    if unfit or lost or missing:
        told = [
            *(f"{name} does not fit its type" for name in unfit),
            *(f"{name}, the value in use, is not there" for name in lost),
            *(f"{name} is missing" for name in missing),
        ]
        return broken(
            f"Blocks are missing or of an old shape: {_listed(told)}.",
            "What needs them is not sent, not verified and not rotated.",
            "opsflows connect INTEGRATION --environment ENV enters them again; where many are gone, opsflows restore.",
        )
    old = sorted(one.name for one in found.values() if not one.is_current)
    if old:
        return advice(
            f"{len(old)} blocks were written by another version of opsflows: {_listed(old)}.",
            "They fit, and are used; they show no newer fields in Prefect.",
            "Nothing: each is written anew when it is next entered or rotated.",
        )
    ours = sum(one.slug.startswith("opsflows-") for one in found.values())
    return fine(f"{ours} of ours, and every environment that has any has all.")


def ledger_is_registered(ledger_id: str) -> Finding:
    with answering(changes=False):
        registered = registered_ledger()
    if not registered:
        return not_used("No ledger is registered with this server yet; the first run does it.")
    if registered == ledger_id:
        return fine("This ledger is the registered one.")
    return broken(
        f"This server works with ledger {registered}, and this process has {ledger_id}.",
        "Two ledgers behind one server would rotate the same credentials twice, so every run refuses to start.",
        "Set OPSFLOWS_DATABASE_URL (or OPSFLOWS_HOME) to the ledger in use.",
    )


def schedules_run(client: SyncPrefectClient) -> Finding:
    """Look for a run ahead of every schedule; one without is what a dead scheduler leaves."""
    return runs_ahead(run_history(client), datetime.now(UTC))


def runs_ahead(found: Iterable[DeploymentRuns], now: datetime) -> Finding:
    """Return whether every schedule has a run ahead; one that should have begun is none."""
    known = {one.name: one for one in found}
    ticking = [(entry, known.get(entry.name)) for entry in CATALOG if entry.schedules]
    missing = [entry.name for entry, one in ticking if one is None]
    off = [entry.name for entry, one in ticking if one and (one.is_paused or not one.has_schedule)]
    dry = [
        entry.name
        for entry, one in ticking
        if one and entry.name not in off and one.next is None and one.running is None and one.next_is_known
    ]
    late = [
        entry.name
        for entry, one in ticking
        if one and entry.name not in off and one.next and now - one.next.at > _bound(one.next.state_name)
    ]
    if missing or dry or late:
        told = [
            *(f"{name} is not deployed" for name in missing),
            *(f"{name} has no run ahead" for name in dry),
            *(f"{name} has a run that did not begin" for name in late),
        ]
        return broken(
            f"Schedules do not run: {_listed(told)}.",
            "What they look after is not looked after, and nothing fails visibly. With sqlalchemy 2.1 or a dead scheduler it is all of them.",
            "opsflows deploy; if they stay without a run, restart the server's background services and read their log; for what did not begin see the workers' check.",
        )
    if off:
        return advice(
            f"Switched off by somebody: {_listed(off)}.",
            "They do not run until somebody switches them on; a deploy leaves them so.",
            "Switch them on in Prefect, if nobody knows why they are off.",
        )
    return fine(f"{len(ticking)} schedules have a run ahead.")


def workers_live(client: SyncPrefectClient) -> Finding:
    """Look for a live worker in each pool: without one its runs turn late."""
    counts: dict[str, int] = {}
    absent: list[str] = []
    with answering(changes=False):
        for pool in POOLS:
            try:
                counts[pool] = sum(_is_live(one) for one in client.read_workers_for_work_pool(pool))
            except ObjectNotFound:
                absent.append(pool)
    idle = [pool for pool, count in counts.items() if not count]
    if absent or idle:
        told = [
            *(f"pool {pool} is not there" for pool in absent),
            *(f"pool {pool} has no live worker" for pool in idle),
        ]
        return broken(
            f"{_listed(told)}.".capitalize(),
            "Its runs wait and turn late; rotations stand still, at an overlap both values stay valid.",
            "Start one: make up, or prefect worker start --pool POOL --type process with this environment; a missing pool comes with opsflows deploy.",
        )
    return fine(", ".join(f"{pool}: {count} live" for pool, count in counts.items()) + ".")


def runs_start(client: SyncPrefectClient, now: datetime | None = None) -> Finding:
    """Look for runs of ours that should have started, a quarter of an hour ago or more."""
    chosen = {
        "flow_runs": {"tags": {"all_": ["opsflows"]}, "state": {"name": {"any_": ["Late", WAITS_FOR_A_SLOT]}}},
        "sort": "EXPECTED_START_TIME_ASC",
    }
    with answering(changes=False):
        rows = client.request("POST", "/flow_runs/filter", json=chosen).json()
    at = now or datetime.now(UTC)
    late = [row for row in rows if at - datetime.fromisoformat(row["expected_start_time"]) > _bound(row["state_name"])]
    if not late:
        return fine("No run of ours is late.")
    first = late[0]
    return broken(
        f"{len(late)} runs are late, the first is {first['name']}, due at {datetime.fromisoformat(first['expected_start_time']):%Y-%m-%d %H:%M} UTC.",
        "No worker takes them, or each waits for another one to end.",
        "See the workers' check; a run that stays Pending or Running with no process behind it is cancelled in Prefect.",
    )


def deployed_as_catalog(differences: Sequence[Difference]) -> Finding:
    """Tell what deployments and pools differ in."""
    names = {*POOLS, *(entry.full_name for entry in CATALOG)}
    return _differing(
        [one for one in differences if one.what in names], f"{len(CATALOG)} deployments are as the catalog says."
    )


def automated_as_catalog(differences: Sequence[Difference]) -> Finding:
    names = {*POOLS, *(entry.full_name for entry in CATALOG)}
    return _differing([one for one in differences if one.what not in names], "Automations are as the catalog says.")


def differences() -> list[Difference]:
    """Return what a deploy would change; changes nothing."""
    with answering(changes=False):
        return all_differences()


def nothing_is_switched_off() -> Finding:
    """Tell what somebody paused or switched off; a deploy leaves it so."""
    with answering(changes=False):
        told = [one for one in left_alone() if one.endswith("left so.")]
    if not told:
        return fine("No deployment, schedule or automation is switched off.")
    return advice(
        " ".join(told),
        "Somebody did that on purpose, or forgot it.",
        "Switch it on again in Prefect, if nobody knows why it is off.",
    )


def second_channel(config: Config, live: Collection[str]) -> Finding:
    """Look for notification blocks that the server sends through by itself; needed once anything is live."""
    named = [path for path in (config.automations.page_block, config.automations.ticket_block) if path]
    if named:
        # That the blocks are there is told with the automations.
        return fine(f"The server tells by itself through {' and '.join(dict.fromkeys(named))}.")
    return _needed_when_live(
        live,
        "No second channel: [automations] of opsflows.toml names no notification block.",
        "While workers or ledger are dead, nobody is told of anything.",
        "Make a notification block in Prefect, name it as page_block in [automations], and run opsflows deploy.",
    )


def heartbeats_are_sent(client: SyncPrefectClient, config: Config, live: Collection[str]) -> Finding:
    """Look for the Secret blocks with the addresses that expect a sign of life from outside."""
    wanted = {"sweeper": config.heartbeats.sweeper, "kms_smoke": config.heartbeats.kms_smoke if config.kms else ""}
    named = {key: name for key, name in wanted.items() if name}
    there = {one.name for one in seen_blocks(client) if one.slug == "secret"} if named else set()
    missing = [f"{name} ([heartbeats] {key})" for key, name in named.items() if name not in there]
    if missing:
        return broken(
            f"Secret blocks of heartbeats are not there: {_listed(missing)}.",
            "No sign of life is sent, so the watcher outside alarms, or was never set up.",
            "Make a Secret block of that name in Prefect that holds the address.",
        )
    if named:
        return fine(f"Signs of life are sent by {' and '.join(named)}.")
    return _needed_when_live(
        live,
        "No heartbeat: [heartbeats] of opsflows.toml names no block.",
        "That server, worker and schedule are all dead would be seen by nobody.",
        "Take an address from a watcher outside, put it into a Secret block, name that as sweeper in [heartbeats].",
    )


def _differing(found: Sequence[Difference], well: str) -> Finding:
    if not found:
        return fine(well)
    return broken(
        f"{_listed([f'{one.what} {one.how}' for one in found])}.",
        "What runs is not what this version says, or somebody changed it by hand.",
        "opsflows deploy --check shows all of it, opsflows deploy puts it right.",
    )


def _needed_when_live(live: Collection[str], what: str, means: str, next_step: str) -> Finding:
    """It is broken where somebody relies on it, and advice where nothing is live yet."""
    return (
        broken(f"{what} Live: {', '.join(sorted(live))}.", means, next_step) if live else advice(what, means, next_step)
    )


def _missing(config: Config, found: Mapping[str, SeenBlock], live: Collection[str]) -> list[str]:
    """Return the blocks that an environment lacks, of those that are live or have any; manage credentials are a choice."""
    missing: list[str] = []
    for name, declared in config.environments.items():
        wanted = [
            block_name(target, name, purpose)
            for target in declared.targets
            for purpose in block_types(target.integration)
            if purpose is not Purpose.MANAGE and _is_required(target.integration, purpose)
        ]
        is_wired = name in live or any(one in found for one in wanted)
        # The rehearsal's are generated anew by each demo, of what it rehearses.
        if is_wired and declared.kind is not EnvironmentKind.REHEARSAL:
            missing += [one for one in wanted if one not in found]
    return missing


def _is_required(integration: str, purpose: Purpose) -> bool:
    return any(row.required for row in EVERY[integration].variables if row.purpose is purpose)


def _is_live(worker: Worker) -> bool:
    return worker.status is WorkerStatus.ONLINE


def _bound(state: str) -> timedelta:
    return WAITS_AFTER if state == WAITS_FOR_A_SLOT else LATE_AFTER


def _listed(told: Sequence[str]) -> str:
    """Return the first of them, and how many there are beside."""
    more = len(told) - _SHOWN
    return "; ".join(told[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
