"""Finds and reads opsflows.toml for commands."""

from domain.config import Config
from domain.rotation_config import check_purposes, check_usual_ages
from ledger.config_file import config_path, read_config
from vendors.registry import INTEGRATIONS, PLATFORMS, ROTATIONS


def read() -> Config:
    """Return the configuration.

    Raises:
        BadInput: it cannot be read, or says something that cannot be; names file, key and value.
    """
    config = read_config(config_path(), INTEGRATIONS, PLATFORMS)
    check_purposes(config, ROTATIONS, str(config_path()))
    check_usual_ages(config, {kind: row.manifest.usual_age for kind, row in ROTATIONS.items()}, str(config_path()))
    return config
