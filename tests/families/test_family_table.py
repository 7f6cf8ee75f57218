"""The table of model families: what an entry must have, and that a new one needs nothing but itself."""

import json
import shutil
import sys
from types import ModuleType

import pytest
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.loaders import StableDiffusionLoraLoaderMixin
from safetensors import safe_open
from said import saying

from sdlora.check import prepare
from sdlora.check.size import growth, layers_of
from sdlora.errors import UserError
from sdlora.events import Finished, StepDone
from sdlora.families.base import inspect_base
from sdlora.families.family import READERS, Family, Labels, Latent, Part
from sdlora.families.sd1 import model as sd1_model
from sdlora.families.shared import unet_targets
from sdlora.families.shared.kohya_names import kohya_names
from sdlora.families.table import FAMILIES, family, kohya_prefixes, roots, tell
from sdlora.lorafiles.keys import canonical_of
from sdlora.lorafiles.read import look
from sdlora.lorafiles.readers.tools import TOOLS
from sdlora.settings import make_settings
from sdlora.train.loop import training


def test_every_entry_is_whole():
    for name, entry in FAMILIES.items():
        assert entry.name == name and entry.denoiser.kohya
        assert [part.role for part in entry.parts].count("vae") == 1 and entry.text_encoders
        assert set(entry.published) == set(entry.prefixes)
        assert set(entry.readers) <= set(READERS)
        assert {"network", "text_state", "predict", "pipeline", "lora_loader"} <= set(dir(entry.functions()))
        assert entry.names(entry.published)


def test_the_readers_are_those_that_are_known():
    assert READERS == TOOLS


def test_the_first_clue_that_speaks_decides():
    assert tell([("text_width", 768)]) == tell([("text_width", 640), ("version", "sd_v1_v")])
    assert tell([("text_width", 2048), ("projections", "linear")]) != tell([("projections", "linear")])
    assert tell([("text_width", "2048"), ("pipeline", "Another"), ("depth", None)]) == ""


def test_an_unknown_family_is_named_with_those_there_are():
    with pytest.raises(UserError, match=saying("models.family_unknown", family="'flux'")) as error:
        family("flux")
    assert all(name in str(error.value) for name in FAMILIES)


# ---- a family that nobody has heard of

TEXT = Part("text_encoder", "text", "text encoder", kohya="lora_te_")
UNET = Part("unet", "denoiser", "UNet", kohya="lora_unet_")
BACKBONE = Part("backbone", "denoiser", "backbone", kohya="lora_backbone_")
SEEN: list[tuple[int, ...]] = []


def toy_model() -> ModuleType:
    """Latents of 8 channels, read with half of the text's states."""
    module = ModuleType("toy_model")
    module.network = sd1_model.network

    def text_state(encoder, ids, clip_skip):
        return encoder(ids).last_hidden_state / 2, None

    def predict(unet, noisy, t, text, sizes, masked=None):
        SEEN.append(tuple(noisy.shape))
        return unet(noisy, t, text.hidden.to(noisy.dtype)).sample

    def pipeline(inpainting, **parts):
        more = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
        return StableDiffusionPipeline(text_encoder=None, tokenizer=None, **parts, **more)

    module.text_state, module.predict, module.pipeline = text_state, predict, pipeline
    module.lora_loader = lambda: StableDiffusionLoraLoaderMixin
    return module


@pytest.fixture(params=[UNET, BACKBONE], ids=lambda part: part.root)
def toy(request, monkeypatch) -> Family:
    """The family's entry, in the table for the while; its denoiser is called as others' is, or otherwise."""
    parts = (request.param, Part("vae", "vae", "VAE"), TEXT)
    entry = Family(
        name="toy",
        title="Toy 1.x",
        short="Toy",
        signs={"pipeline": ("ToyPipeline",), "text_width": (16,), "version": ("toy_",)},
        parts=parts,
        latent=Latent(channels=8, factor=2, scale=0.5),
        resolution=32,
        published={request.param.root: {}, "text_encoder": {}},
        targets={"attn-mlp": ["*.attn2.to_q"]},
        text_targets=unet_targets.TEXT_ENCODER,
        names=lambda configs: kohya_names(parts, configs),
        labels=Labels(version="toy_v1", architecture="toy-v1/lora", sidecar="Toy"),
        model="toy_model",
        readers=("diffusers",) if request.param is UNET else (),
    )
    monkeypatch.setitem(sys.modules, "toy_model", toy_model())
    monkeypatch.setitem(FAMILIES, "toy", entry)
    SEEN.clear()
    return entry


