"""What tests of the Settings tab share."""

import pytest
from browser import Server


@pytest.fixture
def own(tmp_path):
    """A page of its own: what is kept there starts empty."""
    with Server(tmp_path) as server:
        yield server
