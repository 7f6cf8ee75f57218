"""A training as ``sdlora train`` makes it, but for the test pictures, which other trainers don't make unless asked.

python benchmarks/speed/plain_run.py BASE IMAGES PIXELS RANK BATCH PRECISION FOLDER
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from sdlora.api import train  # noqa: E402
from sdlora.check import prepare  # noqa: E402
from sdlora.runs.run import Run  # noqa: E402
from sdlora.settings import make_settings  # noqa: E402


def main() -> None:
    base, images, pixels, rank, batch, precision, folder = sys.argv[1:]
    wanted = {
        "model": {"base": base},
        "data": {"folder": images, "resolution": int(pixels), "cache": f"{folder}/cache"},
        "adapter": {"rank": int(rank), "alpha": float(rank), "text_encoder": False},
        "train": {"steps": 1000, "batch_size": int(batch), "precision": precision, "device": "cpu"},
        "validation": {"every": 0},
        "save": {"every": 0},
        "run": {"folder": f"{folder}/runs"},
    }
    settings = prepare(make_settings(wanted)).resolved()
    settings.sample.prompts = []
    train(Run.begin(settings))


if __name__ == "__main__":
    main()
