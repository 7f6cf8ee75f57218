"""The Settings tab."""

LABELS = {
    "model.base": "基础模型",
    "model.revision": "版本（revision）",
    "model.prediction": "预测类型",
    "model.zero_snr": "零终端信噪比",
    "model.vae": "另用 VAE",
    "model.clip_skip": "跳过 CLIP 层（clip skip）",
    "data.folder": "图片文件夹",
    "data.trigger": "触发词",
    "data.repeats": "重复次数",
    "data.resolution": "分辨率",
    "data.fit": "适配方式",
    "data.upscale": "放大小图",
    "data.flip": "水平镜像",
    "data.shuffle_tags": "打乱标签",
    "data.keep_tags": "固定在前的标签数",
    "data.tag_dropout": "标签丢弃率",
    "data.caption_dropout": "说明丢弃率",
    "data.caption_lines": "多行说明",
    "data.wildcards": "说明中的通配符",
    "data.weighted_captions": "说明中的权重",
    "data.max_tokens": "说明最大长度",
    "data.regularization": "正则化图片",
    "data.class_prompts": "类别提示词",
    "data.masks": "蒙版",
    "data.cache": "缓存文件夹",
    "adapter.rank": "秩（rank）",
    "adapter.alpha": "缩放系数（alpha）",
    "adapter.rslora": "按 √秩 计算强度（rsLoRA）",
    "adapter.targets": "训练的层",
    "adapter.text_encoder": "训练文本编码器",
    "adapter.kind": "适配器种类",
    "adapter.factor": "LoKr 分块数（factor）",
    "adapter.start_from": "从已有 LoRA 继续",
    "adapter.stack": "并入基础模型的 LoRA",
    "adapter.rank_pattern": "按层设置秩",
    "adapter.alpha_pattern": "按层设置 alpha",
    "adapter.lr_pattern": "按层设置学习率",
    "train.steps": "步数",
    "train.epochs": "按轮数代替步数",
    "train.batch_size": "批大小",
    "train.accumulate": "梯度累积",
    "train.lr": "学习率",
    "train.text_encoder_lr": "文本编码器学习率",
    "train.lora_plus": "LoRA+ 比率",
    "train.rank_dropout": "秩随机丢弃（rank dropout）",
    "train.module_dropout": "层随机丢弃（module dropout）",
    "train.rank_at_noise": "噪声最强时间步的秩",
    "train.max_weight_norm": "每层的最大范数",
    "train.optimizer": "优化器",
    "train.loss": "损失函数",
    "train.scheduler": "学习率调度",
    "train.cycles": "重启周期数",
    "train.warmup": "预热步数",
    "train.power": "幂",
    "train.lr_floor": "最低学习率",
    "train.step_rules": "按步设定学习率",
    "train.ema_decay": "权重的滑动平均（EMA）",
    "train.weight_decay": "权重衰减",
    "train.max_grad_norm": "梯度范数上限",
    "train.precision": "精度",
    "train.gradient_checkpointing": "梯度检查点",
    "train.memory": "节省内存",
    "train.min_snr_gamma": "Min-SNR 的 gamma",
    "train.weighting": "时间步的权重",
    "train.p2_gamma": "P2 的 gamma",
    "train.noise_offset": "噪声偏移",
    "train.pyramid_noise": "金字塔噪声：层数",
    "train.pyramid_discount": "金字塔噪声：衰减",
    "train.input_perturbation": "输入扰动",
    "train.timesteps": "时间步的分布",
    "train.timestep_bias": "时间步的偏移",
    "train.timestep_spread": "时间步的宽度",
    "train.min_timestep": "第一个时间步",
    "train.max_timestep": "时间步的终点",
    "train.prior_weight": "正则化的权重",
    "train.unmasked_weight": "蒙版之外的权重",
    "train.seed": "随机种子",
    "train.device": "设备",
    "sample.prompts": "测试提示词",
    "sample.negative": "负面提示词",
    "sample.every": "每隔多少步出测试图",
    "sample.size": "测试图尺寸",
    "sample.steps": "去噪步数",
    "sample.guidance": "引导强度",
    "sample.sampler": "采样器",
    "sample.seed": "测试图随机种子",
    "validation.every": "每隔多少步测验证损失",
    "validation.held_out": "留出的图片数",
    "validation.drift_bound": "漂移上限",
    "validation.patience": "多少次测量无改善后结束",
    "save.every": "每隔多少步存检查点",
    "save.keep": "保留的检查点数",
    "save.container": "文件布局",
    "save.dtype": "文件数值格式",
    "save.side_files": "附属文件",
    "save.metadata": "元数据",
    "run.name": "名称",
    "run.tracker": "跟踪工具",
}
HELP: dict[str, str] = {
    "model.base": "基础模型：“tiny”（内置）、diffusers 文件夹、.safetensors 文件，或 hub 上的名称。",
    "model.revision": "hub 模型的提交或分支；留空为最新。",
    "model.prediction": "基础模型预测的是什么；auto 从模型本身读取。",
    "model.zero_snr": "噪声调度以纯噪声结束（零终端信噪比）；auto 从模型读取。",
    "model.vae": "另用一个 VAE：文件夹或 .safetensors 文件；留空则用基础模型自带的。",
    "model.clip_skip": "读取文本编码器的第几层（从末尾数）；许多动漫模型用 2。SDXL 有自己的设置。",
    "data.folder": "存放图片及其说明文字的文件夹。",
    "data.trigger": "触发词，会加在每条不含它的说明前面。",
    "data.repeats": "每张图片在一轮中计多少次。",
    "data.resolution": "训练尺寸（像素）：同面积正方形的边长；0 表示用基础模型自己的尺寸。",
    "data.fit": "按宽高比分桶、从中间裁成正方形，或补白成正方形。",
    "data.upscale": "放大比桶小的图片；否则按原尺寸训练。",
    "data.flip": "一半的时候左右镜像；不适合人脸、文字和标志。",
    "data.shuffle_tags": "每一步重新打乱以逗号分隔的标签。",
    "data.keep_tags": "打乱或丢弃标签时，前面有多少个保持不动。",
    "data.tag_dropout": "每个标签（固定的除外）被略去的概率。",
    "data.caption_dropout": "整条说明被略去的概率。",
    "data.caption_lines": "说明有多行时：用第一行、每一步随机取一行，或全部连成一段。",
    "data.wildcards": "把说明中的 {red|blue} 读作两者之一，每一步重新抽取。",
    "data.weighted_captions": "把说明中的 (word:1.2) 和 [word] 读作权重；关闭时括号就是普通文字。",
    "data.max_tokens": "超过这么多词元的说明会被截断；每 75 个为一段读取。",
    "data.regularization": (
        "存放正则化图片的文件夹，用来保住基础模型对这一类事物的认识：与图片一起训练，用自己的说明，不加触发词。"
    ),
    "data.class_prompts": "由基础模型按这些提示词画出正则化图片，张数与图片相同。",
    "data.masks": (
        "从哪里看图片中要学习的部分：alpha 为图片的透明度；files 为旁边的蒙版"
        "（x-masklabel.png、x_mask.png 或蒙版文件夹），白色为要学习的部分。"
    ),
    "data.cache": "存放潜变量和文本缓存的文件夹；留空为 data.folder 里的 .sdlora_cache。",
    "adapter.rank": "LoRA 的秩：决定它的容量和文件大小。",
    "adapter.alpha": "LoRA 以 alpha / rank 的强度起作用。",
    "adapter.rslora": "rsLoRA：强度为 alpha / √秩，使高秩与低秩学得一样快（Kalajdzievski 2023）。",
    "adapter.targets": "UNet 的哪些层参与学习：全部注意力、交叉注意力、注意力的 q 和 v、注意力加 MLP，或再加卷积。",
    "adapter.text_encoder": "也训练文本编码器的投影层（SDXL：两个编码器）。",
    "adapter.kind": "学习什么：所有工具都能读取的 LoRA，或另一种适配器。",
    "adapter.factor": "LoKr：每个权重每边切成多少块；块越少，文件越大。-1：切得尽量均匀。",
    "adapter.start_from": "以此 LoRA 文件为起点继续训练；层和秩保持不变。",
    "adapter.stack": "训练前并入基础模型的 LoRA 文件，写作 文件 或 文件=强度。",
    "adapter.rank_pattern": "按模块名模式设置不同的秩。",
    "adapter.alpha_pattern": "按模块名模式设置不同的 alpha。",
    "adapter.lr_pattern": "按模块名模式设置不同的学习率。",
    "train.steps": "优化器的总步数。",
    "train.epochs": "训练多少轮：由它决定 train.steps；留空则按步数计。训练记录里保存的是步数。",
    "train.batch_size": "每个设备每一步的图片数。",
    "train.accumulate": "累积多少批才走一次优化步。",
    "train.lr": "UNet 的 LoRA 的学习率。",
    "train.text_encoder_lr": "文本编码器的 LoRA 的学习率：留空为 train.lr 的一半，0 表示不训练。",
    "train.lora_plus": "LoRA+：从零开始的因子 B 学得比 A 快多少倍（Hayou et al. 2024）；1 为一样快，常用 2 到 16。",
    "train.rank_dropout": "每一步中，每张图像的每个秩不起作用的概率，同 kohya 的 rank_dropout。",
    "train.module_dropout": "每一步中，LoRA 的每个层不起作用的概率，同 kohya 的 module_dropout。",
    "train.rank_at_noise": (
        "T-LoRA（Soboleva et al. 2025）：噪声最强的时间步上参与学习的秩的比例，"
        "到最后的时间步增至全部；适合单张或少量图像。1 为始终全部。"
    ),
    "train.max_weight_norm": "每一步之后，把每层的变化缩小到不超过此范数，同 kohya 的 scale_weight_norms；0 为不限制。",
    "train.optimizer": "LoRA 的数值如何随梯度更新。",
    "train.loss": "如何衡量预测与目标之间的差距。",
    "train.scheduler": "学习率在训练过程中如何变化。",
    "train.cycles": "cosine_with_restarts 从最高学习率下降几次；其他方式只下降一次。",
    "train.warmup": "学习率从零升起所用的步数。",
    "train.power": "polynomial 调度的幂：1 为直线下降，更大则前期下降更快。",
    "train.lr_floor": "下降的学习率最后停在最高学习率的多少倍；0 表示降到零。",
    "train.step_rules": (
        "piecewise_constant 的学习率：1:500,0.5:800,0.1 表示到第 500 步为最高值，到第 800 步为一半，之后为十分之一。"
    ),
    "train.ema_decay": "导出各步权重的平均：每一步保留多少；0 表示导出最后的权重本身。",
    "train.weight_decay": "LoRA 的数值每一步缩小多少（再乘以学习率）。",
    "train.max_grad_norm": "梯度按此范数缩小；0 表示从不缩小。",
    "train.precision": "运算精度；auto 在 GPU 上为 bf16 或 fp16，在 CPU 上取 fp32 与 bf16 中较快者。",
    "train.gradient_checkpointing": "激活值重新计算而不保存：省内存，但更慢。",
    "train.memory": (
        "为节省内存做什么：auto 在需要时只做必要的；unpacked、checkpointing、split 一开始就采取该项及之前的各项。"
    ),
    "train.min_snr_gamma": (
        "Min-SNR 加权（Hang 等，2023）：平衡容易和困难的时间步；0 表示不用；留空为 5，但零终端信噪比时不用。"
    ),
    "train.weighting": "按图片上的噪声决定它占多少权重：min-SNR、去偏估计（debiased）或 P2。",
    "train.p2_gamma": "P2 加权（Choi 等，2022）的强度：图片越清晰，权重降得越多。",
    "train.noise_offset": "给每个通道的噪声加一个常数：黑更深，白更亮。",
    "train.pyramid_noise": "在噪声上叠加多少层更粗的噪声（多分辨率噪声）：画面可以更暗或更亮；0 为不用，常用 6 到 10。",
    "train.pyramid_discount": "金字塔噪声每一层的权重是上一层的多少倍。",
    "train.input_perturbation": (
        "只加在输入上、不需要模型预测的噪声（Ning 等，2023）：减少死记硬背；0 为不用，论文用 0.1。"
    ),
    "train.timesteps": "各种噪声强度各训练多少次。",
    "train.timestep_bias": "logit_normal 的中心：大于 0 噪声更多，小于 0 更少。",
    "train.timestep_spread": "logit_normal 围绕中心散布多宽。",
    "train.min_timestep": "从哪个时间步开始训练；越大，越不学细节。",
    "train.max_timestep": "训练到哪个时间步为止（不含）；越小，越不学构图。",
    "train.prior_weight": "一张正则化图片的误差相对于一张图片的误差占多少权重。",
    "train.unmasked_weight": "蒙版之外的误差相对于蒙版之内占多少权重；0 表示完全不计。",
    "train.seed": "种子相同，训练相同：顺序、裁剪、噪声、测试图片。-1 表示随机选取。",
    "train.device": "在哪里训练；auto 有 GPU 就用 GPU。",
    "sample.prompts": "测试图片的提示词，每个提示词一张。",
    "sample.negative": "测试图片的负面提示词。",
    "sample.every": "每隔多少步出一次测试图片；0 表示只在开始和结束时。",
    "sample.size": "测试图片的边长（像素）；0 表示用训练分辨率。",
    "sample.steps": "一张测试图片的去噪步数。",
    "sample.guidance": "引导强度：多严格地遵循提示词。",
    "sample.sampler": "测试图片的去噪方法。",
    "sample.seed": "第一张测试图片的种子；后面的提示词依次加一。-1 表示随机选取。",
    "validation.every": "每隔多少步测一次验证损失：每次用同样的图片和噪声；留空则按总时间的十分之一安排，0 表示不测。",
    "validation.held_out": "不参与训练、只用来测验证损失的图片数；留空：12 张起留 4 张，更少不留；0：只用训练图片。",
    "validation.drift_bound": "能接受的漂移：“表现更多”的建议取漂移超过此值之前的最后一个检查点；留空则不设上限。",
    "validation.patience": "留出图片的验证损失连续多少次测量未创新低就结束训练；0 为从不。主体此时可能仍在变得更像。",
    "save.every": "每隔多少步存一个检查点；0 表示只在结束时。",
    "save.keep": "保留最新的多少个检查点；0 表示全部。",
    "save.container": "LoRA 文件的布局：kohya 所有工具都能读，diffusers 只有 diffusers 能读。",
    "save.dtype": "LoRA 文件的数值格式。",
    "save.side_files": "在 LoRA 文件旁写出 名称.json 和 名称.png：工具据此填入触发词并显示图片。",
    "save.metadata": "文件里写明多少训练信息：全部，或不含说明、提示词和设置。",
    "run.name": "这次训练和 LoRA 文件的名称。",
    "run.folder": "训练文件夹所在的位置。",
    "run.tracker": "除本页面外，还在哪里显示损失和测试图片；需要先安装它的软件包。",
}
HINTS = {
    "train.step_rules": "1:500,0.5:800,0.1",
    "data.folder": "/home/me/pictures/cat-toy",
    "data.trigger": "例如：ohwx",
    "data.class_prompts": "每行一个提示词，例如：\na dog",
    "sample.prompts": "每行一个提示词，例如：\na watercolour of a lighthouse",
    "adapter.rank_pattern": "例如：*.mid_block.*=4",
    "adapter.alpha_pattern": "例如：*.mid_block.*=2",
    "adapter.lr_pattern": "例如：*.mid_block.*=5e-5",
    "adapter.stack": "/home/me/loras/style.safetensors=0.7",
}
ONE_PER_LINE = "每行一个。"
PAIR_PER_LINE = "每行一个 模式=数字。"

