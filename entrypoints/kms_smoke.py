"""`opsflows kms-smoke`: one strict look at a service's health page, for a CI step or by hand. Starts nothing and keeps nothing."""

import json
import sys
from collections.abc import Mapping

import click

from domain.errors import BadInput
from vendors.healthz import BASE_URL, LIMIT_SECONDS, PATH, Reading, read_health

# What a healthy service does not need is imported where it is used: a CI step should not take much longer than curl.


@click.command(name="kms-smoke")
@click.option("--base-url", default=BASE_URL, show_default=True, metavar="URL", help="Where the service is.")
@click.option("--path", default=PATH, show_default=True, help="Its health page.")
@click.option(
    "--timeout", type=float, default=LIMIT_SECONDS, show_default=True, metavar="SECONDS", help="For the whole check."
)
@click.option("--verbose", is_flag=True, help="Tell everything that was seen.")
@click.option("--json", "as_json", is_flag=True, help="For machines: one object on standard output.")
@click.option(
    "--logs", default=None, metavar="COMMAND", help="Run this where the check failed, and show its last 20 lines."
)
def kms_smoke(  # noqa: PLR0917 (one parameter per option)
    base_url: str,
    path: str,
    timeout: float,
    verbose: bool,  # noqa: FBT001 (click passes a flag)
    as_json: bool,  # noqa: FBT001 (click passes a flag)
    logs: str | None,
) -> None:
    """Check that a service says it encrypts with the KMS: exit 0 if it does, 1 if not, 2 for wrong usage."""
    log_command = _words(logs) if logs is not None else None
    try:
        reading = read_health(base_url, path=path, limit_seconds=timeout)
    except ValueError as error:
        raise BadInput(
            f"The health page cannot be asked: {error}.",
            "Nothing was sent.",
            "Correct --base-url, --path or --timeout.",
        ) from None
    click.echo(_as_json(reading, base_url) if as_json else _for_people(reading, verbose=verbose))
    if reading.fault:
        if log_command:
            _show_log(log_command, as_json=as_json)
        sys.exit(1)


def _for_people(reading: Reading, *, verbose: bool) -> str:
    seen = {
        "fault": reading.fault or "none",
        "detail": reading.detail or "none",
        "status": reading.status,
        "crypto_mode": reading.mode,
        "crypto_ready": reading.ready,
        "milliseconds": reading.milliseconds,
        "at": reading.at.isoformat(timespec="milliseconds"),
    }
    return "\n".join([*_finding(reading), *(f"  {name}: {value}" for name, value in seen.items() if verbose)])


def _finding(reading: Reading) -> list[str]:
    if not reading.fault:
        return ["OK    The service says that it encrypts with the KMS and is ready."]
    from domain.kms_faults import FAULTS  # noqa: PLC0415 (as above)

    row = FAULTS[reading.fault]
    return [f"FAIL  {row.happened.format(detail=reading.detail)}", f"      {row.means}", f"      {row.next_step}"]


def _as_json(reading: Reading, base_url: str) -> str:
    # Of the address only the host, since a path may be a secret.
    host = base_url.partition("://")[2].partition("/")[0]
    shown: Mapping[str, object] = {
        "ok": not reading.fault,
        "fault": reading.fault,
        **_row(reading.fault),
        "detail": reading.detail,
        "mode": reading.mode,
        "ready": reading.ready,
        "status": reading.status,
        "milliseconds": reading.milliseconds,
        "at": reading.at.isoformat(timespec="milliseconds"),
        "host": host,
    }
    return json.dumps(shown)


def _row(fault: str) -> Mapping[str, str]:
    if not fault:
        return {"class": "", "severity": ""}
    from domain.kms_faults import FAULTS  # noqa: PLC0415 (as above)

    return {"class": FAULTS[fault].fault_class.value, "severity": FAULTS[fault].severity.value}


def _words(command: str) -> list[str]:
    from entrypoints.log_command import words_of  # noqa: PLC0415 (as above)

    return words_of(command)


def _show_log(command: list[str], *, as_json: bool) -> None:
    from entrypoints.log_command import last_lines  # noqa: PLC0415 (as above)

    click.echo(last_lines(command), err=as_json)