@pytest.fixture
def toy_base(toy, tmp_path, base_folder):
    """The small model's folder with a UNet and VAE of 8 latent channels, under another pipeline's name."""
    folder = shutil.copytree(base_folder, tmp_path / "toy-base")
    torch.manual_seed(0)
    unet = UNet2DConditionModel.load_config(folder / "unet") | {"in_channels": 8, "out_channels": 8}
    vae = AutoencoderKL.load_config(folder / "vae") | {"latent_channels": 8, "scaling_factor": 0.5}
    shutil.rmtree(folder / "unet")
    UNet2DConditionModel.from_config(unet).save_pretrained(folder / toy.denoiser.root)
    AutoencoderKL.from_config(vae).save_pretrained(folder / "vae")
    index = json.loads((folder / "model_index.json").read_text()) | {"_class_name": "ToyPipeline"}
    index[toy.denoiser.root] = index.pop("unet")
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def test_the_base_model_is_told_by_its_entry(toy, toy_base, bases):
    info = inspect_base(str(toy_base))
    assert info.family == "toy" and info.described.startswith("Toy 1.x") and not info.inpainting
    assert info.text_encoders == ("text_encoder",) and inspect_base(str(bases("sd1"))).family == "sd1"
    assert roots("text")[0] == "text_encoder" and kohya_prefixes()["lora_unet_"] == "unet"
    assert info.denoiser == toy.denoiser.root == kohya_prefixes()[toy.denoiser.kohya]
    assert canonical_of(f"{toy.denoiser.root}.conv_in") == (f"{toy.denoiser.root}.conv_in", "peft")


def test_what_learns_in_a_new_family_is_its_own_to_say(toy, toy_base):
    """The size of its LoRA, and a sentence for a set of layers that it does not have."""
    info = inspect_base(str(toy_base))
    layers = layers_of(info, "attn-mlp", text_encoder=False)
    assert layers and all(name.startswith(f"{info.denoiser}.") and name.endswith(".attn2.to_q") for name in layers)
    settings = make_settings({"adapter": {"targets": "attn-mlp", "text_encoder": False, "rank": 3}})
    assert growth(info, settings).trainable(3) == 3 * sum(out + into for out, into in layers.values())
    full = make_settings({"adapter": {"targets": "full"}, "model": {"base": str(toy_base)}})
    (told,) = [problem for problem in prepare(full).fatal if problem.where == "adapter.targets"]
    assert "full" in told.what and "attn-mlp" in told.fix
    with pytest.raises(UserError, match=saying("adapters.targets_unknown")):
        growth(info, full)


@pytest.mark.slow
def test_a_new_family_is_trained_and_exported_without_another_file_changed(make_run, toy, toy_base):
    settings = {"model.base": str(toy_base), "train.steps": 2, "train.batch_size": 1}
    run, settings = make_run(**settings)
    events = []
    for event in training(settings, run):
        run.write(event)
        events.append(event)
    assert isinstance(events[-1], Finished) and events[-1].why == "done"
    assert len([event for event in events if isinstance(event, StepDone)]) == 2
    assert SEEN and {shape[1] for shape in SEEN} == {8}
    file = run.folder / "test.safetensors"
    with safe_open(file, framework="pt") as tensors:
        metadata = tensors.metadata()
    assert metadata["ss_base_model_version"] == "toy_v1" and metadata["modelspec.architecture"] == "toy-v1/lora"
    assert json.loads(file.with_suffix(".json").read_text())["sd version"] == "Toy"
    lora = look(file).lora
    unet = [name for name in lora.changes if name.startswith(f"{toy.denoiser.root}.")]
    assert lora.family == "toy" and unet and all(name.endswith(".attn2.to_q") for name in unet)
