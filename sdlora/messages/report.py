"""The report of a run: ``sdlora.report``."""

MESSAGES = {
    # ---- headings and names
    "state": {"en": "State", "zh": "状态"},
    "base": {"en": "Base model", "zh": "基础模型"},
    "images": {"en": "Images", "zh": "图片"},
    "parameters": {"en": "Parameters that learn", "zh": "参与训练的参数"},
    "precision": {"en": "Precision", "zh": "精度"},
    "steps": {"en": "Steps", "zh": "步数"},
    "origin": {"en": "Started from", "zh": "起点"},
    "offers": {"en": "Which checkpoint", "zh": "选哪个检查点"},
    "advice": {"en": "What the numbers suggest", "zh": "数字的提示"},
    "notes": {"en": "Notes of the training", "zh": "训练中的提示"},
    "curves": {"en": "Curves", "zh": "曲线"},
    "loss": {"en": "training loss", "zh": "训练损失"},
    "validation": {"en": "validation loss", "zh": "验证损失"},
    "trained": {"en": "the same on training images", "zh": "训练图片上的同一损失"},
    "drift": {"en": "drift of other prompts", "zh": "其他提示词的漂移"},
    "pictures": {"en": "Test pictures", "zh": "测试图片"},
    "at_step": {"en": "step {step}", "zh": "第 {step} 步"},
    "rank": {"en": "What the rank is used for", "zh": "秩的使用情况"},
    "settings": {"en": "Settings other than the defaults", "zh": "与默认值不同的设置"},
    "all_settings": {"en": "All settings", "zh": "全部设置"},
    # ---- sentences
    "no_file": {
        "en": "The run has left no LoRA file, so nothing is said of its rank.",
        "zh": "这次训练没有留下 LoRA 文件，因此不说明秩的使用情况。",
    },
    "bars": {
        "en": (
            "Share of the change by singular value, the mean of {layers} layers; 90 % of it is in rank {held}, the "
            "effective rank is {effective} (medians)."
        ),
        "zh": "各奇异值在变化中的占比，{layers} 层的平均；其中 90 % 在秩 {held} 之内，有效秩为 {effective}（中位数）。",
    },
    "rank_used": {
        "en": "{root}: rank {rank} was asked, 90 % of the change is in rank {held} (effective rank {effective}).",
        "zh": "{root}：要求的秩为 {rank}，90 % 的变化在秩 {held} 之内（有效秩 {effective}）。",
    },
    "rank_spare": {
        "en": "A smaller file does nearly the same: sdlora resize FILE --rank {rank} says what it loses.",
        "zh": "更小的文件效果几乎相同：sdlora resize FILE --rank {rank} 会说明损失多少。",
    },
    "rank_full": {
        "en": "Nearly all of the rank is in use there; a higher one may hold more.",
        "zh": "此处的秩几乎用满；更高的秩也许能容纳更多。",
    },
    "still_falling": {
        "en": "The validation loss was lowest at the last step, {step}: more steps may still gain.",
        "zh": "验证损失在最后一步（第 {step} 步）最低：增加步数也许还有收益。",
    },
    "early_lowest": {
        "en": (
            "The validation loss was lowest at step {step} of {last}: fewer steps or a lower train.lr lose less of the "
            "rest, unless likeness is what you want."
        ),
        "zh": (
            "验证损失在第 {step} 步（共 {last} 步）最低：除非您要的是更像，减少步数或降低 train.lr 会少损失其余内容。"
        ),
    },
}
