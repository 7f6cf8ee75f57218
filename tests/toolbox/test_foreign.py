"""What no plain LoRA holds: named, passed over on demand, applied exactly by a base; files of another kind."""

import re

import pytest
import torch
from lycoris.modules.locon import LoConModule
from lycoris.modules.norms import NormModule
from peft import LoraConfig, get_peft_model_state_dict, inject_adapter_in_model
from safetensors.torch import load_file, save_file
from said import saying, says
from small_models import make_unet
from toolbox_files import CONFIGS, deltas, make_folder, make_lora, make_single, relative, text_weights, unet_of

from sdlora.errors import UserError
from sdlora.lorafiles.attach import load_lora, merge_into_modules, read_lora, survey
from sdlora.lorafiles.keys import kohya_name
from sdlora.lorafiles.readers.tools import tool_table
from sdlora.messages import say
from sdlora.toolbox.bake import merge_into_base
from sdlora.toolbox.base import BaseWeights
from sdlora.toolbox.convert import convert_lora
from sdlora.toolbox.inspect import inspect_lora
from sdlora.toolbox.merge import merge_loras
from sdlora.toolbox.resize import resize_lora

BLOCK = ("mid_block.attentions.0",)
TO_Q = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"
draw = torch.Generator().manual_seed(7)


def numbers(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=draw) * 0.1


def with_more(tmp_path, more: dict, name: str = "x.safetensors", family: str = "sd1", words=BLOCK):
    """A good LoRA and further keys in one file, and the good one alone."""
    good = make_lora(tmp_path / "good.safetensors", family, words=words)
    save_file(load_file(good) | more, tmp_path / name)
    return tmp_path / name, good


