"""LoHa: Hyeon-Woo et al. 2022, "FedPara: Low-Rank Hadamard Product", as LyCORIS has it."""

from sdlora.adapters.kind import Kind, inputs_of

KIND = Kind(
    name="loha",
    title="LoHa",
    layer="sdlora.adapters.loha.layer:LoHaLayer",
    file_form="sdlora.adapters.loha.form:FORM",
    factors={"hada_w1_a": 1, "hada_w1_b": 0, "hada_w2_b": 0, "hada_w2_a": 1},
    size=lambda shape, rank: 2 * rank * (shape[0] + inputs_of(shape)),
    spread=lambda shape, rank: rank * (shape[0] * inputs_of(shape)) ** 0.5,
    readers=("A1111", "Forge", "ComfyUI", "InvokeAI", "stable-diffusion.cpp"),
    network_module="lycoris.kohya",
    network_args={"algo": "loha"},
)
