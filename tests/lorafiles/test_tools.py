"""Every broken file of the interoperability notes: seen for the tools that fail on it, and for no other."""

import re

import pytest
import safetensors.torch
import torch
from said import saying, says
from small_models import make_models, randomise

from sdlora.adapters.inject import inject
from sdlora.adapters.targets import target_patterns
from sdlora.errors import UserError
from sdlora.families.table import FAMILIES as ENTRIES
from sdlora.lorafiles.readers.tools import TOOLS, check_tools, tool_table
from sdlora.lorafiles.topology import topology
from sdlora.lorafiles.write import write_lora

ALL = set(TOOLS)
FAMILIES = ("sd1", "sd2", "sdxl")
PROJ = {"sd1": "lora_unet_mid_block_attentions_0_proj_in", "sd2": "lora_unet_mid_block_attentions_0_proj_in",
        "sdxl": "lora_unet_middle_block_1_proj_in"}  # fmt: skip


@pytest.fixture(scope="module", params=FAMILIES)
def written(request, tmp_path_factory):
    """(family, configs, path of a right file)"""
    family = request.param
    models = make_models(family)
    adapter = inject(models, target_patterns("full", text_encoder=True), rank=4, alpha=2.0)
    randomise(adapter)
    configs = {root: model.config for root, model in models.items()}
    path = tmp_path_factory.mktemp(family) / "x.safetensors"
    return family, configs, write_lora(adapter, path, configs=configs, family=family)


def tensors_of(path):
    return {key: tensor.clone() for key, tensor in safetensors.torch.load_file(path).items()}


def complaints(tensors, family, configs) -> dict[str, str]:
    """Tool -> how it loads, for those that don't load all."""
    table = tool_table(tensors, family, configs)
    told = {re.split(r" (?=[a-z])", problem.what)[0] for problem in check_tools(tensors, family, configs)}
    assert told == {tool for tool, verdict in table.items() if verdict.loads != "all"}
    assert all(bool(verdict.sentences) == (verdict.loads != "all") for verdict in table.values())
    return {tool: verdict.loads for tool, verdict in table.items() if verdict.loads != "all"}


def renamed(tensors, old, new):
    return {re.sub(old, new, key): tensor for key, tensor in tensors.items()}


def test_a_right_file_loads_everywhere(written):
    family, configs, path = written
    assert check_tools(path, family, configs) == []
    assert complaints(tensors_of(path), family, configs) == {}


def test_wrong_text_encoder_prefix(written):
    family, configs, path = written
    tensors = renamed(tensors_of(path), r"^(lora_te\d?_)text_model_", r"\1")
    found = complaints(tensors, family, configs)
    assert found == {tool: "none" if tool == "Forge" else "part" for tool in ALL}


def test_first_text_encoder_of_sd1_named_as_sdxls(written):
    family, configs, path = written
    if family == "sdxl":
        tensors = renamed(tensors_of(path), "^lora_te1_", "lora_te_")
        # ComfyUI and Forge take either; the notes' own sources say what the others do
        expected = {"A1111": "part", "kohya": "part", "InvokeAI": "none"}
    else:
        tensors = renamed(tensors_of(path), "^lora_te_", "lora_te1_")
        expected = {"kohya": "part", "InvokeAI": "part"} | ({"A1111": "part"} if family == "sd2" else {})
    assert complaints(tensors, family, configs) == expected


def test_q_and_v_alone(written):
    family, configs, path = written
    tensors = {k: t for k, t in tensors_of(path).items() if "lora_te" not in k or "_q_proj" in k or "_v_proj" in k}
    expected = {"diffusers": "none"} | ({} if family == "sd1" else {"A1111": "part"})
    assert complaints(tensors, family, configs) == expected


def test_factors_of_another_dimension(written):
    family, configs, path = written
    tensors = tensors_of(path)
    for part in ("lora_down.weight", "lora_up.weight"):
        tensor = tensors[f"{PROJ[family]}.{part}"]
        tensors[f"{PROJ[family]}.{part}"] = tensor.flatten(1) if tensor.ndim == 4 else tensor[:, :, None, None]
    assert complaints(tensors, family, configs) == {"kohya": "none", "diffusers": "none"}


def test_transposed_and_swapped_factors(written):
    family, configs, path = written
    tensors = tensors_of(path)
    stem = next(key.rpartition(".alpha")[0] for key in tensors if key.endswith("ff_net_2.alpha"))  # not square
    down, up = tensors[f"{stem}.lora_down.weight"], tensors[f"{stem}.lora_up.weight"]
    transposed = tensors | {f"{stem}.lora_down.weight": up.T, f"{stem}.lora_up.weight": down.T}
    found = complaints(transposed, family, configs)
    assert found == {t: "none" if t in ("kohya", "diffusers") else "wrong" for t in ALL}
    swapped = tensors | {f"{stem}.lora_down.weight": up, f"{stem}.lora_up.weight": down}
    assert complaints(swapped, family, configs) == dict.fromkeys(ALL, "none")


