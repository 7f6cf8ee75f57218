"""CONTRIBUTING's recipes are whole: an entry that is new works everywhere, and nothing else has to know of it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# Of every entry of a table, by the tests that try each: the made-up ones with them.
EVERY = {
    "train/test_tables.py": "made_up and not docs",
    "adapters/test_every_kind.py": "made_up and not docs and not container",
}


def run_with_entries(*arguments: str) -> str:
    """What pytest says, with the entries of ``made_up.py`` in the tables."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "made_up", "-p", "no:cacheprovider", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    done = subprocess.run(command, cwd=HERE.parent, env=environment, stdout=subprocess.PIPE, text=True, timeout=590)
    assert done.returncode == 0, done.stdout[-5000:]
    return done.stdout


@pytest.mark.slow
def test_entries_that_are_new_are_known_everywhere():
    said = run_with_entries(str(HERE / "made_up.py"))
    assert "14 passed" in said


@pytest.mark.slow
@pytest.mark.parametrize("file", EVERY)
def test_a_run_with_a_new_entry_stops_and_goes_on_to_the_same_bits(file):
    said = run_with_entries(str(HERE / file), "-k", EVERY[file])
    assert int(re.search(r"(\d+) passed", said)[1]) >= 5
