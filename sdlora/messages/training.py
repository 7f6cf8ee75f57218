"""Training itself: ``sdlora.train``."""

MESSAGES = {
    # ---- caches
    "latents_damaged": {
        "en": "The cached latents of {captions} were damaged and are made again.",
        "zh": "{captions} 的潜变量缓存已损坏，正在重新生成。",
    },
    "latents_renewed": {
        "en": "The cached latents of {name} were gone or damaged; they have been made again.",
        "zh": "{name} 的潜变量缓存丢失或损坏；已重新生成。",
    },
    "texts_damaged": {
        "en": "Damaged entries of the text cache are made again: {count}.",
        "zh": "文本缓存中损坏的条目正在重新生成：{count} 个。",
    },
    "text_lost": {
        "en": "The cached text of {words} is gone or damaged.",
        "zh": "{words} 的文本缓存丢失或损坏。",
    },
    "text_renewed": {
        "en": "The cached text of {words} was gone or damaged; it has been made again.",
        "zh": "{words} 的文本缓存丢失或损坏；已重新生成。",
    },
    "renew_text": {"en": "Start again to renew it.", "zh": "请重新开始以重新生成。"},
    "captions_cut": {
        "en": "Longer than {limit} tokens, the end is not seen: the captions of {captions}. Shorten them.",
        "zh": "超过 {limit} 个词元，末尾不会被读取：{captions} 的说明文字。请缩短。",
    },
    "empty_picture": {"en": "an empty picture", "zh": "空白图片"},
    # ---- the machine
    "device_missing": {
        "en": "train.device is {given}, but PyTorch finds no such device.",
        "zh": "train.device 为 {given}，但 PyTorch 找不到这种设备。",
    },
    "set_auto_or_install": {
        "en": 'Set it to "auto", or install the PyTorch build for your GPU (see docs/install.md).',
        "zh": "请设为“auto”，或安装适合您的 GPU 的 PyTorch（见 docs/install.md）。",
    },
    "main_process_failed": {
        "en": "The main process could not start the run; it says why.",
        "zh": "主进程无法开始训练；原因由它说明。",
    },
    "not_sharded": {
        "en": "{what} is not used: the base model is frozen, and each process holds it whole; see docs/scaling.md.",
        "zh": "未使用 {what}：基础模型被冻结，每个进程都持有完整的模型；见 docs/scaling.md。",
    },
    "process_lost": {
        "en": "Another process of this run has ended, so that the training can't go on.",
        "zh": "此次训练的另一个进程已结束，训练无法继续。",
    },
    "see_other_process": {
        "en": "Its own output, or the launcher's, says why.",
        "zh": "原因见该进程或启动器的输出。",
    },
    "batches_not_shared": {
        "en": "This run takes {batches} batches a step, which {processes} processes can't share evenly.",
        "zh": "此次训练每步使用 {batches} 个批次，无法平均分给 {processes} 个进程。",
    },
    "use_divisor": {
        "en": "Go on with a number of processes that divides {batches}; 1 always does.",
        "zh": "请用能整除 {batches} 的进程数继续；1 个进程总是可以。",
    },
    "step_out_of_memory": {
        "en": "A step needed {needed} GB of memory; {free} GB were free.",
        "zh": "一步需要 {needed} GB 内存；当时空闲 {free} GB。",
    },
    "lower_memory": {
        "en": "Turn on train.gradient_checkpointing, or lower data.resolution or train.batch_size.",
        "zh": "请打开 train.gradient_checkpointing，或降低 data.resolution 或 train.batch_size。",
    },
    "arithmetic_plain": {"en": "{precision}, the fastest here as measured", "zh": "{precision}（实测在此最快）"},
    "arithmetic_faster": {
        "en": "{precision}, measured {times} times as fast as {of} here",
        "zh": "{precision}（实测在此比 {of} 快到 {times} 倍）",
    },
    "arithmetic_packed": {
        "en": "{precision} with convolutions laid out for this CPU, measured {times} times as fast as {of} here",
        "zh": "{precision}，卷积权重已为此 CPU 预先排列（实测在此比 {of} 快到 {times} 倍）",
    },
    "arithmetic_earlier": {
        "en": "{arithmetic}, in an earlier run (sdlora probe measures anew)",
        "zh": "{arithmetic}，此结果来自之前的一次测量（sdlora probe 会重新测量）",
    },
    "packing_failed": {
        "en": "The convolutions can't be laid out for this CPU ({reason}); steps are slower, the result is as good.",
        "zh": "无法为此 CPU 预先排列卷积权重（{reason}）；每步会更慢，结果同样好。",
    },
    "weights_copied": {
        "en": (
            "The base model is stored in {stored} and trained in {precision}: its weights are now kept in {precision} "
            "too, {size}, so that later starts are quicker and the memory stays free: {path}. That file can be deleted "
            "at any time."
        ),
        "zh": (
            "基础模型以 {stored} 存储，而训练用 {precision}：现在另存了一份 {precision} 的权重（{size}），"
            "之后启动更快，也不占内存：{path}。该文件可随时删除。"
        ),
    },
    "weights_no_room": {
        "en": (
            "The base model's weights are held in memory in {precision}: for a copy of them beside the cache, {size}, "
            "there is not enough room on the disk of {path} ({free} free)."
        ),
        "zh": (
            "基础模型的权重以 {precision} 放在内存中：{path} 所在磁盘空间不足，"
            "无法另存一份（需要 {size}，空闲 {free}）。"
        ),
    },
    "weights_not_copied": {
        "en": "The base model's weights are held in memory in {precision}; no copy beside the cache: {reason}",
        "zh": "基础模型的权重以 {precision} 放在内存中；未能在缓存旁另存一份：{reason}",
    },
    "weights_copy_lost": {
        "en": (
            "The copy of the base model's weights in {precision} could not be read any more when it was needed: "
            "{path}. The base model's own file is read into memory instead; the next start makes the copy again."
        ),
        "zh": (
            "需要用到基础模型权重的 {precision} 副本时，它已无法读取：{path}。"
            "已改为把基础模型自己的文件读入内存；下次启动会重新生成该副本。"
        ),
    },
    "packing_no_room": {
        "en": (
            "The convolutions are not laid out for this CPU as when the run began: that takes {needed} GB, {free} GB "
            "are free. Steps are slower and round a little differently."
        ),
        "zh": (
            "没有像训练开始时那样为此 CPU 预先排列卷积权重：需要 {needed} GB，空闲 {free} GB。"
            "每步会更慢，舍入略有不同。"
        ),
    },
    # ---- out of memory
    "memory_ran_out": {
        "en": "There was too little memory for step {step}, which is done again with less.",
        "zh": "第 {step} 步内存不足，将以更少的内存重做这一步。",
    },
    "memory_as_before": {
        "en": "Memory ran out in this run before, so that it goes on with less.",
        "zh": "此次训练之前曾内存不足，因此以更少的内存继续。",
    },
    "memory_unpacked": {
        "en": "The convolutions are not laid out for this CPU any more.",
        "zh": "不再为此 CPU 预先排列卷积权重。",
    },
    "memory_checkpointing": {
        "en": "Activations are computed twice instead of being kept (gradient checkpointing).",
        "zh": "激活值不再保留，而是计算两次（梯度检查点）。",
    },
    "memory_split": {
        "one": "The images of a batch are taken one at a time.",
        "en": "The images of a batch are taken {count} at a time.",
        "zh": "每个批次的图片每次取 {count} 张。",
    },
    "memory_sparing": {
        "en": (
            "Memory ran out while test pictures were drawn. They are drawn piece by piece from here on, which takes "
            "longer and may show faint seams."
        ),
        "zh": "绘制测试图片时内存不足。此后将分块绘制，耗时更长，并可能有轻微接缝。",
    },
    "memory_left_out": {
        "en": "Memory ran out after step {step}, so that this is left out: {what}. The training goes on.",
        "zh": "第 {step} 步之后内存不足，因此略过：{what}。训练继续。",
    },
    "of_validation": {"en": "the validation loss", "zh": "验证损失"},
    "of_by_heart": {"en": "the look whether the images are learnt by heart", "zh": "是否死记图片的检查"},
    "of_pictures": {"en": "the test pictures", "zh": "测试图片"},
    "of_prediction": {"en": "the look at what the base model predicts", "zh": "对基础模型预测类型的检查"},
    "memory_vae_on_cpu": {
        "en": "The GPU's memory ran out while images were encoded. The rest is encoded by the CPU, which takes longer.",
        "zh": "编码图片时 GPU 内存不足。其余图片由 CPU 编码，耗时更长。",
    },
    "memory_spills": {
        "en": (
            "The training holds {held} GB of GPU memory where {room} GB were free: Windows then puts the rest into the "
            "computer's own memory, and steps are many times slower. Close programs that use the GPU, or begin again "
            "with train.memory checkpointing or split."
        ),
        "zh": (
            "训练占用了 {held} GB GPU 内存，而当时空闲 {room} GB：此时 Windows 会把多出的部分放入电脑内存，"
            "每步会慢很多倍。请关闭使用 GPU 的程序，或把 train.memory 设为 checkpointing 或 split 后重新开始。"
        ),
    },
    "memory_costs": {
        "en": "Steps are slower; the result is the same but for rounding.",
        "zh": "每步会更慢；除舍入外结果相同。",
    },
    "memory_used_up": {
        "en": "Memory ran out in step {step}, although all is done that saves memory.",
        "zh": "第 {step} 步内存不足，尽管已采取所有节省内存的办法。",
    },
    "need_less_memory": {
        "en": "Close other programs, or lower data.resolution or adapter.rank; then go on or start again.",
        "zh": "请关闭其他程序，或降低 data.resolution 或 adapter.rank；然后继续或重新开始。",
    },
    "memory_damaged": {
        "en": "{path} is damaged: the run goes on as if memory had never run out in it, and may round differently.",
        "zh": "{path} 已损坏：训练将如同从未内存不足那样继续，舍入可能略有不同。",
    },
    # ---- the loop
    "norms_capped": {
        "one": "In step {step} 1 of {all} layers had outgrown train.max_weight_norm and was scaled down.",
        "en": "In step {step} {count} of {all} layers had outgrown train.max_weight_norm and were scaled down.",
        "zh": "第 {step} 步：{all} 个层中有 {count} 个超过了 train.max_weight_norm 允许的范数，已按比例缩小。",
    },
    "unstable": {
        "en": "Training became unstable at step {step}.",
        "zh": "训练在第 {step} 步变得不稳定。",
    },
    "lr_or_fp16": {
        "en": "Usually train.lr is too high, or fp16 is used where bf16 is safer; the last checkpoint is kept.",
        "zh": "通常是 train.lr 太高，或用了 fp16 而 bf16 更稳妥；最后一个检查点已保留。",
    },
    "unstable_not_saved": {
        "en": (
            "Training became unstable at step {step}: {name} is not finite ({count} such tensors), so "
            "no checkpoint of it was written."
        ),
        "zh": "训练在第 {step} 步变得不稳定：{name} 不是有限的数字（共 {count} 个张量），因此没有写入检查点。",
    },
    "try_lower_lr": {"en": "To try a lower rate: {command}", "zh": "用更低的学习率再试：{command}"},
    "state_not_saved": {
        "en": "The state of step {step} could not be saved: {error}",
        "zh": "第 {step} 步的状态无法保存：{error}",
    },
    "picture_not_finite": {
        "en": "The test picture {prompt} has values that are not finite.",
        "zh": "测试图片 {prompt} 的结果不是有限的数字。",
    },
    "change_precision_or_lr": {
        "en": 'Set train.precision to "fp32" or "bf16", or lower train.lr.',
        "zh": "请把 train.precision 设为“fp32”或“bf16”，或降低 train.lr。",
    },
    "tracker_failed": {
        "en": "The tracker {tracker} failed and is left alone from here on; the training is not affected ({why})",
        "zh": "跟踪工具 {tracker} 出错，此后不再使用；训练不受影响（{why}）",
    },
    "stopped_before_start": {"en": "Stopped before the first step.", "zh": "在第一步之前停止。"},
    "ended_early": {
        "en": (
            "Ended at step {step}: the validation loss was lowest at step {lowest}, and {count} measurements since "
            "then were not lower (validation.patience)."
        ),
        "one": (
            "Ended at step {step}: the validation loss was lowest at step {lowest}, and the one measurement since then "
            "was not lower (validation.patience)."
        ),
        "zh": (
            "在第 {step} 步结束：验证损失在第 {lowest} 步最低，此后 {count} 次测量都没有更低（validation.patience）。"
        ),
    },
    "stopped_at_once": {"en": "Stopped at once.", "zh": "已立即停止。"},
    "stopped_kept": {
        "en": "The checkpoint of step {step} is kept; go on with: sdlora train --resume {path}",
        "zh": "第 {step} 步的检查点已保留；可用此命令继续：sdlora train --resume {path}",
    },
}
