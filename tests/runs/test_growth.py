"""What does not grow with the work: memory over many steps and test pictures, as benchmarks/scale measures it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sdlora.runs.pictures import KEPT

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "scale" / "growth.py"


def measured(what: str) -> dict:
    command = [sys.executable, str(BENCHMARK), "--one", what]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout)


@pytest.mark.slow
def test_memory_stays_within_5_percent_over_20000_steps_with_2000_test_pictures():
    row = measured("steps 20000 2000")
    assert KEPT / 2 <= row["pictures_kept"] <= KEPT
    assert row["mb_at_the_end"] == pytest.approx(row["mb_after_a_tenth"], rel=0.05)
    assert row["open_mb"] < 0.05 * row["mb_at_the_end"]  # a page that opens then reads the events in pieces
