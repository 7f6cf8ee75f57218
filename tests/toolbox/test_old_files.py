"""The first LoRA files: numbered ones (cloneofsimo), against the modules of live models; pickles, tensors alone."""

import pickle
import zipfile

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file
from said import saying
from small_models import make_text_encoder
from toolbox_files import deltas, make_lora, relative
from torch import nn

from sdlora.errors import UserError
from sdlora.lorafiles.attach import merge_into_modules, read_lora
from sdlora.toolbox.convert import convert_lora
from sdlora.toolbox.inspect import inspect_lora, report_text

draw = torch.Generator().manual_seed(3)


def make_wide() -> UNet2DConditionModel:
    """Widths of four blocks that grow as the published ones do: the order is told by them."""
    return UNet2DConditionModel(
        sample_size=8, block_out_channels=(16, 32, 64, 64), norm_num_groups=8, cross_attention_dim=24,
        attention_head_dim=4,
    )  # fmt: skip


def layers_of(model: nn.Module, classes: tuple[str, ...], kinds: tuple[type, ...]) -> list[tuple[str, nn.Module]]:
    """The layers in the order in which the trainer numbered them: inside modules of those classes."""
    return [
        (f"{outer}.{inner}", layer)
        for outer, module in model.named_modules()
        if type(module).__name__ in classes
        for inner, layer in module.named_modules()
        if isinstance(layer, kinds)
    ]


def of_2022(layers: list[tuple[str, nn.Module]]) -> list[tuple[str, nn.Module]]:
    """diffusers before 2023-05 had the feed-forward between the two attentions."""
    found = []
    for at in range(0, len(layers), 9):
        nine = layers[at : at + 9]
        found += [*nine[:4], nine[8], *nine[4:8]]
    return found


def numbered(layers: list[tuple[str, nn.Module]], root: str) -> dict[str, torch.Tensor]:
    tensors = {}
    for n, (_, layer) in enumerate(layers):
        out, inputs, *kernel = layer.weight.shape
        tensors[f"{root}:{n}:up"] = torch.randn(out, 2, *(1 for _ in kernel), generator=draw)
        tensors[f"{root}:{n}:down"] = torch.randn(2, inputs, *kernel, generator=draw)
    return tensors


ORDERS = {
    "2023": (("Attention", "GEGLU"), (nn.Linear,), lambda layers: layers),
    "2022": (("Attention", "GEGLU"), (nn.Linear,), of_2022),
    "extended": (("Attention", "GEGLU", "ResnetBlock2D"), (nn.Linear, nn.Conv2d), lambda layers: layers),
}


@pytest.mark.parametrize("order", ORDERS)
def test_numbered_files_are_read_in_the_order_of_the_modules(tmp_path, order):
    classes, kinds, arrange = ORDERS[order]
    unet, text = make_wide(), make_text_encoder(2)
    layers = arrange(layers_of(unet, classes, kinds))
    texts = layers_of(text, ("CLIPAttention",), (nn.Linear,))
    tensors = numbered(layers, "unet") | numbered(texts, "text_encoder")
    ranks = {f"unet:{n}:rank": "2" for n in range(len(layers))}
    save_file(tensors, tmp_path / "x.safetensors", ranks | {"unet": '["CrossAttention"]'})
    truth = {}
    for own, root in ((layers, "unet"), (texts, "text_encoder")):
        for n, (name, layer) in enumerate(own):
            up, down = tensors[f"{root}:{n}:up"], tensors[f"{root}:{n}:down"]
            truth[root, name] = layer.weight + (up.flatten(1) @ down.flatten(1)).view(layer.weight.shape)
    assert merge_into_modules({"unet": unet, "text_encoder": text}, tmp_path / "x.safetensors") == len(truth)
    for (root, name), weight in truth.items():
        model = unet if root == "unet" else text
        torch.testing.assert_close(model.get_submodule(name).weight, weight, rtol=1e-4, atol=1e-5)
    report = inspect_lora(tmp_path / "x.safetensors")
    assert report.spellings == {"numbered": len(truth)} and not report.problems
    assert (
        f":rank and {len(ranks) - 1} more such keys" in report_text(report) and report_text(report).count(":rank") == 1
    )


def test_a_numbered_file_becomes_one_that_every_program_reads(tmp_path):
    tensors = numbered(layers_of(make_wide(), ("Attention", "GEGLU"), (nn.Linear,)), "unet")
    metadata = {"unet:0:rank": "2", "unet": '["CrossAttention", "GEGLU"]', "<s1>": "<embed>"}
    save_file(tensors, tmp_path / "x.safetensors", metadata)
    convert_lora(tmp_path / "x.safetensors", tmp_path / "o.safetensors", dtype="fp32")
    assert len(deltas(tmp_path / "o.safetensors")) == 16 * 9
    assert not read_lora(tmp_path / "o.safetensors").metadata.keys() & metadata.keys()
    with_embedding = tensors | {"<s1>": torch.zeros(768)}
    save_file(with_embedding, tmp_path / "y.safetensors", metadata)
    with pytest.raises(UserError, match=saying("lorafiles.foreign_layers", key_in_file="<s1>")):
        convert_lora(tmp_path / "y.safetensors", tmp_path / "o.safetensors")
    convert_lora(tmp_path / "y.safetensors", tmp_path / "o.safetensors", leave_out=True)


