"""rsLoRA against peft's own, in training and in the files."""

import pytest
import torch
from diffusers import StableDiffusionPipeline
from peft import LoraConfig, inject_adapter_in_model
from safetensors.torch import load_file
from small_models import make_unet, unet_inputs

from sdlora.adapters.inject import inject
from sdlora.lorafiles.attach import load_lora
from sdlora.lorafiles.write import write_lora


@torch.no_grad()
@pytest.mark.parametrize("container", ["kohya", "diffusers"])
def test_it_acts_as_pefts_does_and_so_do_its_files(tmp_path, container):
    unet = make_unet()
    inputs, draw = unet_inputs(unet), torch.Generator().manual_seed(3)
    before = unet(*inputs).sample
    options = {"rank": 4, "alpha": 3.0, "rank_pattern": {"mid_block.*": 9}, "alpha_pattern": {"*.attn2.*": 5.0}}
    options = {key: {f"unet.{k}" if k[0] == "m" else k: v for k, v in value.items()} if key.endswith("n") else value
               for key, value in options.items()}  # fmt: skip
    adapter = inject({"unet": unet}, "attn", **options, rslora=True)
    for tensor in adapter.tensors().values():
        tensor.copy_(torch.randn(tensor.shape, generator=draw) * 0.2)
    ours = unet(*inputs).sample
    configs = {"unet": unet.config}
    path = write_lora(
        adapter, tmp_path / "x.safetensors", configs=configs, family="sd1", container=container, dtype="fp32"
    )
    adapter.remove()
    assert (ours - before).norm() > 0.05 * before.norm()

    names = [name.removeprefix("unet.") for name in adapter.layers]
    own = {name: layer.rank for name, layer in zip(names, adapter.layers.values(), strict=True)}
    alphas = {name: 5.0 if ".attn2." in name else 3.0 for name in names}
    twin = make_unet()
    twin.load_state_dict(unet.state_dict())
    config = LoraConfig(
        r=4, lora_alpha=3, target_modules=names, rank_pattern=own, alpha_pattern=alphas, use_rslora=True
    )
    inject_adapter_in_model(config, twin)
    modules = dict(twin.named_modules())
    for name, layer in zip(names, adapter.layers.values(), strict=True):
        modules[name].lora_A["default"].weight.copy_(layer.down.weight)
        modules[name].lora_B["default"].weight.copy_(layer.up.weight)
    torch.testing.assert_close(twin(*inputs).sample, ours, rtol=1e-4, atol=1e-5)

    again = load_lora({"unet": unet}, path)
    torch.testing.assert_close(unet(*inputs).sample, ours, rtol=1e-4, atol=1e-5)
    again.remove()
    if container == "kohya":  # what every tool does: alpha / rank, rank told by the shape
        tensors = load_file(path)
        for key in [key for key in tensors if key.endswith(".alpha")]:
            down, up = (tensors[key.replace("alpha", f"lora_{side}.weight")] for side in ("down", "up"))
            name = next(n for n in adapter.layers if "lora_" + n.replace(".", "_") == key.removesuffix(".alpha"))
            change = tensors[key] / down.shape[0] * up.flatten(1) @ down.flatten(1)
            torch.testing.assert_close(change, adapter.layers[name].delta().flatten(1), rtol=1e-4, atol=1e-6)
    StableDiffusionPipeline.load_lora_into_unet(
        *_for_diffusers(path), unet=unet, adapter_name="x"
    )  # diffusers' own reading
    torch.testing.assert_close(unet(*inputs).sample, ours, rtol=1e-3, atol=1e-4)


def _for_diffusers(path):
    return StableDiffusionPipeline.lora_state_dict(str(path))
