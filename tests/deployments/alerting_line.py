"""Prometheus and Alertmanager as processes of a test, with our rules and routes, and everything they wait for divided by 60.

So five minutes are five seconds. What is divided: windows and waits (`5m`), limits written as minutes (`5 * 60`), and the times of
the routes. What is not: how long HTTP takes, so real times are a little under 60 times those of the test.
"""

import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import yaml

from tests.deployments.promql import ROOT, RULES_FILE
from tests.program import eventually, program

SPEED = 60
BASE = "https://git.example.org/docs/runbooks"
_DURATION = re.compile(r"\b(\d+)([smhd])\b")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(slots=True)
class Inbox:
    """What Alertmanager's receivers were sent, with the moment of its arrival in seconds."""

    url: str = ""
    sent: list[tuple[float, str, dict[str, Any]]] = field(default_factory=list)

    def find(self, receiver: str, alert: str, status: str) -> tuple[float, dict[str, Any]] | None:
        """Return when this receiver was first told that of the alert, and the alert as it was told."""
        return next(
            (
                (at, row)
                for at, to, told in list(self.sent)
                if to == receiver
                for row in told["alerts"]
                if row["labels"]["alertname"] == alert and row["status"] == status
            ),
            None,
        )


@dataclass(frozen=True, slots=True)
class Line:
    """From a page of metrics to a receiver; `alertmanager` is its address."""

    inbox: Inbox
    prometheus: str
    alertmanager: str

    def held_back(self) -> set[str]:
        """Return the names of alerts that another one inhibits."""
        rows = httpx.get(f"{self.alertmanager}/api/v2/alerts", trust_env=False).json()
        return {row["labels"]["alertname"] for row in rows if row["status"]["inhibitedBy"]}


@contextmanager
def alerting_line(folder: Path, exporter: str, application: str) -> Iterator[Line]:
    """Run both programs until the end of the block. `exporter` and `application` are host:port/path of what is scraped."""
    with ExitStack() as stack:
        inbox = stack.enter_context(_receiving())
        alertmanager = stack.enter_context(_alertmanager(folder, inbox))
        prometheus = stack.enter_context(_prometheus(folder, alertmanager, exporter, application))
        yield Line(inbox, prometheus, alertmanager)


def divided(text: str) -> str:
    """Return rules or routes with each duration and each limit in minutes divided by 60."""
    faster = _DURATION.sub(lambda found: f"{int(found[1]) * _SECONDS[found[2]] * 1000 // SPEED}ms", text)
    return faster.replace("* 60", "* 1")


def routes_to(inbox: str) -> dict[str, Any]:
    """Return our routes and inhibitions, with a webhook of the same name in the place of each receiver that tells somebody."""
    plain = yaml.safe_load((ROOT / "deployments" / "alertmanager" / "alertmanager.yml").read_text())
    for receiver in plain["receivers"]:
        if receiver.pop("pagerduty_configs", None):
            receiver["webhook_configs"] = [{"url": f"{inbox}/{receiver['name']}"}]
    return {**plain, "route": yaml.safe_load(divided(yaml.safe_dump(plain["route"])))}


@contextmanager
def _alertmanager(folder: Path, inbox: Inbox) -> Iterator[str]:
    file = folder / "alertmanager.yml"
    file.write_text(yaml.safe_dump(routes_to(inbox.url)))
    address = _free_address()
    command = [
        program("prometheus-alertmanager", "alertmanager"), f"--config.file={file}", f"--web.listen-address={address}",
        f"--storage.path={folder / 'alertmanager'}", "--cluster.listen-address=",
    ]  # fmt: skip
    with _running(command, folder / "alertmanager.log", f"http://{address}") as url:
        yield url


@contextmanager
def _prometheus(folder: Path, alertmanager: str, exporter: str, application: str) -> Iterator[str]:
    (folder / "kms.yml").write_text(divided(RULES_FILE.read_text()))
    often = {"scrape_interval": "250ms", "scrape_timeout": "250ms", "evaluation_interval": "500ms"}
    config = {
        "global": {**often, "external_labels": {"runbook_base": BASE}},
        "rule_files": ["kms.yml"],
        "alerting": {
            "alert_relabel_configs": [{"action": "labeldrop", "regex": "runbook_base"}],
            "alertmanagers": [{"static_configs": [{"targets": [alertmanager.removeprefix("http://")]}]}],
        },
        "scrape_configs": [
            _scrape("opsflows-metrics", exporter, {}),
            _scrape("kms-application", application, {"environment": "prod", "target": "payments"}),
        ],
    }
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    address = _free_address()
    # A firing alert is sent again each second, as it is each minute else.
    command = [
        program("prometheus"), f"--config.file={file}", f"--web.listen-address={address}",
        f"--storage.tsdb.path={folder / 'prometheus'}", "--rules.alert.resend-delay=1s",
    ]  # fmt: skip
    with _running(command, folder / "prometheus.log", f"http://{address}") as url:
        yield url


def _scrape(job: str, address: str, labels: dict[str, str]) -> dict[str, Any]:
    host, _, path = address.partition("/")
    return {"job_name": job, "metrics_path": f"/{path}", "static_configs": [{"targets": [host], "labels": labels}]}


@contextmanager
def _running(command: list[str], log: Path, url: str) -> Iterator[str]:
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=log.parent)
    try:
        eventually(lambda: process.poll() is not None or _is_ready(url), within_s=30)
        assert process.poll() is None, log.read_text()
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready", trust_env=False).is_success
    except httpx.TransportError:
        return False


def _free_address() -> str:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{tried.getsockname()[1]}"


@contextmanager
def _receiving() -> Iterator[Inbox]:
    inbox = Inbox()

    class _Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told = json.loads(self.rfile.read(int(self.headers["content-length"])))
            inbox.sent.append((time.monotonic(), self.path.strip("/"), told))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), _Taking)
    inbox.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield inbox
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