def test_numbers_in_no_known_order_are_said(tmp_path):
    tensors = {"unet:0:up": torch.zeros(8, 2), "unet:0:down": torch.zeros(2, 8)}
    save_file(tensors, tmp_path / "x.safetensors")
    with pytest.raises(UserError, match=saying("lorafiles.layers_numbered_oddly", count="1")):
        read_lora(tmp_path / "x.safetensors")


# ---- pickles


@pytest.mark.parametrize("save", ["zip", "old"])
@pytest.mark.parametrize("around", [lambda t: t, lambda t: {"state_dict": t, "step": 7}])
def test_a_pickled_lora_is_converted(tmp_path, save, around):
    good = make_lora(tmp_path / "good.safetensors", words=("attn1.to_q", "layers"))
    path = tmp_path / "old.bin"
    torch.save(around(load_file(good)), path, _use_new_zipfile_serialization=save == "zip")
    result = convert_lora(path, tmp_path / "o.safetensors")
    assert relative(deltas(tmp_path / "o.safetensors"), deltas(good)) == 0 and result.layers == len(deltas(good))
    renamed = tmp_path / "really.safetensors"
    renamed.write_bytes(path.read_bytes())
    with pytest.raises(
        UserError, match=saying("modelfiles.bytes_pickle") + ".*" + saying("modelfiles.convert_pickled_lora")
    ):
        read_lora(renamed)
    convert_lora(renamed, tmp_path / "o2.safetensors")
    assert relative(deltas(tmp_path / "o2.safetensors"), deltas(good)) == 0


def test_diffusers_first_pickles_are_converted(tmp_path):
    stem = "mid_block.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora"
    down, up = torch.randn(4, 64, generator=draw), torch.randn(64, 4, generator=draw)
    torch.save({f"{stem}.down.weight": down, f"{stem}.up.weight": nn.Parameter(up)}, tmp_path / "p.bin")
    convert_lora(tmp_path / "p.bin", tmp_path / "o.safetensors")
    (made,) = deltas(tmp_path / "o.safetensors").values()
    torch.testing.assert_close(made, up.double() @ down.double(), rtol=1e-5, atol=1e-5)


def test_the_first_trainers_lists_are_converted(tmp_path):
    layers = layers_of(make_wide(), ("Attention", "GEGLU"), (nn.Linear,))
    tensors = numbered(layers, "unet")
    torch.save([tensors[f"unet:{n}:{part}"] for n in range(len(layers)) for part in ("up", "down")], tmp_path / "l.pt")
    convert_lora(tmp_path / "l.pt", tmp_path / "o.safetensors", dtype="fp32")
    assert len(deltas(tmp_path / "o.safetensors")) == len(layers)
    text = numbered(layers_of(make_text_encoder(2), ("CLIPAttention",), (nn.Linear,)), "text_encoder")
    pairs = [text[f"text_encoder:{n}:{part}"] for n in range(8) for part in ("up", "down")]
    torch.save(pairs, tmp_path / "l.text_encoder.pt")
    convert_lora(tmp_path / "l.text_encoder.pt", tmp_path / "o.safetensors")
    assert all(stem.startswith("lora_te_") for stem in deltas(tmp_path / "o.safetensors"))


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_pickle_that_would_run_something_runs_nothing(tmp_path):
    for name, write in (
        ("zip.bin", lambda path, content: torch.save(content, path)),
        ("bare.bin", lambda path, content: path.write_bytes(pickle.dumps(content))),
    ):
        write(tmp_path / name, {"a": Evil(tmp_path / "ran")})
        with pytest.raises(
            UserError, match=saying("toolbox.pickle_not_tensors") + "|" + saying("toolbox.pickle_damaged")
        ):
            convert_lora(tmp_path / name, tmp_path / "o.safetensors")
    assert not (tmp_path / "ran").exists() and not (tmp_path / "o.safetensors").exists()


def test_damaged_and_lying_pickles_are_told(tmp_path):
    huge = torch.zeros(1).expand(10**6, 10**6)
    torch.save({"lora_unet_x.lora_down.weight": huge}, tmp_path / "huge.bin")
    with pytest.raises(UserError, match=saying("toolbox.pickle_tensor")):
        convert_lora(tmp_path / "huge.bin", tmp_path / "o.safetensors")
    torch.save({"a": 3}, tmp_path / "none.bin")
    with pytest.raises(UserError, match=saying("toolbox.pickle_empty")):
        convert_lora(tmp_path / "none.bin", tmp_path / "o.safetensors")
    (tmp_path / "torn.bin").write_bytes((tmp_path / "none.bin").read_bytes()[:200])
    with pytest.raises(UserError, match=saying("toolbox.pickle_damaged")):
        convert_lora(tmp_path / "torn.bin", tmp_path / "o.safetensors")
    with zipfile.ZipFile(tmp_path / "photos.safetensors", "w") as archive:
        archive.writestr("a.txt", "hello")
    with pytest.raises(UserError, match=saying("modelfiles.bytes_archive")):
        convert_lora(tmp_path / "photos.safetensors", tmp_path / "o.safetensors")
