"""One running demo for all tests that only use it; a test that stops or breaks one starts its own."""

from collections.abc import Iterator

import pytest
from tests.integration.running_demo import Demo, running


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """`make demo` on a free port in a home of its own: `url`, `password`, `home`, `log_in()`, `start_server()`."""
    with running(tmp_path_factory.mktemp("demo") / "home") as demo:
        yield demo
