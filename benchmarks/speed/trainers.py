"""How ``peers.py`` starts each trainer: the command that its users would give, for the same work."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
STEPS = 1000  # asked of every trainer, so that what pays over a run pays; only the first few are taken
PACKAGES = ("torch", "torchvision", "diffusers", "transformers", "accelerate", "peft")


@dataclass(frozen=True)
class Case:
    """What all trainers are to do.

    base, file: the base model as a diffusers folder and as a single file. images: the pictures' folder.
    pixels: their side. precision: "fp32", "bf16" or "own", which is what the trainer's users would run.
    """

    base: str
    file: str
    images: str
    pixels: int
    precision: str
    rank: int = 8
    batch: int = 1


@dataclass(frozen=True)
class Trainer:
    """name; python: the one it runs in. command: script and arguments for a case, given an empty folder to write in.

    own: which precision its users would run on this processor. adapts: which layers it trains by default. checkout: its
    folder, "" for what has none.
    """

    name: str
    python: str
    command: Callable[[Case, Path], list[str]]
    own: str
    adapts: str
    checkout: str = ""
    environment: dict[str, str] = field(default_factory=dict)

    def versions(self) -> dict[str, str]:
        """Of its packages, its Python and its checkout, as they say themselves."""
        code = (
            "import json, platform, importlib.metadata as m\n"
            "told = {'python': platform.python_version()}\n"
            f"for name in {PACKAGES!r}:\n"
            "    try: told[name] = m.version(name)\n"
            "    except m.PackageNotFoundError: continue\n"
            "print(json.dumps(told))"
        )
        asked = subprocess.run([self.python, "-c", code], capture_output=True, text=True, check=True)
        told = json.loads(asked.stdout)
        if self.checkout:
            told |= {"commit": commit(self.checkout)}
        return told


def commit(folder: str) -> str:
    """A checkout's commit; "unknown" where git can't tell."""
    done = subprocess.run(["git", "-C", folder, "rev-parse", "HEAD"], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def ours(case: Case, folder: Path) -> list[str]:
    precision = "auto" if case.precision == "own" else case.precision
    return [str(HERE / "plain_run.py"), case.base, case.images, str(case.pixels), str(case.rank), str(case.batch),
            precision, str(folder)]  # fmt: skip


def kohya(checkout: str) -> Callable[[Case, Path], list[str]]:
    def command(case: Case, folder: Path) -> list[str]:
        tokenizer = folder / "tokenizers/openai_clip-vit-large-patch14"  # where it looks first; else it asks the hub
        shutil.copytree(Path(case.base) / "tokenizer", tokenizer)
        options = {
            "pretrained_model_name_or_path": case.file,
            "tokenizer_cache_dir": tokenizer.parent,
            "train_data_dir": Path(case.images).parent,
            "caption_extension": ".txt",
            "resolution": f"{case.pixels},{case.pixels}",
            "output_dir": folder / "out",
            "save_model_as": "safetensors",
            "network_module": "networks.lora",
            "network_dim": case.rank,
            "network_alpha": case.rank,
            "train_batch_size": case.batch,
            "max_train_steps": STEPS,
            "learning_rate": "1e-4",
            "optimizer_type": "AdamW",
            "mixed_precision": "no" if case.precision == "fp32" else "bf16",
            "max_data_loader_n_workers": 0,
        }
        flags = ["--cache_latents", "--sdpa", "--network_train_unet_only"]
        return [f"{checkout}/train_network.py", *flags, *(f"--{name}={value}" for name, value in options.items())]

    return command


def diffusers(checkout: str) -> Callable[[Case, Path], list[str]]:
    def command(case: Case, folder: Path) -> list[str]:
        options = {
            "pretrained_model_name_or_path": case.base,
            "train_data_dir": case.images,
            "cache_dir": folder / "cache",
            "resolution": case.pixels,
            "output_dir": folder / "out",
            "rank": case.rank,
            "train_batch_size": case.batch,
            "max_train_steps": STEPS,
            "learning_rate": "1e-4",
            "lr_warmup_steps": 0,
            "checkpointing_steps": 10 * STEPS,
            "mixed_precision": "no" if case.precision == "fp32" else "bf16",
        }
        script = f"{checkout}/examples/text_to_image/train_text_to_image_lora.py"
        return [script, *(f"--{name}={value}" for name, value in options.items())]

    return command


def make_trainers(checkouts: dict[str, tuple[str, str]], bf16: bool) -> list[Trainer]:
    """Ours and those peers that there are checkouts of.

    checkouts: (folder, Python) by name. bf16: does the processor compute in it natively? Users would take it then.
    """
    native = "bf16" if bf16 else "fp32"
    made = [Trainer("ours", sys.executable, ours, "auto", "attention and MLP", str(HERE.parents[1]))]
    peers = {"kohya": (kohya, "attention, MLP, projections"), "diffusers": (diffusers, "attention")}
    for name, (of, adapts) in peers.items():
        if name in checkouts:
            folder, python = checkouts[name]
            folder = os.path.abspath(folder)
            environment = {"PYTHONPATH": f"{folder}/src"} if name == "diffusers" else {}
            made.append(Trainer(name, python, of(folder), native, adapts, folder, environment))
    return made
