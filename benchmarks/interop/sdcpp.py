"""stable-diffusion.cpp with our LoRA files, against checkpoints into which the same change was merged.

    python benchmarks/speed/make_sd15.py sd15.safetensors
    pip install stable-diffusion-cpp-python==0.4.7          (builds the C++ library)
    python benchmarks/interop/sdcpp.py --checkpoint sd15.safetensors --out benchmarks/results/sdcpp.json

Its weights cannot be read back, so pictures are compared: the checkpoint with the LoRA file, the checkpoint with W0 +
(alpha / rank) · B · A computed in float64 from the live adapter and merged, and the checkpoint alone. Full size, random
weights, 64 x 64 pixels, one step, one process for each picture. A file passes if the library says that it applied all
its tensors, and the picture differs from the merged one by less than a tenth of what the LoRA changes.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path = [str(ROOT), *(p for p in sys.path if Path(p or ".").resolve() != Path(__file__).parent)]

PASSES = 0.1
STRENGTH = 0.3  # size of the change of each weight, as a part of the weight: far more than fp16 rounds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True, help="SD 1.5 as one file, fp16")
    parser.add_argument("--out", type=Path, default=Path("sdcpp.json"))
    parser.add_argument("--work", type=Path, help="folder with 7 GB of room; a temporary one if left out")
    parser.add_argument("--readme", type=Path, help="put the table into this file")
    parser.add_argument("--lora", help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--draw", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.write:
        write_files(arguments.checkpoint, arguments.work)
    elif arguments.draw:
        draw(arguments.checkpoint, arguments.lora, arguments.draw)
    else:
        with tempfile.TemporaryDirectory() as scratch:
            return compare(
                arguments.checkpoint.resolve(),
                (arguments.work or Path(scratch)).resolve(),
                arguments.out,
                arguments.readme,
            )
    return 0


# file, the merged checkpoint that it must equal, whether it must pass
FILES = [
    ("kohya-attn-mlp", "merged-attn-mlp", True),
    ("kohya-full", "merged-full", True),
    ("kohya-rank-1", "merged-rank-1", True),
    ("diffusers-attn-mlp", "merged-attn-mlp", None),
    ("broken-te-names", "merged-attn-mlp", False),
]


def compare(checkpoint: Path, work: Path, out: Path, readme: Path | None) -> int:
    work.mkdir(parents=True, exist_ok=True)
    _child("--checkpoint", checkpoint, "--work", work, "--write")
    pictures, applied = {}, {}
    pictures["base"], _ = _drawn(checkpoint, None, work / "base.png")
    for name, merged, _ in FILES:
        if merged not in pictures:
            pictures[merged], _ = _drawn(work / f"{merged}.safetensors", None, work / f"{merged}.png")
        pictures[name], applied[name] = _drawn(checkpoint, work / f"{name}.safetensors", work / f"{name}.png")
    rows, wrong = [], 0
    for name, merged, wanted in FILES:
        effect, error = _difference(pictures["base"], pictures[merged]), _difference(pictures[merged], pictures[name])
        used, of = applied[name]
        row = {"file": name, "tensors applied": f"{used} of {of}", "effect": round(effect, 3)}
        row |= {"differs from merged": round(error, 4), "share": round(error / effect, 4)}
        row["passes"] = used == of and error < PASSES * effect
        wrong += wanted is not None and wanted != row["passes"]
        rows.append(row)
        print(row, flush=True)
    package = f"stable-diffusion-cpp-python {version('stable-diffusion-cpp-python')}"
    out.write_text(json.dumps({"tool": package, "results": rows}, indent=1) + "\n", encoding="utf-8")
    if readme:
        from benchmarks.interop.table import pictures_table, update_readme

        update_readme(readme, pictures_table(package, rows), "sdcpp.py")
    return 1 if wrong else 0


def _child(*arguments: object) -> str:
    command = [sys.executable, __file__, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{(done.stderr or done.stdout)[-3000:]}")
    return done.stdout + done.stderr


def _drawn(checkpoint: Path, lora: Path | None, picture: Path) -> tuple[Path, tuple[int, int]]:
    """(the picture, (tensors applied, tensors in the file) by the library's own log)."""
    log = _child("--checkpoint", checkpoint, "--draw", picture, *(["--lora", lora] if lora else []))
    counts = re.findall(r"\((\d+) / (\d+)\) LoRA tensors have been applied", log)
    if lora and not counts:
        raise SystemExit(f"The library does not say how many tensors it applied:\n{log[-3000:]}")
    return picture, (int(counts[-1][0]), int(counts[-1][1])) if counts else (0, 0)


def _difference(a: Path, b: Path) -> float:
    """Mean over pixels and colours, in grey levels of 255."""
    import numpy as np
    from PIL import Image

    first, second = (np.asarray(Image.open(path).convert("RGB"), float) for path in (a, b))
    return float(np.abs(first - second).mean())


# ---- each in a process of its own


def draw(checkpoint: Path, lora: str | None, picture: Path) -> None:
    from stable_diffusion_cpp import StableDiffusion

    model = StableDiffusion(model_path=str(checkpoint), n_threads=1, rng_type="cpu", lora_apply_mode="immediately")
    prompt = "a red fox on a stone" + (f"<lora:{lora}:1>" if lora else "")
    image = model.generate_image(
        prompt, width=64, height=64, sample_steps=1, cfg_scale=1.0, sample_method="euler", seed=11
    )[0]
    image.save(picture)


def write_files(checkpoint: Path, work: Path) -> None:
    """The LoRA files, by the exporter from adapters with random factors; and the merged checkpoints."""
    import safetensors.torch
    import torch

    from benchmarks.interop.bases import canonical
    from sdlora.adapters.inject import inject
    from sdlora.adapters.targets import target_patterns
    from sdlora.families.base import inspect_base
    from sdlora.families.shared.load import load_text_encoders, load_unet
    from sdlora.lorafiles.write import write_lora

    base = inspect_base(str(checkpoint))
    models = {"unet": load_unet(base, torch.float16), **load_text_encoders(base, torch.float16)}
    configs = {root: model.config for root, model in models.items()}
    for targets, rank, name in (("attn-mlp", 16, "attn-mlp"), ("full", 16, "full"), ("attn-mlp", 1, "rank-1")):
        adapter = inject(models, target_patterns(targets, text_encoder=True), rank=rank, alpha=rank / 2)
        weights = {name: adapter._bases[name].weight for name in adapter.layers}
        _randomise(adapter, weights)
        settings = {"configs": configs, "family": "sd1", "dtype": "fp16"}
        write_lora(adapter, work / f"kohya-{name}.safetensors", container="kohya", **settings)
        if name == "attn-mlp":
            write_lora(adapter, work / f"diffusers-{name}.safetensors", container="diffusers", **settings)
        changes = {canonical(n): layer for n, layer in adapter.layers.items()}
        _merge(checkpoint, work / f"merged-{name}.safetensors", changes)
        adapter.remove()
    tensors = safetensors.torch.load_file(work / "kohya-attn-mlp.safetensors")
    renamed = {key.replace("_text_model_", "_"): value for key, value in tensors.items()}
    safetensors.torch.save_file(renamed, work / "broken-te-names.safetensors")


def _randomise(adapter, weights) -> None:
    import torch

    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, layer in adapter.layers.items():
            layer.up.weight.copy_(torch.randn(layer.up.weight.shape, generator=generator))
            size = float(weights[name].float().std()) / float(layer.delta().std())
            layer.up.weight.mul_(STRENGTH * size)


def _merge(checkpoint: Path, out: Path, layers) -> None:
    """A copy of the checkpoint with every changed weight in its own dtype."""
    import safetensors.torch

    from benchmarks.interop.bases import original_path
    from benchmarks.interop.reference import Change, patched

    state = safetensors.torch.load_file(checkpoint)
    for name, layer in layers.items():
        root, _, path = name.partition(".")
        inside = "model.diffusion_model." + original_path(path, "sd1") if root == "unet" else ""
        key = (inside or f"cond_stage_model.transformer.{path}") + ".weight"
        change = Change(layer.down.weight.detach(), layer.up.weight.detach(), layer.scale)
        state[key] = patched(state[key], change).to(state[key].dtype)
    safetensors.torch.save_file(state, out)


if __name__ == "__main__":
    sys.exit(main())