def test_two_alphas_in_one_network(written):
    family, configs, path = written
    tensors = tensors_of(path)
    tensors[f"{PROJ[family]}.alpha"] = torch.tensor(3.0)
    assert complaints(tensors, family, configs) == {"diffusers": "wrong"}
    assert says(check_tools(tensors, family, configs)[0].what, "readers.one_alpha")
    assert PROJ[family] in check_tools(tensors, family, configs)[0].what
    for key in tensors:
        if key.startswith("lora_te") and key.endswith(".alpha"):
            tensors[key] = torch.tensor(5.0)  # another network may have another
    tensors[f"{PROJ[family]}.alpha"] = torch.tensor(2.0)
    assert complaints(tensors, family, configs) == {}


def test_no_alpha(written):
    family, configs, path = written
    tensors = {key: tensor for key, tensor in tensors_of(path).items() if not key.endswith(".alpha")}
    assert complaints(tensors, family, configs) == {}
    down, up = f"{PROJ[family]}.lora_down.weight", f"{PROJ[family]}.lora_up.weight"
    mixed = tensors | {down: tensors[down][:2], up: tensors[up][:, :2]}
    assert complaints(mixed, family, configs) == {"diffusers": "wrong"}


def test_alpha_zero(written):
    family, configs, path = written
    tensors = {k: torch.zeros(()) if k.endswith(".alpha") else t for k, t in tensors_of(path).items()}
    assert complaints(tensors, family, configs) == {"kohya": "wrong"}


def test_sdxl_with_diffusers_block_names():
    base = topology("sdxl")
    modules = {
        f"lora_unet_{path}": base.shapes[name] for path, name in base.diffusers.items() if "_attentions_" in path
    }
    tensors = lora_of(modules)
    assert complaints(tensors, "sdxl", None) == {}
    sampler = "lora_unet_up_blocks_0_upsamplers_0_conv"
    tensors |= lora_of({sampler: (1280, 1280, 3, 3)})
    assert complaints(tensors, "sdxl", None) == {"A1111": "part"}
    mixed = renamed(tensors, "^lora_unet_mid_block_attentions_0_", "lora_unet_middle_block_1_")
    assert complaints(mixed, "sdxl", None) == {"A1111": "part", "InvokeAI": "none", "diffusers": "part"}


def lora_of(shapes, rank=2):
    """A LoRA without memory: every tensor is the same zero."""
    zero = torch.zeros(())
    tensors = {}
    for stem, (out, *rest) in shapes.items():
        tensors[f"{stem}.lora_down.weight"] = zero.expand(rank, *rest)
        tensors[f"{stem}.lora_up.weight"] = zero.expand(out, rank, *[1] * (len(rest) - 1))
        tensors[f"{stem}.alpha"] = torch.tensor(2.0)
    return tensors


def test_sd1_with_the_original_codes_block_names():
    base = topology("sd1")
    tensors = lora_of({f"lora_unet_{path}": base.shapes[name] for path, name in base.original.items() if "_1_" in path})
    found = complaints(tensors, "sd1", None)
    assert {"kohya", "InvokeAI", "diffusers"} == set(found)


def test_layers_that_kohya_does_not_know(written):
    family, configs, path = written
    tensors = tensors_of(path)
    name = "lora_unet_out_2" if family == "sdxl" else "lora_unet_conv_out"
    tensors |= lora_of({name: topology(family, configs).shapes["unet.conv_out"]})
    assert complaints(tensors, family, configs) == {"kohya": "part"}


def test_bundled_embedding(written):
    family, configs, path = written
    tensors = tensors_of(path) | {"bundle_emb.cat.string_to_param.*": torch.zeros(1, 768)}
    assert complaints(tensors, family, configs) == {"diffusers": "none"}


def test_tucker(written):
    family, configs, path = written
    tensors = tensors_of(path)
    stem = next(
        k.rpartition(".lora")[0] for k, t in tensors.items() if k.endswith("lora_down.weight") and t.shape[2:] == (3, 3)
    )
    tensors[f"{stem}.lora_down.weight"] = tensors[f"{stem}.lora_down.weight"][..., :1, :1]
    tensors[f"{stem}.lora_mid.weight"] = torch.zeros(4, 4, 3, 3)
    assert complaints(tensors, family, configs) == {"kohya": "wrong", "diffusers": "none"}


@pytest.mark.parametrize("kind", ["loha", "lokr"])
def test_loha_and_lokr(written, kind):
    family, configs, path = written
    leaves = {"loha": ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"), "lokr": ("lokr_w1", "lokr_w2")}[kind]
    stems = {key.partition(".")[0] for key in tensors_of(path)}
    tensors = {f"{stem}.{leaf}": torch.zeros(2, 2) for stem in sorted(stems) for leaf in leaves}
    expected = {"kohya": "none", "diffusers": "none"}
    assert complaints(tensors, family, configs) == expected


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        ("in", {"kohya", "diffusers", "stable-diffusion.cpp"}),
        ("out", ALL),
        ("flat", ALL),
    ],
)
def test_dora(written, axis, expected):
    family, configs, path = written
    tensors = tensors_of(path)
    for key in [k for k in tensors if k.endswith("lora_down.weight")]:
        stem, ones = key.rpartition(".lora")[0], [1] * (tensors[key].ndim - 2)
        inputs, out = tensors[key].shape[1], tensors[f"{stem}.lora_up.weight"].shape[0]
        shape = {"in": (1, inputs, *ones), "out": (out, 1, *ones), "flat": (out,)}[axis]
        tensors[f"{stem}.dora_scale"] = torch.ones(shape)
    assert complaints(tensors, family, configs) == dict.fromkeys(expected, "wrong")


