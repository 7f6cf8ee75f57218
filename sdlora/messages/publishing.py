"""What is given away of a run: ``sdlora.publish``."""

MESSAGES = {
    # ---- the model card
    "card_what": {"en": "A LoRA for {base}, trained with sdlora.", "zh": "适用于 {base} 的 LoRA，用 sdlora 训练。"},
    "card_trigger": {"en": "Trigger word", "zh": "触发词"},
    "card_write": {"en": "Write {trigger} into the prompt.", "zh": "请在提示词中写上 {trigger}。"},
    "card_use": {"en": "Use", "zh": "用法"},
    "card_put": {
        "en": (
            "Put {file} where your program keeps its LoRAs (AUTOMATIC1111, Forge: `models/Lora`; ComfyUI: "
            "`models/loras`). In AUTOMATIC1111 and Forge the prompt calls it: {call}."
        ),
        "zh": (
            "请把 {file} 放到您的程序存放 LoRA 的地方（AUTOMATIC1111、Forge：`models/Lora`；ComfyUI："
            "`models/loras`）。在 AUTOMATIC1111 和 Forge 中，提示词这样调用它：{call}。"
        ),
    },
    "card_training": {"en": "Training", "zh": "训练"},
    "card_hash": {"en": "SHA-256 of the weights", "zh": "权重的 SHA-256"},
    # ---- the command
    "no_lora": {"en": "{name} has no LoRA file to publish.", "zh": "{name} 没有可以发布的 LoRA 文件。"},
    "no_hub_id": {"en": "{name} is no hub id.", "zh": "{name} 不是模型站的 ID。"},
    "write_repo": {"en": "Write it as --repo USER/NAME.", "zh": "请写成 --repo 用户/名称。"},
    "wrote": {
        "en": "Wrote {card} (read it, change it) and {civitai}.",
        "zh": "已写入 {card}（请阅读并修改）和 {civitai}。",
    },
    "card_kept": {
        "en": "Kept {card} as it is (--renew writes it anew); wrote {civitai}.",
        "zh": "保留了原有的 {card}（--renew 会重新写入）；已写入 {civitai}。",
    },
    "base_unknown": {
        "en": "The card names no base model on the hub, so it is not listed there: --base-model ORGANISATION/MODEL.",
        "zh": "模型卡没有写明模型站上的基础模型，因此不会列在其名下：--base-model 组织/模型。",
    },
    "licence_unknown": {
        "en": "The card has no licence: --licence, for example openrail++.",
        "zh": "模型卡没有许可证：请用 --licence 指定，例如 openrail++。",
    },
    "nothing_uploaded": {
        "en": "Nothing was uploaded. To do so: sdlora publish {path} --upload",
        "zh": "没有上传任何内容。要上传：sdlora publish {path} --upload",
    },
    "uploaded": {"en": "Uploaded: {address}", "zh": "已上传：{address}"},
    "not_logged_in": {"en": "You are not logged in to the hub.", "zh": "您没有登录模型站。"},
    "log_in": {"en": "Log in: hf auth login", "zh": "请登录：hf auth login"},
    "not_allowed": {
        "en": "The hub does not let you write to {repo} (HTTP {status}).",
        "zh": "模型站不允许您写入 {repo}（HTTP {status}）。",
    },
    "token_that_writes": {
        "en": "Log in with a token that may write, or name a repository of your own with --repo.",
        "zh": "请用有写入权限的令牌登录，或用 --repo 指定您自己的仓库。",
    },
    "hub_refused": {
        "en": "The hub did not take the upload to {repo} (HTTP {status}).",
        "zh": "模型站没有接受到 {repo} 的上传（HTTP {status}）。",
    },
    "try_later": {"en": "Try again later.", "zh": "请稍后重试。"},
    "check_connection": {"en": "Check the connection and try again.", "zh": "请检查网络连接后重试。"},
    "offline": {
        "en": "The hub's client is set to work without a network.",
        "zh": "模型站的客户端被设为离线工作。",
    },
    "unset_offline": {
        "en": "Take HF_HUB_OFFLINE out of the environment.",
        "zh": "请从环境变量中去掉 HF_HUB_OFFLINE。",
    },
    "failed": {"en": "The upload to {repo} failed ({reason}).", "zh": "上传到 {repo} 失败（{reason}）。"},
}
