"""The adapter while it trains: ``sdlora.adapters``."""

MESSAGES = {
    "the_layer": {"en": "the layer", "zh": "该层"},
    # ---- layers and kinds
    "targets_unknown": {"en": "Unknown target set {name}.", "zh": "未知的层组 {name}。"},
    "targets_known": {"en": "Known sets: {names}.{hint}", "zh": "已知的层组：{names}。{hint}"},
    "hint_did_you_mean": {"en": " Did you mean {name}?", "zh": "您是否想写 {name}？"},
    "kind_unknown": {"en": "Unknown adapter kind {given}.", "zh": "未知的适配器种类 {given}。"},
    "kinds_known": {"en": "Known kinds: {names}.", "zh": "已知的种类：{names}。"},
    "layer_unfit": {
        "en": "{name} is a {kind}; a LoRA fits nn.Linear and nn.Conv2d only.",
        "zh": "{name} 是 {kind}；LoRA 只适用于 nn.Linear 和 nn.Conv2d。",
    },
    "convolution_grouped": {
        "en": "{name} is a convolution with {count} groups; a LoRA fits convolutions with one group only.",
        "zh": "{name} 是有 {count} 组的卷积；LoRA 只适用于一组的卷积。",
    },
    "rank_invalid": {
        "en": "The rank of {name} is {given}; it must be a whole number of at least 1.",
        "zh": "{name} 的秩为 {given}；必须是至少为 1 的整数。",
    },
    "alpha_invalid": {
        "en": "The alpha of {name} is {given}; it must be more than 0.",
        "zh": "{name} 的 alpha 为 {given}；必须大于 0。",
    },
    "pattern_unused": {
        "en": "The {setting} {pattern} fits none of the layers that learn.",
        "zh": "{setting} 的 {pattern} 不符合任何参与训练的层。",
    },
    "correct_pattern": {"en": "Correct or remove it.", "zh": "请改正或删除它。"},
    "nothing_trainable_matches": {
        "en": "No nn.Linear or nn.Conv2d fits {patterns}, only {kinds}.",
        "zh": "没有 nn.Linear 或 nn.Conv2d 符合 {patterns}，符合的只有 {kinds}。",
    },
    "nothing_matches": {"en": "No layer of the model fits {patterns}.", "zh": "模型中没有符合 {patterns} 的层。"},
    "layer_names": {"en": "Its layers have names such as {names}.", "zh": "它的层的名称如 {names}。"},
    "model_without_layers": {"en": "It has no nn.Linear or nn.Conv2d.", "zh": "其中没有 nn.Linear 或 nn.Conv2d。"},
    # ---- the saved one put back
    "saved_lacks": {"en": "{name} is missing in the saved LoRA.", "zh": "保存的 LoRA 中缺少 {name}。"},
    "saved_has_more": {
        "en": "{name} is in the saved LoRA but does not learn here.",
        "zh": "{name} 在保存的 LoRA 中，但这里不参与训练。",
    },
    "use_same_model_and_targets": {
        "en": "Use the same base model, adapter.targets and adapter.text_encoder.",
        "zh": "请使用相同的基础模型、adapter.targets 和 adapter.text_encoder。",
    },
    "saved_rank_differs": {
        "en": "{name} has rank {there} in the saved LoRA and rank {here} here.",
        "zh": "{name} 在保存的 LoRA 中秩为 {there}，这里为 {here}。",
    },
    "set_same_rank": {"en": "Set the same rank.", "zh": "请设置相同的秩。"},
    "saved_shape_differs": {
        "en": "{name} has shape {there} in the saved LoRA and {here} here.",
        "zh": "{name} 在保存的 LoRA 中形状为 {there}，这里为 {here}。",
    },
    "use_same_base": {"en": "Use the same base model.", "zh": "请使用相同的基础模型。"},
    "and_more": {"en": "And {count} more.", "zh": "另有 {count} 个也是如此。"},
}
