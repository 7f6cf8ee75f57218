"""Base models: ``sdlora.families``."""

# What a model file can suffer from, wherever it lies.
FILE = {
    "{file} is a pickled checkpoint, which can run code when opened.": (
        "{file} 是 pickle 格式的模型文件，打开时可能运行其中的代码。"
    ),
    "{file} {other_bytes}.": "{file} {other_bytes}。",
    "{file} can't be read: {reason}.": "{file} 无法读取：{reason}。",
    "{file} is empty.": "{file} 是空文件。",
    "{file} is damaged: {damage}.": "{file} 已损坏：{damage}。",
}
# What a diffusers folder can suffer from.
FOLDER = FILE | {
    "there is no model_index.json in it.": "其中没有 model_index.json。",
    "it is no Stable Diffusion 1, 2 or XL model ({kind_of_model}).": (
        "它不是 Stable Diffusion 1、2 或 XL 模型（{kind_of_model}）。"
    ),
    "it is the SDXL refiner, which has no first text encoder.": "它是 SDXL refiner，没有第一个文本编码器。",
    "its UNet is {family}'s, but the folder {folder} is missing.": (
        "它的 UNet 是 {family} 的，但缺少文件夹 {folder}。"
    ),
    "{file}/config.json is missing or unreadable.": "{file}/config.json 缺失或无法读取。",
    "{part} has only pickled weights (.bin), which can run code when opened.": (
        "{part} 只有 pickle 格式的权重（.bin），打开时可能运行其中的代码。"
    ),
    "{part}: weight files that its index names are missing.": "{part}：缺少索引中列出的权重文件。",
    "{part} has no safetensors weights.": "{part} 没有 safetensors 权重。",
    "{part}/{file} holds {bits} weights, which can't be trained on.": "{part}/{file} 中是 {bits} 权重，不能用来训练。",
    "{part}/vocab.json or {other}/merges.txt is missing.": "缺少 {part}/vocab.json 或 {other}/merges.txt。",
    "scheduler/scheduler_config.json is missing or unreadable.": "scheduler/scheduler_config.json 缺失或无法读取。",
    "{part}/config.json has no block_out_channels.": "{part}/config.json 中没有 block_out_channels。",
    "{part} has no words in it.": "{part} 中没有词语。",
    "its VAE has the scaling_factor {given}, which must be more than 0.": (
        "它的 VAE 的 scaling_factor 为 {given}，而它必须大于 0。"
    ),
    "its scheduler has the unknown beta_schedule {given}.": "它的调度器的 beta_schedule {given} 是未知的。",
    "its VAE has {channels} latent channels, not {needed}.": (
        "它的 VAE 有 {channels} 个潜变量通道，而不是 {needed} 个。"
    ),
    "its UNet takes {channels} channels ({kind_of_unet}).": "它的 UNet 有 {channels} 个输入通道（{kind_of_unet}）。",
    "its UNet takes a class or image embedding (an unCLIP or upscaling model).": (
        "它的 UNet 需要类别或图片嵌入（unCLIP 或放大模型）。"
    ),
    "it is the SDXL refiner.": "它是 SDXL refiner。",
    "it predicts {prediction}, not epsilon or v_prediction.": "它预测 {prediction}，而不是 epsilon 或 v_prediction。",
    "it is an EDM model (as Playground 2.5 is), with another noise schedule.": (
        "它是 EDM 模型（如 Playground 2.5），噪声调度不同。"
    ),
}
SENTENCES = FILE | {
    "The base model {name}: {fault_of_folder}": "基础模型 {name}：{fault_of_folder}",
    "The VAE {fault_of_folder}": "VAE：{fault_of_folder}",
    "{file} {fault_of_checkpoint}.": "{file} {fault_of_checkpoint}。",
    # ---- what to do about it
    "Download or convert it again.": "请重新下载或转换。",
    "Download or convert the model again.": "请重新下载或转换模型。",
    "Convert it with diffusers' save_pretrained(folder).": "请用 diffusers 的 save_pretrained(folder) 转换。",
    "Convert it to .safetensors first (A1111's and kohya's model converters write it), or choose another.": (
        "请先转换为 .safetensors（A1111 和 kohya 的模型转换工具可以做到），或换一个。"
    ),
    "Convert it to .safetensors first, or choose another.": "请先转换为 .safetensors，或换一个。",
    "Unpack it, and choose the .safetensors file in it.": "请解压，再选择其中的 .safetensors 文件。",
    "Choose the .safetensors file that it stands beside.": "请选择它旁边的 .safetensors 文件。",
    "Fetch it with `git lfs pull`, or download it from its page.": "请用 `git lfs pull` 获取，或从它的网页下载。",
    "Open its address in a browser, log in if it asks for that, and download the file itself.": (
        "请在浏览器中打开它的地址，需要时登录，然后下载文件本身。"
    ),
    "`sdlora convert FILE --out NEW.safetensors` takes the tensors of a LoRA out of it and runs nothing.": (
        "`sdlora convert FILE --out NEW.safetensors` 会取出其中 LoRA 的张量，不运行任何代码。"
    ),
    "Choose the fp16 or fp32 .safetensors file of this model.": "请选择此模型的 fp16 或 fp32 的 .safetensors 文件。",
    "Choose the fp16 or fp32 file of this model.": "请选择此模型的 fp16 或 fp32 文件。",
    "Choose an SD 1.x, 2.x or SDXL checkpoint with its text encoder.": (
        "请选择带有文本编码器的 SD 1.x、2.x 或 SDXL 模型文件。"
    ),
    "Choose its base model; a LoRA to go on from is adapter.start_from.": (
        "请选择它的基础模型；要从已有 LoRA 继续训练，请用 adapter.start_from。"
    ),
    "Choose the whole diffusers folder.": "请选择整个 diffusers 文件夹。",
    "Choose a diffusers folder.": "请选择 diffusers 文件夹。",
    "Choose a whole checkpoint, or a diffusers folder.": "请选择完整的模型文件，或 diffusers 文件夹。",
    "Choose a whole checkpoint; a VAE belongs in model.vae.": "请选择完整的模型文件；VAE 应写在 model.vae 中。",
    "Choose the SDXL base model.": "请选择 SDXL 基础模型。",
    "Choose a text-to-image or inpainting model.": "请选择文生图或局部重绘（inpainting）模型。",
    "Choose one of those.": "请选择这几种之一。",
    "Choose another model.": "请换一个模型。",
    "Choose a VAE made for SD 1.x, 2.x or SDXL.": "请选择为 SD 1.x、2.x 或 SDXL 制作的 VAE。",
    "Choose one with model.vae: a folder or a file.": "请用 model.vae 选择一个：文件夹或文件。",
    # ---- another VAE, what the model says of itself
    "{file} holds no VAE.": "{file} 中没有 VAE。",
    "{file} holds {bits} weights, which can't be used.": "{file} 中是 {bits} 权重，无法使用。",
    "{name} is no VAE of Stable Diffusion ({kind}).": "{name} 不是 Stable Diffusion 的 VAE（{kind}）。",
    "{file} is no VAE of Stable Diffusion.": "{file} 不是 Stable Diffusion 的 VAE。",
    "The VAE {name} has {channels} latent channels (as SD 3's and Flux's have 16); this model needs {needed}.": (
        "VAE {name} 有 {channels} 个潜变量通道（SD 3 和 Flux 的有 16 个）；此模型需要 {needed} 个。"
    ),
    "model.prediction is {given}, but {name} predicts {prediction}: {evidence} says so.": (
        "model.prediction 为 {given}，但 {name} 预测的是 {prediction}：依据是{evidence}。"
    ),
    'Set it to "auto"; if the model is mislabelled, correct that in the model.': (
        "请设为“auto”；如果模型的标注有误，请在模型中更正。"
    ),
    "model.zero_snr is {given}, but {name} {has_zero_snr}: {evidence} says so.": (
        "model.zero_snr 为 {given}，但 {name} {has_zero_snr}：依据是{evidence}。"
    ),
    'Set it to "auto".': "请设为“auto”。",
    "{name} does not say what it predicts; {prediction} is assumed from {assumed_from}.": (
        "{name} 没有说明它预测什么；根据{assumed_from}推测为 {prediction}。"
    ),
    "The VAE {name} is of another family than {base}: {other_family}.": (
        "VAE {name} 与 {base} 不属于同一系列：{other_family}。"
    ),
    "Choose a VAE made for {family}, or leave model.vae empty for the model's own.": (
        "请选择为 {family} 制作的 VAE，或把 model.vae 留空以使用模型自己的。"
    ),
    (
        "{name} is trained as {own}, but its own answer to a noisy image is that of {prediction} "
        "(relative error {error} against {other})."
    ): "{name} 按 {own} 训练，但它对一张带噪声图片的回答像 {prediction}（相对误差 {error} 对 {other}）。",
    'Stop the run and set model.prediction to "{prediction}".': (
        "请停止训练，并把 model.prediction 设为“{prediction}”。"
    ),
    "{name} does not say what it predicts; {prediction} is assumed.": (
        "{name} 没有说明它预测什么；按 {prediction} 处理。"
    ),
    "If test pictures come out as noise or grey, set model.prediction to the other one.": (
        "如果测试图片是噪声或一片灰，请把 model.prediction 设为另一个值。"
    ),
    # ---- finding it
    "There is no {model} {name}.": "没有{model} {name}。",
    'Use the path of a diffusers folder or .safetensors file, or a hub id such as "organisation/model".': (
        "请用 diffusers 文件夹或 .safetensors 文件的路径，或 hub 上的名称，例如“organisation/model”。"
    ),
    'Use the path of a diffusers folder or .safetensors file, or a hub id such as "organisation/model", or "tiny".': (
        "请用 diffusers 文件夹或 .safetensors 文件的路径，hub 上的名称，例如“organisation/model”，或“tiny”。"
    ),
    "The {model} {name} is access-restricted.": "{model} {name} 需要授权才能下载。",
    "Accept its licence on its page and run `hf auth login`, or choose a local folder.": (
        "请在它的网页上接受许可协议并运行 `hf auth login`，或选择本地文件夹。"
    ),
    "{name} has no revision {revision}.": "{name} 没有版本 {revision}。",
    "Check model.revision.": "请检查 model.revision。",
    "The hub has no {model} {name}.": "hub 上没有{model} {name}。",
    'It was taken down; use "{name}".': "它已被撤下；请用“{name}”。",
    "Check the spelling.": "请检查拼写。",
    "The download needs {size} GB, {free} GB are free in {path}.": "下载需要 {size} GB，{path} 中只剩 {free} GB。",
    "Free some space, or set HF_HOME to a folder on another disk.": (
        "请腾出一些空间，或把 HF_HOME 设为另一块磁盘上的文件夹。"
    ),
    "The {model} {name} was taken down.": "{model} {name} 已被撤下。",
    'Use "{name}".': "请用“{name}”。",
    "The {model} {name} could not be downloaded ({reason}).": "{model} {name} 无法下载（{reason}）。",
    'Check the connection, or use a local model or the embedded base "tiny".': (
        "请检查网络连接，或使用本地模型或内置模型“tiny”。"
    ),
    # ---- loading it
    "The base model's {part} can't be loaded from {files}: {fault_of_weights}.": (
        "无法从{files}载入基础模型的 {part}：{fault_of_weights}。"
    ),
    "The base model's configuration lacks {name}.": "基础模型的配置缺少 {name}。",
    "Check its config.json.": "请检查它的 config.json。",
    "The UNet has a block of the kind {kind}, which LoRA files have no names for.": (
        "UNet 中有 {kind} 类型的块，LoRA 文件没有它的名称。"
    ),
}
PARTS = {
    "fault_of_folder": FOLDER,
    "other_bytes": {  # what lies under the name of a safetensors file
        "is a pickled file (as .ckpt, .bin and .pt are), which can run code when opened": (
            "是 pickle 格式的文件（如 .ckpt、.bin 和 .pt），打开时可能运行其中的代码"
        ),
        "is a text, not a model: perhaps what a server answered": "是文本，不是模型：也许是服务器的回答",
        "is a packed archive": "是压缩包",
        "is a picture, not a model": "是图片，不是模型",
        "is a Git LFS pointer, not the file that it stands for": "只是 Git LFS 指针，不是它所代表的文件",
        "is a web page, not a model": "是网页，不是模型",
        "is a GGUF file (quantised weights), not safetensors": "是 GGUF 文件（量化权重），不是 safetensors",
        "is a server's answer in JSON, not a model": "是服务器的 JSON 回答，不是模型",
    },
    "damage": {
        "it has fewer than eight bytes": "不到八个字节",
        "it is no safetensors file, or its header claims an absurd length": (
            "它不是 safetensors 文件，或文件头声明的长度不合理"
        ),
        "it ends inside its header (an incomplete download)": "文件在文件头中间就结束了（下载不完整）",
        "its header can't be read ({reason})": "文件头无法读取（{reason}）",
    },
    "fault_of_checkpoint": {
        "is {another_kind}": "是{another_kind}",
        "is an EDM model (as Playground 2.5 and CosXL are), with another noise schedule": (
            "是 EDM 模型（如 Playground 2.5 和 CosXL），噪声调度不同"
        ),
        "is no Stable Diffusion 1, 2 or XL checkpoint": "不是 Stable Diffusion 1、2 或 XL 的模型文件",
        "holds {bits} weights, which can't be trained on": "中是 {bits} 权重，不能用来训练",
        "holds no {encoder}": "中没有{encoder}",
        "has a UNet of {channels} input channels; text-to-image has 4, inpainting 9": (
            "的 UNet 有 {channels} 个输入通道；文生图为 4 个，局部重绘为 9 个"
        ),
        "has a {encoder} of {count} words; CLIP's has {known}": "的{encoder}有 {count} 个词；CLIP 的有 {known} 个",
        "names its weights like Stable Diffusion, but lacks some or has others than its architecture": (
            "的权重名称像 Stable Diffusion，但与其结构相比有缺失或不同"
        ),
    },
    "another_kind": {
        "a LoRA, not a base model": " LoRA，不是基础模型",
        "a Stable Diffusion 3 model": " Stable Diffusion 3 模型",
        "a Flux model or one of its kind": " Flux 或同类模型",
        "a ControlNet": " ControlNet",
        "an IP-Adapter": " IP-Adapter",
        "an AnimateDiff motion module": " AnimateDiff 运动模块",
        "a UNet in the diffusers layout, by itself": "单独的 diffusers 布局的 UNet",
        "a textual inversion embedding": " textual inversion 嵌入",
        "a text encoder by itself": "单独的文本编码器",
        "a VAE by itself": "单独的 VAE",
        "the SDXL refiner": " SDXL refiner",
        "an unCLIP or upscaling model, whose UNet takes an embedding of its own": (
            " unCLIP 或放大模型，其 UNet 需要自己的嵌入"
        ),
        "an SDXL UNet without its text encoders": "没有文本编码器的 SDXL UNet",
    },
    "bits": {"8-bit": "8 位", "{bits}": "{bits}"},
    "encoder": {"text encoder": "文本编码器", "text encoder 2": "第二个文本编码器"},
    "kind_of_model": {"another kind of model": "另一种模型", "{kind}": "{kind}"},
    "kind_of_unet": {
        "a depth-to-image model": "深度生图模型",
        "an upscaling model": "放大模型",
        "an image-editing model such as InstructPix2Pix": "图片编辑模型，如 InstructPix2Pix",
        "unknown": "未知",
    },
    "has_zero_snr": {"has zero terminal SNR": "有零终端信噪比", "has no zero terminal SNR": "没有零终端信噪比"},
    "evidence": {
        "its v_pred tensor": "它的 v_pred 张量",
        "its metadata ({name})": "它的元数据（{name}）",
        "scheduler_config.json": " scheduler_config.json",
    },
    "assumed_from": {"its weights": "权重", "its name": "名称"},
    "other_family": {
        "its scaling factor is {given}, the base model's {own}": "它的缩放因子是 {given}，基础模型的是 {own}",
        "its encoder has nothing in common with the base model's own": "它的编码器与基础模型自己的毫无共同之处",
    },
    "model": {"base model": "基础模型", "VAE": " VAE"},
    "described": {  # one line about a base model, between its commas
        "{family} inpainting": "{family} 局部重绘",
        "{prediction} (assumed)": "{prediction}（推测）",
        "zero terminal SNR": "零终端信噪比",
        "{size} px": "{size} px",
        "single file": "单个文件",
        "VAE {name}": "VAE {name}",
        "{words}": "{words}",
    },
    "files": {"its folder": "它的文件夹", "{files}": " {files} "},
    "fault_of_weights": {
        "{weight} is missing": "缺少 {weight}",
        "{weight} is missing and {count} more": "缺少 {weight}，另有 {count} 处",
        "{weight} has another shape": "{weight} 的形状不同",
        "{weight} has another shape and {count} more": "{weight} 的形状不同，另有 {count} 处",
        "{reason}": "{reason}",
    },
}
