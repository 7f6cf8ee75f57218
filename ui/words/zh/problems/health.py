"""Signs of a run that has gone wrong: ``sdlora.train.health``."""

SENTENCES = {
    "The learning rate of the {learner} has been 0 for {count} steps: it learns nothing.": (
        "{learner}的学习率已有 {count} 步为 0：它什么也没学。"
    ),
    "Check {setting}, train.scheduler and train.warmup.": "请检查 {setting}、train.scheduler 和 train.warmup。",
    "The loss has been {loss} for {count} steps, far above its start ({start}).": (
        "损失已有 {count} 步约为 {loss}，远高于开始时（{start}）。"
    ),
    "No layer of the {learner}'s LoRA has changed in {count} steps, up to step {step}.": (
        "到第 {step} 步为止的 {count} 步中，{learner}的 LoRA 没有任何一层变化。"
    ),
    "{still} of {all} layers of the {learner}'s LoRA have not changed in {count} steps, up to step {step}.": (
        "到第 {step} 步为止的 {count} 步中，{learner}的 LoRA 的 {all} 层中有 {still} 层没有变化。"
    ),
    "The LoRA has grown {times} times as large as the weights it changes, {layer} most.": (
        "LoRA 已增大到它所改变的权重的 {times} 倍，其中 {layer} 最大。"
    ),
    "The validation loss of step {step} is {times} times that of the start.": (
        "第 {step} 步的验证损失是开始时的 {times} 倍。"
    ),
    "The test pictures of step {step} are those of step 0 to the last bit: the LoRA does nothing.": (
        "第 {step} 步的测试图片与第 0 步完全相同：LoRA 没有作用。"
    ),
    "{file} has no effect on the {learner}: all {count} of its layers there are zero.": (
        "{file} 对{learner}没有作用：其中 {count} 层全为零。"
    ),
    "{file} has no visible effect: it changes no weight by more than {part} of it.": (
        "{file} 没有可见的效果：它对任何权重的改变都不超过其 {part}。"
    ),
    "Usually train.lr is too high, and the LoRA is ruined; stop, and train again with a tenth of it.": (
        "通常是 train.lr 太高，LoRA 已损坏；请停止，并用十分之一的学习率重新训练。"
    ),
    "Usually train.lr or adapter.alpha is far too small, the steps are too few, or nothing is learnt at all.": (
        "通常是 train.lr 或 adapter.alpha 太小、步数太少，或根本没有学到东西。"
    ),
    "Usually its gradients are lost; set train.precision to fp32 and train.gradient_checkpointing off.": (
        "通常是梯度丢失；请把 train.precision 设为 fp32，并关闭 train.gradient_checkpointing。"
    ),
}
PARTS = {
    "learner": {"UNet": " UNet ", "text encoder": "文本编码器", "second text encoder": "第二个文本编码器"},
}
