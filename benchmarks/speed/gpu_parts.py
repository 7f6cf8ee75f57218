"""The parts of ``gpu.py``: each yields rows, as soon as they are known. A row with "ok" False is a fault."""

import contextlib
import json
import platform
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

import torch  # noqa: E402
from accelerate.state import AcceleratorState  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from sdlora.check import prepare  # noqa: E402
from sdlora.errors import UserError, explain, ran_out_of_memory  # noqa: E402
from sdlora.events import StepDone, Warned  # noqa: E402
from sdlora.families.shared.device import release_memory  # noqa: E402
from sdlora.runs.run import Run  # noqa: E402
from sdlora.settings import make_settings, merge, read_toml  # noqa: E402
from sdlora.train import loop  # noqa: E402

NEAR = {"fp32": 0.01, "fp16": 0.03, "bf16": 0.10}  # how far a run's losses may lie from the CPU's in fp32
WITHIN = 0.03  # of what the probe says
PRESETS = ROOT / "sdlora/presets"
# What a preset's memory depends on. Not the rank, a few megabytes: of those alike the first by name has the highest.
COSTS = (("data", "resolution"), ("adapter", "text_encoder"), ("train", "batch_size"),
         ("train", "gradient_checkpointing"), ("train", "precision"))  # fmt: skip
Rows = Iterator[dict[str, Any]]


