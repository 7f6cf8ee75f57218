"""Files for other engines: ``sdlora.launch``."""

MESSAGES = {
    "odd_value": {
        "en": "{name} is {value}, which can't be written into the job's file: letters, digits and - _ . : / only.",
        "zh": "{name} 的值是 {value}，无法写入任务文件：只能用字母、数字和 - _ . : /。",
    },
    "needs_bucket": {
        "en": "The runs need a bucket, or they would be gone with the machine.",
        "zh": "训练需要一个存储桶，否则会随机器一起消失。",
    },
    "name_bucket": {
        "en": "Name it: --bucket s3://NAME (or gs://NAME).",
        "zh": "请指定：--bucket s3://名称（或 gs://名称）。",
    },
    "name_hub_bucket": {
        "en": "Name it: --bucket hf://buckets/USER/NAME.",
        "zh": "请指定：--bucket hf://buckets/用户/名称。",
    },
    "needs_claim": {
        "en": "The job needs a persistent volume claim with images, models and runs.",
        "zh": "任务需要一个存放图片、模型和训练的持久卷声明。",
    },
    "name_claim": {"en": "Name it: --claim NAME.", "zh": "请指定：--claim 名称。"},
    "one_node": {
        "en": "{engine} runs on one machine: leave out --nodes.",
        "zh": "{engine} 只在一台机器上运行：请去掉 --nodes。",
    },
    "colon_in_path": {
        "en": "{path} has a colon in it, which the engine takes for the end of a path: rename it.",
        "zh": "{path} 中有冒号，会被当作路径的结尾：请改名。",
    },
    "hand_in": {"en": "Nothing was started. To do so: {command}", "zh": "没有启动任何任务。要启动：{command}"},
}
