"""What was parsed of the tree is forgotten after each file of tests, or every later garbage collection would walk through it."""

from collections.abc import Iterator

import pytest

from tests.architecture import sources


@pytest.fixture(scope="module", autouse=True)
def _parsed_trees_are_forgotten() -> Iterator[None]:
    yield
    sources._read.cache_clear()