GROUP_WHAT = "训练什么"
GROUP_IMAGES = "图片"
GROUP_ADAPTER = "适配器"
GROUP_TRAINING = "训练"
GROUP_MEMORY = "内存"
GROUP_TEST = "测试图片"
GROUP_SAVING = "保存"
STRENGTH = "强度 alpha / rank"
PARAMETERS = "个参数"
FILE_SIZE = "文件"
CHECKS = "检查"
ALL_GOOD = "一切正常。"
CHECK_AGAIN = "重新检查"
START = "开始训练"
NOT_HERE_YET = "基础模型 {base} 还没有下载到这台电脑。"
NOT_HERE_FIX = "请用下面的按钮下载；以后的训练都能用。"
DOWNLOAD_BASE = "下载基础模型"
DOWNLOADING = "正在下载 {base}"
DOWNLOAD_FAR = "：{done} / {of}"
DOWNLOADED = "{base} 已在这台电脑上。"
DOWNLOAD_SILENT = "下载中断，没有说明原因；请重试，会从中断处继续。"
NOT_STARTED = "未开始：请先解决检查列表中的问题。"
FATAL, WARNING = "问题", "提示"
AND_MORE = "还有 {count} 项。"
ODD_PATH = "{key} 不是磁盘上可能有的路径。"
ODD_PATH_FIX = "请写文件或文件夹的路径。"
PATH_OUTSIDE = "{key} 指向此页面不能使用的文件夹。"
PATH_OUTSIDE_FIX = "请使用 {roots} 里面的内容。"
NUMBER_EMPTY = "{key} 是空的。"
NUMBER_EMPTY_FIX = "请填写数字。"
NO_PAIR = "“{line}”不是 模式=数字 的形式。"
NO_PAIR_FIX = "请写层名的模式、等号和一个数字。"

