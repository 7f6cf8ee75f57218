"""The toolbox against kohya's own scripts, on the same inputs: merge, merge by SVD, merge into a base, resize, extract.

    python -m benchmarks.interop.toolbox_vs_kohya CHECKOUT-OF-SD-SCRIPTS

Their functions run unchanged; only the reading of models from disk is replaced. All numbers are relative Frobenius
norms over all layers: "difference" between the two results, "ours" and "theirs" each against float64. kohya clamps the
factors of an SVD at their 99 % quantile; each comparison with a merge or an extraction is made with that and without
("unclamped").
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Optional
from unittest.mock import patch

import safetensors
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from benchmarks.interop import tool
from benchmarks.interop.bases import Base, make_base, old_names
from benchmarks.interop.bases import canonical as canonical_name
from sdlora.lorafiles.keys import kohya_name
from sdlora.toolbox.bake import merge_into_base
from sdlora.toolbox.extract import extract_lora
from sdlora.toolbox.merge import merge_loras
from sdlora.toolbox.resize import resize_lora

OUT = Path(__file__).parent / "results" / "toolbox_vs_kohya.json"
Deltas = dict[str, Tensor]
# They clamp to ± a quantile of the factors, which even at 1 cuts what is below minus the largest: none is infinity.
CLAMPING = {
    "": nullcontext,
    ", unclamped": lambda: patch("torch.quantile", lambda *args: torch.tensor(torch.inf)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kohya", type=Path, help="folder of sd-scripts")
    parser.add_argument("--commit", default="", help="its commit, if the folder has no .git")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    tool.stand_in("torchvision", "cv2", "imagesize", "voluptuous", "bitsandbytes", "xformers", "easygui")
    sys.path[:0] = [str(args.kohya), str(args.kohya / "networks")]
    _their_train_util(args.kohya)
    torch.manual_seed(0)
    bases = {family: make_base(family) for family in ("sd1", "sdxl")}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        results = {
            "kohya": args.commit or _commit(args.kohya),
            "torch": torch.__version__,
            "merge by SVD": {family: merge_by_svd(folder, base) for family, base in bases.items()},
            "merge by concatenation": merge_by_concatenation(folder, bases["sd1"]),
            "merge into a base": merge_into(folder, bases["sd1"]),
            "resize": resize(folder, bases["sd1"]),
            "extract": extract(folder, bases["sd1"]),
        }
    text = json.dumps(results, indent=2)
    args.out.parent.mkdir(exist_ok=True)
    args.out.write_text(text + "\n", encoding="utf-8")
    print(text)


# ---- the same inputs


def make_lora(path: Path, base: Base, seed: int, rank: int = 8, convolutions: bool = False) -> Path:
    """Factors whose columns shrink, as trained ones do."""
    draw, tensors = torch.Generator().manual_seed(seed), {}
    shrink = 0.8 ** torch.arange(rank)
    for name, weight in base.weights.items():
        if not (".attentions." in name or ".layers." in name or (convolutions and ".resnets." in name)):
            continue
        stem, ones = kohya_name(name, base.family), (1, 1) if weight.ndim == 4 else ()
        up = torch.randn(weight.shape[0], rank, generator=draw) * shrink * 0.05
        tensors[f"{stem}.lora_down.weight"] = torch.randn(rank, *weight.shape[1:], generator=draw)
        tensors[f"{stem}.lora_up.weight"] = up.view(weight.shape[0], rank, *ones)
        tensors[f"{stem}.alpha"] = torch.tensor(rank / 2)
    save_file(tensors, path, {"ss_base_model_version": "sdxl_base_v1-0" if base.family == "sdxl" else "sd_v1"})
    return path


def deltas(tensors: dict[str, Tensor]) -> Deltas:
    """alpha / rank · up · down in float64, by the plain formula."""
    found = {}
    for key in tensors:
        if key.endswith(".lora_down.weight"):
            stem = key.removesuffix(".lora_down.weight")
            down, up = tensors[key].double().flatten(1), tensors[f"{stem}.lora_up.weight"].double().flatten(1)
            found[stem] = up @ down * (float(tensors[f"{stem}.alpha"]) / down.shape[0])
    return found


def apart(a: Deltas, b: Deltas) -> float:
    if a.keys() != b.keys():
        raise SystemExit(f"other layers: {sorted(a.keys() ^ b.keys())[:3]}")
    lost = sum(float((a[key] - b[key]).norm()) ** 2 for key in b)
    return float(f"{(lost / sum(float(b[key].norm()) ** 2 for key in b)) ** 0.5:.3g}")


def compared(ours: Deltas, theirs: Deltas, truth: Deltas) -> dict[str, float]:
    return {"difference": apart(ours, theirs), "ours": apart(ours, truth), "theirs": apart(theirs, truth)}


# ---- merge


def merge_by_svd(folder: Path, base: Base) -> dict:
    import svd_merge_lora as kohya

    a, b = (make_lora(folder / f"{n}.safetensors", base, n) for n in (1, 2))
    one, two = deltas(load_file(a)), deltas(load_file(b))
    truth = {key: 0.7 * one[key] - 0.3 * two[key] for key in one}
    results = {}
    for rank in (4, 8):
        merge_loras([(a, 0.7), (b, -0.3)], folder / "m.safetensors", rank=rank, dtype="fp32")
        ours = deltas(load_file(folder / "m.safetensors"))
        for label, clamping in CLAMPING.items():
            with clamping():
                theirs, *_ = kohya.merge_lora_models(
                    [str(a), str(b)], [0.7, -0.3], [], rank, rank, "cpu", torch.float32
                )
            results[f"rank {rank}{label}"] = compared(ours, deltas(theirs), truth)
    if base.family == "sd1":
        results["rank 8, block weights, unclamped"] = _block_weights(folder, kohya, a)
    return results


def _block_weights(folder: Path, kohya, file: Path) -> dict:
    """26 different weights: every block number counts."""
    numbers = [round(0.1 + n / 20, 2) for n in range(26)]
    text = ",".join(map(str, numbers))
    with CLAMPING[", unclamped"]():
        theirs, *_ = kohya.merge_lora_models([str(file)], [1.0], [f"[{text}]"], 8, 8, "cpu", torch.float32)
    merge_loras([(file, 1.0)], folder / "m.safetensors", blocks=[text], dtype="fp32")
    return {"difference": apart(deltas(load_file(folder / "m.safetensors")), deltas(theirs))}


def merge_by_concatenation(folder: Path, base: Base) -> dict:
    """kohya multiplies both factors with the weight and keeps alpha at twice the rank: its result is weight² / 2."""
    import merge_lora as kohya

    a, b = (make_lora(folder / f"{n}.safetensors", base, n) for n in (1, 2))
    one, two = deltas(load_file(a)), deltas(load_file(b))
    theirs, *_ = kohya.merge_lora_models([str(a), str(b)], [0.7, -0.3], torch.float32, concat=True)
    as_they_do = {key: (0.7**2 * one[key] - 0.3**2 * two[key]) / 2 for key in one}
    meant = {key: 0.7 * one[key] - 0.3 * two[key] for key in one}
    merge_loras([(a, 0.7), (b, -0.3)], folder / "m.safetensors", dtype="fp32")
    merge_loras([(a, 0.7**2 / 2), (b, -(0.3**2) / 2)], folder / "n.safetensors", dtype="fp32")
    return {
        "ours against the weighted sum": apart(deltas(load_file(folder / "m.safetensors")), meant),
        "theirs against the weighted sum": apart(deltas(theirs), meant),
        "theirs against weight squared / 2": apart(deltas(theirs), as_they_do),
        "difference with weights squared / 2": apart(deltas(load_file(folder / "n.safetensors")), deltas(theirs)),
    }


def merge_into(folder: Path, base: Base) -> dict:
    import merge_lora as kohya

    a, b = (make_lora(folder / f"{n}.safetensors", base, n, convolutions=True) for n in (1, 2))
    save_base(folder / "base", base)
    merge_into_base(folder / "base", [(a, 0.7), (b, -0.3)], folder / "merged")
    ours = load_folder(folder / "merged")
    kohya.merge_to_sd_model(
        old_names(base.models["text_encoder"]), base.models["unet"], [str(a), str(b)], [0.7, -0.3], torch.float32
    )
    theirs = weights_of(base)
    one, two = deltas(load_file(a)), deltas(load_file(b))
    change = {name: 0.7 * one[s] - 0.3 * two[s] for name in base.weights if (s := kohya_name(name, "sd1")) in one}
    truth = {name: base.weights[name].double().flatten(1) + change[name] for name in change}
    fresh = make_base(base.family)
    base.models.update(fresh.models)
    return compared(*({name: found[name].double().flatten(1) for name in truth} for found in (ours, theirs)), truth)


def save_base(folder: Path, base: Base) -> None:
    for root, model in base.models.items():
        (folder / root).mkdir(parents=True, exist_ok=True)
        state = {canonical_name(f"{root}.{key}").partition(".")[2]: t for key, t in model.state_dict().items()}
        state = {key: tensor.clone() for key, tensor in state.items()}
        save_file(state, folder / root / "model.safetensors")


def load_folder(folder: Path) -> dict[str, Tensor]:
    found = {}
    for file in folder.glob("*/model.safetensors"):
        for key, tensor in load_file(file).items():
            found[f"{file.parent.name}.{key.removesuffix('.weight')}"] = tensor
    return found


def weights_of(base: Base) -> dict[str, Tensor]:
    return {
        canonical_name(f"{root}.{path}"): module.weight.detach().clone()
        for root, model in base.models.items()
        for path, module in model.named_modules()
        if canonical_name(f"{root}.{path}") in base.weights
    }


# ---- resize


def resize(folder: Path, base: Base) -> dict:
    """kohya's dynamic methods keep one singular value more than asked for, at most the rank of before."""
    import resize_lora as kohya

    file = make_lora(folder / "r.safetensors", base, 3, convolutions=True)
    tensors = load_file(file)
    truth = deltas(tensors)
    results = {}
    for label, ours_by, method, number in (
        ("rank 4", {"rank": 4}, None, None),
        ("sv_fro 0.9", {"energy": 0.9**2}, "sv_fro", 0.9),
        ("sv_ratio 2.5", {"ratio": 2.5}, "sv_ratio", 2.5),
    ):
        theirs, *_ = kohya.resize_lora_model(
            dict(tensors),
            4 if method is None else 8,
            4 if method is None else 8,
            torch.float32,
            "cpu",
            method,
            number,
            False,
        )
        resize_lora(file, folder / "o.safetensors", dtype="fp32", **ours_by)
        ours = load_file(folder / "o.safetensors")
        results[label] = compared(deltas(ours), deltas(theirs), truth)
        more = {ranks_of(theirs)[stem] - rank for stem, rank in true_ranks(ours).items()}
        results[label]["ranks they keep more"] = sorted(more)
        if method:
            again = {stem: best(truth[stem], rank) for stem, rank in ranks_of(theirs).items()}
            results[label]["theirs against the SVD at their ranks"] = apart(deltas(theirs), again)
            own = {stem: best(truth[stem], rank) for stem, rank in true_ranks(ours).items()}
            results[label]["ours against the SVD at our ranks"] = apart(deltas(ours), own)
    return results