def test_rank_1(written):
    family, configs, path = written
    tensors = tensors_of(path)
    for key in tensors:
        if "lora_down" in key:
            tensors[key] = tensors[key][:1]
        elif "lora_up" in key:
            tensors[key] = tensors[key][:, :1]
    assert complaints(tensors, family, configs) == {"stable-diffusion.cpp": "wrong"}
    without = {key: tensor for key, tensor in tensors.items() if not key.endswith(".alpha")}
    assert complaints(without, family, configs) == {}


def test_to_out_without_its_number(written):
    family, configs, path = written
    tensors = renamed(tensors_of(path), "_to_out_0", "_to_out")
    found = complaints(tensors, family, configs)
    assert set(found) == ALL and found["A1111"] == found["InvokeAI"] == found["Forge"] == "none"


def peft_of(tensors, family, configs):
    base = topology(family, configs)
    names = {f"lora_unet_{p}": n for p, n in (base.original if family == "sdxl" else base.diffusers).items()}
    for root, table in base.text.items():
        prefix = {"text_encoder": "lora_te1_" if family == "sdxl" else "lora_te_", "text_encoder_2": "lora_te2_"}[root]
        names |= {prefix + path: name for path, name in table.items()}
    ends = {"lora_down.weight": "lora_A.weight", "lora_up.weight": "lora_B.weight"}
    split = {key: key.partition(".")[::2] for key in tensors}
    return {f"{names[stem]}.{ends[leaf]}": tensors[key] for key, (stem, leaf) in split.items() if leaf in ends}


def test_peft_container(written, tmp_path):
    family, configs, path = written
    tensors = peft_of(tensors_of(path), family, configs)
    expected = {"A1111": "none", "Forge": "none", "ComfyUI": "part", "kohya": "none", "InvokeAI": "none",
                "stable-diffusion.cpp": "part"}  # fmt: skip
    assert complaints(tensors, family, configs) == expected
    told = tmp_path / "told.safetensors"
    safetensors.torch.save_file(tensors, told, {"lora_adapter_metadata": '{"unet.r": 4, "unet.lora_alpha": 2}'})
    found = {tool: verdict.loads for tool, verdict in tool_table(told, family, configs).items()}
    assert found == expected | {"ComfyUI": "wrong", "stable-diffusion.cpp": "wrong", "diffusers": "all"}


def test_two_spellings_of_peft_in_one_file(written):
    family, configs, path = written
    tensors = peft_of(tensors_of(path), family, configs)
    mixed = {}
    for key, tensor in tensors.items():
        old = ".attn" in key and key.startswith("unet.")
        mixed[key.replace(".lora_A.", ".lora.down.").replace(".lora_B.", ".lora.up.") if old else key] = tensor
    assert complaints(mixed, family, configs)["diffusers"] == "part"


def test_a_file_for_another_family():
    base = topology("sd1")
    tensors = lora_of(
        {f"lora_unet_{path}": base.shapes[name] for path, name in base.diffusers.items() if "attn2" in path}
    )
    assert set(complaints(tensors, "sd2", None)) == ALL  # other widths of the text
    assert set(complaints(tensors, "sdxl", None)) == ALL


def test_a_layer_selection_that_invokeai_can_not_place():
    tensors = lora_of({"lora_unet_mid_block_attentions_0_proj_in": (1280, 1280, 1, 1)})
    assert complaints(tensors, "sd1", None) == {"InvokeAI": "none"}


def test_full_size_tables_match_the_published_models():
    counts = {family: topology(family) for family in ENTRIES}
    assert {f: len(t.shapes) for f, t in counts.items()} == {
        "sd1": 192 + 86 + 4 + 72, "sd2": 192 + 86 + 4 + 138, "sdxl": 722 + 66 + 6 + 72 + 192,
    }  # fmt: skip
    shapes = counts["sdxl"].shapes
    assert shapes["unet.mid_block.attentions.0.transformer_blocks.9.attn2.to_k"] == (1280, 2048)
    assert shapes["text_encoder_2.text_model.encoder.layers.31.mlp.fc1"] == (5120, 1280)
    assert counts["sd1"].shapes["unet.mid_block.attentions.0.proj_in"] == (1280, 1280, 1, 1)


def test_files_that_can_not_be_judged(tmp_path):
    with pytest.raises(UserError, match=saying("settings.lora_file_missing")):
        check_tools(tmp_path / "none.safetensors", "sd1")
    (tmp_path / "x.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(UserError, match=saying("lorafiles.not_readable")):
        tool_table(tmp_path / "x.safetensors", "sd1")
    with pytest.raises(UserError, match=saying("models.families_known", names="sd1, sd2, sdxl")):
        tool_table({}, "flux")
