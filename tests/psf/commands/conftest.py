"""The command line, run in this process."""

from collections.abc import Callable
from typing import Any

import pytest

from psf.cli import main


@pytest.fixture
def run(running: Callable[..., Any]) -> Callable[..., Any]:
    """Run ``psf`` with arguments."""
    return running(main)
