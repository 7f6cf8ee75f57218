"""LoRA files written and read back: ``sdlora.lorafiles``."""

MESSAGES = {
    # ---- how it is asked for
    "container_is": {"en": "save.container is {given}.", "zh": "save.container 的值是 {given}。"},
    "use_kohya_or_diffusers": {"en": "It must be kohya or diffusers.", "zh": "必须是 kohya 或 diffusers。"},
    "dtype_is": {"en": "save.dtype is {given}.", "zh": "save.dtype 的值是 {given}。"},
    "metadata_is": {"en": "save.metadata is {given}.", "zh": "save.metadata 的值是 {given}。"},
    "use_full_or_minimum": {"en": "It must be full or minimum.", "zh": "必须是 full 或 minimum。"},
    "text_broken": {
        "en": "{file} can't hold the trigger word or description: they have broken characters.",
        "zh": "{file} 无法写入触发词或描述：其中有损坏的字符。",
    },
    "retype_text": {"en": "Type them again.", "zh": "请重新输入。"},
    "cover_unreadable": {"en": "The cover picture can't be read.", "zh": "封面图片无法读取。"},
    "use_png_cover": {"en": "Use a PNG, JPEG or WebP picture.", "zh": "请使用 PNG、JPEG 或 WebP 图片。"},
    # ---- what can't be written
    "layer_without_name": {
        "en": "LoRA files have no name for {name}, most tools would drop it.",
        "zh": "LoRA 文件没有 {name} 的名称，大多数工具会丢掉它。",
    },
    "leave_layer_out": {"en": "Leave it out of the targets.", "zh": "请不要把它列入要训练的层。"},
    "part_incomplete": {
        "en": "The LoRA has only a part of {part} ({name} is missing), which tools don't load.",
        "zh": "LoRA 中只有 {part} 的一部分（缺少 {name}），各工具不会载入。",
    },
    "train_all_or_none": {"en": "Train all of its layers or none.", "zh": "请训练它的全部层，或都不训练。"},
    "not_finite": {
        "en": "The LoRA is not finite in {layers}: training became unstable.",
        "zh": "LoRA 在 {layers} 中有非有限的数字：训练变得不稳定。",
    },
    "use_earlier_or_lower_lr": {
        "en": "Use an earlier checkpoint, or train again with a lower train.lr.",
        "zh": "请使用更早的检查点，或用更低的 train.lr 重新训练。",
    },
    "overflow": {
        "en": "The numbers of {name} are too large for the LoRA file ({count} such layers).",
        "zh": "{name} 的数值太大，LoRA 文件放不下（这样的层有 {count} 个）。",
    },
    "lower_lr_or_use_earlier": {
        "en": "Training became unstable: use an earlier checkpoint or a lower train.lr.",
        "zh": "训练变得不稳定：请使用更早的检查点，或降低 train.lr。",
    },
    "underflow": {
        "en": "The LoRA's numbers are too small for {dtype}: {share} of it would be lost.",
        "zh": "LoRA 的数值对 {dtype} 来说太小：会丢失其中的 {share}。",
    },
    "use_fp32": {
        "en": "Set save.dtype to fp32, or train longer or with a higher train.lr.",
        "zh": "请把 save.dtype 设为 fp32，或训练更久，或提高 train.lr。",
    },
    "big_endian": {
        "en": "Files can't be written on a big-endian machine.",
        "zh": "无法在大端序的机器上写文件。",
    },
    "use_another_machine": {"en": "Use another machine.", "zh": "请换一台机器。"},
    "no_space": {
        "en": "The result needs {size}, but {path} has only {free} free.",
        "zh": "结果需要 {size}，但 {path} 只剩 {free}。",
    },
    "free_space_or_write_elsewhere": {
        "en": "Free some space, or write it elsewhere with --out.",
        "zh": "请腾出一些空间，或用 --out 写到别处。",
    },
    "prefix_unknown": {
        "en": "A LoRA of the family {family} has no {name}.",
        "zh": "模型系列 {family} 的 LoRA 没有 {name}。",
    },
    "prefixes_known": {"en": "It has {names}.", "zh": "它有 {names}。"},
    "not_a_layer_name": {
        "en": "{name} is no layer name of a Stable Diffusion LoRA.",
        "zh": "{name} 不是 Stable Diffusion LoRA 的层名称。",
    },
    "not_a_unet_layer": {
        "en": "{name} is no layer of a Stable Diffusion UNet.",
        "zh": "{name} 不是 Stable Diffusion UNet 的层。",
    },
    # ---- read back by diffusers
    "not_loadable": {
        "en": "diffusers can't load {file}: {kind}: {what}",
        "zh": "diffusers 无法载入 {file}：{kind}：{what}",
    },
    "reads_back_differently": {
        "en": "{file}, read back by diffusers, is not what was trained: {difference}.",
        "zh": "{file} 由 diffusers 读回后，与训练结果不一致：{difference}。",
    },
    "dont_use_and_report": {"en": "Don't use this file; please report it.", "zh": "请不要使用此文件，并报告此问题。"},
    "odd_missing": {"en": "missing", "zh": "缺失"},
    "difference_of_layers": {
        "en": "{name} is {odd} ({count} such layers)",
        "zh": "{name} {odd}（这样的层有 {count} 个）",
    },
    "difference_of_strength": {
        "en": "{name} differs by {share} of its strength",
        "zh": "{name} 相差其强度的 {share}",
    },
    "difference_of_outputs": {
        "en": "the {part}'s outputs differ by {share} of the LoRA's effect",
        "zh": "{part} 的输出相差 LoRA 效果的 {share}",
    },
}
