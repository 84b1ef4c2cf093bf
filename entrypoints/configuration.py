"""Finds and reads opsflows.toml for commands."""

from domain.config import Config
from domain.rotation_config import check_purposes
from ledger.config_file import config_path, read_config
from vendors.registry import INTEGRATIONS, ROTATIONS


def read() -> Config:
    """Return the configuration.

    Raises:
        BadInput: it cannot be read, or says something that cannot be; names file, key and value.
    """
    config = read_config(config_path(), INTEGRATIONS)
    check_purposes(config, ROTATIONS, str(config_path()))
    return config
