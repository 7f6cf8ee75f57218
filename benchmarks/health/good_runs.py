"""Do good runs stay without an alarm? Trains short runs that differ in seed, settings and pictures, and counts notes.

    python benchmarks/health/good_runs.py OUT.json [--runs 50] [--only 3,17]

Each run is made from its number alone. What is in OUT.json is not run again, so a stopped benchmark goes on where it
was. Every run uses the embedded base, on a CPU, with test pictures before and after and a validation loss.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

# What a careful person would choose: the values of presets, of the demo, of kohya's and diffusers' guides.
CHOICES = {
    "train.lr": [1e-4, 3e-4, 1e-3, 2e-3, 3e-3],
    "train.text_encoder_lr": [5e-5, 2e-4, 1e-3],
    "train.batch_size": [1, 1, 2],
    "train.accumulate": [1, 1, 1, 2],
    "train.scheduler": ["constant", "cosine", "linear", "polynomial", "cosine_with_restarts", "constant_with_warmup"],
    "train.warmup": [0, 0, 5],
    "train.min_snr_gamma": [0, 5],
    "train.noise_offset": [0, 0, 0.05],
    "train.gradient_checkpointing": [False, False, True],
    "train.precision": ["fp32", "fp32", "bf16"],
    "train.weight_decay": [0.01, 0.1],
    "adapter.rank": [1, 4, 8, 16, 32, 64],
    "adapter.alpha": [0.25, 0.5, 1.0],  # of the rank: more than 1 makes the learning rate as many times as high
    "adapter.targets": ["attn", "cross-attn", "attn-mlp", "full"],
    "adapter.text_encoder": [True, True, False],
    "adapter.kind": ["lora", "lora", "lora", "dora"],
    "data.folder": ["style", "subject"],
    "data.flip": [False, True],
    "data.shuffle_tags": [False, True],
    "data.caption_dropout": [0, 0.1],
    "data.fit": ["bucket", "crop", "pad"],
    "validation.held_out": [0, 0, 3],
    "save.dtype": ["fp16", "bf16", "fp32"],
}


def settings_of(number: int) -> dict:
    """The dotted settings of one run: 20 to 32 steps at 64 pixels, every tenth at the base's own 128."""
    dice = random.Random(number)
    chosen = {key: dice.choice(values) for key, values in CHOICES.items()}
    folder = ROOT / "datasets_example" / chosen["data.folder"]
    return chosen | {
        "adapter.alpha": chosen["adapter.alpha"] * chosen["adapter.rank"],
        "data.folder": str(folder),
        "data.trigger": {"style": "chalk", "subject": "zibbo"}[folder.name],
        "data.resolution": 128 if number % 10 == 0 else 64,
        "train.steps": dice.choice([20, 24, 32]),
        "train.seed": number,
        "train.device": "cpu",
        "sample.prompts": [{"style": "chalk emoji of cat face", "subject": "zibbo"}[folder.name]],
        "sample.steps": 6,
        "sample.guidance": 4.0,
        "sample.every": 0,
        "validation.every": 20,
        "save.every": 0,
        "run.name": f"good-{number}",
    }


def train_one(number: int) -> dict:
    """The notes of one run, and how it went."""
    from accelerate.state import AcceleratorState

    from sdlora.check import resolve
    from sdlora.events import Finished, StepDone, Validated, Warned
    from sdlora.families.base import inspect_base
    from sdlora.runs.run import Run
    from sdlora.settings import dump_settings, make_settings, merge
    from sdlora.train.loop import training

    chosen, began = settings_of(number), time.perf_counter()
    AcceleratorState._reset_state(reset_partial_state=True)  # one precision for a process is all it knows
    with tempfile.TemporaryDirectory() as folder:
        settings = make_settings(merge({}, chosen | {"run.folder": folder}))
        settings = resolve(settings, inspect_base(settings.model.base))
        run, events = Run.create(folder, settings.run.name, dump_settings(settings)), []
        for event in training(settings, run):
            run.write(event)
            events.append(event)
    first_step = next(n for n, event in enumerate(events) if isinstance(event, StepDone))
    losses = [event.loss for event in events if isinstance(event, Validated)]
    return {
        "run": number,
        "settings": chosen | {"data.folder": Path(chosen["data.folder"]).name},
        "alarms": [event.text for event in events[first_step:] if isinstance(event, Warned)],
        "ended": events[-1].why if isinstance(events[-1], Finished) else "",
        "validation": [round(losses[0], 4), round(losses[-1], 4)],
        "seconds": round(time.perf_counter() - began, 1),
    }


def main() -> None:
    from sdlora.files.intact import write_atomically

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--only", type=lambda text: [int(n) for n in text.split(",")])
    args = parser.parse_args()
    runs = json.loads(args.out.read_text())["runs"] if args.out.is_file() else []
    for number in args.only or range(1, args.runs + 1):
        if number not in {run["run"] for run in runs}:
            runs.append(train_one(number))
            alarms = sum(bool(run["alarms"]) for run in runs)
            result = {"good_runs": len(runs), "runs_with_alarms": alarms, "runs": sorted(runs, key=lambda r: r["run"])}
            write_atomically(args.out, json.dumps(result, indent=1) + "\n")
            print(f"{len(runs)} runs, {alarms} with alarms", flush=True)


if __name__ == "__main__":
    main()
