"""Makes the Prefect server hold what the catalog says: read by name, compare, create or update; never delete.

Objects without our tag are left alone, even under our names.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import ConcurrencyLimitConfig
from prefect.client.schemas.responses import DeploymentResponse
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.schedules import Schedule
from prefect.types.entrypoint import EntrypointType

from deployments.catalog import CATALOG, MARKER, POOLS, Entry
from domain.errors import BadInput


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing the server holds otherwise than the catalog: `what` is a name, `how` says it in words."""

    what: str
    how: str


def differences() -> list[Difference]:
    """Return what a deploy would change; changes nothing."""
    with get_client(sync_client=True) as client:
        return list(_differences(client))


def converge() -> list[Difference]:
    """Create or update what differs, and return what that was; a second call returns nothing.

    Raises:
        BadInput: a deployment of our name is not ours.
    """
    with get_client(sync_client=True) as client:
        found = list(_differences(client))
        for pool in POOLS.keys() & {one.what for one in found}:
            _create_pool(client, pool)
        changed = {one.what for one in found}
        wanted = [_wanted(entry, _held(client, entry.full_name)) for entry in CATALOG if entry.full_name in changed]
    for deployment in wanted:
        deployment.apply()
    return found


def _differences(client: SyncPrefectClient) -> Iterator[Difference]:
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
        wanted, current = _shape_of_entry(entry), _shape_of_held(held)
        differs = [key for key in wanted if wanted[key] != current[key]]
        if differs:
            yield Difference(entry.full_name, f"differs in {', '.join(differs)}")


def _held(client: SyncPrefectClient, full_name: str) -> DeploymentResponse | None:
    try:
        return client.read_deployment_by_name(full_name)
    except ObjectNotFound:
        return None


def _wanted(entry: Entry, held: DeploymentResponse | None = None) -> RunnerDeployment:
    """Return the deployment as the catalog says; what an operator switched off or paused on the server stays so."""
    off = {row.slug for row in held.schedules if not row.active} if held else set()
    return RunnerDeployment.from_flow(
        entry.flow,
        name=entry.name,
        paused=held.paused if held else None,
        schedules=[
            Schedule(cron=tick.cron, timezone=tick.timezone, slug=tick.slug, active=tick.slug not in off)
            for tick in entry.schedules
        ],
        concurrency_limit=ConcurrencyLimitConfig(limit=entry.limit, collision_strategy=entry.collision),
        tags=entry.all_tags,
        description=entry.flow.description,
        work_pool_name=entry.pool,
        entrypoint_type=EntrypointType.MODULE_PATH,
    )


def _shape_of_entry(entry: Entry) -> dict[str, object]:
    wanted = _wanted(entry)
    return {
        "description": wanted.description,
        "tags": sorted(wanted.tags),
        "schedules": sorted((tick.slug, tick.cron, tick.timezone) for tick in entry.schedules),
        "entrypoint": wanted.entrypoint,
        "work pool": wanted.work_pool_name,
        "parameters": _schema(wanted._parameter_openapi_schema.model_dump_for_openapi()),  # noqa: SLF001 (no other way to it)
        "concurrency": (entry.limit, entry.collision),
    }


def _shape_of_held(held: DeploymentResponse) -> dict[str, object]:
    limit = held.global_concurrency_limit
    options = held.concurrency_options
    return {
        "description": held.description,
        "tags": sorted(held.tags),
        "schedules": sorted(
            (row.slug, getattr(row.schedule, "cron", ""), getattr(row.schedule, "timezone", ""))
            for row in held.schedules
        ),
        "entrypoint": held.entrypoint,
        "work pool": held.work_pool_name,
        "parameters": _schema(held.parameter_openapi_schema),
        "concurrency": (limit.limit if limit else None, options.collision_strategy if options else None),
    }


def _schema(parameters: Mapping[str, object] | None) -> dict[str, object]:
    """The server leaves out what is empty."""
    return {key: value for key, value in (parameters or {}).items() if value}


def _create_pool(client: SyncPrefectClient, name: str) -> None:
    try:
        client.create_work_pool(WorkPoolCreate(name=name, type="process", description=POOLS[name]))
    except ObjectAlreadyExists:
        return
