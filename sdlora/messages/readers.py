"""What other tools make of a LoRA file, as the end of "TOOL …": ``sdlora.lorafiles.readers``."""

MESSAGES = {
    # ---- the sentence
    "tool_does": {"en": "{tool} {does}: {layers}.", "zh": "{tool} {does}：{layers}。"},
    "layers_and_more": {"en": "{name} and {count} more layers", "zh": "{name} 等（另有 {count} 层）"},
    "dont_use_there": {"en": "Don't use this file there.", "zh": "请不要在那里使用此文件。"},
    # ---- layers it has not
    "no_layer_silent": {"en": "has no layer of that name and gives no warning", "zh": "没有这个名称的层，也不提示"},
    "no_layer_warned": {
        "en": "has no layer of that name (a warning in its console)",
        "zh": "没有这个名称的层（控制台中有警告）",
    },
    "no_layer": {"en": "has no layer of that name", "zh": "没有这个名称的层"},
    "finds_container": {"en": "finds a container and no layer", "zh": "找到的是容器而不是层"},
    "finds_with_new_transformers": {
        "en": "finds layers without text_model with new versions of transformers only",
        "zh": "只有配合新版 transformers 才能找到没有 text_model 的层",
    },
    "kind_unknown": {"en": "knows no such kind of layer", "zh": "不认识这种层"},
    "only_down_and_up_silent": {
        "en": "knows lora_down and lora_up alone and gives no warning",
        "zh": "只认识 lora_down 和 lora_up，也不提示",
    },
    "only_down_and_up": {
        "en": "takes lora_down and lora_up alone",
        "zh": "只接受 lora_down 和 lora_up",
    },
    "only_pairs": {"en": "takes complete pairs only", "zh": "只接受成对的因子"},
    "only_kohya": {"en": "takes the kohya container only", "zh": "只接受 kohya 布局"},
    "only_with_out_proj": {
        "en": "takes a text encoder with out_proj only",
        "zh": "只接受带有 out_proj 的文本编码器",
    },
    "openclip_together": {
        "en": "applies q, k, v and out of OpenCLIP's attention together or not at all",
        "zh": "对 OpenCLIP 注意力的 q、k、v 和 out 只会一起应用，否则都不应用",
    },
    # ---- parts it leaves out
    "skips_dora_scale": {"en": "ignores dora_scale: a plain LoRA is left", "zh": "忽略 dora_scale：只剩普通 LoRA"},
    "skips_lora_mid": {"en": "ignores lora_mid: the rest makes no sense", "zh": "忽略 lora_mid：其余部分没有意义"},
    "skips_peft_strength": {
        "en": "ignores the strength in lora_adapter_metadata",
        "zh": "忽略 lora_adapter_metadata 中的强度",
    },
    "skips_scalar": {"en": "ignores the strength in scalar", "zh": "忽略 scalar 中的强度"},
    "skips_norms": {"en": "ignores changes of norms", "zh": "忽略归一化层的变化"},
    "skips_biases": {"en": "ignores changes of biases", "zh": "忽略偏置的变化"},
    "skips_bias_values": {"en": "ignores the remainder in bias_values", "zh": "忽略 bias_values 中的余项"},
    "skips_lora_b_bias": {"en": "ignores the bias of lora_B", "zh": "忽略 lora_B 的偏置"},
    "skips_second_spelling": {
        "en": "reads one spelling a file and ignores the other",
        "zh": "每个文件只读取一种写法，忽略另一种",
    },
    # ---- what it takes otherwise
    "dora_by_input": {
        "en": "takes dora_scale per input channel and makes garbage of this one",
        "zh": "按输入通道读取 dora_scale，因此会把这一层变成乱码",
    },
    "dora_without_change": {
        "en": "takes the size of W for that of W + change: up to a third of the change is off",
        "zh": "把 W 的大小当作 W + 变化量的大小：变化量最多偏差三分之一",
    },
    "factors_of_weight_shape": {
        "en": "takes factors of the weight's own shape only",
        "zh": "只接受与权重形状一致的因子",
    },
    "factors_unfit": {"en": "can't fit these factors to the weight", "zh": "无法使这些因子与权重吻合"},
    "factors_reshaped": {
        "en": "reshapes these factors into a change that makes no sense",
        "zh": "会把这些因子重排成没有意义的变化",
    },
    "alpha_0_as_rank": {
        "en": "takes an alpha of 0 for alpha = rank",
        "zh": "把为 0 的 alpha 当作 alpha = rank",
    },
    "one_alpha": {
        "en": "takes one alpha for all layers of a network, and these have another",
        "zh": "对一个网络的所有层只用一个 alpha，而这些层的 alpha 不同",
    },
    "alpha_by_inputs": {
        "en": "divides alpha by the number of inputs where the rank is 1",
        "zh": "秩为 1 时把 alpha 除以输入的数目",
    },
    "ranks_misscaled": {
        "en": "mis-scales other ranks without alpha (releases before 2026-08)",
        "zh": "在没有 alpha 时会把其他秩的强度算错（2026-08 之前的版本）",
    },
    "base_unclear": {
        "en": "can't tell the base model without attn2.to_k, attn2.to_v or a text encoder",
        "zh": "没有 attn2.to_k、attn2.to_v 或文本编码器就无法判断基础模型",
    },
    "target_modules_unmatched": {
        "en": "can't match target_modules with text_model in lora_adapter_metadata",
        "zh": "无法匹配 lora_adapter_metadata 中带有 text_model 的 target_modules",
    },
    # ---- files it refuses
    "refuses_12_unknown_keys": {
        "en": "refuses a file with more than 12 keys that it has no layer for",
        "zh": "会拒绝有超过 12 个无对应层的键的文件",
    },
    "refuses_sdxl_prefix": {
        "en": "refuses a file for SDXL with such a prefix",
        "zh": "会拒绝带有这种前缀的 SDXL 文件",
    },
    "refuses_mixed_blocks": {
        "en": "refuses a file that mixes two kinds of block names",
        "zh": "会拒绝混用两种块名称的文件",
    },
    "refuses_foreign_key": {"en": "refuses a file with a foreign key", "zh": "会拒绝含有外来键的文件"},
    "refuses_peft_beside_alpha": {
        "en": "refuses peft's lora_adapter_metadata beside alpha",
        "zh": "会拒绝同时含有 alpha 和 peft 的 lora_adapter_metadata 的文件",
    },
}
