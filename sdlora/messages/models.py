"""Base models as they are chosen, downloaded and checked against the settings: ``sdlora.families``."""

MESSAGES = {
    # ---- found and downloaded
    "base_missing": {"en": "There is no base model {name}.", "zh": "没有基础模型 {name}。"},
    "vae_missing": {"en": "There is no VAE {name}.", "zh": "没有 VAE {name}。"},
    "use_path_or_hub_id": {
        "en": 'Use the path of a diffusers folder or .safetensors file, or a hub id such as "organisation/model".',
        "zh": "请用 diffusers 文件夹或 .safetensors 文件的路径，或 hub 上的名称，例如“organisation/model”。",
    },
    "use_path_hub_id_or_tiny": {
        "en": (
            "Use the path of a diffusers folder or .safetensors file, or a hub id such as "
            '"organisation/model", or "tiny".'
        ),
        "zh": "请用 diffusers 文件夹或 .safetensors 文件的路径，hub 上的名称，例如“organisation/model”，或“tiny”。",
    },
    "kind_vae": {"en": "VAE", "zh": " VAE"},
    "kind_base": {"en": "base model", "zh": "基础模型"},
    "restricted": {"en": "The {model} {name} is access-restricted.", "zh": "{model} {name} 需要授权才能下载。"},
    "accept_licence": {
        "en": "Accept its licence on its page and run `hf auth login`, or choose a local folder.",
        "zh": "请在它的网页上接受许可协议并运行 `hf auth login`，或选择本地文件夹。",
    },
    "revision_missing": {"en": "{name} has no revision {revision}.", "zh": "{name} 没有版本 {revision}。"},
    "check_revision": {"en": "Check model.revision.", "zh": "请检查 model.revision。"},
    "not_on_hub": {"en": "The hub has no {model} {name}.", "zh": "hub 上没有{model} {name}。"},
    "use_successor": {"en": 'It was taken down; use "{name}".', "zh": "它已被撤下；请用“{name}”。"},
    "check_spelling": {"en": "Check the spelling.", "zh": "请检查拼写。"},
    "taken_down": {"en": "The {model} {name} was taken down.", "zh": "{model} {name} 已被撤下。"},
    "use_instead": {"en": 'Use "{name}".', "zh": "请用“{name}”。"},
    "no_space_for_download": {
        "en": "The download needs {size} GB, {free} GB are free in {path}.",
        "zh": "下载需要 {size} GB，{path} 中只剩 {free} GB。",
    },
    "free_space_or_move_cache": {
        "en": "Free some space, or set HF_HOME to a folder on another disk.",
        "zh": "请腾出一些空间，或把 HF_HOME 设为另一块磁盘上的文件夹。",
    },
    "download_failed": {
        "en": "The {model} {name} could not be downloaded ({reason}).",
        "zh": "{model} {name} 无法下载（{reason}）。",
    },
    "check_connection": {
        "en": 'Check the connection, or use a local model or the embedded base "tiny".',
        "zh": "请检查网络连接，或使用本地模型或内置模型“tiny”。",
    },
    # ---- loaded
    "part_unloadable": {
        "en": "The base model's {part} can't be loaded from {files}: {fault_of_weights}.",
        "zh": "无法从{files}载入基础模型的 {part}：{fault_of_weights}。",
    },
    "files_of_folder": {"en": "its folder", "zh": "它的文件夹"},
    "weight_missing": {"en": "{weight} is missing", "zh": "缺少 {weight}"},
    "weight_misshapen": {"en": "{weight} has another shape", "zh": "{weight} 的形状不同"},
    "get_model_again": {"en": "Download or convert the model again.", "zh": "请重新下载或转换模型。"},
    "config_lacks": {
        "en": "The base model's configuration lacks {name}.",
        "zh": "基础模型的配置缺少 {name}。",
    },
    "check_config": {"en": "Check its config.json.", "zh": "请检查它的 config.json。"},
    "block_without_lora_names": {
        "en": "The UNet has a block of the kind {kind}, which LoRA files have no names for.",
        "zh": "UNet 中有 {kind} 类型的块，LoRA 文件没有它的名称。",
    },
    "family_unknown": {"en": "The model family {family} is not known.", "zh": "未知的模型系列 {family}。"},
    "families_known": {"en": "Known: {names}.", "zh": "已知：{names}。"},
    # ---- what it predicts
    "prediction_contradicted": {
        "en": "model.prediction is {given}, but {name} predicts {prediction}: {evidence} says so.",
        "zh": "model.prediction 为 {given}，但 {name} 预测的是 {prediction}：依据是{evidence}。",
    },
    "set_auto_or_relabel": {
        "en": 'Set it to "auto"; if the model is mislabelled, correct that in the model.',
        "zh": "请设为“auto”；如果模型的标注有误，请在模型中更正。",
    },
    "zero_snr_contradicted": {
        "en": "model.zero_snr is {given}, but {name} {has_zero_snr}: {evidence} says so.",
        "zh": "model.zero_snr 为 {given}，但 {name} {has_zero_snr}：依据是{evidence}。",
    },
    "zero_snr_yes": {"en": "has zero terminal SNR", "zh": "有零终端信噪比"},
    "zero_snr_no": {"en": "has no zero terminal SNR", "zh": "没有零终端信噪比"},
    "set_auto": {"en": 'Set it to "auto".', "zh": "请设为“auto”。"},
    "prediction_guessed": {
        "en": "{name} does not say what it predicts; {prediction} is assumed from {assumed_from}.",
        "zh": "{name} 没有说明它预测什么；根据{assumed_from}推测为 {prediction}。",
    },
    "prediction_assumed": {
        "en": "{name} does not say what it predicts; {prediction} is assumed.",
        "zh": "{name} 没有说明它预测什么；按 {prediction} 处理。",
    },
    "try_other_prediction": {
        "en": "If test pictures come out as noise or grey, set model.prediction to another value.",
        "zh": "如果测试图片是噪声或一片灰，请把 model.prediction 设为另一个值。",
    },
    "prediction_doubtful": {
        "en": (
            "{name} is trained as {own}, but its own answer to a noisy image is that of {prediction} "
            "(relative error {error} against {other})."
        ),
        "zh": "{name} 按 {own} 训练，但它对一张带噪声图片的回答像 {prediction}（相对误差 {error} 对 {other}）。",
    },
    "stop_and_set_prediction": {
        "en": 'Stop the run and set model.prediction to "{prediction}".',
        "zh": "请停止训练，并把 model.prediction 设为“{prediction}”。",
    },
    "evidence_tensor": {"en": "its {name} tensor", "zh": "它的 {name} 张量"},
    "evidence_metadata": {"en": "its metadata ({name})", "zh": "它的元数据（{name}）"},
    "evidence_scheduler_config": {"en": "scheduler_config.json", "zh": " scheduler_config.json"},
    "assumed_from_weights": {"en": "its weights", "zh": "权重"},
    "assumed_from_name": {"en": "its name", "zh": "名称"},
    # ---- found on this computer
    "folder_added": {"en": "added by you", "zh": "您添加的"},
    "folder_hub": {"en": "hub cache", "zh": "hub 缓存"},
    "folder_missing": {"en": "There is no folder {path}.", "zh": "没有文件夹 {path}。"},
    "folder_not_added": {"en": "{path} was not added.", "zh": "{path} 并未添加过。"},
    # ---- a VAE of its own
    "vae_of_other_family": {
        "en": "The VAE {name} is of another family than {base}: {other_family}.",
        "zh": "VAE {name} 与 {base} 不属于同一系列：{other_family}。",
    },
    "choose_vae_of_family": {
        "en": "Choose a VAE made for {family}, or leave model.vae empty for the model's own.",
        "zh": "请选择为 {family} 制作的 VAE，或把 model.vae 留空以使用模型自己的。",
    },
    "because_scaling_factor": {
        "en": "its scaling factor is {given}, the base model's {own}",
        "zh": "它的缩放因子是 {given}，基础模型的是 {own}",
    },
    "because_other_encoder": {
        "en": "its encoder has nothing in common with the base model's own",
        "zh": "它的编码器与基础模型自己的毫无共同之处",
    },
    "choose_vae": {
        "en": "Choose a VAE made for SD 1.x, 2.x or SDXL.",
        "zh": "请选择为 SD 1.x、2.x 或 SDXL 制作的 VAE。",
    },
    "choose_vae_setting": {
        "en": "Choose one with model.vae: a folder or a file.",
        "zh": "请用 model.vae 选择一个：文件夹或文件。",
    },
    # ---- described in a line
    "read_from": {"en": "read from {evidence}", "zh": "读取自{evidence}"},
    "assumed_from": {"en": "assumed from {hint}", "zh": "根据{hint}推测"},
    "assumed_unsaid": {"en": "assumed, since the model does not say", "zh": "模型没有说明，为推测"},
    "min_snr_gamma": {"en": "min-SNR gamma {gamma}", "zh": "min-SNR gamma {gamma}"},
    "no_weighting": {"en": "all timesteps weigh the same", "zh": "所有时间步权重相同"},
    "debiased": {"en": "debiased estimation", "zh": "去偏估计加权"},
    "p2": {"en": "P2 gamma {gamma}", "zh": "P2 gamma {gamma}"},
    "in_short": {
        "en": "{described}; prediction {told_by}; {weighting}",
        "zh": "{described}；预测方式{told_by}；{weighting}",
    },
    "described_inpainting": {"en": "{family} inpainting", "zh": "{family} 局部重绘"},
    "described_assumed": {"en": "{prediction} (assumed)", "zh": "{prediction}（推测）"},
    "described_zero_snr": {"en": "zero terminal SNR", "zh": "零终端信噪比"},
    "described_px": {"en": "{size} px", "zh": "{size} px"},
    "described_single_file": {"en": "single file", "zh": "单个文件"},
    "described_vae": {"en": "VAE {name}", "zh": "VAE {name}"},
}
