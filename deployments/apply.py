"""Makes the Prefect server hold what the catalog says: read by name, compare, create or update.

Nothing is deleted but what somebody added to a deployment of ours: a schedule that the catalog does not know starts runs that
nobody answers for. Objects without our tag are left alone, even under our names.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import ConcurrencyLimitConfig, DeploymentSchedule
from prefect.client.schemas.responses import DeploymentResponse
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.schedules import Schedule
from prefect.settings import get_current_settings
from prefect.types.entrypoint import EntrypointType
from prefect.workers.process import ProcessWorker

from deployments.automations import Windows, wanted
from deployments.catalog import CATALOG, MARKER, POOLS, Entry, Tier
from deployments.forms import form_of
from deployments.kept_automations import compared, put, read_ours, read_server
from domain.config import Config
from domain.errors import BadInput
from domain.operations_sections import Automations
from tasks.preparing import read_own_config

# How long a run keeps its place while its process starts; less than the ten minutes after which it counts as stuck.
GRACE_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing the server holds otherwise than the catalog: `what` is a name, `how` says it in words."""

    what: str
    how: str
    # Not to be put right by a deploy, but by someone.
    is_for_a_person: bool = False


def differences() -> list[Difference]:
    """Return what a deploy would change; changes nothing."""
    config = read_own_config()
    with get_client(sync_client=True) as client:
        return [*_differences(client, config), *automation_differences(client, config.automations)]


def converge() -> list[Difference]:
    """Create or update what differs, and return what that was; a second call returns nothing.

    Raises:
        BadInput: a deployment of our name is not ours.
    """
    config = read_own_config()
    with get_client(sync_client=True) as client:
        found = list(_differences(client, config))
        for pool in POOLS.keys() & {one.what for one in found}:
            _create_pool(client, pool)
        changed = {one.what for one in found}
        deployments = [
            _prepared(client, entry, config, _held(client, entry.full_name))
            for entry in CATALOG
            if entry.full_name in changed
        ]
    for deployment in deployments:
        deployment.apply()
    with get_client(sync_client=True) as client:
        # Now that every deployment is there, which they name by its id.
        return [*found, *converge_automations(client, config.automations)]


def automation_differences(
    client: SyncPrefectClient, section: Automations, windows: Windows | None = None
) -> list[Difference]:
    """Return in what the server's automations differ, and which notification blocks are missing; changes nothing."""
    server = read_server(client, _blocks(section))
    missing = [path for tier, path in _blocks(section).items() if path and tier not in server.blocks]
    told = compared(read_ours(client), wanted(server, windows or _windows()))
    how = "the notification block is not there: make it in Prefect (Blocks), then deploy again; until then nobody is told while workers are dead"
    return [
        *(Difference(name, words) for name, words in told),
        *(Difference(path, how, is_for_a_person=True) for path in missing),
    ]


def converge_automations(
    client: SyncPrefectClient, section: Automations, windows: Windows | None = None
) -> list[Difference]:
    """Create or update what differs, and return what that was."""
    found = automation_differences(client, section, windows)
    those = wanted(read_server(client, _blocks(section)), windows or _windows())
    put(client, read_ours(client), those, [one.what for one in found if not one.is_for_a_person])
    return found


def left_alone() -> list[str]:
    """Return in a sentence each what a person switched off, which a deploy leaves so, and that there is no second channel."""
    section = read_own_config().automations
    with get_client(sync_client=True) as client:
        held = [(entry, row) for entry in CATALOG if (row := _held(client, entry.full_name)) is not None]
        off = [one.name for one in read_ours(client).values() if not one.enabled]
    return [
        *(f"Deployment {one.name} is paused; left so." for _, one in held if one.paused),
        *(
            f"Schedule {row.slug} is switched off; left so."
            for entry, one in held
            for row in one.schedules
            if not row.active and row not in _foreign_schedules(entry, one)
        ),
        *(f"Automation '{name}' is switched off; left so." for name in sorted(off)),
        *(
            f"No second channel for what is to {word}: [automations] {tier}_block in opsflows.toml names none. While the workers are dead, nobody is told."
            for tier, word in ((Tier.PAGE, "page"), (Tier.TICKET, "become a ticket"))
            if not _blocks(section)[tier]
        ),
    ]


def _blocks(section: Automations) -> dict[Tier, str]:
    return {Tier.PAGE: section.page_block, Tier.TICKET: section.ticket_block}


def _windows() -> Windows:
    """Return how long to wait, by the setting that the workers' runs have as well; without signs of life the windows stay as they are."""
    seconds = get_current_settings().flows.heartbeat_frequency
    return Windows(silent=3 * timedelta(seconds=seconds)) if seconds else Windows()


def _differences(client: SyncPrefectClient, config: Config) -> Iterator[Difference]:
    for pool in POOLS:
        try:
            client.read_work_pool(pool)
        except ObjectNotFound:
            yield Difference(pool, "the work pool is not there")
    for entry in CATALOG:
        held = _held(client, entry.full_name)
        if held is None:
            yield Difference(entry.full_name, "is not deployed")
            continue
        if MARKER not in held.tags:
            raise BadInput(
                f"Deployment {entry.full_name} is there, but not ours (it lacks the tag {MARKER}).",
                "It was made by hand or by another project; it was left alone, and nothing was changed.",
                f"Rename or delete it, or add the tag {MARKER} to hand it over, then deploy again.",
            )
        if how := _difference_of(entry, config, held):
            yield Difference(entry.full_name, how)


