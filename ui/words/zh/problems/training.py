"""What ends a run or keeps it from starting, and drawing: ``sdlora.train``, ``errors``, ``run``, ``draw``."""

SENTENCES = {
    # ---- known causes
    "The computer ran out of memory.": "电脑内存不足。",
    "Use train.gradient_checkpointing, a smaller train.batch_size or a lower data.resolution.": (
        "请使用 train.gradient_checkpointing，减小 train.batch_size，或降低 data.resolution。"
    ),
    "Something went wrong inside the trainer: {kind}: {what}": "训练器内部出错：{kind}：{what}",
    "The run's log.txt has the details; please report it with them.": (
        "这次训练的 log.txt 中有详细内容；请附上它报告此问题。"
    ),
    "The disk is full{place}.": "磁盘已满{place}。",
    "Free some space and start again; nothing was half-written.": "请腾出一些空间后重新开始；没有文件只写了一半。",
    "No permission to read or write there{place}.": "没有读写权限{place}。",
    "A file name is too long{place}.": "文件名太长{place}。",
    "Use a shorter run name.": "请用更短的训练名称。",
    "The system refused{place}: {reason}.": "系统拒绝{place}：{reason}。",
    "Check the path and try again.": "请检查路径后重试。",
    # ---- training
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
    "The checkpoint {name} is damaged ({reason}).": "检查点 {name} 已损坏（{reason}）。",
    "Delete the folder {name}; the one before it will be used.": "请删除文件夹 {name}；将使用它之前的一个。",
    "The checkpoint of step {step} could not be written: {reason}.": "第 {step} 步的检查点无法写入：{reason}。",
    "Free some space on the disk and resume the run.": "请在磁盘上腾出一些空间，然后恢复训练。",
    "Choose another run.folder.": "请换一个 run.folder。",
    "The output folder {path} can't be written ({reason}).": "输出文件夹 {path} 无法写入（{reason}）。",
    "{name} is being trained by another process.": "另一个进程正在训练 {name}。",
    "Wait for it, or stop it first.": "请等它结束，或先停止它。",
    "{path} is not a run folder (no settings.toml in it).": "{path} 不是训练文件夹（其中没有 settings.toml）。",
    "`sdlora runs` lists them.": "`sdlora runs` 会列出它们。",
    "A resumed run keeps its settings.": "恢复的训练沿用原来的设置。",
    "Start a new run to change them.": "要更改设置，请开始新的训练。",
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
}
