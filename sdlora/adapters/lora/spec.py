"""LoRA: Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models"."""

from sdlora.adapters.kind import Kind, inputs_of

KIND = Kind(
    name="lora",
    title="LoRA",
    layer="sdlora.adapters.lora.layer:LoRALayer",
    file_form="sdlora.adapters.lora.form:FORM",
    factors={"down": 0, "up": 1},
    size=lambda shape, rank: rank * (shape[0] + inputs_of(shape)),
    masked=True,
    spread=lambda shape, rank: rank**0.5,
    readers=("A1111", "Forge", "ComfyUI", "kohya", "InvokeAI", "stable-diffusion.cpp", "diffusers"),
    containers=("kohya", "diffusers"),
)
