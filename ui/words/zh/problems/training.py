"""What ends a run or keeps it from starting, and drawing: ``sdlora.train``, ``errors``, ``run``, ``draw``."""

SENTENCES = {
    "{flag} is empty, where a run folder should be.": "{flag} 为空，这里应是训练文件夹。",
    # ---- known causes
    "The computer ran out of memory.": "电脑内存不足。",
    "Use train.gradient_checkpointing, a smaller train.batch_size or a lower data.resolution.": (
        "请使用 train.gradient_checkpointing，减小 train.batch_size，或降低 data.resolution。"
    ),
    "Something went wrong inside the trainer: {kind}: {what}": "训练器内部出错：{kind}：{what}",
    "The details are in {path}; please report it with them.": "详细内容见 {path}，反馈问题时请一并附上。",
    "Please report it.": "请反馈此问题。",
    "The disk is full{place}.": "磁盘已满{place}。",
    "Free some space and start again; nothing was half-written.": "请腾出一些空间后重新开始；没有文件只写了一半。",
    "No permission to read or write there{place}.": "没有读写权限{place}。",
    "A file name is too long{place}.": "文件名太长{place}。",
    "Use a shorter run name.": "请用更短的训练名称。",
    "The system refused{place}: {reason}.": "系统拒绝{place}：{reason}。",
    "Check the path and try again.": "请检查路径后重试。",
    "The run folder {path} is gone: deleted or renamed while it trained.": (
        "训练文件夹 {path} 不见了：在训练期间被删除或重命名。"
    ),
    # ---- a run's settings
    "The settings of {name} are not those it began with: settings.toml was edited or damaged.": (
        "{name} 的设置与开始时不同：settings.toml 被修改过或已损坏。"
    ),
    "If you edited it on purpose, delete its last line; else put back a copy, or begin a new run.": (
        "如果是您有意修改的，请删除它的最后一行；否则请恢复副本，或开始新的训练。"
    ),
    "The settings of {name} are not whole: the end of settings.toml is missing.": (
        "{name} 的设置不完整：settings.toml 的末尾缺失。"
    ),
    "Put back a copy, or begin a new run.": "请恢复副本，或开始新的训练。",
    # ---- training
    "The cached latents of {captions} were damaged and are made again.": (
        "{captions} 的潜变量缓存已损坏，正在重新生成。"
    ),
    "The cached latents of {name} were gone or damaged; they have been made again.": (
        "{name} 的潜变量缓存丢失或损坏；已重新生成。"
    ),
    "Damaged entries of the text cache are made again: {count}.": "文本缓存中损坏的条目正在重新生成：{count} 个。",
    "The cached text of {words} is gone or damaged.": "{words} 的文本缓存丢失或损坏。",
    "The cached text of {words} was gone or damaged; it has been made again.": (
        "{words} 的文本缓存丢失或损坏；已重新生成。"
    ),
    "Start again to renew it.": "请重新开始以重新生成。",
    "Training became unstable at step {step}.": "训练在第 {step} 步变得不稳定。",
    "Usually train.lr is too high, or fp16 is used where bf16 is safer; the last checkpoint is kept.": (
        "通常是 train.lr 太高，或用了 fp16 而 bf16 更稳妥；最后一个检查点已保留。"
    ),
    "Longer than {count} tokens, the end is not seen: the captions of {captions}. Shorten them.": (
        "超过 {count} 个词元，末尾不会被读取：{captions} 的说明文字。请缩短。"
    ),
    "The test picture {prompt} came out as no finite numbers.": "测试图片 {prompt} 的结果不是有限的数字。",
    'Set train.precision to "fp32" or "bf16", or lower train.lr.': (
        "请把 train.precision 设为“fp32”或“bf16”，或降低 train.lr。"
    ),
    "Stopped before the first step.": "在第一步之前停止。",
    "Stopped at once.": "已立即停止。",
    "The checkpoint of step {step} is kept; go on with: sdlora train --resume {path}": (
        "第 {step} 步的检查点已保留；可用此命令继续：sdlora train --resume {path}"
    ),
    "train.device is {given}, but PyTorch finds no such device.": (
        "train.device 为 {given}，但 PyTorch 找不到这种设备。"
    ),
    'Set it to "auto", or install the PyTorch build for your GPU (see docs/install.md).': (
        "请设为“auto”，或安装适合您的 GPU 的 PyTorch（见 docs/install.md）。"
    ),
    "The main process could not start the run; it says why.": "主进程无法开始训练；原因由它说明。",
    "A step needed {needed} GB of memory; {free} GB were free.": "一步需要 {needed} GB 内存；当时空闲 {free} GB。",
    "Turn on train.gradient_checkpointing, or lower data.resolution or train.batch_size.": (
        "请打开 train.gradient_checkpointing，或降低 data.resolution 或 train.batch_size。"
    ),
    # ---- checkpoints and run folders
    "The checkpoint {name} is damaged ({fault}).": "检查点 {name} 已损坏（{fault}）。",
    "Delete that folder, or use another checkpoint.": "请删除该文件夹，或使用另一个检查点。",
    "The checkpoint {name} is damaged ({fault}) and is passed over.": "检查点 {name} 已损坏（{fault}），已跳过。",
    "The checkpoint {name} is damaged ({fault}): it is passed over and kept as {aside}.": (
        "检查点 {name} 已损坏（{fault}）：已跳过，并保留为 {aside}。"
    ),
    "{name} in checkpoints is no checkpoint and is left alone.": "checkpoints 中的 {name} 不是检查点，未作处理。",
    "The run goes on from step {step}.": "训练从第 {step} 步继续。",
    "No whole checkpoint is left, so the run begins again.": "已没有完整的检查点，训练从头开始。",
    "The run was trained in {before} and goes on in {now}: it will differ a little.": (
        "此前以 {before} 训练，现在以 {now} 继续：结果会略有不同。"
    ),
    "The state of step {step} could not be saved: {error}": "第 {step} 步的状态无法保存：{error}",
    "Training became unstable at step {step}: {name} is not finite ({count} such tensors), so no checkpoint of it was "
    "written.": "训练在第 {step} 步变得不稳定：{name} 不是有限的数字（共 {count} 个张量），因此没有写入检查点。",
    "To try a lower rate: {command}": "用更低的学习率再试：{command}",
    "The checkpoint has the state of {kind}, but this run trains with {other}.": (
        "检查点保存的是 {kind} 的状态，而这次训练使用 {other}。"
    ),
    "Use the same optimizer.": "请使用相同的优化器。",
    "The checkpoint has an optimizer's state of {name}, which does not learn here ({count} such names).": (
        "检查点含有 {name} 的优化器状态，而它在这里不训练（共 {count} 个）。"
    ),
    "The checkpoint lacks {entry} of {name} in the optimizer's state.": (
        "检查点的优化器状态中缺少 {name} 的 {entry}。"
    ),
    # ---- other pictures than at the last start
    "The record of the run's images, {file}, is damaged ({fault}): whether they changed can't be told.": (
        "这次训练的图片记录 {file} 已损坏（{fault}）：无法判断图片是否有变化。"
    ),
    "Images added since the run's last start: {captions}.": "自上次启动以来新增的图片：{captions}。",
    "Images removed since the run's last start: {captions}.": "自上次启动以来移除的图片：{captions}。",
    "Images changed since the run's last start: {captions}.": "自上次启动以来改变的图片：{captions}。",
    "Images with another caption since the run's last start: {captions}.": (
        "自上次启动以来说明文字改变的图片：{captions}。"
    ),
    "Images with other repeats since the run's last start: {captions}.": (
        "自上次启动以来重复次数改变的图片：{captions}。"
    ),
    "So it does not go on exactly as it would have: order and noise are those of the images there are now.": (
        "因此不会与原来完全一样地继续：顺序和噪声以现有的图片为准。"
    ),
    # ---- a new run from another one's checkpoint
    "Layers that the checkpoint does not have start anew: {names_of_layers}.": (
        "检查点中没有的层从头开始：{names_of_layers}。"
    ),
    "Layers of the checkpoint that do not learn here and are left out: {names_of_layers}.": (
        "检查点中有、但在这里不训练、因而舍去的层：{names_of_layers}。"
    ),
    "The optimizer starts anew: the checkpoint has the state of {kind}.": (
        "优化器从头开始：检查点保存的是 {kind} 的状态。"
    ),
    "The optimizer starts anew: the LoRA's strength, alpha / rank, is another one here.": (
        "优化器从头开始：LoRA 的强度（alpha / rank）与原来不同。"
    ),
    "{name} has no checkpoint to start from.": "{name} 没有可以作为起点的检查点。",
    "To begin it again with other settings: sdlora train --from {path}": (
        "用其他设置重新开始：sdlora train --from {path}"
    ),
    "To change them, begin a new run at its last checkpoint: sdlora train --from {path} …": (
        "要更改设置，请从它最后的检查点开始新的训练：sdlora train --from {path} …"
    ),
    "The checkpoint is of step {step}, and train.steps is {steps}: nothing is left to train.": (
        "检查点是第 {step} 步的，而 train.steps 是 {steps}：没有剩余的步数可训练。"
    ),
    "train.steps counts from the first run's beginning: set it higher.": (
        "train.steps 从最初那次训练的开头算起：请设得更大。"
    ),
    "{key} can't change: an older version saved this checkpoint and did not note its alpha.": (
        "{key} 不能更改：这个检查点由旧版本保存，没有记录 alpha。"
    ),
    "Keep it, or use adapter.start_from with the LoRA file.": "请保持不变，或用 adapter.start_from 指定 LoRA 文件。",
    "The checkpoint {name} of {run} could not be copied: {error}.": "{run} 的检查点 {name} 无法复制：{error}。",
    "The checkpoint of step {step} could not be written: {reason}.": "第 {step} 步的检查点无法写入：{reason}。",
    "Free some space on the disk and resume the run.": "请在磁盘上腾出一些空间，然后恢复训练。",
    "Choose another run.folder.": "请换一个 run.folder。",
    "The output folder {path} can't be written ({reason}).": "输出文件夹 {path} 无法写入（{reason}）。",
    "{name} is being trained by another process.": "另一个进程正在训练 {name}。",
    "Wait for it, or stop it first.": "请等它结束，或先停止它。",
    "{path} is not a run folder (no settings.toml in it).": "{path} 不是训练文件夹（其中没有 settings.toml）。",
    "`sdlora runs` lists them.": "`sdlora runs` 会列出它们。",
    "A resumed run keeps its settings.": "恢复的训练沿用原来的设置。",
    # ---- exporting and drawing, whose last lines the page shows
    "Details: {path}": "详细内容：{path}",
    "{name} has no checkpoint.": "{name} 没有检查点。",
    "Train it for at least one step first.": "请先至少训练一步。",
    "{name} has no checkpoint of step {step}.": "{name} 没有第 {step} 步的检查点。",
    "There are: {steps}.": "现有：{steps}。",
    "{name} is no hub id.": "{name} 不是 hub 上的名称。",
    'Write it as "organisation/model".': "请写成“organisation/model”的形式。",
    "A strength must be a number between -100 and 100.": "强度必须是 -100 到 100 之间的数字。",
    "{count} pictures were asked for; 1 to {most} can be drawn at once.": (
        "要求生成 {count} 张图片；一次可以生成 1 到 {most} 张。"
    ),
    "steps is {given}; it must be 1 to 1000.": "steps 为 {given}；必须是 1 到 1000。",
    "guidance is {given}; it must be 1 to 100.": "guidance 为 {given}；必须是 1 到 100。",
    "size is {given}; it must be a multiple of 8 from 16 to 4096.": (
        "size 为 {given}；必须是 16 到 4096 之间 8 的倍数。"
    ),
    "sampler is {given}; it must be one of {names}.": "sampler 为 {given}；可用的值：{names}。",
    "seed is {given}; it must be 0 or more.": "seed 为 {given}；必须是 0 或更大。",
    "clip_skip is {given}; it must be 0 to 12.": "clip_skip 为 {given}；必须是 0 到 12。",
    "{path} can't be read ({reason}).": "{path} 无法读取（{reason}）。",
    "{path} is not a drawing job ({reason}).": "{path} 不是绘图任务（{reason}）。",
    "Give a LoRA file or a run.": "请给出 LoRA 文件或训练文件夹。",
    "{name} has no LoRA file yet.": "{name} 还没有 LoRA 文件。",
    "Write one with: sdlora export {path}": "可以这样生成：sdlora export {path}",
    "See sdlora/pictures/job.py for its layout.": "格式见 sdlora/pictures/job.py。",
}
PARTS = {
    "place": {"": "", " ({path})": "（{path}）"},
    "captions": {"{names} and {count} more": "{names} 等（另有 {count} 张）", "{names}": "{names}"},
    "names_of_layers": {"{names} and {count} more": "{names} 等（另有 {count} 层）", "{names}": "{names}"},
    "fault": {
        "{file} is missing": "缺少 {file}",
        "{file} can't be read: {reason}": "{file} 无法读取：{reason}",
        "{file} is empty": "{file} 是空的",
        "{file} is not what was saved": "{file} 不是当初保存的内容",
        "{file} is no whole safetensors file: {why}": "{file} 不是完整的 safetensors 文件：{why}",
        "{file} lacks a part of {name_of_layer}": "{file} 缺少 {name_of_layer} 的一部分",
        "{name_of_layer} in {file} fits no part of the LoRA": "{file} 中的 {name_of_layer} 与 LoRA 的任何部分都不符",
        "{name_of_layer} in {file} is not finite": "{file} 中的 {name_of_layer} 不是有限的数字",
        "{file} is of step {number}": "{file} 属于第 {number} 步",
        "{file} has no step": "{file} 中没有步数",
        "{file} is of a newer version of this program": "{file} 由本程序的更新版本写成",
        "{file} does not name its files": "{file} 没有列出它的文件",
        "{file}: changed or torn": "{file}：被改动或不完整",
        "{file}: not JSON": "{file}：不是 JSON",
        "{file}: no JSON object": "{file}：不是 JSON 对象",
        "{file}: nested too deep": "{file}：嵌套过深",
        "the run has only {number} steps": "这次训练只有 {number} 步",
        "changed or torn": "被改动或不完整",
        "not JSON": "不是 JSON",
        "{why}": "{why}",
    },
}
