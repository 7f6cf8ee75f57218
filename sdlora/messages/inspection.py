"""What ``sdlora inspect`` tells of a LoRA file: ``sdlora.toolbox.inspect``, ``sdlora.lorafiles.readers.cards``."""

MESSAGES = {
    "loads_all": {"en": "loads all", "zh": "全部读取"},
    "loads_part": {"en": "loads part", "zh": "读取一部分"},
    "loads_none": {"en": "loads none", "zh": "完全不读取"},
    "loads_wrong": {"en": "loads wrong", "zh": "读取有误"},
    # ---- its metadata
    "card_time": {
        "en": "{key} is {given}, no time in seconds: A1111 can't show the file's card.",
        "zh": "{key} 为 {given}，不是以秒计的时间：A1111 无法显示此文件的信息卡。",
    },
    "card_shape": {
        "en": "{key} is no {what}: A1111 can't show the file's card.",
        "zh": "{key} 不是{what}：A1111 无法显示此文件的信息卡。",
    },
    "card_tags": {"en": "JSON object of folders and tags", "zh": "由文件夹和标签组成的 JSON 对象"},
    "card_folders": {"en": "JSON object of folders", "zh": "由文件夹组成的 JSON 对象"},
    "card_buckets": {"en": "JSON object of buckets", "zh": "由 bucket 组成的 JSON 对象"},
    "name_like_json": {
        "en": "ss_output_name begins with {{, which A1111 takes for JSON and not for a name.",
        "zh": "ss_output_name 以 {{ 开头，A1111 会把它当作 JSON 而不是名称。",
    },
    "hidden_by_a1111": {
        "en": (
            "A1111 takes it for {seen} and hides it beside {family} models: {because}. `sdlora rename` corrects that."
        ),
        "zh": "A1111 把它当作 {seen}，在 {family} 模型旁会隐藏它：{because}。`sdlora rename` 可以更正。",
    },
    "because_version": {"en": "ss_base_model_version is {version}", "zh": "ss_base_model_version 为 {version}"},
    "because_no_version": {
        "en": "ss_base_model_version and ss_v2 are missing",
        "zh": "缺少 ss_base_model_version 和 ss_v2",
    },
    "because_v2": {"en": "ss_v2 is {given}", "zh": "ss_v2 为 {given}"},
    "header_too_large": {
        "en": "Its header has {size} bytes: ComfyUI shows no metadata of more than {most}.",
        "zh": "它的文件头有 {size} 字节：超过 {most} 时 ComfyUI 不显示元数据。",
    },
    "hash_stale": {
        "en": (
            "The sshs_model_hash in the metadata is out of date: pictures on Civitai would not link to "
            "this file. `sdlora rename` computes it again."
        ),
        "zh": ("元数据中的 sshs_model_hash 已过时：Civitai 上的图片不会链接到此文件。`sdlora rename` 会重新计算。"),
    },
    # ---- its layers
    "spellings_mixed": {
        "en": "It mixes spellings of layers ({spellings}): tools read only one of them.",
        "zh": "它混用了层的几种写法（{spellings}）：各工具只读取其中一种。",
    },
    "diffusers_keys": {
        "en": (
            "Its keys are diffusers' own, of which other programs load a part or nothing (see above). "
            "`sdlora convert` corrects that."
        ),
        "zh": ("它的键是 diffusers 自己的，其他程序只载入一部分或完全不载入（见上）。`sdlora convert` 可以更正。"),
    },
    "te1_keys": {
        "en": "It has lora_te1_ keys for one text encoder: kohya's tools and InvokeAI drop them.",
        "zh": "它只有一个文本编码器，却使用 lora_te1_ 键：kohya 的工具和 InvokeAI 会丢掉它们。",
    },
    "text_layers_partial": {
        "en": ("Its {part} has layers with only some of their six parts: A1111 and diffusers do not load those."),
        "zh": "它的 {part} 中有些层只有六个部分中的几个：A1111 和 diffusers 不会载入这些层。",
    },
    # ---- its strength
    "alpha_missing": {
        "en": "{count} layers have no alpha: the strength is then 1, which may not be what was trained.",
        "one": "1 layer has no alpha: the strength is then 1, which may not be what was trained.",
        "zh": "{count} 层没有 alpha：强度因而为 1，可能与训练时不同。",
    },
    "alphas_differ": {
        "en": "Its {part} has {count} values of alpha: diffusers takes one of them for all layers.",
        "zh": "它的 {part} 有 {count} 种 alpha：diffusers 会对所有层只用其中一种。",
    },
    "alpha_0": {
        "en": "Some layers have alpha 0: most tools take that for no effect, kohya's for alpha = rank.",
        "zh": "有些层的 alpha 为 0：多数工具视为没有作用，kohya 的工具视为 alpha = rank。",
    },
    "alpha_contradicted": {
        "en": "Its alpha is {alpha}, its metadata says {other}: the strength may be wrong.",
        "zh": "它的 alpha 为 {alpha}，而元数据中为 {other}：强度可能有误。",
    },
    # ---- its numbers
    "rank_1": {
        "en": "{count} layers have rank 1, which stable-diffusion.cpp scales wrongly.",
        "one": "1 layer has rank 1, which stable-diffusion.cpp scales wrongly.",
        "zh": "{count} 层的秩为 1，stable-diffusion.cpp 会算错其强度。",
    },
    "outside_fp16": {
        "en": "{name} has numbers outside fp16, in which A1111 computes ({count} layers).",
        "zh": "{name} 的数值超出 fp16 的范围，而 A1111 用 fp16 计算（{count} 层）。",
    },
    "dora_by_output": {
        "en": "It is a DoRA with one magnitude per output: A1111 and InvokeAI garble it without a warning.",
        "zh": "它是每个输出一个幅值的 DoRA：A1111 和 InvokeAI 会把它变成乱码，也不提示。",
    },
    "dora_ignored": {
        "en": "It is a DoRA: kohya's tools, diffusers and stable-diffusion.cpp ignore the magnitudes.",
        "zh": "它是 DoRA：kohya 的工具、diffusers 和 stable-diffusion.cpp 会忽略幅值。",
    },
    "factors_swapped": {
        "en": "{name} has an inner width of the layer's own: down and up are swapped ({count} layers).",
        "zh": "{name} 的内部宽度等于该层的宽度：down 和 up 被调换（{count} 层）。",
    },
    # ---- against another file
    "other_base": {
        "en": "{first} and {second} are for different base models ({name}).",
        "zh": "{first} 和 {second} 用于不同的基础模型（{name}）。",
    },
    "strength_differs": {
        "en": "It has {times} times the strength of {file}{hint}.",
        "zh": "它的强度是 {file} 的 {times} 倍{hint}。",
    },
    "hint_alpha": {"en": ": alpha may be applied twice or lost", "zh": "：alpha 可能被应用了两次或丢失"},
    "layers_differ": {
        "en": "{count} layers differ from {file} by another factor ({name}).",
        "one": "1 layer differs from {file} by another factor ({name}).",
        "zh": "{count} 层与 {file} 相差另一个倍数（{name}）。",
    },
    "layers_missing": {
        "en": "{count} layers of {file} are missing ({name}).",
        "one": "1 layer of {file} is missing ({name}).",
        "zh": "缺少 {file} 中的 {count} 层（{name}）。",
    },
    "layers_extra": {
        "en": "{count} layers are not in {file} ({name}).",
        "one": "1 layer is not in {file} ({name}).",
        "zh": "{count} 层不在 {file} 中（{name}）。",
    },
    # ---- the report
    "file_line": {"en": "{file}: {size}, {family}", "zh": "{file}：{size}，{family}"},
    "no_family": {"en": "no known family", "zh": "未知的系列"},
    "kinds_line": {"en": "  {kinds}; spelled {spellings}; {dtypes}", "zh": "  {kinds}；写法 {spellings}；{dtypes}"},
    "no_layers": {"en": "no layers", "zh": "没有层"},
    "root_line": {
        "en": "  {root}: {layers} layers; rank (layers) {ranks}; alpha {alphas}; norm {norm}",
        "zh": "  {root}：{layers} 层；秩（层数）{ranks}；alpha {alphas}；范数 {norm}",
    },
    "spectrum_line": {
        "en": (
            "    spectrum, median layer: effective rank {effective}, 90 % of the energy in rank "
            "{rank_90}, 99 % in {rank_99}"
        ),
        "zh": "    谱（中位层）：有效秩 {effective}，90 % 的能量在秩 {rank_90} 内，99 % 在 {rank_99} 内",
    },
    "on_base": {"en": "  On {base}:", "zh": "  在{base}上："},
    "published_model": {"en": "a published {family} model", "zh": "公开的 {family} 模型"},
    "more_such_keys": {"en": "  {key} and {count} more such keys", "zh": "  {key} 等（另有 {count} 个这样的键）"},
    "against_line": {
        "en": "  against: strength {strength}, difference {difference}",
        "zh": "  比较：强度 {strength}，差异 {difference}",
    },
    "shortened": {"en": "{text}… ({count} characters)", "zh": "{text}……（{count} 个字符）"},
    "in_characters": {"en": "({count} characters)", "zh": "（{count} 个字符）"},
}
