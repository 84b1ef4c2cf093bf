"""`opsflows connect` and `opsflows blocks`: credentials go straight into blocks, and no file is left behind."""

from pathlib import Path

import click

from domain.config import EnvironmentKind
from domain.errors import BadInput
from domain.names import DEFAULT_INSTANCE, REHEARSAL, Target
from entrypoints import configuration
from entrypoints.prefect_api import require_server
from steps.env_file import complete_sets, read_env_file
from vendors.capabilities import Integration, Variable
from vendors.registry import EVERY, INTEGRATIONS, PLATFORMS, integration_named


@click.command()
@click.argument("named", metavar="INTEGRATION[/INSTANCE]")
@click.option("--environment", required=True, help="An environment of opsflows.toml.")
@click.option("--instance", default=DEFAULT_INSTANCE, show_default=True, help="Which one, where a team has several.")
@click.option("--only", "only", multiple=True, metavar="VARIABLE", help="Ask for this variable only; the others stay.")
def connect(named: str, environment: str, instance: str, only: tuple[str, ...]) -> None:
    """Enter the credentials of one integration; each value is checked at once and none is shown."""
    entry = integration_named(named.partition("/")[0])
    target = Target.parse(named if "/" in named else f"{named}/{instance}")
    if instance not in {target.instance, DEFAULT_INSTANCE}:
        raise BadInput(
            f"{named} is one instance and --instance {instance} another.", "Nothing was asked or stored.", "Leave one of the two out."
        )  # fmt: skip
    _check_environment(environment)
    asked = _asked_for(entry, only)
    require_server()
    click.echo(f"{entry.title} for {environment}, about {entry.setup_minutes} minutes:")
    for number, click_path in enumerate(entry.clicks, start=1):
        click.echo(f"  {number}. {click_path}")
    given = {row.name: ask(row) for row in asked}
    _store(entry, target, environment, given)
    click.echo(f"After set-up: {entry.after_set_up}")
    if target.integration in PLATFORMS:
        click.echo(f"Next: name {target} under platforms of [environments.{environment}], then opsflows adopt.")
    else:
        click.echo(f"Next: opsflows verify {target} --environment {environment}")


@click.group()
def blocks() -> None:
    """Credentials from a file into blocks."""


@blocks.command(name="import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--environment", required=True, help="An environment of opsflows.toml.")
def import_file(file: Path, environment: str) -> None:
    """Read a file like .env.local and store every complete set it holds; all or nothing."""
    _check_environment(environment)
    sets = complete_sets(EVERY, read_env_file(file), file)
    require_server()
    for name, values in sets.items():
        _store(EVERY[name], Target(name), environment, values)
    absent = ", ".join(name for name in INTEGRATIONS if name not in sets)
    if absent:
        click.echo(f"Not in the file: {absent}.")
    click.echo(f"Next: opsflows verify --environment {environment}; then delete {file}.")


def _check_environment(environment: str) -> None:
    if configuration.read().environment(environment).kind is EnvironmentKind.REHEARSAL:
        raise BadInput(
            f"{REHEARSAL} takes no credentials of yours.",
            "Its credentials are generated with the stand-ins; nothing was stored.",
            "Name another environment of opsflows.toml.",
        )


def _asked_for(entry: Integration, only: tuple[str, ...]) -> list[Variable]:
    unknown = set(only) - {row.name for row in entry.variables}
    if unknown:
        raise BadInput(
            f"{', '.join(sorted(unknown))} is no variable of {entry.title}.",
            "Nothing was stored.",
            f"Choose among {', '.join(row.name for row in entry.variables)}.",
        )
    return [row for row in entry.variables if not only or row.name in only]


def ask(row: Variable) -> str:
    """Return the value typed at a prompt, hidden where it is a secret, checked; asks again until it fits."""
    click.echo(f"\n{row.name} ({'required' if row.required else 'optional, Enter skips it'})")
    click.echo(f"  where: {row.where}\n  least scopes: {row.scopes}")
    while True:
        text: str = click.prompt(row.name, default="", show_default=False, hide_input=row.secret).strip()
        if not text and (row.default or not row.required):
            return row.default
        try:
            return row.check(text)
        except BadInput as fault:
            click.echo(f"  {fault.happened} {fault.next_step}")


def _store(entry: Integration, target: Target, environment: str, given: dict[str, str]) -> None:
    from blocks.store import save_values  # noqa: PLC0415 (Prefect costs a second; a wrong name should not)

    saved = save_values(entry, target, environment, given)
    click.echo(f"Stored: {', '.join(saved)}")