@dataclass(frozen=True)
class Place:
    """Where and how large. device: "cuda" or "cpu". small: everything on one small base, in seconds.

    folder: to work in. bases: where ``sd15`` and ``sdxl`` lie; small takes ``sd15`` for both, or the embedded one.
    """

    device: str
    small: bool
    folder: Path
    bases: Path

    def base(self, family: str) -> str:
        if self.small:
            family = "sd15"
            return str(self.bases / family) if (self.bases / family).exists() else "tiny"
        return str(self.bases / family)

    @property
    def light(self) -> str:
        """The base for what shows on any: the embedded one, or in a rehearsal the one that is given."""
        return self.base("sd15") if self.small else "tiny"

    def pixels(self, family: str) -> int:
        return 64 if self.small else 1024 if family == "sdxl" else 512

    def images(self, pixels: int, count: int = 4) -> str:
        """A folder with so many pictures of noise, made once."""
        from PIL import Image

        folder = self.folder / f"images-{pixels}-{count}"
        if not folder.exists():
            folder.mkdir(parents=True)
            for number in range(count):
                Image.effect_noise((pixels, pixels), 80).convert("RGB").save(folder / f"{number:02d}.png")
                (folder / f"{number:02d}.txt").write_text(f"noise number {number}")
        return str(folder)

    def synchronize(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()


def forget(place: Place) -> None:
    """Free what the run before has left, and begin to count its memory anew."""
    AcceleratorState._reset_state(reset_partial_state=True)
    release_memory(place.device)
    if place.device == "cuda":
        torch.cuda.reset_peak_memory_stats()


def wanted(place: Place, base: str, pixels: int, steps: int, batch: int = 1, **train: Any) -> dict[str, Any]:
    """Nested settings of a run without test pictures, checkpoints and validation."""
    told = {"steps": steps, "batch_size": batch, "device": place.device} | train
    return {
        "model": {"base": base},
        "data": {"folder": place.images(pixels, max(4, batch)), "resolution": pixels},
        "adapter": {"text_encoder": False},
        "train": told,
        "validation": {"every": 0},
        "save": {"every": 0},
        "run": {"folder": str(place.folder / "runs")},
    }


def resolved(values: dict[str, Any]):
    settings = prepare(make_settings(values)).resolved()
    settings.sample.prompts = []
    return settings


def follow(
    run: Run, settings: Any, place: Place, stop_after: int = 0, leave_after: int = 0
) -> tuple[list[StepDone], list[float], list[str]]:
    """(steps, the time at the end of each, warnings) of a run, to its end or to a stop that is asked for.

    leave_after: a step after which it is left, for its speed alone; then no file is tried or written, either.
    """
    forget(place)
    steps, times, warnings = [], [], []
    events = loop.training(settings, run)
    whole, loop.try_export = loop.try_export, (lambda job: None) if leave_after else loop.try_export
    for event in events:
        run.write(event)
        if isinstance(event, StepDone):
            place.synchronize()
            steps.append(event)
            times.append(time.perf_counter())
            if len(steps) == 2 and place.device == "cuda":
                torch.cuda.reset_peak_memory_stats()  # from here on a step's own peak
            if event.step == stop_after:
                run.request("stop")
            if event.step == leave_after:
                break
        elif isinstance(event, Warned):
            warnings.append(str(event.text))
    events.close()
    loop.try_export = whole
    return steps, times, warnings


def final(run: Run) -> dict[str, torch.Tensor]:
    return load_file(run.checkpoints()[-1][1] / "lora.safetensors")


def furthest(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    """The largest difference of two LoRAs' numbers."""
    return max(float((a[key].float() - b[key].float()).abs().max()) for key in a)


def machine(place: Place) -> Rows:
    """Card, driver and versions."""
    names = ("torch", "diffusers", "transformers", "accelerate", "peft", "numpy")
    row = {"python": platform.python_version(), **{name: version(name) for name in names}}
    if place.device == "cuda":
        card = torch.cuda.get_device_properties(0)
        row |= {"card": card.name, "memory_gb": card.total_memory / 1e9, "cuda": torch.version.cuda}
        row |= {"capability": list(torch.cuda.get_device_capability()), "cudnn": torch.backends.cudnn.version()}
        row |= {"tf32": torch.backends.cuda.matmul.allow_tf32, "free_gb": torch.cuda.mem_get_info()[0] / 1e9}
    yield row


def precisions(place: Place) -> Rows:
    """The same run on the CPU in fp32 and here in each precision: are the losses the same, within rounding?"""
    steps = 2 if place.small else 12
    runs = [("cpu", "fp32")] + [
        (place.device, p) for p in ("fp32", "fp16", "bf16") if (place.device, p) != ("cpu", "fp32")
    ]
    truth: list[float] = []
    for device, precision in runs:
        if (device, precision) == ("cpu", "fp16"):
            yield {"device": device, "precision": precision, "left_out": "fp16 needs a GPU"}
            continue
        values = wanted(place, place.light, 64, steps, precision=precision, lr=1e-3)
        values["train"]["device"] = device
        settings = resolved(values)
        run = Run.begin(settings)
        told, _, warnings = follow(run, settings, place)
        losses = [event.loss for event in told]
        truth = truth or losses
        off = max(abs(a - b) / b for a, b in zip(losses, truth, strict=True))
        row = {"device": device, "precision": precision, "losses": losses, "off_by": off, "warnings": warnings}
        yield row | scaler_of(run) | {"ok": off <= NEAR[precision] and len(losses) == steps}


def scaler_of(run: Run) -> dict[str, Any]:
    """The loss scale at the end of an fp16 run, as its checkpoint has it."""
    for path in run.checkpoints()[-1][1].glob("*.json"):
        state = json.loads(path.read_text())
        if isinstance(state, dict) and "scaler" in state:
            return {"scaler": state["scaler"]}
    return {}


def resume(place: Place) -> Rows:
    """A run stopped half-way and resumed against one that was not: the same bits? And do two whole runs agree?"""
    steps, half = (2, 1) if place.small else (6, 3)
    for precision in ("fp32",) if place.device == "cpu" else ("bf16", "fp16", "fp32"):
        found = []
        for stop in (0, half) if place.small else (0, 0, half):
            settings = resolved(wanted(place, place.light, 64, steps, precision=precision, lr=1e-3))
            run = Run.begin(settings)
            follow(run, settings, place, stop)
            if stop:
                follow(run, settings, place)
            found.append(final(run))
        row = {"precision": precision, "resumed_differs_by": furthest(found[0], found[-1])}
        if len(found) > 2:
            row |= {"twice_differs_by": furthest(found[0], found[1])}
        yield row | {"ok": row["resumed_differs_by"] == 0}


def graphs(place: Place) -> Rows:
    """Forward and backward of SD 1.5's UNet with the default adapter, eager, compiled and as a CUDA graph.

    The trainer itself computes eagerly so far: this says what the others would bring, and whether they are right.
    """
    import count

    from sdlora.adapters.inject import inject

    torch.manual_seed(0)
    with torch.no_grad():
        unet = count.make_unet("sd1", narrow=place.small, device=place.device)
    dtype = torch.float32 if place.small else torch.bfloat16
    adapter = inject({"unet": unet.to(dtype)}, rank=16)
    with torch.no_grad():
        for parameter in adapter.parameters():
            parameter.normal_(0, 0.02)
    (noisy, t, text), _ = count.inputs_of(unet, 8 if place.small else 64)
    noisy, target = torch.randn_like(noisy), torch.randn_like(noisy)

    def step() -> None:
        with torch.autocast(place.device, torch.bfloat16, enabled=not place.small):
            output = unet(noisy, t, text.to(dtype)).sample
        (output.float() - target).pow(2).mean().backward()

    truth: list[torch.Tensor] = []
    ways: dict[str, Callable[[Any, Any], tuple[Callable[[], None], float]]] = {"eager": as_it_is, "graph": as_graph}
    for name, make in (ways | {"blocks compiled": with_compiled_blocks}).items():
        adapter.zero_grad(set_to_none=True)
        row: dict[str, Any] = {"way": name}
        if name == "graph" and place.device == "cpu":
            yield row | {"left_out": "CUDA graphs need a GPU"}
            continue
        try:
            go, start = make(step, (unet, place, adapter))
            seconds = timed(go, place, None if name == "graph" else adapter)
            gradients = [parameter.grad.float().clone() for parameter in adapter.parameters()]
            truth = truth or gradients
            off = sum(float((a - b).norm()) ** 2 for a, b in zip(gradients, truth, strict=True)) ** 0.5
            off /= sum(float(b.norm()) ** 2 for b in truth) ** 0.5
            yield row | {"start_s": start, "step_s": seconds, "gradients_off_by": off, "ok": off < 0.02}
        except Exception as error:  # a way that this PyTorch can't go is a result, too
            yield row | {"error": repr(error)[:500], "ok": False}


def as_it_is(step: Callable[[], None], _: Any) -> tuple[Callable[[], None], float]:
    return step, 0.0


def as_graph(step: Callable[[], None], about: Any) -> tuple[Callable[[], None], float]:
    """The step recorded once and replayed: gradients land in the same memory each time."""
    began, adapter = time.perf_counter(), about[2]
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            adapter.zero_grad(set_to_none=True)
            step()
    torch.cuda.current_stream().wait_stream(side)
    adapter.zero_grad(set_to_none=True)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay, time.perf_counter() - began


def with_compiled_blocks(step: Callable[[], None], about: Any) -> tuple[Callable[[], None], float]:
    """Residual and transformer blocks compiled, one graph for all that are alike."""
    from diffusers.models.attention import BasicTransformerBlock
    from diffusers.models.resnet import ResnetBlock2D

    unet, place, adapter = about
    began = time.perf_counter()
    blocks = [module for module in unet.modules() if isinstance(module, BasicTransformerBlock | ResnetBlock2D)]
    for block in blocks[:2] if place.small else blocks:
        block.compile(backend="eager" if place.small else "inductor")
    step()
    adapter.zero_grad(set_to_none=True)
    place.synchronize()
    return step, time.perf_counter() - began


def timed(go: Callable[[], None], place: Place, adapter: torch.nn.Module | None) -> float:
    """The median seconds of a step; its gradients stay. adapter: whose gradients begin anew; None for a graph's."""
    took = []
    for _ in range(2 if place.small else 20):
        if adapter is not None:
            adapter.zero_grad(set_to_none=True)
        place.synchronize()
        began = time.perf_counter()
        go()
        place.synchronize()
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def speed(place: Place) -> Rows:
    """Images a second and memory of the trainer itself."""
    todo = [("sd15", 1, {}), ("sdxl", 1, {}), ("sd15", 8, {}), ("sd15", 32, {})]
    todo += [("sd15", 1, {"gradient_checkpointing": True}), ("sdxl", 1, {"gradient_checkpointing": True})]
    for family, batch, train in todo[:1] + todo[4:5] if place.small else todo:
        batch = min(batch, 2) if place.small else batch
        pixels, steps = place.pixels(family), 4 if place.small else 12 if batch < 32 else 8
        precision = "fp32" if place.small else "bf16"
        settings = resolved(wanted(place, place.base(family), pixels, 1000, batch, precision=precision, **train))
        told, times, warnings = follow(Run.begin(settings), settings, place, leave_after=steps)
        took = [b - a for a, b in zip(times[1:], times[2:], strict=False)]
        row = {"family": family, "pixels": pixels, "batch": batch, "precision": precision, **train}
        row |= {"step_s": statistics.median(took), "images_per_s": batch / statistics.median(took)}
        yield row | {"peak_gb": told[-1].memory / 1e9, "warnings": warnings, "ok": not warnings}


def prediction(place: Place) -> Rows:
    """What the probe says of a step's time and of the memory against the run itself."""
    from sdlora.train.probe import probe

    settings = resolved(wanted(place, place.base("sd15"), place.pixels("sd15"), 1000))
    forget(place)
    said = probe(settings)
    told, times, _ = follow(Run.begin(settings), settings, place, leave_after=4 if place.small else 30)
    took = statistics.median(b - a for a, b in zip(times[1:], times[2:], strict=False))
    row = {"said_s": said.step_seconds, "took_s": took, "off_by": said.step_seconds / took - 1}
    row |= {"said_gb": said.peak_bytes / 1e9, "took_gb": max(event.memory for event in told) / 1e9}
    close = abs(row["off_by"]) <= WITHIN
    yield row | ({"ok": close} if place.device == "cuda" else {"close": close})  # a shared CPU proves nothing


def memory(place: Place, caps: tuple[int, ...] = (4, 6, 8, 12)) -> Rows:
    """The least of these caps, in GB, that each preset's step fits into, and what is said where it does not.

    A preset is named after the memory that it is made for: it has to fit there.
    """
    seen: dict[str, str] = {}
    for path in sorted(PRESETS.glob("*.toml")):
        own = int(path.stem.split()[-2]) if path.stem.endswith(" GB") else 0
        values = read_toml(path)
        key = json.dumps([(".".join(k), values.get(k[0], {}).get(k[1])) for k in COSTS] + [path.stem[:4]])
        if key in seen:
            yield {"preset": path.stem, "costs_as": seen[key]}
            continue
        seen[key] = path.stem
        family = "sdxl" if path.stem.startswith("SDXL") else "sd15" if own else "tiny"
        for cap in caps:
            row = {"preset": path.stem, "cap_gb": cap} | under(place, cap, values, family)
            yield row | {"ok": "error" not in row and (row["fits"] or not own or cap < own)}
            if row["fits"]:
                break
        if place.small and len(seen) == 2:
            return


def under(place: Place, cap: int, values: dict[str, Any], family: str) -> dict[str, Any]:
    """One step of a preset with no more than ``cap`` GB of the card."""
    from sdlora.train.probe import probe

    forget(place)
    pixels = min(int(values.get("data", {}).get("resolution", 64)), 64 if place.small else 1024)
    given = {"model.base": place.light if family == "tiny" else place.base(family), "train.device": place.device}
    given |= {"data.folder": place.images(pixels), "data.resolution": pixels}
    settings = resolved(merge(values, given))
    if place.device == "cuda":
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, cap * 1e9 / total))
    try:
        with contextlib.redirect_stderr(sys.stdout):  # a warning tells which rung of the ladder was taken
            said = probe(settings, 1 if place.small else 2)
        return {"fits": True, "peak_gb": said.peak_bytes / 1e9, "step_s": said.step_seconds}
    except UserError as error:
        return {"fits": False, "says": str(error)}
    except Exception as error:
        told = {"says": str(explain(error))} if ran_out_of_memory(error) else {"error": repr(error)[:500]}
        return {"fits": False, **told}
    finally:
        shutil.rmtree(settings.data.cache, ignore_errors=True)  # each has to encode the pictures itself
        if place.device == "cuda":
            torch.cuda.set_per_process_memory_fraction(1.0)
