"""What is wrong with a model's file or folder: ``sdlora.families.shared``, ``sdlora.files.kinds``."""

MESSAGES = {
    # ---- the file
    "pickled": {
        "en": "{file} is a pickled checkpoint, which can run code when opened.",
        "zh": "{file} 是 pickle 格式的模型文件，打开时可能运行其中的代码。",
    },
    "fault_lacks_encoder": {"en": "holds no {encoder}", "zh": "中没有{encoder}"},
    "encoder_text_encoder": {"en": "text encoder", "zh": "文本编码器"},
    "encoder_text_encoder_2": {"en": "text encoder 2", "zh": "第二个文本编码器"},
    "fault_vocabulary": {
        "en": "has a {encoder} of {count} words; CLIP's has {known}",
        "zh": "的{encoder}有 {count} 个词；CLIP 的有 {known} 个",
    },
    "fault_input_channels": {
        "en": "has a UNet of {channels} input channels; text-to-image has 4, inpainting 9",
        "zh": "的 UNet 有 {channels} 个输入通道；文生图为 4 个，局部重绘为 9 个",
    },
    "fault_quantised": {
        "en": "holds {bits} weights, which can't be trained on",
        "zh": "中是 {bits} 权重，不能用来训练",
    },
    "bits_8": {"en": "8-bit", "zh": "8 位"},
    "fault_edm": {
        "en": "is an EDM model (as Playground 2.5 and CosXL are), with another noise schedule",
        "zh": "是 EDM 模型（如 Playground 2.5 和 CosXL），噪声调度不同",
    },
    "fault_weights_differ": {
        "en": "names its weights like Stable Diffusion, but lacks some or has others than its architecture",
        "zh": "的权重名称像 Stable Diffusion，但与其结构相比有缺失或不同",
    },
    "fault_is": {"en": "is {what}", "zh": "是{what}"},
    # ---- another kind of model: it is …
    "is_no_checkpoint": {
        "en": "no Stable Diffusion 1, 2 or XL checkpoint",
        "zh": "其他文件，不是 Stable Diffusion 1、2 或 XL 的模型文件",
    },
    "is_lora": {"en": "a LoRA, not a base model", "zh": " LoRA，不是基础模型"},
    "is_sd3": {
        "en": "a Stable Diffusion 3 model",
        "zh": " Stable Diffusion 3 模型",
    },
    "is_flux": {"en": "a Flux model or one of its kind", "zh": " Flux 或同类模型"},
    "is_controlnet": {"en": "a ControlNet", "zh": " ControlNet"},
    "is_ip_adapter": {"en": "an IP-Adapter", "zh": " IP-Adapter"},
    "is_motion_module": {
        "en": "an AnimateDiff motion module",
        "zh": " AnimateDiff 运动模块",
    },
    "is_unet": {
        "en": "a UNet in the diffusers layout, by itself",
        "zh": "单独的 diffusers 布局的 UNet",
    },
    "is_textual_inversion": {
        "en": "a textual inversion embedding",
        "zh": " textual inversion 嵌入",
    },
    "is_text_encoder": {"en": "a text encoder by itself", "zh": "单独的文本编码器"},
    "is_vae": {"en": "a VAE by itself", "zh": "单独的 VAE"},
    "is_sdxl_refiner": {"en": "the SDXL refiner", "zh": " SDXL refiner"},
    "is_unclip": {
        "en": "an unCLIP or upscaling model, whose UNet takes an embedding of its own",
        "zh": " unCLIP 或放大模型，其 UNet 需要自己的嵌入",
    },
    "is_sdxl_unet": {
        "en": "an SDXL UNet without its text encoders",
        "zh": "没有文本编码器的 SDXL UNet",
    },
    # ---- the bytes of something else
    "bytes_pickle": {
        "en": "is a pickled file (as .ckpt, .bin and .pt are), which can run code when opened",
        "zh": "是 pickle 格式的文件（如 .ckpt、.bin 和 .pt），打开时可能运行其中的代码",
    },
    "bytes_text": {
        "en": "is a text, not a model: perhaps what a server answered",
        "zh": "是文本，不是模型：也许是服务器的回答",
    },
    "bytes_archive": {"en": "is a packed archive", "zh": "是压缩包"},
    "bytes_picture": {"en": "is a picture, not a model", "zh": "是图片，不是模型"},
    "bytes_git_lfs_pointer": {
        "en": "is a Git LFS pointer, not the file that it stands for",
        "zh": "只是 Git LFS 指针，不是它所代表的文件",
    },
    "bytes_web_page": {"en": "is a web page, not a model", "zh": "是网页，不是模型"},
    "bytes_gguf": {
        "en": "is a GGUF file (quantised weights), not safetensors",
        "zh": "是 GGUF 文件（量化权重），不是 safetensors",
    },
    "bytes_json": {
        "en": "is a server's answer in JSON, not a model",
        "zh": "是服务器的 JSON 回答，不是模型",
    },
    "damage_too_short": {"en": "it has fewer than eight bytes", "zh": "不到八个字节"},
    "damage_not_safetensors": {
        "en": "it is no safetensors file, or its header gives an impossible length",
        "zh": "它不是 safetensors 文件，或文件头声明的长度不合理",
    },
    "damage_header_cut_off": {
        "en": "it ends inside its header (an incomplete download)",
        "zh": "文件在文件头中间就结束了（下载不完整）",
    },
    "damage_header_unreadable": {"en": "its header can't be read ({reason})", "zh": "文件头无法读取（{reason}）"},
    # ---- the folder
    "folder_unusable": {"en": "The base model {name}: {fault_of_folder}", "zh": "基础模型 {name}：{fault_of_folder}"},
    "vae_unusable": {"en": "The VAE {fault_of_folder}", "zh": "VAE：{fault_of_folder}"},
    "in_part": {"en": "{part}/{problem}", "zh": "{part}/{problem}"},
    "folder_no_index": {
        "en": "there is no model_index.json in it.",
        "zh": "其中没有 model_index.json。",
    },
    "folder_other_model": {
        "en": "it is no Stable Diffusion 1, 2 or XL model ({kind_of_model}).",
        "zh": "它不是 Stable Diffusion 1、2 或 XL 模型（{kind_of_model}）。",
    },
    "model_of_other_kind": {"en": "another kind of model", "zh": "另一种模型"},
    "folder_refiner_without_encoder": {
        "en": "it is the SDXL refiner, which has no first text encoder.",
        "zh": "它是 SDXL refiner，没有第一个文本编码器。",
    },
    "folder_refiner": {"en": "it is the SDXL refiner.", "zh": "它是 SDXL refiner。"},
    "folder_part_missing": {
        "en": "its UNet is {family}'s, but the folder {folder} is missing.",
        "zh": "它的 UNet 是 {family} 的，但缺少文件夹 {folder}。",
    },
    "folder_config_missing": {
        "en": "{file}/config.json is missing or unreadable.",
        "zh": "{file}/config.json 缺失或无法读取。",
    },
    "folder_pickled": {
        "en": "{part} has only pickled weights (.bin), which can run code when opened.",
        "zh": "{part} 只有 pickle 格式的权重（.bin），打开时可能运行其中的代码。",
    },
    "folder_shards_missing": {
        "en": "{part}: weight files that its index names are missing.",
        "zh": "{part}：缺少索引中列出的权重文件。",
    },
    "folder_no_weights": {
        "en": "{part} has no safetensors weights.",
        "zh": "{part} 没有 safetensors 权重。",
    },
    "folder_quantised": {
        "en": "{part}/{file} holds {bits} weights, which can't be trained on.",
        "zh": "{part}/{file} 中是 {bits} 权重，不能用来训练。",
    },
    "folder_no_vocabulary": {
        "en": "{part}/vocab.json or {other}/merges.txt is missing.",
        "zh": "缺少 {part}/vocab.json 或 {other}/merges.txt。",
    },
    "folder_vocabulary_empty": {"en": "{part} has no words in it.", "zh": "{part} 中没有词语。"},
    "folder_scheduler_missing": {
        "en": "scheduler/scheduler_config.json is missing or unreadable.",
        "zh": "scheduler/scheduler_config.json 缺失或无法读取。",
    },
    "folder_no_channels": {
        "en": "{part}/config.json has no block_out_channels.",
        "zh": "{part}/config.json 中没有 block_out_channels。",
    },
    "folder_scaling_factor": {
        "en": "its VAE has the scaling_factor {given}, which must be more than 0.",
        "zh": "它的 VAE 的 scaling_factor 为 {given}，而它必须大于 0。",
    },
    "folder_beta_schedule": {
        "en": "its scheduler has the unknown beta_schedule {given}.",
        "zh": "它的调度器的 beta_schedule {given} 是未知的。",
    },
    "folder_latent_channels": {
        "en": "its VAE has {channels} latent channels, not {needed}.",
        "zh": "它的 VAE 有 {channels} 个潜变量通道，而不是 {needed} 个。",
    },
    "folder_input_channels": {
        "en": "its UNet takes {channels} channels ({kind_of_unet}).",
        "zh": "它的 UNet 有 {channels} 个输入通道（{kind_of_unet}）。",
    },
    "unet_depth_to_image": {"en": "a depth-to-image model", "zh": "深度生图模型"},
    "unet_upscaling": {"en": "an upscaling model", "zh": "放大模型"},
    "unet_image_editing": {
        "en": "an image-editing model such as InstructPix2Pix",
        "zh": "图片编辑模型，如 InstructPix2Pix",
    },
    "folder_unclip": {
        "en": "its UNet takes a class or image embedding (an unCLIP or upscaling model).",
        "zh": "它的 UNet 需要类别或图片嵌入（unCLIP 或放大模型）。",
    },
    "folder_prediction": {
        "en": "it predicts {prediction}, not {known}.",
        "zh": "它预测 {prediction}，而不是 {known}。",
    },
    "folder_edm": {
        "en": "it is an EDM model (as Playground 2.5 is), with another noise schedule.",
        "zh": "它是 EDM 模型（如 Playground 2.5），噪声调度不同。",
    },
    # ---- a VAE
    "no_vae_inside": {"en": "{file} holds no VAE.", "zh": "{file} 中没有 VAE。"},
    "vae_quantised": {
        "en": "{file} holds {bits} weights, which can't be used.",
        "zh": "{file} 中是 {bits} 权重，无法使用。",
    },
    "vae_of_other_kind": {
        "en": "{name} is no VAE of Stable Diffusion ({kind}).",
        "zh": "{name} 不是 Stable Diffusion 的 VAE（{kind}）。",
    },
    "not_a_vae": {
        "en": "{file} is no VAE of Stable Diffusion.",
        "zh": "{file} 不是 Stable Diffusion 的 VAE。",
    },
    "vae_latent_channels": {
        "en": (
            "The VAE {name} has {channels} latent channels (as SD 3's and Flux's have 16); this model needs {needed}."
        ),
        "zh": "VAE {name} 有 {channels} 个潜变量通道（SD 3 和 Flux 的有 16 个）；此模型需要 {needed} 个。",
    },
    # ---- what to do
    "convert_with_diffusers": {
        "en": "Convert it with diffusers' save_pretrained(folder).",
        "zh": "请用 diffusers 的 save_pretrained(folder) 转换。",
    },
    "convert_with_tools": {
        "en": "Convert it to .safetensors first (A1111's and kohya's model converters write it), or choose another.",
        "zh": "请先转换为 .safetensors（A1111 和 kohya 的模型转换工具可以做到），或换一个。",
    },
    "convert_to_safetensors": {
        "en": "Convert it to .safetensors first, or choose another.",
        "zh": "请先转换为 .safetensors，或换一个。",
    },
    "unpack_and_choose": {
        "en": "Unpack it, and choose the .safetensors file in it.",
        "zh": "请解压，再选择其中的 .safetensors 文件。",
    },
    "choose_neighbour": {
        "en": "Choose the .safetensors file that it stands beside.",
        "zh": "请选择它旁边的 .safetensors 文件。",
    },
    "fetch_with_git_lfs": {
        "en": "Fetch it with `git lfs pull`, or download it from its page.",
        "zh": "请用 `git lfs pull` 获取，或从它的网页下载。",
    },
    "download_in_browser": {
        "en": "Open its address in a browser, log in if it asks for that, and download the file itself.",
        "zh": "请在浏览器中打开它的地址，需要时登录，然后下载文件本身。",
    },
    "convert_pickled_lora": {
        "en": "`sdlora convert FILE --out NEW.safetensors` takes the tensors of a LoRA out of it and runs nothing.",
        "zh": "`sdlora convert FILE --out NEW.safetensors` 会取出其中 LoRA 的张量，不运行任何代码。",
    },
    "choose_fp16_safetensors": {
        "en": "Choose the fp16 or fp32 .safetensors file of this model.",
        "zh": "请选择此模型的 fp16 或 fp32 的 .safetensors 文件。",
    },
    "choose_fp16": {
        "en": "Choose the fp16 or fp32 file of this model.",
        "zh": "请选择此模型的 fp16 或 fp32 文件。",
    },
    "choose_checkpoint_with_encoder": {
        "en": "Choose an SD 1.x, 2.x or SDXL checkpoint with its text encoder.",
        "zh": "请选择带有文本编码器的 SD 1.x、2.x 或 SDXL 模型文件。",
    },
    "choose_base_not_lora": {
        "en": "Choose its base model; a LoRA to go on from is adapter.start_from.",
        "zh": "请选择它的基础模型；要从已有 LoRA 继续训练，请用 adapter.start_from。",
    },
    "choose_whole_folder": {"en": "Choose the whole diffusers folder.", "zh": "请选择整个 diffusers 文件夹。"},
    "choose_folder": {"en": "Choose a diffusers folder.", "zh": "请选择 diffusers 文件夹。"},
    "choose_whole_model": {
        "en": "Choose a whole checkpoint, or a diffusers folder.",
        "zh": "请选择完整的模型文件，或 diffusers 文件夹。",
    },
    "choose_whole_not_vae": {
        "en": "Choose a whole checkpoint; a VAE belongs in model.vae.",
        "zh": "请选择完整的模型文件；VAE 应写在 model.vae 中。",
    },
    "choose_sdxl_base": {"en": "Choose the SDXL base model.", "zh": "请选择 SDXL 基础模型。"},
    "choose_text_to_image": {
        "en": "Choose a text-to-image or inpainting model.",
        "zh": "请选择文生图或局部重绘（inpainting）模型。",
    },
    "choose_known_family": {"en": "Choose one of those.", "zh": "请选择这几种之一。"},
    "choose_another": {"en": "Choose another model.", "zh": "请换一个模型。"},
}
