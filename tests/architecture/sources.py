"""The files that the architecture is checked on: what is ours, without caches, environments and what git ignores."""

import ast
import gc
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
LAYERS = ("entrypoints", "deployments", "flows", "tasks", "steps", "blocks", "vendors", "ledger", "domain")
PACKAGES = (*LAYERS, "mocks")
_OTHERS = ("tests", "benchmarks", "docs", ".ci")
_NOT_OURS = frozenset({".env.local", "uv.lock"})


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file of ours; `where` is its path from the root, as people write it, `nodes` is all that its tree has."""

    where: str
    text: str
    tree: ast.Module
    nodes: tuple[ast.AST, ...]

    @property
    def package(self) -> str:
        return self.where.partition("/")[0]

    @property
    def name(self) -> str:
        return Path(self.where).stem


def sources(*folders: str) -> list[Source]:
    """Return the Python files below these folders; of all folders where none is named."""
    found = (file for folder in folders or (*PACKAGES, "tests", "benchmarks") for file in (ROOT / folder).rglob("*.py"))
    # Trees are millions of objects that stay: the collector would look through all of them, again and again.
    gc.disable()
    try:
        return [_read(file) for file in sorted(found)]
    finally:
        gc.freeze()
        gc.enable()


# Parsing and walking all of them takes seconds, and each of a dozen tests looks at all.
@cache
def _read(file: Path) -> Source:
    text = file.read_text(encoding="utf-8")
    tree = ast.parse(text)
    return Source(file.relative_to(ROOT).as_posix(), text, tree, tuple(ast.walk(tree)))


def our_files() -> Iterator[Path]:
    """Yield every file of the repository, text or not."""
    yield from (file for file in sorted(ROOT.iterdir()) if file.is_file() and file.name not in _NOT_OURS)
    for folder in (*PACKAGES, *_OTHERS):
        for file in sorted((ROOT / folder).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                yield file
