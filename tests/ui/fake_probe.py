"""Measures nothing and answers as ``sdlora probe --json`` does: python fake_probe.py SETTINGS. Without torch, at once.

A run name with "does not fit" needs more than was free; with "broken" it fails with a sentence; with "mute" without.
"""

import json
import os
import sys
import time

from sdlora.messages import say
from sdlora.settings import load_settings

if __name__ == "__main__":
    settings = load_settings(sys.argv[1])
    time.sleep(float(os.environ.get("FAKE_PROBE_SECONDS", "1")))
    name = settings.run.name
    if "mute" in name:
        os._exit(9)
    if "broken" in name:
        print(say("files.out_of_memory"), file=sys.stderr)
        print("Details: sdlora-error.txt", file=sys.stderr)
        sys.exit(1)
    tight = "does not fit" in name
    print("a line of some library")
    answer = {
        "step_seconds": 0.5, "start_seconds": 30.0, "peak_bytes": 9_000_000_000 if tight else 2_000_000_000,
        "free_bytes": 8_000_000_000, "trainable": 1, "file_bytes": 1, "device": "cuda",
        "problem": say("training.step_out_of_memory", needed='9.0', free='8.0') if tight else "",
    }  # fmt: skip
    print(json.dumps(answer))
