"""Settings by themselves and against each other: ``sdlora.settings``, ``sdlora.check``."""

SENTENCES = {
    # ---- a setting's value
    "Unknown setting {name} in {source}.": "{source}中的 {name} 不是已知的设置项。",
    "Did you mean {name}?": "您是否想写 {name}？",
    "Remove it.": "请删除它。",
    "{key} is {given}.": "{key} 的值是 {given}。",
    "{key} is {count} characters long.": "{key} 有 {count} 个字符。",
    "It must be a whole number.": "必须是整数。",
    "It must be a number.": "必须是数字。",
    "It must be at least {least}.": "至少应为 {least}。",
    "It must be more than {least}.": "必须大于 {least}。",
    "It must be at most {most}.": "最多为 {most}。",
    "It must be one of {choices}.": "可用的值：{choices}。",
    "It may have {count} at most.": "最多 {count} 个。",
    "Input should be a valid integer.": "应为整数。",
    "Input should be a valid integer, unable to parse string as an integer.": "应为整数。",
    "Input should be a valid integer, got a number with a fractional part.": "应为整数，不能有小数部分。",
    "Unable to parse input string as an integer, exceeded maximum size.": "整数太长。",
    "Input should be a valid number.": "应为数字。",
    "Input should be a valid number, unable to parse string as a number.": "应为数字。",
    "Input should be a finite number.": "应为有限的数字。",
    "Input should be a valid boolean.": "应为 true 或 false。",
    "Input should be a valid boolean, unable to interpret input.": "应为 true 或 false。",
    "Input should be a valid string.": "应为文字。",
    "Input should be a valid string, unable to parse raw data as a unicode string.": "应为文字，但其中有损坏的字符。",
    "Input should be a valid list.": "应为列表。",
    "Input should be a valid dictionary.": "应为“名称 = 值”的表。",
    "Input should be a valid dictionary or instance of {section}.": "应为“名称 = 值”的表（{section}）。",
    "{count} more settings in {source} are wrong.": "{source} 中还有 {count} 项设置有误。",
    "Mend those that are named first.": "请先修正上面列出的各项。",
    # ---- a settings file
    "There is no settings file {path}.": "没有设置文件 {path}。",
    "Check the path.": "请检查路径。",
    "The settings file {path} can't be read: {reason}.": "设置文件 {path} 无法读取：{reason}。",
    "{file} is not valid TOML: {reason}.": "{file} 不是有效的 TOML：{reason}。",
    "Mend that line.": "请修正那一行。",
    # ---- against the base model
    "Zero terminal SNR leaves nothing to learn from in epsilon prediction.": (
        "在 epsilon 预测下，零终端信噪比使模型无从学习。"
    ),
    'Set model.zero_snr to "off", or choose a v-prediction model.': (
        "请把 model.zero_snr 设为“off”，或选择 v-prediction 模型。"
    ),
    "model.clip_skip is {given}, but {family} always reads its second to last layer.": (
        "model.clip_skip 为 {given}，但 {family} 总是读取倒数第二层。"
    ),
    "Set it to 1.": "请设为 1。",
    "model.clip_skip is {given}, but the text encoder has {count} layers.": (
        "model.clip_skip 为 {given}，但文本编码器只有 {count} 层。"
    ),
    "Use 1 to {count}.": "请用 1 到 {count}。",
    "{key} is {size}, but {name} needs a multiple of {step}.": "{key} 为 {size}，但 {name} 需要 {step} 的倍数。",
    "Use {near}, or 0 for the model's own {size}.": "请用 {near}，或用 0 表示模型自己的 {size}。",
    # ---- LoRA files
    "There is no LoRA file {path}.": "没有 LoRA 文件 {path}。",
    "Check {key}.": "请检查 {key}。",
    "{key} is {given} at rank {rank}: the LoRA acts with strength {strength}, far from usual.": (
        "{key} 为 {given}，rank 为 {rank}：LoRA 的作用强度为 {strength}，与通常的值相差很远。"
    ),
    "Alpha is usually between 1 and twice the rank; else train.lr has to make up for it.": (
        "alpha 通常在 1 到 rank 的两倍之间；否则要由 train.lr 来弥补。"
    ),
    "The {container} layout of LoRA files can't hold a {kind}.": "LoRA 文件的 {container} 布局无法保存 {kind}。",
    'Set save.container to "{container}", or write it as a plain LoRA: sdlora export RUN --plain.': (
        "请把 save.container 设为“{container}”，或另存为普通 LoRA：sdlora export RUN --plain。"
    ),
    "A {kind} file does what it should in these tools only: {tools}.": "{kind} 文件只在这些工具中效果正确：{tools}。",
    "For all tools, write it as a plain LoRA afterwards: sdlora export RUN --plain.": (
        "要用于所有工具，请在训练后另存为普通 LoRA：sdlora export RUN --plain。"
    ),
    # ---- training
    "train.warmup is {given}, but the run has only {count} steps.": "train.warmup 为 {given}，但训练只有 {count} 步。",
    "Make it smaller, a tenth of train.steps for example.": "请改小，例如 train.steps 的十分之一。",
    'train.precision "fp16" does not work on a CPU.': "train.precision 的“fp16”不能在 CPU 上使用。",
    'Use "fp32", "bf16" or "auto".': "请用“fp32”、“bf16”或“auto”。",
    "validation.held_out is {given}, which leaves nothing of {count} images to train on.": (
        "validation.held_out 为 {given}，{count} 张图片中没有剩下可以训练的。"
    ),
    "A tenth of the images is plenty.": "图片的十分之一就够了。",
    # ---- what does nothing, or less than it says
    "{key} has no effect because {because}.": "{key} 不起作用：{because}。",
    'Use "constant_with_warmup".': "请用“constant_with_warmup”。",
    "Set train.cycles to 2 or more.": "请把 train.cycles 设为 2 或更大。",
    "Leave the rate empty for half of train.lr.": "学习率留空即为 train.lr 的一半。",
    "Separate tags with commas.": "请用逗号分隔标签。",
    "data.max_tokens is {given}, but captions are read in chunks of 75 tokens: {count} are read.": (
        "data.max_tokens 为 {given}，但说明以 75 个词元为一段读取：只读 {count} 个。"
    ),
    "Use {count} or {other}.": "请用 {count} 或 {other}。",
    "validation.held_out keeps images out of training, but validation.every is 0: they are never measured.": (
        "validation.held_out 让一些图片不参加训练，但 validation.every 为 0，从不在它们上面测量。"
    ),
    "Set one of them.": "请设置其中一个。",
    "With v-prediction and zero terminal SNR, train.min_snr_gamma all but drops the noisiest timesteps.": (
        "在 v-prediction 和零终端信噪比下，train.min_snr_gamma 使噪声最大的时间步几乎学不到东西。"
    ),
    "Brightness and composition are learnt there: leave it empty, or set it to 0.": (
        "亮度和构图正是在那里学到的：请留空，或设为 0。"
    ),
    # ---- folders and the disk
    "No image folder is chosen.": "没有选择图片文件夹。",
    "Set data.folder to the folder with your images.": "请把 data.folder 设为存放图片的文件夹。",
    "The output folder {path} lies inside data.folder, so test pictures would become training images.": (
        "输出文件夹 {path} 在 data.folder 里面，测试图片会变成训练图片。"
    ),
    "Choose a run.folder outside of it.": "请选择它外面的 run.folder。",
    "{which_folder} {path} can't be written ({reason}).": "{which_folder} {path} 无法写入（{reason}）。",
    "Choose another {key}.": "请换一个 {key}。",
    "{key} is {given}, far outside of what is usual ({low} to {high}).": (
        "{key} 为 {given}，远超常用范围（{low} 到 {high}）。"
    ),
    "Look for a lost decimal point, or go on if it is meant.": "请检查是否漏了小数点；若确实如此，可以继续。",
    "{key} is {given}, and {optimizer} moves the LoRA's numbers by about that much in each step.": (
        "{key} 为 {given}，而 {optimizer} 每一步都会让 LoRA 的数值变化约这么多。"
    ),
    "Above {most} that ruins a LoRA within a few steps; 0.0001 to 0.001 are usual.": (
        "超过 {most} 时，几步之内就会毁掉 LoRA；通常为 0.0001 到 0.001。"
    ),
    "The disk of {path} is too full: the run needs {needs}, and {spare} to spare; {free} are free.": (
        "{path} 所在的磁盘空间不足：训练需要{needs}，并需留出 {spare}；剩余 {free}。"
    ),
    "Free some space, or set save.keep lower.": "请腾出一些空间，或把 save.keep 改小。",
}