GOES_ON_FROM = "以下面的设置，从 {name} 第 {step} 步继续。"
AFRESH = "改为从头开始"
TRAINED_ON = "训练所用的图片"
CHOOSE_OTHERS = "选择其他图片"

# ---- presets

PRESET = "预设"
PRESET_KINDS = {"character": "角色", "style": "风格", "object": "物体", "embedded": "内置模型"}
MEMORY = "显存"
MEMORY_SIZES = {"6": "6 GB 显存", "8": "8 GB 显存", "12": "12 GB 显存", "24": "24 GB 显存"}
PRESET_CHOOSE = "选择要教的内容。"
PRESET_LOADED = "已按“{name}”填写。文件夹、名称、触发词和测试提示词保持不变。"
PRESET_OTHER = "“{name}”适用于另一类基础模型，而不是 {base}。"
PRESET_OTHER_FIX = "请换一个预设，或检查分辨率和学习率。"
GPU_SUGGESTS = "这台电脑有 {gpu}，显存 {size}：适合 {memory} GB 的预设。"
GPU_SMALL = "这台电脑有 {gpu}，显存 {size}，少于预设所需。内置模型在任何电脑上都能训练。"
GPU_NONE = "没有找到 NVIDIA 显卡。内置模型在任何电脑上都能训练；真实模型需要 6 GB 以上的显卡。"

