"""Seconds per training step and peak memory, against a bare loop of the same UNet.

    python benchmarks/speed/steps.py OUT.json --base tiny --base FOLDER [--pixels 64 128] [--steps 10]

Every base and size runs in a process of its own, so that peaks do not mix. Within it the three are timed in turn,
step by step, because the machine's speed drifts:

* trainer    one step of ``sdlora.train.loop`` as users get it (cache reading, noise, captions, events)
* bare       the same UNet and LoRA with inputs at hand: forward, loss, backward, clip, AdamW, and nothing else
* pure       the UNet's forward and backward to its input alone, without LoRA or optimizer

Reported: medians, the median of the step-by-step ratios, and the process's peak resident memory with the part of it
that is not mapped files (weights read by mmap can be dropped and read again by the system).
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))


def make_job(base: str, pixels: int, steps: int, folder: Path):
    from PIL import Image

    from sdlora.check import resolve
    from sdlora.families.base import inspect_base
    from sdlora.runs.run import Run
    from sdlora.settings import dump_settings, make_settings
    from sdlora.train.prepare import prepare
    from sdlora.train.trainee import make_accelerator

    images = folder / "images"
    images.mkdir()
    for number in range(4):
        Image.effect_noise((pixels, pixels), 80).convert("RGB").save(images / f"{number}.png")
        (images / f"{number}.txt").write_text(f"noise number {number}")
    settings = make_settings(
        {
            "model": {"base": base},
            "data": {"folder": str(images), "resolution": pixels},
            "adapter": {"rank": 8, "alpha": 8.0, "text_encoder": False},
            "train": {"steps": 10**6, "device": "cpu", "precision": "fp32"},
            "sample": {"every": 0},
            "save": {"every": 0},
            "run": {"folder": str(folder / "runs")},
        }
    )
    info = inspect_base(base)
    settings = resolve(settings, info)
    run = Run.create(settings.run.folder, "speed", dump_settings(settings))
    settings.sample.prompts = []
    job = yield_result(prepare(settings, run, info, make_accelerator("cpu", "fp32")))
    return job


def yield_result(generator):
    """What a generator returns."""
    while True:
        try:
            next(generator)
        except StopIteration as end:
            return end.value


def measure(base: str, pixels: int, steps: int) -> dict:
    import torch

    from sdlora.events import StepDone
    from sdlora.train import loop

    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as temporary:
        job = make_job(base, pixels, steps, Path(temporary))
        loop.try_export = lambda job: None  # the check of the file is no part of a step
        events = loop.steps(job)
        trainee, unet = job.trainee, job.trainee.unet
        size = pixels // trainee.base.factor
        g = torch.Generator().manual_seed(0)
        noisy, noise = (torch.randn(1, 4, size, size, generator=g) for _ in range(2))
        t, hidden = torch.tensor([500]), trainee.text_input(job.captioning.texts(job.items)[:1]).hidden
        parameters = list(trainee.adapter.parameters())
        own = torch.optim.AdamW(parameters, lr=1e-6)

        def trainer() -> None:
            while not isinstance(next(events), StepDone):
                pass

        def bare() -> None:
            loss = (unet(noisy, t, hidden).sample - noise).pow(2).mean()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            own.step()
            own.zero_grad()

        def pure() -> None:
            trainee.adapter.enabled = False
            x = noisy.clone().requires_grad_()
            (unet(x, t, hidden).sample - noise).pow(2).mean().backward()
            trainee.adapter.enabled = True

        trainer()
        first = time.perf_counter() - began
        times = {"trainer": [], "bare": [], "pure": []}
        for number in range(steps + 1):
            for name, function in (("trainer", trainer), ("bare", bare), ("pure", pure)):
                start = time.perf_counter()
                function()
                if number:  # the first of each warms up
                    times[name].append(time.perf_counter() - start)
    ratios = {n: [a / b for a, b in zip(times["trainer"], times[n], strict=True)] for n in ("bare", "pure")}
    return {
        "base": "tiny" if base == "tiny" else Path(base).name,
        "pixels": pixels,
        "steps": steps,
        "threads": torch.get_num_threads(),
        **{f"{name}_s": statistics.median(values) for name, values in times.items()},
        "trainer_over_bare": statistics.median(ratios["bare"]),
        "trainer_over_pure": statistics.median(ratios["pure"]),
        "first_step_after_s": first,
    }


def peak(base: str, pixels: int, steps: int) -> dict:
    """Memory of the trainer alone (no second optimizer beside it): peak resident, and the part that is not files."""
    from sdlora.events import StepDone
    from sdlora.train import loop

    with tempfile.TemporaryDirectory() as temporary:
        job = make_job(base, pixels, steps, Path(temporary))
        loop.try_export = lambda job: None
        events, done, private = loop.steps(job), 0, 0
        while done < min(steps, 3):
            if isinstance(next(events), StepDone):
                done += 1
                private = max(private, status("RssAnon"))
    return {"peak_gb": status("VmHWM") / 1e6, "private_gb": private / 1e6}


def status(key: str) -> int:
    """A line of /proc/self/status in kB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--base", action="append", default=[])
    parser.add_argument("--pixels", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--one", choices=["measure", "peak"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        function = measure if args.one == "measure" else peak
        print(json.dumps(function(args.base[0], args.pixels[0], args.steps)))
        return
    rows = []
    for base in args.base or ["tiny"]:
        for pixels in args.pixels:
            row = {}
            for part in ("measure", "peak"):
                call = [sys.executable, __file__, "--one", part, "--base", base, "--pixels", str(pixels)]
                call += ["--steps", str(args.steps)]
                done = subprocess.run(call, stdout=subprocess.PIPE, text=True, check=True)
                row |= json.loads(done.stdout.splitlines()[-1])
            rows.append(row)
            print(
                f"{row['base']:10} {pixels:4} px  trainer {row['trainer_s']:.3f} s  bare {row['bare_s']:.3f} s  "
                f"pure {row['pure_s']:.3f} s  over bare x{row['trainer_over_bare']:.3f}  "
                f"peak {row['peak_gb']:.2f} GB (own {row['private_gb']:.2f})  "
                f"first step after {row['first_step_after_s']:.1f} s",
                flush=True,
            )
    if args.out:
        args.out.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