def _difference_of(entry: Entry, config: Config, held: DeploymentResponse) -> str:
    """Return in words what the server holds otherwise, empty where nothing is."""
    shape, current = _shape_of_entry(entry, config), _shape_of_held(held)
    differs = [key for key in shape if shape[key] != current[key]]
    if not differs:
        return ""
    strangers = len(_foreign_schedules(entry, held))
    added = f" (schedules that are not in the catalog, which a deploy removes: {strangers})" if strangers else ""
    return f"differs in {', '.join(differs)}{added}"


def _foreign_schedules(entry: Entry, held: DeploymentResponse) -> list[DeploymentSchedule]:
    """Return what somebody added; a schedule that was made in the UI has no slug."""
    ours = {tick.slug for tick in entry.schedules}
    return [row for row in held.schedules if row.slug not in ours]


def _prepared(
    client: SyncPrefectClient, entry: Entry, config: Config, held: DeploymentResponse | None
) -> RunnerDeployment:
    """Return what is to be applied, with the schedules that somebody added gone: an update would keep those that have a slug."""
    if held is not None:
        for row in _foreign_schedules(entry, held):
            client.delete_deployment_schedule(held.id, row.id)
    return _wanted(entry, config, held)


def _held(client: SyncPrefectClient, full_name: str) -> DeploymentResponse | None:
    try:
        return client.read_deployment_by_name(full_name)
    except ObjectNotFound:
        return None


def _wanted(entry: Entry, config: Config, held: DeploymentResponse | None = None) -> RunnerDeployment:
    """Return the deployment as the catalog and opsflows.toml say; what an operator switched off or paused on the server stays so."""
    off = {row.slug for row in held.schedules if not row.active} if held else set()
    deployment = RunnerDeployment.from_flow(
        entry.flow,
        name=entry.name,
        paused=held.paused if held else None,
        schedules=[
            Schedule(
                cron=tick.cron,
                timezone=tick.timezone,
                slug=tick.slug,
                active=tick.slug not in off,
                parameters=dict(tick.parameters),
            )
            for tick in entry.schedules
        ],
        # Said although they are Prefect's own, so that an update takes back what somebody set by hand.
        parameters={},
        job_variables={},
        enforce_parameter_schema=True,
        concurrency_limit=ConcurrencyLimitConfig(
            limit=entry.limit, collision_strategy=entry.collision, grace_period_seconds=GRACE_SECONDS
        ),
        tags=entry.all_tags,
        description=entry.flow.description,
        work_pool_name=entry.pool,
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    # Prefect has no other place for it: it reads the schema from the flow and keeps it there until it is applied.
    deployment._parameter_openapi_schema = form_of(  # noqa: SLF001 (as above)
        entry.full_name,
        deployment._parameter_openapi_schema,  # noqa: SLF001 (as above)
        config,
    )
    return deployment


def _shape_of_entry(entry: Entry, config: Config) -> dict[str, object]:
    wanted = _wanted(entry, config)
    return {
        "description": wanted.description,
        "tags": sorted(wanted.tags),
        "schedules": sorted((tick.slug, tick.cron, tick.timezone, _told(tick.parameters)) for tick in entry.schedules),
        "entrypoint": wanted.entrypoint,
        "work pool": wanted.work_pool_name,
        "the form": _schema(wanted._parameter_openapi_schema.model_dump_for_openapi()),  # noqa: SLF001 (no other way to it)
        "whether the form is enforced": wanted.enforce_parameter_schema,
        "default parameters": wanted.parameters,
        "job variables": wanted.job_variables,
        "pull steps": [],
        "concurrency": (entry.limit, entry.collision, GRACE_SECONDS),
    }


def _shape_of_held(held: DeploymentResponse) -> dict[str, object]:
    limit = held.global_concurrency_limit
    options = held.concurrency_options
    return {
        "description": held.description,
        "tags": sorted(held.tags),
        "schedules": sorted(
            (
                row.slug or "",
                getattr(row.schedule, "cron", None) or "",
                getattr(row.schedule, "timezone", None) or "",
                _told(row.parameters),
            )
            for row in held.schedules
        ),
        "entrypoint": held.entrypoint,
        "work pool": held.work_pool_name,
        "the form": _schema(held.parameter_openapi_schema),
        "whether the form is enforced": held.enforce_parameter_schema,
        "default parameters": held.parameters,
        "job variables": held.job_variables,
        # The server keeps none as an empty list or as nothing.
        "pull steps": held.pull_steps or [],
        "concurrency": (
            limit.limit if limit else None,
            options.collision_strategy if options else None,
            options.grace_period_seconds if options else None,
        ),
    }


def _told(parameters: Mapping[str, object]) -> str:
    return json.dumps(dict(parameters), sort_keys=True)


def _schema(parameters: Mapping[str, object] | None) -> dict[str, object]:
    """The server leaves out what is empty."""
    return {key: value for key, value in (parameters or {}).items() if value or value is False}


def _create_pool(client: SyncPrefectClient, name: str) -> None:
    try:
        client.create_work_pool(
            WorkPoolCreate(
                name=name,
                type="process",
                description=POOLS[name],
                # Otherwise each worker writes it when it comes, and on SQLite two that come together wait for each other's lock.
                base_job_template=ProcessWorker.get_default_base_job_template(),
            )
        )
    except ObjectAlreadyExists:
        return