# ---- all settings

ALL_SETTINGS = "全部设置"
SEARCH_SETTINGS = "搜索设置"
SEARCH_SETTINGS_HINT = "按 / 搜索；也可以用其他训练器的名称，例如 network_dim"
NO_SUCH_SETTING = "没有符合的设置。清空搜索即可看到全部。"
CHANGED = "已更改"
RESET = "恢复为"
EMPTY = "空"
FIELD_SLIDER = "滑块"

# ---- estimate

ESTIMATE = "这次训练"
NO_ESTIMATE = "有了图片和基础模型，这里会说明需要多长时间。"
EPOCH = "{images} = 每轮 {steps} 步。"
BATCHES = "{images} ÷ {batch} = {exact}，因此每轮 {batches} 批：最后几批不满。"
BATCHES_OF_SHAPES = "{images} 有 {shapes} 种形状，每批只含一种形状：{sum} = 每轮 {batches} 批。"
BATCHES_LOST_ONE = "如果形状都相同，只需 {full} 批：多种形状多用了 {count} 批。"
BATCHES_LOST_MANY = "如果形状都相同，只需 {full} 批：多种形状多用了 {count} 批。"
BATCHES_ONE, BATCHES_MANY = "{count} 批", "{count} 批"
HELD_OUT_ONE = HELD_OUT_MANY = "{all} 张图片中有 {count} 张不参与训练，只用来测量。"
EPOCHS = "{steps} 步 = {epochs} 轮。"
BRIEF_FATAL_ONE, BRIEF_FATAL_MANY = "{count} 个问题", "{count} 个问题"
BRIEF_TIME = "约 {time}。"
MEASURE = "测量一步"
MEASURING = "正在测量一步……"
MEASURE_HELP = "在这台电脑上走几步，得出时间和内存。"
MEASURE_BUSY = "{name} 正在训练；等它结束后再测量。"
PROBE_SAYS = "在 {device} 上约需 {time}（{pace}），不含测试图片。一步占用 {peak}，当时空闲 {free}。"
PROBE_STALE = "用其他设置测得：在 {device} 上约需 {time}（{pace}），内存 {peak}。请为当前设置重新测量。"
PROBE_FAILED = "无法测量一步。{reason}"
PROBE_SILENT = "训练器没有说明就结束了，很可能是内存不足。"

