"""A credential's sinks, from what opsflows.toml declares to what can be written to."""

from collections.abc import Callable, Mapping
from pathlib import Path

from domain.config import Config
from domain.names import Credential
from domain.rotation_config import sinks_of
from domain.rotation_sections import SinkKind, SinkSection
from vendors.env_file import EnvFile
from vendors.sinks import Sink


def open_sinks(config: Config, credential: Credential) -> dict[str, Sink]:
    """Return the credential's sinks by name, in the order in which they are filled. Nothing is touched yet."""
    return {name: _OPENERS[section.kind](section) for name, section in sinks_of(config, credential).items()}


def _env_file(section: SinkSection) -> Sink:
    return EnvFile(Path(section.path), section.variable)


_OPENERS: Mapping[SinkKind, Callable[[SinkSection], Sink]] = {SinkKind.ENV_FILE: _env_file}
