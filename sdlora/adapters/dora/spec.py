"""DoRA: Liu et al. 2024, "DoRA: Weight-Decomposed Low-Rank Adaptation", with a magnitude per input channel."""

from sdlora.adapters.kind import Kind
from sdlora.adapters.lora.spec import KIND as LORA

KIND = Kind(
    name="dora",
    title="DoRA",
    layer="sdlora.adapters.dora.layer:DoRALayer",
    file_form=LORA.file_form,
    factors=LORA.factors,
    undecayed=("magnitude",),
    size=lambda shape, rank: LORA.size(shape, rank) + shape[1],
    masked=True,
    spread=LORA.spread,
    readers=("A1111", "Forge", "ComfyUI", "InvokeAI"),
    network_args={"dora_wd": "True", "wd_on_output": "False"},  # as LyCORIS says it, with the axis of the magnitudes
)