REASONS = {  # of the system, and why a caption is not read
    "Permission denied": "没有权限",
    "Operation not permitted": "不允许此操作",
    "No such file or directory": "文件或文件夹不存在",
    "Not a directory": "不是文件夹",
    "Is a directory": "是一个文件夹",
    "File exists": "已经存在",
    "No space left on device": "磁盘空间不足",
    "Disk quota exceeded": "超出磁盘配额",
    "Read-only file system": "磁盘是只读的",
    "File name too long": "名称太长",
    "Too many open files": "打开的文件太多",
    "Too many levels of symbolic links": "符号链接层数太多",
    "Input/output error": "磁盘读写出错",
    "it has more than 1 MiB": "超过 1 MiB",
    "it is a Git LFS pointer: fetch the file with `git lfs pull`": "只是 Git LFS 指针：请用 `git lfs pull` 取回文件",
    "it is a web page": "是网页",
    "it is no text": "它不是文本",
    "it is a folder, not a file": "是文件夹，不是文件",
    "it is a pipe, not a file": "是管道，不是文件",
    "it is a device, not a file": "是设备，不是文件",
    "it is a socket, not a file": "是套接字，不是文件",
    "it is something else, not a file": "不是文件",
    "{reason}": "{reason}",
}
PARTS = {
    "because": {
        "train.optimizer sets its own rate": "train.optimizer 自行决定学习率",
        'train.scheduler is "constant"': "train.scheduler 为“constant”",
        'train.scheduler is not "cosine_with_restarts"': "train.scheduler 不是“cosine_with_restarts”",
        'with train.cycles 1 it is "cosine"': "train.cycles 为 1 时它就是“cosine”",
        "adapter.text_encoder is off": "adapter.text_encoder 已关闭",
        "train.text_encoder_lr is 0, which means: not trained": "train.text_encoder_lr 为 0，表示不训练",
        "the LoRA in adapter.start_from keeps its own layers, ranks and alphas": (
            "adapter.start_from 中的 LoRA 保持自己的层、秩和 alpha"
        ),
        "data.shuffle_tags and data.tag_dropout are off": "data.shuffle_tags 和 data.tag_dropout 都已关闭",
        "model.base is no hub id": "model.base 不是 hub id",
        "sample.guidance is 1": "sample.guidance 为 1",
        "no caption has two tags to swap after the kept ones": "没有说明在保留的标签之后还有两个可以交换的标签",
        "no caption has a tag after the kept ones": "没有说明在保留的标签之后还有标签",
        "no caption has brackets in it": "没有说明含有括号",
        "no caption has a choice such as {{red|blue}} in it": "没有说明含有 {{red|blue}} 这样的选项",
        "no caption has several lines": "没有说明有多行",
    },
    "reason": REASONS,
    "source": {"the settings": "设置", "the form": "表单", "the command line": "命令行", "{source}": " {source} "},
    "choices": {"{first} or {last}": "{first} 或 {last}", "{choices}": "{choices}"},
    "which_folder": {"The output folder": "输出文件夹", "The cache folder": "缓存文件夹"},
    "needs": {"{need}": "{need}", "{need} and {other_need}": "{need}和{other_need}"},
    "need": {"about {size} of {content}": "约 {size} 存放{content}"},
    "other_need": {"about {size} of {content}": "约 {size} 存放{content}"},
    "content": {"cached latents": "潜变量缓存", "checkpoints": "检查点"},
    "free": {"{count} bytes": "{count} 字节", "{size}": "{size}"},
}
