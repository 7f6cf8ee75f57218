"""Presets: settings files that hold only what differs from the defaults, and which of them suits this computer."""

import shutil
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any

import sdlora
from sdlora.check import inspect_base
from sdlora.errors import UserError
from sdlora.families.table import FAMILIES
from sdlora.settings import Settings, load_settings
from ui import text
from ui.tabs.settings import form

FOLDER = Path(sdlora.__file__).with_name("presets")
EMBEDDED = "embedded"
KINDS = ("character", "style", "object", EMBEDDED)
MEMORY = ("6", "8", "12", "24")  # GB
PATTERNS = {EMBEDDED: "Embedded*.toml"}
SHY = 0.93  # a card of "8 GB" shows a little less to its programs


def preset_name(kind: str, memory: str = "") -> str:
    """The preset for what is to be learnt and the GPU's gigabytes; ValueError for another kind or size."""
    known = kind in KINDS and (kind in PATTERNS or memory in MEMORY)
    found = sorted(FOLDER.glob(PATTERNS.get(kind, f"* {kind}, {memory} GB.toml"))) if known else []
    if not found:
        raise ValueError(f"no preset {kind!r}, {memory!r}")
    return found[0].stem


def load(name: str) -> Settings:
    """The preset's settings, on top of the defaults."""
    return load_settings(FOLDER / f"{name}.toml")


def applied(name: str, values: dict[str, Any]) -> dict[str, Any]:
    """The form's values with the preset in them: a person's own subject stays, and a base model of its kind too."""
    made = form.field_values(load(name))
    kept = {key: values[key] for key in form.own() if key in values}
    if _fits(name, values.get("model.base"), made["model.base"]):
        kept |= {key: values[key] for key in ("model.base", "model.revision", "model.vae") if key in values}
    return made | kept


def family_of_preset(name: str) -> str:
    """The family of base models that a preset is for; "" if it is for any."""
    return next((f.name for f in FAMILIES.values() if f.preset and name.startswith(f.preset)), "")


def _fits(name: str, base: Any, its_own: str) -> bool:
    """Is this another base model than a preset's, one that is there, and of the family that the preset is for?"""
    family = family_of_preset(name)
    if not family or not isinstance(base, str) or base in ("", "tiny", its_own):
        return False
    try:
        return inspect_base(base.strip()).family == family
    except UserError:
        return False


# ---- this computer


@lru_cache(maxsize=1)
def gpu() -> tuple[str, float] | None:
    """(name, gigabytes) of the largest NVIDIA GPU, as the driver's own tool says it; None without one."""
    tool = shutil.which("nvidia-smi")
    if not tool:
        return None
    asked = [tool, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return read_gpus(told)


def read_gpus(told: str) -> tuple[str, float] | None:
    """The largest of lines such as "NVIDIA GeForce RTX 4090, 24564"; None if there is none."""
    found = []
    for line in told.splitlines():
        name, _, memory = line.rpartition(",")
        if name and memory.strip().isdigit():
            found.append((int(memory) / 1024, name.strip()))
    return (max(found)[1], max(found)[0]) if found else None


def suggested(gigabytes: float | None) -> str:
    """The size of ``MEMORY`` that fits into so much; "" if none does."""
    fits = [size for size in MEMORY if gigabytes and gigabytes >= float(size) * SHY]
    return fits[-1] if fits else ""


def is_preset(kind: str, memory: str) -> bool:
    """Do both choices together name a preset?"""
    return kind == EMBEDDED or bool(kind and memory)


def gpu_words() -> str:
    """What this computer's GPU suits."""
    card = gpu()
    if card is None:
        return text.GPU_NONE
    size = f"{card[1]:.0f} GB"
    memory = suggested(card[1])
    if not memory:
        return text.GPU_SMALL.format(gpu=card[0], size=size)
    return text.GPU_SUGGESTS.format(gpu=card[0], size=size, memory=memory)
