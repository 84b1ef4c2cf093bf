"""The command line: which command is where. A command's module is imported only when it is called."""

import gc
import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from domain.errors import BadInput, OpsError
from entrypoints import project

# Command -> (module, attribute, help). Help stands here so that --help imports nothing.
_COMMANDS = {
    "demo": ("entrypoints.demo", "demo", "Day-1 wiring against stand-ins, on a Prefect of its own. Needs nothing."),
    "up": ("entrypoints.up", "up", "Prefect server and UI, stand-ins, worker and deployments, until Ctrl-C."),
    "setup": ("entrypoints.setup", "setup", "Make .opsflows: keys, settings and free ports."),
    "verify": (
        "entrypoints.verify",
        "verify",
        "Verify integrations: one line per probe; exit 0 only if all in scope pass.",
    ),
    "wire": (
        "entrypoints.wire",
        "wire",
        "Day-1 wiring: the thirty steps, resumable. Also: block, unblock, note, status.",
    ),
    "connect": ("entrypoints.connect", "connect", "Enter the credentials of one integration at hidden prompts."),
    "blocks": ("entrypoints.connect", "blocks", "Credentials from a file into blocks."),
    "confirm": ("entrypoints.confirm", "confirm", "Answer a question that only a person can answer."),
    "questions": ("entrypoints.confirm", "questions", "List the questions that wait for a person."),
    "rotate": (
        "entrypoints.rotate",
        "rotate",
        "Rotate credentials: the plan, with --apply the rotation; followed to its end.",
    ),
    "credentials": (
        "entrypoints.credential_list",
        "credentials",
        "List credentials: age, policy, next date, sinks, last proof. Also: --calendar.",
    ),
    "rotations": ("entrypoints.rotations", "rotations", "List rotations: state in words, due moment, next action."),
    "rotation": (
        "entrypoints.rotations",
        "rotation",
        "One rotation: show, resume, rollback, waive, ack, enter.",
    ),
    "adopt": ("entrypoints.adopt", "adopt", "Bind a credential that existed before to its entry at the vendor."),
    "emergency": (
        "entrypoints.emergency",
        "emergency",
        "A compromise: replace every exposed credential of a scope, now.",
    ),
    "freeze": (
        "entrypoints.freeze",
        "freeze",
        "Stop every change at a vendor but those of an emergency; --lift ends it.",
    ),
    "reconcile": (
        "entrypoints.reconcile",
        "reconcile",
        "A month's emitted events against what the vendors received.",
    ),
    "waive": ("entrypoints.decide", "waive", "Accept a HOLD until a day; it stays printed, and is never GREEN."),
    "waivers": ("entrypoints.decide", "waivers", "List what is waived, until when, by whom and why."),
    "sign-off": ("entrypoints.decide", "sign_off", "Stand by a month's reconciliation: its newest, settled revision."),
    "investigate": (
        "entrypoints.decide",
        "investigate",
        "Who looks into a month's finding: open, add to it, close it with its outcome.",
    ),
    "sample-events": (
        "entrypoints.sample_events",
        "sample_events",
        "A month of events with planted faults, to see reconcile work.",
    ),
    "kms": (
        "entrypoints.kms",
        "kms",
        "Services that encrypt with a KMS: check, status, goldens, retire-golden, judge.",
    ),
    "go-live": ("entrypoints.go_live", "go_live", "Record when an environment went live."),
    "deploy": ("entrypoints.deploy", "deploy", "Make Prefect hold what the catalog says; --check only looks."),
    "kms-smoke": (
        "entrypoints.kms_smoke",
        "kms_smoke",
        "One look at a service's health page: does it encrypt with the KMS? For CI, too.",
    ),
    "next": ("entrypoints.next", "next_", "What is wrong or waits, by when it matters, and the one command."),
    "run": ("entrypoints.run", "run", "Run a deployment now, with its form's defaults; followed to its end."),
    "doctor": (
        "entrypoints.doctor",
        "doctor",
        "What of opsflows itself is broken, in plain words; exit 1 if anything.",
    ),
    "board": ("entrypoints.board", "board", "Serve the wiring board: one page with the state of everything."),
    "backup": ("entrypoints.backup", "backup", "Ledger, keys, blocks and audit in one file, encrypted to a recipient."),
    "restore": ("entrypoints.restore", "restore", "Put a backup back; it starts frozen until all sides agree."),
    "audit": ("entrypoints.audit", "audit", "Recompute the audit chain and every bundle."),
    "metrics": ("entrypoints.metrics", "metrics", "Serve what KMS checks and health pages say to Prometheus."),
    "mocks": ("entrypoints.mocks", "mocks", "Run the stand-ins of all vendors on loopback."),
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        module, attribute, _ = _COMMANDS[cmd_name]
        with _garbage_left_alone():
            command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, row[2]) for name, row in _COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="opsflows")
def cli() -> None:
    """An operations team's runbooks as Prefect flows.

    Exit codes: 0 green, waiting or planned; 1 HOLD; 2 bad input, nothing was done.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; an OpsError becomes its three sentences, never a traceback."""
    try:
        project.load()
        cli.main(args=arguments, prog_name="opsflows", standalone_mode=False)
    except click.exceptions.Exit as leaving:
        sys.exit(leaving.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        click.echo("Stopped by you. Nothing more was done.", err=True)
        sys.exit(130)
    except OpsError as error:
        click.echo(f"{error.happened}\n{error.means}\n{error.next_step}", err=True)
        sys.exit(2 if isinstance(error, BadInput) else 1)


@contextmanager
def _garbage_left_alone() -> Iterator[None]:
    """Let imports be: what they make stays until the end, and looking through it costs a third of a short command."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()
