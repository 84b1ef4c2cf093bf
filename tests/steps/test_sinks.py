"""A credential's declared sinks can be written to; nothing is touched before that."""

from pathlib import Path

from domain.config import parse_config
from domain.names import Credential
from steps.sinks import open_sinks
from vendors.env_file import EnvFile

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
[sinks.batch_env]
kind = "env_file"
path = "FOLDER/batch.env"
variable = "KEY"
"""


def test_the_declared_sinks_are_opened_in_order_and_take_the_value(tmp_path: Path) -> None:
    config = parse_config(TEXT.replace("FOLDER", str(tmp_path)), "opsflows.toml", ["datadog"])

    sinks = open_sinks(config, Credential.parse("datadog-default-prod-send"))

    assert list(sinks.items()) == [
        ("batch_env", EnvFile(tmp_path / "batch.env", "KEY")),
        ("app_env", EnvFile(tmp_path / "app.env", "DD_API_KEY")),
    ]
    assert list(tmp_path.iterdir()) == []
    for sink in sinks.values():
        sink.publish("value1")
    assert (tmp_path / "app.env").read_text() == "DD_API_KEY=value1\n"
    assert all(sink.serves("value1") for sink in sinks.values())


def test_a_credential_that_names_no_sink_has_none(tmp_path: Path) -> None:
    config = parse_config(TEXT.replace("FOLDER", str(tmp_path)), "opsflows.toml", ["datadog"])

    assert open_sinks(config, Credential.parse("datadog-default-prod-read")) == {}
