"""Pictures drawn with a LoRA: ``sdlora.pictures``."""

MESSAGES = {
    # ---- what is asked for
    "give_lora": {"en": "Give a LoRA file or a run.", "zh": "请给出 LoRA 文件或训练文件夹。"},
    "not_a_hub_id": {"en": "{name} is no hub id.", "zh": "{name} 不是 hub 上的名称。"},
    "write_as_hub_id": {
        "en": 'Write it as "organisation/model".',
        "zh": "请写成“organisation/model”的形式。",
    },
    "strength_invalid": {
        "en": "A strength must be a number between -100 and 100.",
        "zh": "强度必须是 -100 到 100 之间的数字。",
    },
    "too_many": {
        "en": "{count} pictures were asked for; 1 to {most} can be drawn at once.",
        "zh": "要求生成 {count} 张图片；一次可以生成 1 到 {most} 张。",
    },
    "steps_invalid": {"en": "steps is {given}; it must be 1 to 1000.", "zh": "steps 为 {given}；必须是 1 到 1000。"},
    "guidance_invalid": {
        "en": "guidance is {given}; it must be 1 to 100.",
        "zh": "guidance 为 {given}；必须是 1 到 100。",
    },
    "size_invalid": {
        "en": "size is {given}; it must be a multiple of 8 from 16 to 4096.",
        "zh": "size 为 {given}；必须是 16 到 4096 之间 8 的倍数。",
    },
    "sampler_unknown": {
        "en": "sampler is {given}; it must be one of {names}.",
        "zh": "sampler 为 {given}；可用的值：{names}。",
    },
    "seed_invalid": {"en": "seed is {given}; it must be 0 or more.", "zh": "seed 为 {given}；必须是 0 或更大。"},
    "clip_skip_invalid": {
        "en": "clip_skip is {given}; it must be 0 to 12.",
        "zh": "clip_skip 为 {given}；必须是 0 到 12。",
    },
    # ---- a request in a file
    "not_a_request": {"en": "{path} is not a drawing job ({reason}).", "zh": "{path} 不是绘图任务（{reason}）。"},
    "see_layout": {
        "en": "See sdlora/pictures/job.py for its layout.",
        "zh": "格式见 sdlora/pictures/job.py。",
    },
    # ---- the run
    "no_lora_file": {"en": "{name} has no LoRA file yet.", "zh": "{name} 还没有 LoRA 文件。"},
    "export_first": {"en": "Write one with: sdlora export {path}", "zh": "可以这样生成：sdlora export {path}"},
}
