"""A credential's declared sinks can be written to; nothing is touched before that."""

from pathlib import Path

import pytest

from domain.config import parse_config
from domain.errors import BadInput
from domain.names import Credential
from steps.sinks import Ground, opened_sinks
from vendors.env_file import EnvFile
from vendors.hosts import HostRule
from vendors.http import Conduct
from vendors.sinks import LaidOut

TEXT = """
[environments.prod]
kind = "prod"
in_scope = ["datadog"]
[credentials.datadog-default-prod-send]
sinks = ["batch_env", "app_env"]
[sinks.app_env]
kind = "env_file"
path = "FOLDER/app.env"
variable = "DD_API_KEY"
previous = "DD_API_KEY_OLD"
[sinks.batch_env]
kind = "env_file"
path = "FOLDER/batch.env"
variable = "KEY"
"""


def ground() -> Ground:
    """What no file needs: whoever asks for it fails."""

    def unasked(*_: object) -> None:
        raise AssertionError("a file needs nothing of this")

    conduct = Conduct(HostRule(rehearsal=False), lambda _: None)
    return Ground(conduct, unasked, {}, {}, unasked)  # type: ignore[arg-type]  # never called


def test_the_declared_sinks_are_opened_in_order_and_take_the_value(tmp_path: Path) -> None:
    config = parse_config(TEXT.replace("FOLDER", str(tmp_path)), "opsflows.toml", ["datadog"])

    with opened_sinks(config, Credential.parse("datadog-default-prod-send"), ground()) as sinks:
        before = list(tmp_path.iterdir())
        for sink in sinks.values():
            sink.publish("value1", "value0")

        assert before == []
        assert list(sinks) == ["batch_env", "app_env"]
        assert (tmp_path / "app.env").read_text() == "DD_API_KEY=value1\nDD_API_KEY_OLD=value0\n"
        assert (tmp_path / "batch.env").read_text() == "KEY=value1\n"
        assert [sink.keeps_previous for sink in sinks.values()] == [False, True]
        assert all(sink.serves("value1", "value0") for sink in sinks.values())
        sinks["app_env"].publish("value1")
        assert sinks["app_env"].serves("value1")
        assert not sinks["app_env"].serves("value1", "value0")


def test_parts_of_a_value_are_laid_out_together_and_a_part_that_is_not_there_is_refused(tmp_path: Path) -> None:
    sink = LaidOut(EnvFile(tmp_path / ".env.local"), {"ID": "access_key_id", "SECRET": "secret_access_key"})

    sink.publish('{"access_key_id": "AKIA1", "secret_access_key": "s1"}')

    assert (tmp_path / ".env.local").read_text() == "ID=AKIA1\nSECRET=s1\n"
    for value in ("plain", '{"access_key_id": "AKIA1"}', "[1]"):
        with pytest.raises(BadInput, match="has no part"):
            sink.publish(value)


def test_a_credential_that_names_no_sink_has_none(tmp_path: Path) -> None:
    config = parse_config(TEXT.replace("FOLDER", str(tmp_path)), "opsflows.toml", ["datadog"])

    with opened_sinks(config, Credential.parse("datadog-default-prod-read"), ground()) as sinks:
        assert sinks == {}