def ranks_of(tensors: dict[str, Tensor]) -> dict[str, int]:
    end = ".lora_down.weight"
    return {key.removesuffix(end): tensor.shape[0] for key, tensor in tensors.items() if key.endswith(end)}


def true_ranks(tensors: dict[str, Tensor]) -> dict[str, int]:
    """Without the rows of zeros that make rank 2 of rank 1."""
    return {stem: int(tensors[f"{stem}.lora_down.weight"].flatten(1).any(dim=1).sum()) for stem in ranks_of(tensors)}


def best(matrix: Tensor, rank: int) -> Tensor:
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    return (u[:, :rank] * s[:rank]) @ v[:rank]


# ---- extract


def extract(folder: Path, base: Base) -> dict:
    import extract_lora_from_models as kohya

    tuned = make_base(base.family)
    draw = torch.Generator().manual_seed(5)
    differences = {}
    for root, model in tuned.models.items():
        for path, module in model.named_modules():
            name = canonical_name(f"{root}.{path}")
            if name in base.weights and (".attentions." in name or ".layers." in name):
                rows, columns = module.weight.shape[0], module.weight[0].numel()
                change = torch.randn(rows, 6, generator=draw) @ torch.randn(6, columns, generator=draw) * 0.05
                change = change + torch.randn(rows, columns, generator=draw) * 0.01
                before = module.weight.detach().double().flatten(1)
                module.weight.data += change.view(module.weight.shape)
                differences[kohya_name(name, "sd1")] = module.weight.detach().double().flatten(1) - before
    save_base(folder / "old", base)
    save_base(folder / "tuned", tuned)
    extract_lora(folder / "tuned", folder / "old", folder / "e.safetensors", rank=4, dtype="fp32")
    ours = deltas(load_file(folder / "e.safetensors"))
    kohya.args = SimpleNamespace(device=None)  # its function reads the script's arguments
    results = {}
    for label, clamping in CLAMPING.items():
        pairs = iter([make_base("sd1"), tuned_again(tuned)])

        def load(v2, path, pairs=pairs):
            found = next(pairs)
            return old_names(found.models["text_encoder"]), None, found.models["unet"]

        kohya.model_util.load_models_from_stable_diffusion_checkpoint = load
        out = folder / "k.safetensors"
        with clamping():
            kohya.svd("old", "new", str(out), 4, v2=False, min_diff=0.0, no_metadata=True)
        theirs = deltas(load_file(out))
        if any(delta.any() for stem, delta in theirs.items() if stem not in ours):
            raise SystemExit("kohya's file has layers that did not change")
        results[f"rank 4{label}"] = compared(ours, {stem: theirs[stem] for stem in ours}, differences)
    return results


def tuned_again(tuned: Base) -> Base:
    """kohya's function takes the weights out of the modules."""
    made = make_base(tuned.family)
    for root, model in made.models.items():
        model.load_state_dict(tuned.models[root].state_dict())
    return made


def _their_train_util(kohya: Path) -> None:
    """Of that large module the scripts use these functions; the rest of it needs a trainer's libraries."""
    names = ["load_metadata_from_safetensors", "build_minimum_network_metadata"]
    names += ["SS_METADATA_KEY_V2", "SS_METADATA_KEY_BASE_MODEL_VERSION", "SS_METADATA_MINIMUM_KEYS"]
    names += [f"SS_METADATA_KEY_NETWORK_{name}" for name in ("MODULE", "DIM", "ALPHA", "ARGS")]
    around = {"Optional": Optional, "json": json, "os": os, "safetensors": safetensors}
    around["precalculate_safetensors_hashes"] = lambda tensors, metadata: ("", "")
    tool.module("library.train_util", **around, **tool.functions(kohya / "library" / "train_util.py", names, around))


def _commit(checkout: Path) -> str:
    done = subprocess.run(["git", "-C", checkout, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    main()
