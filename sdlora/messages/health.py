"""Signs of a run that has gone wrong: ``sdlora.train.health``."""

MESSAGES = {
    # ---- what is seen
    "lr_zero": {
        "en": "The learning rate of the {learner} has been 0 for {count} steps: it learns nothing.",
        "zh": "{learner}的学习率已有 {count} 步为 0：它什么也没学。",
    },
    "loss_high": {
        "en": "The loss has been {loss} for {count} steps, far above its start ({start}).",
        "zh": "损失已有 {count} 步约为 {loss}，远高于开始时（{start}）。",
    },
    "no_layer_changes": {
        "en": "No layer of the {learner}'s LoRA has changed in {count} steps, up to step {step}.",
        "zh": "到第 {step} 步为止的 {count} 步中，{learner}的 LoRA 没有任何一层变化。",
    },
    "layers_unchanged": {
        "en": ("{still} of {all} layers of the {learner}'s LoRA have not changed in {count} steps, up to step {step}."),
        "zh": "到第 {step} 步为止的 {count} 步中，{learner}的 LoRA 的 {all} 层中有 {still} 层没有变化。",
    },
    "lora_overgrown": {
        "en": "The LoRA has grown {times} times as large as the weights it changes, {layer} most.",
        "zh": "LoRA 已增大到它所改变的权重的 {times} 倍，其中 {layer} 最大。",
    },
    "validation_high": {
        "en": "The validation loss of step {step} is {times} times that of the start.",
        "zh": "第 {step} 步的验证损失是开始时的 {times} 倍。",
    },
    "pictures_unchanged": {
        "en": "The test pictures of step {step} are identical to those of step 0: the LoRA does nothing.",
        "zh": "第 {step} 步的测试图片与第 0 步完全相同：LoRA 没有作用。",
    },
    "file_all_zero": {
        "en": "{file} has no effect on the {learner}: all {count} of its layers there are zero.",
        "zh": "{file} 对{learner}没有作用：其中 {count} 层全为零。",
    },
    "file_without_effect": {
        "en": "{file} has no visible effect: it changes no weight by more than {part} of it.",
        "zh": "{file} 没有可见的效果：它对任何权重的改变都不超过其 {part}。",
    },
    "learner_text_encoder_2": {"en": "second text encoder", "zh": "第二个文本编码器"},
    # ---- what to do
    "check_schedule": {
        "en": "Check {setting}, train.scheduler and train.warmup.",
        "zh": "请检查 {setting}、train.scheduler 和 train.warmup。",
    },
    "lower_lr": {
        "en": "Usually train.lr is too high, and the LoRA is ruined; stop, and train again with a tenth of it.",
        "zh": "通常是 train.lr 太高，LoRA 已损坏；请停止，并用十分之一的学习率重新训练。",
    },
    "train_more": {
        "en": (
            "Usually train.lr or adapter.alpha is far too small, the steps are too few, or nothing is learnt at all."
        ),
        "zh": "通常是 train.lr 或 adapter.alpha 太小、步数太少，或根本没有学到东西。",
    },
    "use_fp32": {
        "en": "Usually its gradients are lost; set train.precision to fp32 and train.gradient_checkpointing off.",
        "zh": "通常是梯度丢失；请把 train.precision 设为 fp32，并关闭 train.gradient_checkpointing。",
    },
}
