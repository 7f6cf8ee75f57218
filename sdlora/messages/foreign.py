"""Settings files of other trainers: ``sdlora.foreign``."""

MESSAGES = {
    # ---- the file
    "unknown_file": {"en": "{file} is no settings file of {tools}.", "zh": "{file} 不是 {tools} 的设置文件。"},
    "choose_settings_file": {
        "en": "Choose the file that the other trainer saved its settings in (TOML or JSON).",
        "zh": "请选择其他训练器保存设置的文件（TOML 或 JSON）。",
    },
    "no_settings": {"en": "{file} holds no settings.", "zh": "{file} 中没有设置。"},
    "too_large": {"en": "{file} is too large for a settings file.", "zh": "{file} 太大，不像设置文件。"},
    "not_toml_or_json": {
        "en": "{file} is neither TOML nor JSON ({reason}).",
        "zh": "{file} 既不是 TOML 也不是 JSON（{reason}）。",
    },
    "other_training": {
        "en": "These settings of OneTrainer train a {kind} of {model}, not a LoRA of Stable Diffusion.",
        "zh": "这些 OneTrainer 设置训练的是 {model} 的 {kind}，而不是 Stable Diffusion 的 LoRA。",
    },
    "choose_lora_settings": {
        "en": "Choose settings of a LoRA for SD 1.x, 2.x or SDXL.",
        "zh": "请选择 SD 1.x、2.x 或 SDXL 的 LoRA 设置。",
    },
    # ---- what was not taken
    "not_taken": {"en": "{said} was not taken: {why_not}.", "zh": "没有采用 {said}：{why_not}。"},
    "said_default": {"en": "{value} (the default of {tool})", "zh": "{value}（{tool} 的默认值）"},
    "said_concepts": {"en": "the concepts", "zh": "概念列表"},
    "said_subset": {"en": "subset {name}", "zh": "子集 {name}"},
    "said_concept": {"en": "concept {name}", "zh": "概念 {name}"},
    # ---- counted otherwise
    "because_saved_by_steps": {
        "en": "checkpoints are counted in steps here: set save.every",
        "zh": "这里按步数保存检查点：请设置 save.every",
    },
    "because_sampled_by_steps": {
        "en": "test pictures are counted in steps here: set sample.every",
        "zh": "这里按步数画测试图片：请设置 sample.every",
    },
    "because_epochs_first": {"en": "the epochs in the same file come before it", "zh": "同一文件中的轮数优先"},
    "because_share_of_steps": {
        "en": "a share of the steps: set train.warmup to that many steps",
        "zh": "这是步数的一部分：请把 train.warmup 设为相应的步数",
    },
    "because_percentage_of_steps": {
        "en": "a percentage of the steps: set train.warmup to that many steps",
        "zh": "这是步数的百分比：请把 train.warmup 设为相应的步数",
    },
    "because_set_repeats": {"en": "set data.repeats", "zh": "请设置 data.repeats"},
    # ---- written elsewhere
    "because_set_prompts": {
        "en": "write the prompts into sample.prompts",
        "zh": "请把提示词写入 sample.prompts",
    },
    "because_not_a_trigger": {
        "en": "it is no trigger word: sd-scripts uses it where a caption is missing",
        "zh": "它不是触发词：sd-scripts 只在缺少说明时使用它",
    },
    "because_caption_suffix": {
        "en": "captions are read from .txt and .caption files",
        "zh": "说明从 .txt 和 .caption 文件读取",
    },
    "because_one_folder_with_repeats": {
        "en": ("one folder is trained here; put its images into a folder of that one, named like 3_name for 3 repeats"),
        "zh": "这里训练一个文件夹；请把其图片放入该文件夹的子文件夹，例如以 3_name 命名表示重复 3 次",
    },
    "because_one_folder": {"en": "one folder is trained here", "zh": "这里训练一个文件夹"},
    "because_own_file": {
        "en": "they are in a file of their own: set data.folder",
        "zh": "它们在单独的文件中：请设置 data.folder",
    },
    "because_set_targets": {"en": "choose adapter.targets", "zh": "请选择 adapter.targets"},
    "because_unreadable": {"en": "its value can't be read", "zh": "它的值无法读取"},
    # ---- not here, or otherwise
    "because_no_setting": {"en": "there is no such setting here", "zh": "这里没有这个设置"},
    "because_fixed": {"en": "it is {value} here", "zh": "这里它是 {value}"},
    "because_constant": {"en": "it is constant here", "zh": "这里它是常数"},
    "because_other_kind": {"en": "only {kinds} are trained here", "zh": "这里只训练 {kinds}"},
    "because_no_dropout": {"en": "there is no dropout in the LoRA here", "zh": "这里的 LoRA 没有 dropout"},
    "because_unet_always": {"en": "the UNet always learns here", "zh": "这里 UNet 总是训练"},
    "because_one_text_encoder_lr": {
        "en": "both text encoders learn at one rate here",
        "zh": "这里两个文本编码器使用同一学习率",
    },
    "because_text_encoders_alike": {
        "en": "both text encoders learn alike here",
        "zh": "这里两个文本编码器一同训练",
    },
    "because_text_encoder_to_end": {
        "en": "the text encoder learns to the end here",
        "zh": "这里文本编码器一直训练到结束",
    },
    "because_sdxl_text_encoders": {
        "en": "SDXL's text encoders are read as it was trained",
        "zh": "SDXL 的文本编码器按其训练方式读取",
    },
    "because_one_resolution": {
        "en": "several resolutions at once are not trained here",
        "zh": "这里不能同时训练多个分辨率",
    },
    "because_one_regularization_folder": {
        "en": "one folder of regularization images is trained beside the images; put these into it",
        "zh": "只有一个正则化图片文件夹与图片一起训练；请把它们放进那个文件夹",
    },
    "because_class_in_captions": {
        "en": "captions of regularization images come from text files beside them, or from a folder named like 1_dog",
        "zh": "正则化图片的说明来自旁边的文本文件，或形如 1_dog 的文件夹名",
    },
    # ---- optimizer, schedule, loss, sampler
    "because_adamw_32": {"en": "AdamW is used, in 32 bits", "zh": "使用 32 位的 AdamW"},
    "because_adamw_instead": {
        "en": "AdamW is used instead, for which the learning rate may be wrong",
        "zh": "改用 AdamW，该学习率可能不适合它",
    },
    "because_adafactor_rate": {
        "en": "Adafactor learns at the rate that is set",
        "zh": "这里 Adafactor 使用所设的学习率",
    },
    "because_rate_unscaled": {
        "en": "the rate is used as it is: set train.lr to the product",
        "zh": "学习率按原样使用：请把 train.lr 设为乘积",
    },
    "because_warmup_idle": {"en": "its warm-up has no effect, there or here", "zh": "它的预热在那里和这里都不起作用"},
    "because_no_schedule": {"en": "there is no such learning rate schedule here", "zh": "这里没有这种学习率调度"},
    "because_one_fall": {"en": "the schedule falls once here", "zh": "这里学习率只下降一次"},
    "because_no_loss": {"en": "there is no such loss here", "zh": "这里没有这种损失函数"},
    "because_mse_only": {"en": "the loss is the mean squared error alone", "zh": "这里的损失只有均方误差"},
    "because_loss_unscaled": {"en": "the loss is used as it is", "zh": "损失按原样使用"},
    "because_one_weighting": {
        "en": "timesteps are weighted in one way only here",
        "zh": "这里只用一种时间步加权",
    },
    "because_each_step": {"en": "the average takes in each step here", "zh": "这里每一步都计入平均"},
    "because_no_weighting": {"en": "there is no such weighting here", "zh": "这里没有这种加权"},
    "because_timesteps_unshifted": {"en": "timesteps are not shifted here", "zh": "这里不偏移时间步"},
    "because_no_distribution": {
        "en": "there is no such distribution of timesteps here",
        "zh": "这里没有这种时间步分布",
    },
    "because_no_sampler": {"en": "there is no such sampler here", "zh": "这里没有这种采样器"},
}
