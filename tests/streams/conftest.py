"""Which broker the tests of the frame transport run on: the embedded one, unless a module says otherwise."""

import pytest

from tests.streams.frame_cluster import Brokers, cluster


@pytest.fixture
def brokers() -> Brokers:
    """Opens a broker with the topics that a test asks for."""
    return cluster
