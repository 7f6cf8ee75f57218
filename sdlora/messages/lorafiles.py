"""LoRA files read, attached and compared: ``sdlora.lorafiles``."""

MESSAGES = {
    # ---- no safetensors file
    "damaged": {
        "en": "{file} is truncated, damaged or no safetensors file: {fault_of_file}.",
        "zh": "{file} 不完整、已损坏，或不是 safetensors 文件：{fault_of_file}。",
    },
    "not_readable": {
        "en": "{file} is truncated, damaged or no safetensors file ({reason}).",
        "zh": "{file} 不完整、已损坏，或不是 safetensors 文件（{reason}）。",
    },
    "get_file_again": {"en": "Get the file again.", "zh": "请重新获取此文件。"},
    "get_again": {"en": "Get it again.", "zh": "请重新获取它。"},
    "header_too_short": {"en": "it has only {count} bytes", "zh": "只有 {count} 个字节"},
    "header_too_large": {
        "en": "its header claims {count} bytes, {most} are allowed",
        "zh": "文件头声明有 {count} 个字节，最多允许 {most} 个",
    },
    "header_beyond_file": {
        "en": "its header claims {count} bytes, the whole file has {all}",
        "zh": "文件头声明有 {count} 个字节，而整个文件只有 {all} 个",
    },
    "header_no_brace": {"en": "its header does not begin with {{", "zh": "文件头不以 {{ 开始"},
    "header_key_twice": {
        "en": "its header has the key {name} twice",
        "zh": "文件头中键 {name} 出现两次",
    },
    "header_not_json": {"en": "its header is no JSON", "zh": "文件头不是 JSON"},
    "header_metadata_not_text": {"en": "its metadata is not text by key", "zh": "元数据不是由键和文字组成"},
    "tensors_overlap": {
        "en": "the tensors {first} and {second} overlap",
        "zh": "张量 {first} 和 {second} 重叠",
    },
    "tensor_after_gap": {
        "en": "there is a gap before the tensor {name}",
        "zh": "张量 {name} 之前有空缺",
    },
    "tensors_then_bytes": {
        "en": "it has {count} bytes after its last tensor",
        "zh": "最后一个张量之后还有 {count} 个字节",
    },
    "tensor_description": {
        "en": "its tensor {name} is described wrongly",
        "zh": "张量 {name} 的描述有误",
    },
    "tensor_dtype": {
        "en": "its tensor {name} has the unknown dtype {dtype}",
        "zh": "张量 {name} 的数值格式 {dtype} 未知",
    },
    "tensor_place": {
        "en": "its tensor {name} has no usable shape or place",
        "zh": "张量 {name} 没有可用的形状或位置",
    },
    "tensor_size": {
        "en": "its tensor {name} has {count} bytes, its shape needs {needed}",
        "zh": "张量 {name} 有 {count} 个字节，而它的形状需要 {needed} 个",
    },
    "tensor_beyond_file": {
        "en": "its tensor {name} ends {count} bytes after the file",
        "zh": "张量 {name} 超出文件末尾 {count} 个字节",
    },
    # ---- no LoRA
    "no_lora_empty": {
        "en": "{file} is no LoRA for Stable Diffusion: it is empty.",
        "zh": "{file} 不是 Stable Diffusion 的 LoRA：它是空的。",
    },
    "no_lora_of_sd": {
        "en": "{file} is no LoRA for Stable Diffusion: it has {key_in_file}{foreign}{more_keys}.",
        "zh": "{file} 不是 Stable Diffusion 的 LoRA：其中有 {key_in_file}{foreign}{more_keys}。",
    },
    "foreign_layers": {
        "en": "{file} has {key_in_file}{foreign}{more_keys}: no layer that a LoRA can have.",
        "zh": "{file} 中有 {key_in_file}{foreign}{more_keys}：LoRA 不可能有这样的层。",
    },
    "convert_without_them": {
        "en": "`sdlora convert --leave-out` takes the other {layers_left}.",
        "zh": "`sdlora convert --leave-out` 会取出其余{layers_left}。",
    },
    "not_plain": {
        "en": "{file} has {beside} ({key_in_file}), which a plain LoRA can't hold.",
        "zh": "{file} 中有{beside}（{key_in_file}），普通 LoRA 无法容纳。",
    },
    "merge_or_convert": {
        "en": "`sdlora merge --into` applies them; `sdlora convert --leave-out` takes the other {layers_left}.",
        "zh": "`sdlora merge --into` 可以应用它们；`sdlora convert --leave-out` 会取出其余{layers_left}。",
    },
    "no_plain_layer": {"en": "{file} has no layer of a plain LoRA.", "zh": "{file} 中没有普通 LoRA 的层。"},
    "not_a_lora": {"en": "{file} is {contents}, not a LoRA.", "zh": "{file} 是{contents}，不是 LoRA。"},
    "whole_model": {
        "en": "{file} is a whole model ({name}), not a LoRA.",
        "zh": "{file} 是完整的模型（{name}），不是 LoRA。",
    },
    "extract_lora": {
        "en": "Make a LoRA of it with `sdlora extract`.",
        "zh": "请用 `sdlora extract` 从中提取 LoRA。",
    },
    "foreign_is": {"en": ", {kind}", "zh": "（{kind}）"},
    "foreign_lacks_text_model": {"en": ", whose name lacks text_model_", "zh": "（名称中缺少 text_model_）"},
    "foreign_unknown": {"en": "an unknown key", "zh": "未知的键"},
    "foreign_embedding": {"en": "an embedding bundled with the LoRA", "zh": "随 LoRA 附带的嵌入"},
    "foreign_oft": {"en": "OFT", "zh": "OFT"},
    "foreign_glora": {"en": "GLoRA", "zh": "GLoRA"},
    "foreign_ia3": {"en": "IA3", "zh": "IA3"},
    "foreign_transformer": {
        "en": "a layer of a diffusion transformer (Flux, SD3 and the like)",
        "zh": "Flux、SD3 等扩散 transformer 的层",
    },
    "foreign_whole_model": {"en": "a weight of a whole model", "zh": "完整模型的权重"},
    "foreign_network": {"en": "a layer of another kind of network", "zh": "另一种网络的层"},
    "and_more_keys": {"en": " and {count} more such keys", "zh": "，另有 {count} 个这样的键"},
    "contents_t2i_adapter": {"en": "a T2I-Adapter", "zh": " T2I-Adapter"},
    "contents_vae": {"en": "a VAE", "zh": " VAE"},
    "contents_image_encoder": {"en": "an image encoder", "zh": "图像编码器"},
    "contents_text_encoder": {"en": "a text encoder", "zh": "文本编码器"},
    # ---- its layers
    "layers_numbered_oddly": {
        "en": "{file} has {count} numbered layers, in no order that is known.",
        "zh": "{file} 有 {count} 个编号的层，顺序未知。",
    },
    "layer_twice": {
        "en": "{file} has the same layer twice, as {first} and {second}.",
        "zh": "{file} 中同一层出现两次：{first} 和 {second}。",
    },
    "alpha_not_a_number": {
        "en": "{file}: the lora_alpha of {name} is no number.",
        "zh": "{file}：{name} 的 lora_alpha 不是数字。",
    },
    "peft_config_not_json": {
        "en": "{file}: its peft configuration is no JSON object.",
        "zh": "{file}：它的 peft 配置不是 JSON 对象。",
    },
    "fault_mixed_kinds": {
        "en": "mixes two kinds of LoRA in {name}",
        "zh": "的 {name} 混用了两种 LoRA",
    },
    "fault_no_factors": {"en": "has no factors of {name}", "zh": "中没有 {name} 的因子"},
    "fault_half_missing": {
        "en": "has only one half of {name} ({part} is missing)",
        "zh": "中只有 {name} 的一半（缺少 {part}）",
    },
    "fault_no_numbers": {
        "en": "has no usable numbers in {name} ({part})",
        "zh": "的 {name} 中没有可用的数字（{part}）",
    },
    "fault_shapes": {
        "en": "has factors of {name} that don't fit: {shapes}",
        "zh": "中 {name} 的因子不吻合：{shapes}",
    },
    "fault_not_finite": {
        "en": "is not finite in {name} ({part})",
        "zh": "的 {name} 中有非有限的数字（{part}）",
    },
    "dont_use_failed": {
        "en": "It comes from a failed training; don't use it.",
        "zh": "它来自失败的训练，请不要使用。",
    },
    "dont_use": {"en": "Don't use it.", "zh": "请不要使用它。"},
    "and_more_layers": {
        "en": "And {count} more layers.",
        "one": "And 1 more layer.",
        "zh": "另有 {count} 层也是如此。",
    },
    "count_layer": {"en": "{count} layers", "one": "1 layer", "zh": " {count} 层"},
    "count_norm_layer": {"en": "{count} norm layers", "one": "1 norm layer", "zh": " {count} 个归一化层"},
    "count_bias": {"en": "{count} biases", "one": "1 bias", "zh": " {count} 个偏置"},
    "count_text_projection": {
        "en": "{count} text projections",
        "one": "1 text projection",
        "zh": " {count} 个文本投影",
    },
    # ---- attached to a base model
    "other_base_layer": {
        "en": "{file} is for another base model: this one has no {name} ({count} such layers).",
        "one": "{file} is for another base model: this one has no {name}.",
        "zh": "{file} 用于另一种基础模型：这里没有 {name}（这样的层有 {count} 个）。",
    },
    "other_base_shape": {
        "en": "{file} is for another base model: {name} is {here} there, the LoRA changes {there}.",
        "zh": "{file} 用于另一种基础模型：{name} 是 {here}，而 LoRA 改变的是 {there}。",
    },
    "not_of_kind": {
        "en": "{file} has a {kind_of_lora} in {name}, which is no plain {title}.",
        "zh": "{file} 的 {name} 中是 {kind_of_lora}，不是普通 {title}。",
    },
    "kind_tucker": {"en": "LoRA with a Tucker core", "zh": "带 Tucker 核的 LoRA"},
    "kind_full": {"en": "full difference", "zh": "完整差值"},
    "kind_sparse": {"en": "{kind} with a sparse remainder", "zh": "带稀疏余项的 {kind}"},
    "kind_dora": {"en": "DoRA ({kind})", "zh": "DoRA（{kind}）"},
    "resize_to_lora": {
        "en": "Make it a LoRA with `sdlora resize --rank N`{or_kind}.",
        "zh": "请用 `sdlora resize --rank N` 转换为 LoRA{or_kind}。",
    },
    "or_set_kind": {"en": " or set adapter.kind to {name}", "zh": "，或把 adapter.kind 设为 {name}"},
    "dora_needs_base": {
        "en": "{file} is a DoRA: the change of {name} depends on the base model's weights.",
        "zh": "{file} 是 DoRA：{name} 的变化取决于基础模型的权重。",
    },
    "resize_or_merge": {
        "en": (
            "Make a plain LoRA of it with `sdlora resize --rank N --base MODEL`, or merge it into that "
            "base model with `sdlora merge --into`."
        ),
        "zh": (
            "请用 `sdlora resize --rank N --base MODEL` 把它变成普通 LoRA，或用 `sdl"
            "ora merge --into` 并入那个基础模型。"
        ),
    },
}