# ---- settings in a file

SETTINGS_FILE = "设置文件"
SETTINGS_FILE_HELP = (
    "载入设置文件（也可以是 kohya、kohya_ss 或 OneTrainer 的），或载入训练好的 LoRA 以沿用它的设置；也可以拖放到这里。"
)
SAVE_SETTINGS = "保存"
LOAD_SETTINGS = "载入"
PASTE_SETTINGS = "粘贴设置"
PASTE_HINT = "例如：\n[train]\nsteps = 1200"
USE_PASTED = "使用这段文字"
PASTED = "这段文字"
LOADED = "已载入 {name} 的设置。"
LOADED_BUT = "无法读取的内容已用默认值代替：{problems}"
ONLY_NAMES = "文件里有些路径只有最后一段。请检查 {fields}。"
RESTORED = "设置和上次离开时一样。"
TOO_LONG = "{name} 太长，不会是设置。"
NOT_TEXT = "{name} 无法作为文本读取。"
NO_TOML = "{name} 不是有效的 TOML（{reason}）。"
NO_SETTINGS = "{name} 不含本训练器的设置。"
NO_LORA_FILE = "{name} 不是可以读取的 safetensors 文件。"
LORA_WITHOUT = "{name} 不含设置：它由其他训练器制作，或保存时没有带上设置。"

# ---- base models on this computer

FIND_BASES = "选择本机上的模型"
BASES_TITLE = "本机上的基础模型"
BASES_LOOKING = "正在您的绘图程序的文件夹中查找…"
BASES_SEARCH = "按名称、系列或文件夹搜索"
BASE_EMBEDDED = "内置模型（tiny）"
BASES_NONE = "在 {count} 个文件夹中没有找到基础模型。"
BASES_PICKLED_ONE = "略过 1 个 pickle 文件（.ckpt、.bin）：这类文件打开时可能运行代码。"
BASES_PICKLED_MANY = "略过 {count} 个 pickle 文件（.ckpt、.bin）：这类文件打开时可能运行代码。"
BASES_CUT = "内容太多，一次没有看完。"
BASES_NOT_HERE = "这里不能查找其他文件夹。"
LOOK_IN = "也在此处查找"
LOOK_IN_HELP = "含 .safetensors 模型文件或 diffusers 文件夹的文件夹；会被记住。"
LOOK_THERE = "查找"
