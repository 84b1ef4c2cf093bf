"""The arrow of the tree, and who may import what: the contracts of pyproject.toml hold."""

import subprocess
import sys
import tomllib
from pathlib import Path

from tests.architecture.sources import LAYERS, PACKAGES, ROOT


def test_every_import_contract_holds() -> None:
    program = Path(sys.executable).with_name("lint-imports")

    checked = subprocess.run(
        [program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )

    assert checked.returncode == 0, f"{checked.stdout}\n{checked.stderr}"


def test_every_package_is_under_the_contracts() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]

    packages = {file.parent.name for file in ROOT.glob("*/__init__.py")}

    assert packages == set(PACKAGES) == set(contracts["root_packages"])
    [arrow] = [row for row in contracts["contracts"] if row["type"] == "layers"]
    ordered = [name for layer in arrow["layers"] for name in layer.replace("|", " ").replace(":", " ").split()]
    assert ordered == list(LAYERS)
