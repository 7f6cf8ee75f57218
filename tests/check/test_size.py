"""The size of a LoRA from headers alone is the trainer's own number, for every kind of base model."""

import subprocess
import sys

import pytest
from base_models import write_single_file

from sdlora.check.size import growth
from sdlora.families.base import inspect_base
from sdlora.settings import make_settings

CHOICES = (
    {"targets": "attn-mlp", "text_encoder": True, "rank": 16},
    {"targets": "attn", "text_encoder": False, "rank": 7},
    {"targets": "full", "text_encoder": True, "rank": 3, "kind": "dora"},
    {"targets": "full", "text_encoder": True, "rank": 3, "kind": "lokr"},
    {"targets": "full", "text_encoder": True, "rank": 9, "kind": "lokr", "factor": 4, "rank_pattern": {"*fc1": 40}},
    {"targets": "cross-attn", "text_encoder": True, "rank": 5, "rank_pattern": {"*.mid_block.*": 2, "*fc1": 9}},
)


def the_trainers_own(info, adapter: dict, dtype: str) -> tuple[int, int]:
    import torch

    from sdlora.adapters.inject import inject
    from sdlora.adapters.targets import target_patterns
    from sdlora.families.shared.load import load_text_encoders, load_unet

    learns = adapter["text_encoder"]
    roots = {"unet": load_unet(info, torch.float32)} | (load_text_encoders(info, torch.float32) if learns else {})
    options = {key: value for key, value in adapter.items() if key not in ("targets", "text_encoder", "factor")}
    options["options"] = {"factor": adapter.get("factor", -1)}
    made = inject(roots, targets=target_patterns(adapter["targets"], text_encoder=learns), **options)
    return made.trainable, made.file_bytes(dtype)


def sizes(info, adapter: dict, dtype: str) -> tuple[int, int]:
    settings = make_settings({"adapter": adapter})
    found, chosen = growth(info, settings), settings.adapter
    return found.trainable(chosen.rank), found.file_bytes(chosen.rank, dtype)


@pytest.mark.parametrize("adapter", CHOICES)
def test_the_embedded_base(adapter):
    info = inspect_base("tiny")
    assert sizes(info, adapter, "fp16") == the_trainers_own(info, adapter, "fp16")


@pytest.mark.slow
@pytest.mark.parametrize("adapter", CHOICES)
@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_folders_and_single_files(bases, tmp_path, family, adapter):
    folder = bases(family)
    single = tmp_path / f"{family}.safetensors"
    write_single_file(folder, family, single)
    for info in (inspect_base(str(folder)), inspect_base(str(single))):
        assert sizes(info, adapter, "fp32") == the_trainers_own(info, adapter, "fp32")


def test_it_loads_no_torch():
    code = "import sys, sdlora.check.size; assert not {'torch', 'diffusers', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
