"""Settings files of other trainers: ``sdlora.foreign``."""

SENTENCES = {
    "{said} was not taken: {why_not}.": "没有采用 {said}：{why_not}。",
    "{file} is no settings file of {tools}.": "{file} 不是 {tools} 的设置文件。",
    "Choose the file that the other trainer saved its settings in (TOML or JSON).": (
        "请选择其他训练器保存设置的文件（TOML 或 JSON）。"
    ),
    "{file} holds no settings.": "{file} 中没有设置。",
    "{file} is too large for a settings file.": "{file} 太大，不像设置文件。",
    "{file} is neither TOML nor JSON ({reason}).": "{file} 既不是 TOML 也不是 JSON（{reason}）。",
    "These settings of OneTrainer train a {kind} of {model}, not a LoRA of Stable Diffusion.": (
        "这些 OneTrainer 设置训练的是 {model} 的 {kind}，而不是 Stable Diffusion 的 LoRA。"
    ),
    "Choose settings of a LoRA for SD 1.x, 2.x or SDXL.": "请选择 SD 1.x、2.x 或 SDXL 的 LoRA 设置。",
}
PARTS = {
    "said": {
        "{value} (the default of {tool})": "{value}（{tool} 的默认值）",
        "the concepts": "概念列表",
        "subset {name}": "子集 {name}",
        "concept {name}": "概念 {name}",
        "{value}": "{value}",
    },
    "why_not": {
        "training is counted in steps here: set train.steps to images x repeats x epochs / batch size": (
            "这里按步数训练：请把 train.steps 设为 图片数 x 重复次数 x 轮数 / 批大小"
        ),
        "checkpoints are counted in steps here: set save.every": "这里按步数保存检查点：请设置 save.every",
        "write the prompts into sample.prompts": "请把提示词写入 sample.prompts",
        "it is no trigger word: sd-scripts uses it where a caption is missing": (
            "它不是触发词：sd-scripts 只在缺少说明时使用它"
        ),
        "captions are read from .txt and .caption files": "说明从 .txt 和 .caption 文件读取",
        "the epochs in the same file come before it": "同一文件中的轮数优先",
        "both text encoders learn at one rate here": "这里两个文本编码器使用同一学习率",
        "AdamW is used, in 32 bits": "使用 32 位的 AdamW",
        "AdamW is used instead, for which the learning rate may be wrong": "改用 AdamW，该学习率可能不适合它",
        "its warm-up has no effect, there or here": "它的预热在那里和这里都不起作用",
        "there is no such learning rate schedule here": "这里没有这种学习率调度",
        "a share of the steps: set train.warmup to that many steps": (
            "这是步数的一部分：请把 train.warmup 设为相应的步数"
        ),
        "there is no such sampler here": "这里没有这种采样器",
        "one folder is trained here; put its images into a folder of that one, named like 3_name for 3 repeats": (
            "这里训练一个文件夹；请把其图片放入该文件夹的子文件夹，例如以 3_name 命名表示重复 3 次"
        ),
        "only {kinds} are trained here": "这里只训练 {kinds}",
        "choose adapter.targets": "请选择 adapter.targets",
        "there is no such setting here": "这里没有这个设置",
        "a percentage of the steps: set train.warmup to that many steps": (
            "这是步数的百分比：请把 train.warmup 设为相应的步数"
        ),
        "the text encoder learns to the end here": "这里文本编码器一直训练到结束",
        "there is no dropout in the LoRA here": "这里的 LoRA 没有 dropout",
        "only min-SNR weighting is used here": "这里只有 min-SNR 加权",
        "one folder is trained here": "这里训练一个文件夹",
        "they are in a file of their own: set data.folder": "它们在单独的文件中：请设置 data.folder",
        "the UNet always learns here": "这里 UNet 总是训练",
        "the schedule falls once here": "这里学习率只下降一次",
        "several resolutions at once are not trained here": "这里不能同时训练多个分辨率",
        "its value can't be read": "它的值无法读取",
        "{reason}": "{reason}",
    },
}
