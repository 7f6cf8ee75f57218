"""Seconds per training step and peak memory, against a bare loop of the same UNet.

    python benchmarks/speed/steps.py OUT.json --base tiny --base FOLDER [--pixels 64 128] [--precision fp32 bf16]

Every base, size and precision runs in a process of its own, so that peaks do not mix. Within it these are timed in
turn, step by step, because the machine's speed drifts:

* packed     one step of ``sdlora.train.loop`` as users get it (cache reading, noise, captions, events), with the frozen
             convolutions packed for oneDNN; not for models without such convolutions
* trainer    the same without packing
* bare       the same UNet and LoRA with inputs at hand: forward, loss, backward, clip, AdamW, and nothing else
* pure       the UNet's forward and backward to its input alone, without LoRA or optimizer

Reported: medians, the median of the step-by-step ratios, the process's peak resident memory with the part of it that is
not mapped files (weights read by mmap can be dropped and read again by the system), and the time from the start of the
process to the end of its first step: with packing and without, each in a process of its own.
"""

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))


def make_job(base: str, pixels: int, precision: str, packed: bool, folder: Path):
    from PIL import Image

    from sdlora.check import resolve
    from sdlora.families.base import inspect_base
    from sdlora.runs.arithmetic import Arithmetic
    from sdlora.runs.run import Run
    from sdlora.settings import dump_settings, make_settings
    from sdlora.train.prepare import prepare_job
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
            "train": {"steps": 10**6, "device": "cpu", "precision": precision},
            "sample": {"every": 0},
            "save": {"every": 0},
            "run": {"folder": str(folder / "runs")},
        }
    )
    info = inspect_base(base)
    settings = resolve(settings, info)
    run = Run.create(settings.run.folder, "speed", dump_settings(settings))
    settings.sample.prompts = []
    arithmetic = Arithmetic(precision, packed)
    return yield_result(prepare_job(settings, run, info, make_accelerator("cpu", precision), arithmetic))


def yield_result(generator):
    """What a generator returns."""
    while True:
        try:
            next(generator)
        except StopIteration as end:
            return end.value


def measure(base: str, pixels: int, precision: str, steps: int) -> dict:
    import torch

    from sdlora.events import StepDone
    from sdlora.train import fastest, loop

    with tempfile.TemporaryDirectory() as temporary:
        job = make_job(base, pixels, precision, True, Path(temporary))
        loop.try_export = lambda job: None  # the check of the file is no part of a step
        events = loop.steps(job)
        trainee, unet = job.trainee, job.trainee.unet
        size = pixels // trainee.base.factor
        g = torch.Generator().manual_seed(0)
        noisy, noise = (torch.randn(1, 4, size, size, generator=g) for _ in range(2))
        t, hidden = torch.tensor([500]), trainee.text_input(job.captioning.texts(job.items)[:1]).hidden
        parameters = list(trainee.adapter.parameters())
        own = torch.optim.AdamW(parameters, lr=1e-6)
        convolutions = job.trainee.packed.convolutions if job.trainee.packed else []

        def packed() -> None:
            while not isinstance(next(events), StepDone):
                pass

        @contextmanager
        def unpacked():
            for convolution in convolutions:
                del convolution.module.forward
            yield
            for convolution in convolutions:
                convolution.module.forward = convolution.forward

        def trainer() -> None:
            with unpacked():
                packed()

        def forward_and_backward(x) -> None:
            with unpacked():
                with job.accelerator.autocast():
                    loss = (unet(x, t, hidden).sample.float() - noise).pow(2).mean()
                loss.backward()

        def bare() -> None:
            forward_and_backward(noisy)
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            own.step()
            own.zero_grad()

        def pure() -> None:
            trainee.adapter.enabled = False
            forward_and_backward(noisy.clone().requires_grad_())
            trainee.adapter.enabled = True

        ways = {"packed": packed} if convolutions else {}
        ways |= {"trainer": trainer, "bare": bare, "pure": pure}
        times = {name: [] for name in ways}
        for number in range(steps + 1):
            for name, function in ways.items():
                start = time.perf_counter()
                function()
                if number:  # the first of each warms up
                    times[name].append(time.perf_counter() - start)
    ratios = {n: [a / b for a, b in zip(times["trainer"], times[n], strict=True)] for n in ways if n != "trainer"}
    return {
        "base": "tiny" if base == "tiny" else Path(base).name,
        "pixels": pixels,
        "precision": precision,
        "steps": steps,
        "processor": fastest.processor(),
        "threads": torch.get_num_threads(),
        **{f"{name}_s": statistics.median(values) for name, values in times.items()},
        **{f"trainer_over_{name}": statistics.median(values) for name, values in ratios.items()},
    }


def peak(base: str, pixels: int, precision: str, packed: bool) -> dict:
    """Memory of the trainer alone (no second optimizer beside it): peak resident, and the part that is not files."""
    from sdlora.events import StepDone
    from sdlora.train import loop

    with tempfile.TemporaryDirectory() as temporary:
        job = make_job(base, pixels, precision, packed, Path(temporary))
        loop.try_export = lambda job: None
        events, done, private, first = loop.steps(job), 0, 0, 0.0
        while done < 2:
            if isinstance(next(events), StepDone):
                done += 1
                first = first or time.time() - psutil.Process().create_time()
                private = max(private, status("RssAnon"))
    told = {"peak_gb": status("VmHWM") / 1e6, "private_gb": private / 1e6, "first_step_after_s": first}
    return {f"packed_{name}" if packed else name: value for name, value in told.items()}


def status(key: str) -> int:
    """A line of /proc/self/status in kB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--base", action="append", default=[])
    parser.add_argument("--pixels", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--precision", choices=["fp32", "bf16"], nargs="+", default=["fp32"])
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--one", choices=["measure", "peak", "packed"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        what = (args.base[0], args.pixels[0], args.precision[0])
        print(json.dumps(measure(*what, args.steps) if args.one == "measure" else peak(*what, args.one == "packed")))
        return
    rows = []
    for base, pixels, precision in itertools.product(args.base or ["tiny"], args.pixels, args.precision):
        row = {}
        for part in ("measure", "peak", "packed"):
            call = [sys.executable, __file__, "--one", part, "--base", base, "--pixels", str(pixels)]
            call += ["--precision", precision, "--steps", str(args.steps)]
            done = subprocess.run(call, stdout=subprocess.PIPE, text=True, check=True)
            row |= json.loads(done.stdout.splitlines()[-1])
        rows.append(row)
        print(", ".join(f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()), flush=True)
        if args.out:
            args.out.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
