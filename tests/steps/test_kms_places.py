"""Where a check goes: the running stand-ins in the rehearsal, the address that opsflows.toml gives, and nowhere a rehearsal may not."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from domain.config import Config
from domain.kms_checks import Part
from domain.names import Target
from ledger.opening import open_ledger
from steps.conduct import conduct_for
from steps.context import Context
from steps.kms_checking import Lines, check_target
from tests.steps.kms_bench import TARGET, Bench, key_of, section_of
from tests.steps.kms_doubles import MAIN, Cloud, CloudKey, Service, reading
from vendors.healthz import Reading
from vendors.http import Conduct
from vendors.registry import EVERY

REHEARSAL = Config.model_validate({"environments": {"rehearsal": {"kind": "rehearsal"}}})


@dataclass
class Places:
    """What was connected to, and with what."""

    context: Context
    bench: Bench
    pages: list[str] = field(default_factory=list)
    keys: list[tuple[str, Mapping[str, str], str | None]] = field(default_factory=list)

    def check(self, **section: Any) -> dict[str, Part]:
        told = section_of(**section)
        lines = replace(
            Lines(), read_health=self.read, connect_application=Service().connect, providers={
                name: replace(self.bench.cloud.provider(), name=name, integration=integration, connect=self.connect)
                for name, integration in (("gcp", "gcpkms"), ("aws", "awskey"))
            },
        )  # fmt: skip
        checked = check_target(self.context, TARGET, told, token="", planned={}, lines=lines)
        return {part.name: part for part in checked.parts}

    def read(self, base_url: str, *, path: str, limit_seconds: float) -> Reading:
        self.pages.append(f"{base_url}{path} within {limit_seconds:g} s")
        return reading()

    def connect(self, key: str, values: Mapping[str, str], address: str | None, _: Conduct) -> CloudKey:
        self.keys.append((key, values, address))
        return CloudKey(self.bench.cloud, key)


@pytest.fixture
def places(tmp_path: Path, made_ledger: Path) -> Iterator[Places]:
    ledger = open_ledger(f"sqlite:///{shutil.copy(made_ledger, tmp_path / 'ledger.db')}")
    bench = Bench(ledger, Cloud())
    bench.cloud.add(MAIN)
    context = replace(
        bench.context(), environment="rehearsal", config=REHEARSAL, integrations=EVERY,
        addresses={"gcpkms": "grpc://127.0.0.1:5"},
        conduct=conduct_for(REHEARSAL, "rehearsal", bench.exchanges.append),
    )  # fmt: skip
    yield Places(context, bench)
    ledger.close()


def test_a_page_of_the_stand_ins_is_where_they_run_now(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSFLOWS_STAND_INS_URL", "http://127.0.0.1:9/")

    places.check(base_url="$STAND_INS/other/place")

    assert places.pages == ["http://127.0.0.1:9/other/place/healthz within 3 s"]
    assert places.keys == [(MAIN, {}, "grpc://127.0.0.1:5")]


def test_a_rehearsal_reads_no_page_elsewhere(places: Places) -> None:
    parts = places.check(base_url="https://api.example.org")

    assert (parts["health"].fault, places.pages) == ("kms.config", [])


def test_a_section_gives_its_region_and_address(places: Places) -> None:
    places.check(keys={"main": key_of(provider="aws", region="eu-west-1", address="http://127.0.0.1:8")})

    assert places.keys == [(MAIN, {"region": "eu-west-1"}, "http://127.0.0.1:8")]


def test_credentials_that_name_no_key_are_told(places: Places) -> None:
    credentials = {"GOOGLE_KMS_KEY": "", "GOOGLE_KMS_CIPHERTEXTS": "none"}
    places.context = replace(places.context, credentials={Target("gcpkms"): credentials}.get)

    parts = places.check(keys={"main": key_of(key="", credentials="gcpkms")})

    assert parts["canary/main"].fault == "kms.config"
    assert places.keys == []


def test_another_key_of_the_target_is_the_one_that_must_not_open(places: Places) -> None:
    places.bench.cloud.add(f"{MAIN}2")

    parts = places.check(keys={"main": key_of(), "second": key_of(key=f"{MAIN}2")})

    assert parts["negative/main"].detail == "refused: a changed byte, another context, another key"
    assert parts["negative/second"].detail == "refused: a changed byte, another context, another key"
