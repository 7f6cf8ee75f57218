"""Settings by themselves and against each other: ``sdlora.settings``, ``sdlora.check``."""

MESSAGES = {
    # ---- one value
    "unknown_setting": {"en": "Unknown setting {name} in {source}.", "zh": "{source}中的 {name} 不是已知的设置项。"},
    "did_you_mean": {"en": "Did you mean {name}?", "zh": "您是否想写 {name}？"},
    "remove_it": {"en": "Remove it.", "zh": "请删除它。"},
    "value_is": {"en": "{key} is {given}.", "zh": "{key} 的值是 {given}。"},
    "too_long": {"en": "{key} is {count} characters long.", "zh": "{key} 有 {count} 个字符。"},
    "at_most_characters": {"en": "It may have {count} at most.", "zh": "最多 {count} 个。"},
    "must_be_whole": {"en": "It must be a whole number.", "zh": "必须是整数。"},
    "must_be_number": {"en": "It must be a number.", "zh": "必须是数字。"},
    "number_with_comma": {
        "en": "line {line} has a number with a comma, {given}; write {better}",
        "zh": "第 {line} 行的数字带逗号：{given}；请写成 {better}",
    },
    "must_be_at_least": {"en": "It must be at least {bound}.", "zh": "至少应为 {bound}。"},
    "must_be_more_than": {"en": "It must be more than {bound}.", "zh": "必须大于 {bound}。"},
    "must_be_at_most": {"en": "It must be at most {bound}.", "zh": "最多为 {bound}。"},
    "must_be_one_of": {"en": "It must be one of {choices}.", "zh": "可用的值：{choices}。"},
    "must_be_true_or_false": {"en": "It must be true or false.", "zh": "应为 true 或 false。"},
    "must_be_text": {"en": "It must be text.", "zh": "应为文字。"},
    "must_be_whole_text": {"en": "It must be text without broken characters.", "zh": "应为文字，但其中有损坏的字符。"},
    "must_be_list": {"en": "It must be a list.", "zh": "应为列表。"},
    "must_be_table": {"en": "It must be a table of names and values.", "zh": "应为“名称 = 值”的表。"},
    "must_be_section": {"en": "It must be a table of settings.", "zh": "应为“名称 = 值”的表。"},
    "see_settings": {"en": "`sdlora settings` prints what it may be.", "zh": "`sdlora settings` 会列出可用的值。"},
    "check_setting": {"en": "Check {key}.", "zh": "请检查 {key}。"},
    "more_are_wrong": {
        "en": "{count} more settings in {source} are wrong.",
        "zh": "{source} 中还有 {count} 项设置有误。",
    },
    "correct_named_first": {"en": "Correct those that are named first.", "zh": "请先修正上面列出的各项。"},
    # ---- the file, and other places they come from
    "file_missing": {"en": "There is no settings file {path}.", "zh": "没有设置文件 {path}。"},
    "file_unreadable": {
        "en": "The settings file {path} can't be read: {reason}.",
        "zh": "设置文件 {path} 无法读取：{reason}。",
    },
    "not_toml": {"en": "{file} is not valid TOML: {reason}.", "zh": "{file} 不是有效的 TOML：{reason}。"},
    "correct_line": {"en": "Correct that line.", "zh": "请修正那一行。"},
    "source_settings": {"en": "the settings", "zh": "设置"},
    "source_form": {"en": "the form", "zh": "表单"},
    "source_command_line": {"en": "the command line", "zh": "命令行"},
    # ---- the model
    "zero_snr_unlearnable": {
        "en": "Zero terminal SNR leaves nothing to learn from in {prediction} prediction.",
        "zh": "在 {prediction} 预测下，零终端信噪比使模型无从学习。",
    },
    "turn_off_zero_snr": {
        "en": 'Set model.zero_snr to "off", or choose a {prediction} model.',
        "zh": "请把 model.zero_snr 设为“off”，或选择 {prediction} 模型。",
    },
    "clip_skip_fixed": {
        "en": "model.clip_skip is {given}, but {family} always reads its second to last layer.",
        "zh": "model.clip_skip 为 {given}，但 {family} 总是读取倒数第二层。",
    },
    "set_to_1": {"en": "Set it to 1.", "zh": "请设为 1。"},
    "clip_skip_too_deep": {
        "en": "model.clip_skip is {given}, but the text encoder has {count} layers.",
        "zh": "model.clip_skip 为 {given}，但文本编码器只有 {count} 层。",
    },
    "use_1_to": {"en": "Use 1 to {count}.", "zh": "请用 1 到 {count}。"},
    "not_a_multiple": {
        "en": "{key} is {size}, but {name} needs a multiple of {step}.",
        "zh": "{key} 为 {size}，但 {name} 需要 {step} 的倍数。",
    },
    "use_multiple": {
        "en": "Use {near}, or 0 for the model's own {size}.",
        "zh": "请用 {near}，或用 0 表示模型自己的 {size}。",
    },
    # ---- the adapter
    "lora_file_missing": {"en": "There is no LoRA file {path}.", "zh": "没有 LoRA 文件 {path}。"},
    "strength_unusual": {
        "en": "{key} is {given} at rank {rank}: the LoRA acts with strength {strength}, far from usual.",
        "zh": "{key} 为 {given}，rank 为 {rank}：LoRA 的作用强度为 {strength}，与通常的值相差很远。",
    },
    "use_usual_alpha": {
        "en": "Alpha is usually between 1 and twice the rank; else train.lr has to make up for it.",
        "zh": "alpha 通常在 1 到 rank 的两倍之间；否则要由 train.lr 来弥补。",
    },
    "container_unfit": {
        "en": "The {container} layout of LoRA files can't hold a {kind}.",
        "zh": "LoRA 文件的 {container} 布局无法保存 {kind}。",
    },
    "use_other_container": {
        "en": 'Set save.container to "{container}", or write it as a plain LoRA: sdlora export RUN --plain.',
        "zh": "请把 save.container 设为“{container}”，或另存为普通 LoRA：sdlora export RUN --plain。",
    },
    "kind_in_few_tools": {
        "en": "A {kind} file does what it should in these tools only: {tools}.",
        "zh": "{kind} 文件只在这些工具中效果正确：{tools}。",
    },
    "export_plain": {
        "en": "For all tools, write it as a plain LoRA afterwards: sdlora export RUN --plain.",
        "zh": "要用于所有工具，请在训练后另存为普通 LoRA：sdlora export RUN --plain。",
    },
    # ---- training
    "epochs_decide": {
        "en": "train.steps = {given} is not used: train.epochs = {epochs} makes {steps} steps.",
        "zh": "没有使用 train.steps = {given}：train.epochs = {epochs} 相当于 {steps} 步。",
    },
    "leave_epochs_empty": {
        "en": "Leave train.epochs empty to count in steps.",
        "zh": "要按步数计，请把 train.epochs 留空。",
    },
    "warmup_too_long": {
        "en": "train.warmup is {given}, but the run has only {count} steps.",
        "zh": "train.warmup 为 {given}，但训练只有 {count} 步。",
    },
    "shorten_warmup": {
        "en": "Make it smaller, a tenth of train.steps for example.",
        "zh": "请改小，例如 train.steps 的十分之一。",
    },
    "no_timesteps": {
        "en": "train.min_timestep is {low} and train.max_timestep is {high}: no timestep lies between them.",
        "zh": "train.min_timestep 为 {low}，train.max_timestep 为 {high}：两者之间没有时间步。",
    },
    "raise_max_timestep": {
        "en": "Make train.max_timestep larger than train.min_timestep.",
        "zh": "请让 train.max_timestep 大于 train.min_timestep。",
    },
    "step_rules_unreadable": {
        "en": "train.step_rules {given} can't be read.",
        "zh": "无法读取 train.step_rules {given}。",
    },
    "write_step_rules": {
        "en": "Write FACTOR:STEP with rising steps, and the last factor alone: 1:500,0.5:800,0.1.",
        "zh": "请写作 倍数:步数，步数递增，最后只写倍数：1:500,0.5:800,0.1。",
    },
    "set_step_rules": {"en": "Set it, to 1:500,0.1 for example.", "zh": "请设置它，例如 1:500,0.1。"},
    "fp16_on_cpu": {
        "en": 'train.precision "fp16" does not work on a CPU.',
        "zh": "train.precision 的“fp16”不能在 CPU 上使用。",
    },
    "use_other_precision": {"en": 'Use "fp32", "bf16" or "auto".', "zh": "请用“fp32”、“bf16”或“auto”。"},
    "held_out_all": {
        "en": "validation.held_out is {given}, which leaves nothing of {count} images to train on.",
        "zh": "validation.held_out 为 {given}，{count} 张图片中没有剩下可以训练的。",
    },
    "none_held_out": {
        "en": "Of {count} images none is held out for the validation loss: below {enough} each is needed to learn.",
        "zh": "图片少于 {enough} 张（{count} 张）时不为验证损失留出图片：每一张都要用来学习。",
    },
    "hold_out_tenth": {"en": "A tenth of the images is plenty.", "zh": "图片的十分之一就够了。"},
    "held_out_unmeasured": {
        "en": ("validation.held_out keeps images out of training, but validation.every is 0: they are never measured."),
        "zh": "validation.held_out 让一些图片不参加训练，但 validation.every 为 0，从不在它们上面测量。",
    },
    "because_unmeasured": {
        "en": "nothing is measured where validation.every is 0",
        "zh": "validation.every 为 0 时不做任何测量",
    },
    "because_none_held_out": {
        "en": "no image is held out to measure on",
        "zh": "没有留出用来测量的图片",
    },
    "hold_some_out": {
        "en": "Set validation.held_out; a tenth of the images is plenty.",
        "zh": "请设置 validation.held_out；图片的十分之一就够了。",
    },
    "set_every": {"en": "Leave validation.every empty.", "zh": "请将 validation.every 留空。"},
    "set_one_of_them": {"en": "Set one of them.", "zh": "请设置其中一个。"},
    "max_tokens_not_in_chunks": {
        "en": "data.max_tokens is {given}, but captions are read in chunks of 75 tokens: {count} are read.",
        "zh": "data.max_tokens 为 {given}，但说明以 75 个词元为一段读取：只读 {count} 个。",
    },
    "use_either_count": {"en": "Use {count} or {other}.", "zh": "请用 {count} 或 {other}。"},
    "min_snr_with_zero_snr": {
        "en": "With zero terminal SNR, train.min_snr_gamma all but drops the noisiest timesteps.",
        "zh": "在零终端信噪比下，train.min_snr_gamma 使噪声最大的时间步几乎学不到东西。",
    },
    "leave_min_snr_empty": {
        "en": "Brightness and composition are learnt there: leave it empty, or set it to 0.",
        "zh": "亮度和构图正是在那里学到的：请留空，或设为 0。",
    },
    "value_unusual": {
        "en": "{key} is {given}, far outside of what is usual ({low} to {high}).",
        "zh": "{key} 为 {given}，远超常用范围（{low} 到 {high}）。",
    },
    "check_decimal_point": {
        "en": "Look for a lost decimal point, or go on if it is meant.",
        "zh": "请检查是否漏了小数点；若确实如此，可以继续。",
    },
    "lr_too_high": {
        "en": "{key} is {given}, and {optimizer} moves the LoRA's numbers by about that much in each step.",
        "zh": "{key} 为 {given}，而 {optimizer} 每一步都会让 LoRA 的数值变化约这么多。",
    },
    "use_usual_lr": {
        "en": "Above {most} that ruins a LoRA within a few steps; 0.0001 to 0.001 are usual.",
        "zh": "超过 {most} 时，几步之内就会毁掉 LoRA；通常为 0.0001 到 0.001。",
    },
    "lr_is_a_factor": {
        "en": "{key} is {given}, and {optimizer} finds the learning rate by itself and multiplies it by that.",
        "zh": "{key} 为 {given}，而 {optimizer} 会自己找到学习率，再乘以这个数。",
    },
    "one_rate_for_all": {
        "en": "{key} is {given} and train.lr is {other}: {optimizer} can train all parts at one rate only.",
        "zh": "{key} 为 {given}，train.lr 为 {other}：{optimizer} 只能用同一个学习率训练所有部分。",
    },
    "one_rate_without_others": {
        "en": "{optimizer} can train everything at one rate only, and {key} asks for several.",
        "zh": "{optimizer} 只能用同一个学习率训练所有部分，而 {key} 要求多个学习率。",
    },
    "leave_as_it_was": {
        "en": "Put {key} back to its default, or choose another optimizer.",
        "zh": "请将 {key} 恢复为默认值，或选择其他优化器。",
    },
    "leave_open_or_0": {
        "en": "Leave {key} empty, or set it to 0 to leave that part out.",
        "zh": "请将 {key} 留空；设为 0 则不训练该部分。",
    },
    # ---- settings without effect
    "no_effect": {"en": "{key} has no effect because {because}.", "zh": "{key} 不起作用：{because}。"},
    "use_constant_with_warmup": {"en": 'Use "constant_with_warmup".', "zh": "请用“constant_with_warmup”。"},
    "set_more_cycles": {"en": "Set train.cycles to 2 or more.", "zh": "请把 train.cycles 设为 2 或更大。"},
    "leave_rate_empty": {"en": "Leave the rate empty for the usual one.", "zh": "学习率留空即使用常用值。"},
    "separate_tags": {"en": "Separate tags with commas.", "zh": "请用逗号分隔标签。"},
    "because_optimizer_sets_rate": {
        "en": "train.optimizer sets its own rate",
        "zh": "train.optimizer 自行决定学习率",
    },
    "because_constant_schedule": {
        "en": 'train.scheduler is "constant"',
        "zh": "train.scheduler 为“constant”",
    },
    "because_no_restarts": {
        "en": 'train.scheduler is not "cosine_with_restarts"',
        "zh": "train.scheduler 不是“cosine_with_restarts”",
    },
    "because_no_pyramid": {"en": "train.pyramid_noise is 0", "zh": "train.pyramid_noise 为 0"},
    "because_timesteps_unshaped": {
        "en": 'train.timesteps is not "logit_normal"',
        "zh": "train.timesteps 不是“logit_normal”",
    },
    "because_other_weighting": {
        "en": 'train.weighting is not "{name}"',
        "zh": "train.weighting 不是“{name}”",
    },
    "because_other_schedule": {
        "en": 'train.scheduler is not "{name}"',
        "zh": "train.scheduler 不是“{name}”",
    },
    "because_rate_does_not_fall": {
        "en": "with this train.scheduler the rate does not fall to zero",
        "zh": "train.scheduler 的这种方式不会降到零",
    },
    "because_no_step_rules": {
        "en": "train.step_rules is empty, so that the rate stays",
        "zh": "train.step_rules 为空，学习率保持不变",
    },
    "because_optimizer_averages": {
        "en": "train.optimizer averages the weights by itself",
        "zh": "train.optimizer 自己会平均权重",
    },
    "because_one_cycle": {
        "en": 'with train.cycles 1 it is "cosine"',
        "zh": "train.cycles 为 1 时它就是“cosine”",
    },
    "because_kind_without_ranks": {
        "en": "this kind of adapter (adapter.kind) has no ranks that act by themselves",
        "zh": "这种适配器（adapter.kind）没有可单独起作用的秩",
    },
    "because_kind_without_factor": {
        "en": "only a LoKr (adapter.kind) has it",
        "zh": "只有 LoKr（adapter.kind）有此项",
    },
    "because_text_encoder_off": {
        "en": "adapter.text_encoder is off",
        "zh": "adapter.text_encoder 已关闭",
    },
    "because_text_encoder_lr_0": {
        "en": "train.text_encoder_lr is 0, which means: not trained",
        "zh": "train.text_encoder_lr 为 0，表示不训练",
    },
    "because_start_from": {
        "en": "the LoRA in adapter.start_from keeps its own layers, ranks and alphas",
        "zh": "adapter.start_from 中的 LoRA 保持自己的层、秩和 alpha",
    },
    "because_tags_in_order": {
        "en": "data.shuffle_tags and data.tag_dropout are off",
        "zh": "data.shuffle_tags 和 data.tag_dropout 都已关闭",
    },
    "because_base_not_on_hub": {"en": "model.base is no hub id", "zh": "model.base 不是 hub id"},
    "because_guidance_1": {"en": "sample.guidance is 1", "zh": "sample.guidance 为 1"},
    "because_too_few_tags_to_swap": {
        "en": "no caption has two tags to swap after the kept ones",
        "zh": "没有说明在保留的标签之后还有两个可以交换的标签",
    },
    "because_no_tags_to_drop": {
        "en": "no caption has a tag after the kept ones",
        "zh": "没有说明在保留的标签之后还有标签",
    },
    "because_no_brackets": {"en": "no caption has brackets in it", "zh": "没有说明含有括号"},
    "because_no_choices": {
        "en": "no caption has a choice such as {{red|blue}} in it",
        "zh": "没有说明含有 {{red|blue}} 这样的选项",
    },
    "because_regularization_folder": {
        "en": "data.regularization brings regularization images already",
        "zh": "data.regularization 已经提供了正则化图片",
    },
    "because_no_masks": {"en": "data.masks is off", "zh": "data.masks 为 off"},
    "because_no_regularization": {
        "en": "there are no regularization images (data.regularization, data.class_prompts)",
        "zh": "没有正则化图片（data.regularization、data.class_prompts）",
    },
    "because_single_lines": {"en": "no caption has several lines", "zh": "没有说明有多行"},
    # ---- folders and the disk
    "no_image_folder": {"en": "No image folder is chosen.", "zh": "没有选择图片文件夹。"},
    "set_image_folder": {
        "en": "Set data.folder to the folder with your images.",
        "zh": "请把 data.folder 设为存放图片的文件夹。",
    },
    "tracker_missing": {
        "en": "The package of the tracker {tracker} is not installed.",
        "zh": "未安装跟踪工具 {tracker} 的软件包。",
    },
    "install_tracker": {
        "en": "Install it into sdlora's environment (pip install {tracker}), or set run.tracker to none.",
        "zh": "请把它安装到 sdlora 的环境中（pip install {tracker}），或把 run.tracker 设为 none。",
    },
    "output_among_images": {
        "en": "The output folder {path} lies inside data.folder, so test pictures would become training images.",
        "zh": "输出文件夹 {path} 在 data.folder 里面，测试图片会变成训练图片。",
    },
    "choose_folder_outside": {"en": "Choose a run.folder outside of it.", "zh": "请选择它外面的 run.folder。"},
    "folder_not_writable": {
        "en": "{which_folder} {path} can't be written ({reason}).",
        "zh": "{which_folder} {path} 无法写入（{reason}）。",
    },
    "choose_another": {"en": "Choose another {key}.", "zh": "请换一个 {key}。"},
    "folder_output": {"en": "The output folder", "zh": "输出文件夹"},
    "folder_cache": {"en": "The cache folder", "zh": "缓存文件夹"},
    "disk_too_full": {
        "en": "The disk of {path} is too full: the run needs {needs}, and {spare} to spare; {free} are free.",
        "zh": "{path} 所在的磁盘空间不足：训练需要{needs}，并需留出 {spare}；剩余 {free}。",
    },
    "free_space_or_keep_fewer": {
        "en": "Free some space, or set save.keep lower.",
        "zh": "请腾出一些空间，或把 save.keep 改小。",
    },
    "need_of": {"en": "about {size} of {content}", "zh": "约 {size} 存放{content}"},
    "content_weights": {
        "en": "the base's weights in the run's precision",
        "zh": "按训练精度另存的基础模型权重",
    },
    "content_latents": {"en": "cached latents", "zh": "潜变量缓存"},
    "content_checkpoints": {"en": "checkpoints", "zh": "检查点"},
    "size_in_bytes": {"en": "{bytes} bytes", "zh": "{bytes} 字节"},
}