FOREIGN = {
    "norm": (
        {"lora_unet_mid_block_resnets_0_norm1.w_norm": numbers(64)},
        saying("lorafiles.not_plain", beside="1 norm layer") + ".*" + saying("lorafiles.merge_or_convert"),
    ),
    "norm's bias": (
        {"lora_unet_mid_block_attentions_0_norm.b_norm": numbers(64)},
        saying("lorafiles.count_norm_layer", count="1"),
    ),
    "bias": ({f"{TO_Q}.diff_b": numbers(64)}, saying("lorafiles.not_plain", beside="1 bias")),
    "projection": (
        {
            "lora_te2_text_projection.lora_down.weight": numbers(2, 24),
            "lora_te2_text_projection.lora_up.weight": numbers(24, 2),
        },
        saying("lorafiles.count_text_projection", count="1"),
    ),
    "embedding": ({"bundle_emb.cat.string_to_param.*": numbers(1, 768)}, saying("lorafiles.foreign_embedding")),
    "oft": ({f"{TO_Q.replace('attn1', 'attn2')}.oft_blocks": numbers(2, 2)}, saying("lorafiles.foreign_oft")),
    "unknown": ({"something.else": numbers(2)}, saying("lorafiles.foreign_layers", key_in_file="something.else")),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_one_foreign_key_is_named_and_the_rest_taken_on_demand(tmp_path, kind):
    more, words = FOREIGN[kind]
    path, good = with_more(tmp_path, more)
    count = len(deltas(good))
    with pytest.raises(UserError, match=words) as caught:
        convert_lora(path, tmp_path / "o.safetensors")
    assert str(say("lorafiles.convert_without_them", layers_left=f"{count} layers")) in str(caught.value)
    assert len(caught.value.problems) == 1 and "no LoRA" not in str(caught.value)
    for write in (
        lambda out: convert_lora(path, out, leave_out=True, dtype="fp32"),
        lambda out: merge_loras([(path, 1.0)], out, leave_out=True, dtype="fp32"),
        lambda out: resize_lora(path, out, rank=4, leave_out=True, dtype="fp32"),
    ):
        result = write(tmp_path / "o.safetensors")
        assert relative(deltas(tmp_path / "o.safetensors"), deltas(good)) < 1e-6
        assert "left out: " in str(result) and result.layers == count
    inspect_lora(path)  # never raises


def test_what_a_flux_lora_shares_with_ours_does_not_make_it_one(tmp_path):
    path, _ = with_more(tmp_path, {"lora_unet_double_blocks_0_img_mlp_0.lora_down.weight": numbers(2, 2)})
    with pytest.raises(
        UserError,
        match=saying(
            "lorafiles.no_lora_of_sd",
            foreign=saying("lorafiles.foreign_is", kind=saying("lorafiles.foreign_transformer")),
        ),
    ):
        convert_lora(path, tmp_path / "o.safetensors", leave_out=True)


# ---- exactly into a base


def norm_names(family: str) -> dict[str, str]:
    """kohya stem -> parameter's module, of some norms of the UNet."""
    names = ["mid_block.resnets.0.norm1", "down_blocks.1.attentions.0.norm", "up_blocks.1.resnets.0.norm2"]
    names.append("down_blocks.1.attentions.0.transformer_blocks.0.norm3")
    return {f"lora_unet_{name.replace('.', '_')}": name for name in names}


@pytest.mark.parametrize("kind", ["single", "folder"])
@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_norms_and_biases_go_into_a_base_exactly(tmp_path, family, kind):
    """LyCORIS' NormModule gives the truth of the norms; a bias gets the plain sum."""
    unet, text = unet_of(family), text_weights(2)
    more, truth = {}, {}
    for stem, name in norm_names(family).items():
        module = NormModule(stem, unet.get_submodule(name))
        module.w_norm.data, module.b_norm.data = numbers(module.dim), numbers(module.dim)
        weight, bias = module.get_merged_weight(0.5)
        truth |= {f"unet.{name}.weight": weight.detach(), f"unet.{name}.bias": bias.detach()}
        more |= {f"{stem}.w_norm": module.w_norm.data, f"{stem}.b_norm": module.b_norm.data}
    prefix = "lora_te1_" if family == "sdxl" else "lora_te_"
    for name, part in (("encoder.layers.1.layer_norm2", "w_norm"), ("encoder.layers.0.self_attn.k_proj", "diff_b"),
                       ("encoder.layers.0.mlp.fc1", "diff_b"), ("final_layer_norm", "b_norm")):  # fmt: skip
        leaf = "weight" if part == "w_norm" else "bias"
        before = text[f"text_model.{name}.{leaf}"]
        more[f"{prefix}text_model_{name.replace('.', '_')}.{part}"] = change = numbers(*before.shape)
        truth[f"text_encoder.text_model.{name}.{leaf}"] = before + 0.5 * change
    path, good = with_more(tmp_path, more, family=family)
    make = make_single if kind == "single" else make_folder
    base = make(tmp_path / "base.safetensors", family, torch.float32)
    out = tmp_path / "m.safetensors"
    if (family, kind) == ("sd2", "single"):  # the small one has no OpenCLIP norms: add them as OpenCLIP spells them
        tensors = load_file(base)
        top = "cond_stage_model.model."
        for n in range(2):
            own = {k: text[f"text_model.encoder.layers.{n}.{k}"] for k in
                   ("layer_norm2.weight", "mlp.fc1.bias", *(f"self_attn.{x}_proj.bias" for x in "qkv"))}  # fmt: skip
            block = f"{top}transformer.resblocks.{n}."
            tensors |= {
                f"{block}ln_2.weight": own["layer_norm2.weight"].clone(),
                f"{block}mlp.c_fc.bias": own["mlp.fc1.bias"].clone(),
                f"{block}attn.in_proj_bias": torch.cat([own[f"self_attn.{x}_proj.bias"] for x in "qkv"]),
            }
        save_file(tensors | {f"{top}ln_final.bias": text["text_model.final_layer_norm.bias"].clone()}, base)
    merge_into_base(base, [(path, 0.5)], out)
    checkpoint = BaseWeights(out)
    for name, value in truth.items():
        place = checkpoint.beside[name][0]
        stored = checkpoint.files[place.file].tensor(place.key)
        torch.testing.assert_close(stored[place.rows(len(stored))], value, rtol=1e-6, atol=1e-7)
    for name in read_lora(good).changes:
        old, new = BaseWeights(base).weight(name), checkpoint.weight(name)
        change = 0.5 * deltas(good)[kohya_name(name, family)].view(old.shape)
        torch.testing.assert_close(new.double(), old.double() + change, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("turned", [False, True])
def test_a_text_projection_goes_into_a_base_exactly(tmp_path, turned):
    """OpenCLIP keeps it as (in, out), transformers as a linear layer (out, in)."""
    down, up = numbers(2, 24), numbers(16, 2)
    more = {f"lora_te2_text_projection.{part}": t for part, t in
            (("lora_down.weight", down), ("lora_up.weight", up), ("alpha", torch.tensor(1.0)))}  # fmt: skip
    path, _ = with_more(tmp_path, more, family="sdxl")
    weight = numbers(16, 24)
    if turned:
        base = make_single(tmp_path / "base.safetensors", "sdxl", torch.float32)
        key, out = "conditioner.embedders.1.model.text_projection", tmp_path / "m.safetensors"
        save_file(load_file(base) | {key: weight.T.contiguous()}, base)
        merge_into_base(base, [(path, 0.8)], out)
        stored = load_file(out)[key].T
    else:
        base, out = make_folder(tmp_path / "base", "sdxl"), tmp_path / "merged"
        file = base / "text_encoder_2/model.safetensors"
        save_file(load_file(file) | {"text_projection.weight": weight}, file)
        merge_into_base(base, [(path, 0.8)], out)
        stored = load_file(out / "text_encoder_2/model.safetensors")["text_projection.weight"]
    torch.testing.assert_close(stored, weight + 0.8 * 0.5 * up @ down, rtol=1e-5, atol=1e-6)


def test_a_norm_that_the_base_has_not_is_said(tmp_path):
    path, _ = with_more(tmp_path, {"lora_unet_mid_block_resnets_0_norm1.w_norm": numbers(5)})
    base = make_single(tmp_path / "base.safetensors", "sd1")
    with pytest.raises(
        UserError, match=saying("toolbox.base_shape_differs", name="unet.mid_block.resnets.0.norm1.weight")
    ):
        merge_into_base(base, [(path, 1.0)], tmp_path / "m.safetensors")
    path, _ = with_more(tmp_path, {"lora_unet_down_blocks_7_resnets_0_norm1.w_norm": numbers(5)})
    with pytest.raises(UserError, match=saying("toolbox.base_lacks_layer")):
        merge_into_base(base, [(path, 1.0)], tmp_path / "m.safetensors")
    assert not (tmp_path / "m.safetensors").exists()


def test_pefts_biases_do_what_peft_does(tmp_path):
    """lora_bias=True: the bias of lora_B times the strength, in a base and in live modules."""
    unet = make_unet(**CONFIGS["sd1"])
    twin = make_unet(**CONFIGS["sd1"])
    names = ["mid_block.attentions.0.proj_in", "mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0"]
    inject_adapter_in_model(LoraConfig(r=4, lora_alpha=2, lora_bias=True, target_modules=names), unet)
    for name, parameter in unet.named_parameters():
        if "lora_" in name:
            parameter.data = numbers(*parameter.shape)
    state = {f"unet.{k}": v for k, v in get_peft_model_state_dict(unet).items()}
    assert any(key.endswith("lora_B.bias") for key in state)
    metadata = {"lora_adapter_metadata": '{"unet.r": 4, "unet.lora_alpha": 2}'}
    save_file({k: v.contiguous() for k, v in state.items()}, tmp_path / "p.safetensors", metadata)
    with pytest.raises(UserError, match=saying("lorafiles.count_bias", count="2")):
        load_lora({"unet": make_unet(**CONFIGS["sd1"])}, tmp_path / "p.safetensors")
    merge_into_modules({"unet": twin}, tmp_path / "p.safetensors")
    for name in names:
        layer = unet.get_submodule(name)
        layer.merge()
        torch.testing.assert_close(twin.get_submodule(name).bias, layer.base_layer.bias, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(twin.get_submodule(name).weight, layer.base_layer.weight, rtol=1e-5, atol=1e-6)


def test_a_sparse_remainder_and_a_scalar_are_part_of_the_change(tmp_path):
    """LyCORIS extracts scale · (up · down + S); its trained scalar multiplies the whole (LoConModule)."""
    layer = torch.nn.Linear(24, 16)
    module = LoConModule("x", layer, 1.0, lora_dim=4, alpha=2.0, use_scalar=True)
    module.lora_up.weight.data, module.lora_down.weight.data = numbers(16, 4), numbers(4, 24)
    module.scalar.data = torch.tensor(0.3)
    truth = module.get_diff_weight()[0].detach()
    tensors = {f"{TO_Q}.lora_down.weight": module.lora_down.weight.data, f"{TO_Q}.alpha": torch.tensor(2.0),
               f"{TO_Q}.lora_up.weight": module.lora_up.weight.data, f"{TO_Q}.scalar": module.scalar.data}  # fmt: skip
    save_file(tensors, tmp_path / "s.safetensors")
    name = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
    torch.testing.assert_close(read_lora(tmp_path / "s.safetensors").delta(name), truth)
    sparse = torch.zeros(16, 24)
    sparse[3, 5], sparse[0, 23] = 0.7, -0.2
    coo = sparse.to_sparse().coalesce()
    tensors |= {f"{TO_Q}.bias_indices": coo.indices().to(torch.int16), f"{TO_Q}.bias_values": coo.values(),
                f"{TO_Q}.bias_size": torch.tensor([16, 24], dtype=torch.int16)}  # fmt: skip
    del tensors[f"{TO_Q}.scalar"]
    save_file(tensors, tmp_path / "b.safetensors")
    lora = read_lora(tmp_path / "b.safetensors")
    whole = (module.lora_up.weight.data @ module.lora_down.weight.data + sparse) / 2
    torch.testing.assert_close(lora.delta(name), whole)
    with pytest.raises(UserError, match=saying("lorafiles.kind_sparse") + ".*" + saying("toolbox.resize_or_leave_out")):
        convert_lora(tmp_path / "b.safetensors", tmp_path / "o.safetensors")
    convert_lora(tmp_path / "b.safetensors", tmp_path / "o.safetensors", leave_out=True)
    torch.testing.assert_close(deltas(tmp_path / "o.safetensors")[TO_Q].float(), whole - sparse / 2)
    for odd in ({"bias_size": torch.tensor([24, 16])}, {"bias_indices": torch.full((2, 2), 99)}, {"bias_size": None}):
        changed = tensors | {f"{TO_Q}.{key}": value for key, value in odd.items()}
        save_file({k: v for k, v in changed.items() if v is not None}, tmp_path / "b.safetensors")
        with pytest.raises(UserError, match=saying("lorafiles.fault_shapes")):
            read_lora(tmp_path / "b.safetensors")


def test_the_tools_are_told_apart_by_what_they_read(tmp_path):
    good = make_lora(tmp_path / "good.safetensors", words=("attn1.to_q", "attn2.to_k"))
    from toolbox_files import small_configs

    def lost(more: dict) -> dict[str, str]:
        table = tool_table(load_file(good) | more, "sd1", small_configs("sd1"))
        return {tool: verdict.loads for tool, verdict in table.items() if verdict.loads != "all"}

    norm = {"lora_unet_mid_block_resnets_0_norm1.w_norm": numbers(64)}
    assert lost({}) == {}
    assert lost(norm) == {"kohya": "part", "stable-diffusion.cpp": "part", "diffusers": "none"}
    bias = lost({f"{TO_Q}.diff_b": numbers(64)})
    assert "ComfyUI" not in bias and bias["A1111"] == "wrong" and bias["diffusers"] == "none"
    assert set(lost({f"{TO_Q}.scalar": torch.tensor(0.5)})) == set(tool_table(good, "sd1", small_configs("sd1")))


def test_a_base_takes_what_it_can_and_the_rest_is_left_out_on_demand(tmp_path):
    norm = numbers(unet_of("sd1").mid_block.resnets[0].norm1.weight.numel())
    more = {"bundle_emb.cat.string_to_param.*": numbers(1, 768), "lora_unet_mid_block_resnets_0_norm1.w_norm": norm}
    path, _ = with_more(tmp_path, more)
    base = make_single(tmp_path / "base.safetensors", "sd1", torch.float32)
    with pytest.raises(UserError, match=saying("lorafiles.foreign_embedding")):
        merge_into_base(base, [(path, 1.0)], tmp_path / "m.safetensors")
    result = merge_into_base(base, [(path, 1.0)], tmp_path / "m.safetensors", leave_out=True)
    assert says(
        result, "toolbox.left_out", what=say("toolbox.part_counted", what=say("lorafiles.foreign_embedding"), count=1)
    )
    place = BaseWeights(base).beside["unet.mid_block.resnets.0.norm1.weight"][0]
    before, after = load_file(base)[place.key], load_file(tmp_path / "m.safetensors")[place.key]
    torch.testing.assert_close(after, before + norm)


# ---- integer alpha, files of another kind


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8])
def test_an_integer_alpha_is_a_number(tmp_path, dtype):
    good = make_lora(tmp_path / "good.safetensors", words=BLOCK, alpha=2.0)
    whole = {k: v.to(dtype) if k.endswith(".alpha") else v for k, v in load_file(good).items()}
    save_file(whole, tmp_path / "int.safetensors")
    convert_lora(tmp_path / "int.safetensors", tmp_path / "o.safetensors", dtype="fp32")
    assert relative(deltas(tmp_path / "o.safetensors"), deltas(good)) < 1e-6
    factor = {k: v.to(dtype) if k.endswith("lora_up.weight") else v for k, v in load_file(good).items()}
    save_file(factor, tmp_path / "int.safetensors")
    with pytest.raises(UserError, match=saying("lorafiles.fault_no_numbers")):
        read_lora(tmp_path / "int.safetensors")


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        (["emb_params"], "a textual inversion embedding"),
        (["string_to_param.*"], "a textual inversion embedding"),
        (["<cat-toy>"], "a textual inversion embedding"),
        (["clip_l", "clip_g"], "a textual inversion embedding"),
        (["encoder.conv_in.weight", "decoder.conv_in.weight"], "a VAE"),
        (["first_stage_model.decoder.conv_in.weight"], "a VAE"),
        (["control_model.input_blocks.0.0.weight"], "a ControlNet"),
        (["controlnet_cond_embedding.conv_in.weight", "down_blocks.0.resnets.0.norm1.weight"], "a ControlNet"),
        (["lllite_unet_input_blocks_1.down.0.weight"], "a ControlNet"),
        (["image_proj.proj.weight", "ip_adapter.1.to_k_ip.weight"], "an IP-Adapter"),
        (["vision_model.encoder.layers.0.mlp.fc1.weight"], "an image encoder"),
    ],
)
def test_files_of_another_kind_are_named_for_what_they_are(tmp_path, keys, what):
    save_file({key: numbers(2, 2) for key in keys}, tmp_path / "x.safetensors")
    lora, problems = survey(tmp_path / "x.safetensors")
    assert lora is None
    assert [re.sub(r"\s+", " ", str(problem)) for problem in problems] == [
        say("lorafiles.not_a_lora", file="x.safetensors", contents=what)
    ]
