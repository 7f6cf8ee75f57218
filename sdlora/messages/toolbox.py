"""LoRA files and models made from others: ``sdlora.toolbox``."""

MESSAGES = {
    # ---- what was written
    "wrote": {
        "en": "Wrote {path} ({layers} layers{note}; relative error {error}{left_out})",
        "zh": "已写入 {path}（{layers} 层{note}；相对误差 {error}{left_out}）",
    },
    "left_out": {"en": "; left out: {what}", "zh": "；舍去：{what}"},
    "with_note": {"en": ", {note}", "zh": "，{note}"},
    "part_counted": {"en": "{what} ({count})", "zh": "{what}（{count}）"},
    "rank_range": {"en": "rank {least} to {most}", "zh": "秩 {least} 到 {most}"},
    "rank_single": {"en": "rank {rank}", "zh": "秩 {rank}"},
    "rounding_alone": {
        "en": "{count} layers that differ by rounding alone",
        "one": "1 layer that differs by rounding alone",
        "zh": "{count} 个只因舍入而不同的层",
    },
    "fp8_scaled": {"en": "scaled fp8, read by ComfyUI and Forge", "zh": "带缩放的 fp8，ComfyUI 和 Forge 可读"},
    "fp8_plain": {"en": "plain fp8, read by ComfyUI and Forge", "zh": "不带缩放的 fp8，ComfyUI 和 Forge 可读"},
    "fp8_lora": {"en": "fp8, read by ComfyUI and Forge", "zh": "fp8，ComfyUI 和 Forge 可读"},
    "of_no_use": {"en": "{key} (of no use to A1111)", "zh": "{key}（对 A1111 无用）"},
    # ---- the output
    "out_wrong_suffix": {
        "en": "--out is {path}; it must end in {suffix}.",
        "zh": "--out 为 {path}；必须以 {suffix} 结尾。",
    },
    "out_is_folder": {"en": "--out is {path}, which is a folder.", "zh": "--out 为 {path}，它是文件夹。"},
    "out_is_input": {"en": "--out is {path}, which is an input.", "zh": "--out 为 {path}，它是输入文件。"},
    "out_exists": {"en": "--out is {path}, which exists already.", "zh": "--out 为 {path}，它已经存在。"},
    "name_a_file": {"en": "Give the name of a file.", "zh": "请给出文件名。"},
    "name_a_new_folder": {"en": "Give the name of a new folder.", "zh": "请给出新文件夹的名称。"},
    "choose_another_name": {"en": "Choose another name.", "zh": "请换一个名称。"},
    "dtype_is": {"en": "--dtype is {given}.", "zh": "--dtype 为 {given}。"},
    "container_is": {"en": "The container is {given}.", "zh": "布局为 {given}。"},
    "nothing_left": {"en": "There is nothing to write: no layer is left.", "zh": "没有可写的内容：一层也没有剩下。"},
    "check_weights": {"en": "Check the weights and blocks.", "zh": "请检查权重和块。"},
    "layer_too_large": {
        "en": "The numbers of {name} are too large for a LoRA file or not finite.",
        "zh": "{name} 的数值太大，LoRA 文件放不下，或不是有限的数字。",
    },
    # ---- the inputs
    "families_differ": {
        "en": "{first} is for {family}, {second} for {other}.",
        "zh": "{first} 用于 {family}，{second} 用于 {other}。",
    },
    "merge_one_family": {"en": "Merge LoRAs of one family of base models.", "zh": "请合并同一系列基础模型的 LoRA。"},
    "not_plain": {
        "en": "{file} has a {kind} in {name}, which is no plain LoRA.",
        "zh": "{file} 的 {name} 中是 {kind}，不是普通 LoRA。",
    },
    "resize_with_base": {
        "en": (
            "Make a plain LoRA of it with `sdlora resize --rank N --base MODEL`, where MODEL is the base "
            "model that it was trained on, or merge it into that with `sdlora merge --into`."
        ),
        "zh": (
            "请用 `sdlora resize --rank N --base MODEL` 把它变成普通 LoRA（MODEL 为训练它的基础模型），或"
            "用 `sdlora merge --into` 并入该模型。"
        ),
    },
    "resize_or_leave_out": {
        "en": "Approximate it with `sdlora resize --rank N`, or leave the remainder out with --leave-out.",
        "zh": "请用 `sdlora resize --rank N` 近似，或用 --leave-out 舍去余项。",
    },
    "resize": {"en": "Approximate it with `sdlora resize --rank N`.", "zh": "请用 `sdlora resize --rank N` 近似。"},
    "not_safetensors": {"en": "{file} is no .safetensors file.", "zh": "{file} 不是 .safetensors 文件。"},
    "give_lora_or_checkpoint": {"en": "Give a LoRA or a single-file checkpoint.", "zh": "请给出 LoRA 或单文件模型。"},
    "quantized": {"en": "{file} is quantized ({key}).", "zh": "{file} 是量化的（{key}）。"},
    "quantized_already": {"en": "{file} is quantized already ({key}).", "zh": "{file} 已经量化（{key}）。"},
    "give_original": {"en": "Give the original.", "zh": "请给出原模型。"},
    "fp8_overflow": {"en": "{key} has numbers that fp8 can't hold.", "zh": "{key} 中有 fp8 放不下的数值。"},
    "use_scaled_fp8": {"en": "Use scaled fp8.", "zh": "请使用带缩放的 fp8。"},
    # ---- old pickled files
    "pickle_not_tensors": {
        "en": "{file} holds more than tensors, which could run code: it is not opened.",
        "zh": "{file} 中不只有张量，可能运行代码：未打开。",
    },
    "get_as_safetensors": {"en": "Get the LoRA as a .safetensors file.", "zh": "请获取 .safetensors 格式的 LoRA。"},
    "pickle_damaged": {
        "en": "{file} is a damaged pickled file ({kind}).",
        "zh": "{file} 是已损坏的 pickle 文件（{kind}）。",
    },
    "pickle_tensor": {
        "en": "{file} has a tensor that is described wrongly ({key}).",
        "zh": "{file} 中有描述有误的张量（{key}）。",
    },
    "pickle_empty": {"en": "{file} holds no tensors.", "zh": "{file} 中没有张量。"},
    # ---- base models
    "no_weights": {"en": "{file} has no safetensors weights.", "zh": "{file} 中没有 safetensors 权重。"},
    "give_base": {
        "en": "Give a diffusers folder or a .safetensors checkpoint.",
        "zh": "请给出 diffusers 文件夹或 .safetensors 模型文件。",
    },
    "convert_first": {"en": "Convert it to safetensors first.", "zh": "请先转换为 safetensors。"},
    "no_unet": {
        "en": "{file} is no Stable Diffusion model: it has no UNet.",
        "zh": "{file} 不是 Stable Diffusion 模型：其中没有 UNet。",
    },
    # ---- merge
    "no_lora": {"en": "There is no LoRA to merge.", "zh": "没有要合并的 LoRA。"},
    "give_files": {"en": "Give files, such as a.safetensors=0.7.", "zh": "请给出文件，例如 a.safetensors=0.7。"},
    "weight_not_a_number": {"en": "The weight of {file} is no number.", "zh": "{file} 的权重不是数字。"},
    "give_weight": {"en": "Give one such as 0.7.", "zh": "请给出例如 0.7 的权重。"},
    "method_is": {"en": "--method is {given}.", "zh": "--method 为 {given}。"},
    "method_needs_rank": {
        "en": "--method {method} leaves no low-rank factors.",
        "zh": "--method {method} 得不到低秩因子。",
    },
    "give_rank": {"en": "Give a --rank to approximate it.", "zh": "请用 --rank 近似。"},
    "rank_is": {"en": "--rank is {given}.", "zh": "--rank 为 {given}。"},
    "density_is": {"en": "--density is {given}.", "zh": "--density 为 {given}。"},
    "must_be_share": {"en": "It must be more than 0 and at most 1.", "zh": "必须大于 0，最多为 1。"},
    "must_be_at_least_1": {"en": "It must be at least 1.", "zh": "至少应为 1。"},
    "dora_in_sum": {
        "en": "{file} has a {kind} in {name}, whose change depends on the base model.",
        "zh": "{file} 的 {name} 中是 {kind}，其变化取决于基础模型。",
    },
    "sum_without_rank": {
        "en": "{file} has a {kind} in {name}, whose sum with others has no low rank.",
        "zh": "{file} 的 {name} 中是 {kind}，它与其他层之和不是低秩的。",
    },
    "bases_differ": {
        "en": (
            "{first} and {second} are for different base models: {name} is {shape} in one and {other} in the other."
        ),
        "zh": "{first} 和 {second} 用于不同的基础模型：{name} 在前者中为 {shape}，在后者中为 {other}。",
    },
    "merge_into_original": {
        "en": "Merge into the original, and quantize the result.",
        "zh": "请并入原模型，再把结果量化。",
    },
    "merged_overflow": {
        "en": "The merged {key} does not fit into {dtype}.",
        "zh": "合并后的 {key} 超出 {dtype} 的范围。",
    },
    "use_smaller_weights": {"en": "Use smaller weights.", "zh": "请使用更小的权重。"},
    "base_of_other_family": {
        "en": "{file} is for {family}, {base} is {other}.",
        "zh": "{file} 用于 {family}，而 {base} 是 {other}。",
    },
    "base_lacks_layer": {
        "en": "{base} has no {name}, which {file} changes{more}.",
        "zh": "{base} 中没有 {file} 所改变的 {name}{more}。",
    },
    "such_layers": {"en": " ({count} such layers)", "zh": "（这样的层有 {count} 个）"},
    "base_shape_differs": {
        "en": "{file} is for another base model: {name} is {shape} in {base}, the LoRA changes {other}.",
        "zh": "{file} 用于另一种基础模型：{name} 在 {base} 中为 {shape}，而 LoRA 改变的是 {other}。",
    },
    # ---- blocks
    "blocks_syntax": {
        "en": (
            "Give BASE, IN00 to IN11, MID, OUT00 to OUT11, a range such as IN05-OUT05 or a pattern such "
            "as *attn1*, each with =NUMBER."
        ),
        "zh": (
            "请给出 BASE、IN00 到 IN11、MID、OUT00 到 OUT11，范围（如 IN05-OUT05）或模式（如 *attn1*），并各加 =数字。"
        ),
    },
    "blocks_count": {"en": "--blocks has {count} numbers.", "zh": "--blocks 有 {count} 个数字。"},
    "blocks_lengths": {
        "en": "It must be 12, 17, 20 or 26, or pairs such as IN04=0.5.",
        "zh": "必须是 12、17、20 或 26 个，或如 IN04=0.5 的成对写法。",
    },
    "blocks_unclear": {"en": "--blocks has {given}.", "zh": "--blocks 中有 {given}。"},
    "blocks_not_a_number": {
        "en": "--blocks has {given}, which is no number.",
        "zh": "--blocks 中的 {given} 不是数字。",
    },
    "give_numbers": {"en": "Give numbers such as 0.5.", "zh": "请给出例如 0.5 的数字。"},
    "blocks_of_other_family": {
        "en": "--blocks has {count} numbers, which are for {others}; the LoRA is for {family}.",
        "zh": "--blocks 有 {count} 个数字，适用于 {others}；而此 LoRA 用于 {family}。",
    },
    "give_numbers_or_pairs": {
        "en": "Give {count} numbers, or pairs such as IN04=0.5.",
        "zh": "请给出 {count} 个数字，或如 IN04=0.5 的成对写法。",
    },
    "give_pairs": {"en": "Give pairs such as IN04=0.5.", "zh": "请给出如 IN04=0.5 的成对写法。"},
    "pattern_fits_nothing": {
        "en": "The pattern {pattern} in --blocks fits no layer.",
        "zh": "--blocks 中的模式 {pattern} 不符合任何层。",
    },
    "layers_named_like": {"en": "Layers are named like {name}.", "zh": "层的名称如 {name}。"},
    "blocks_given_times": {
        "en": "--blocks is given {count} times for {files} files.",
        "zh": "为 {files} 个文件给出了 {count} 次 --blocks。",
    },
    "give_once_or_each": {"en": "Give it once, or once for each.", "zh": "请给出一次，或每个文件一次。"},
    # ---- extract
    "not_finite": {
        "en": "{name} is not finite in {first} or {second}.",
        "zh": "{name} 在 {first} 或 {second} 中有非有限的数字。",
    },
    "no_difference": {
        "en": "{first} and {second} do not differ in any layer a LoRA has{by}.",
        "zh": "{first} 和 {second} 在 LoRA 可有的层中没有任何不同{by}。",
    },
    "but_by_rounding": {"en": " but by rounding ({count} layers)", "zh": "，只有舍入的差别（{count} 层）"},
    "families_of_models": {
        "en": "{first} is {family}, {second} is {other}.",
        "zh": "{first} 是 {family}，{second} 是 {other}。",
    },
    "give_one_family": {"en": "Give one family.", "zh": "请给出同一系列的模型。"},
    "shapes_differ": {
        "en": "{first} and {second} are of different shape: {name} is {shape} and {other}.",
        "zh": "{first} 和 {second} 的形状不同：{name} 分别为 {shape} 和 {other}。",
    },
    # ---- resize
    "no_size": {"en": "No new size is given.", "zh": "没有给出新的大小。"},
    "give_size": {"en": "Give --rank, --energy or --ratio.", "zh": "请给出 --rank、--energy 或 --ratio。"},
    "new_rank_is": {"en": "The rank is {given}.", "zh": "秩为 {given}。"},
    "energy_is": {"en": "--energy is {given}.", "zh": "--energy 为 {given}。"},
    "must_be_energy": {
        "en": "It must be more than 0 and at most 1, such as 0.99.",
        "zh": "必须大于 0，最多为 1，例如 0.99。",
    },
    "ratio_is": {"en": "--ratio is {given}.", "zh": "--ratio 为 {given}。"},
    "must_be_ratio": {"en": "It must be at least 1, such as 10.", "zh": "至少应为 1，例如 10。"},
    # ---- rename
    "metadata_too_large": {
        "en": "The metadata is too large: ComfyUI reads at most 1 MB.",
        "zh": "元数据太大：ComfyUI 最多读取 1 MB。",
    },
    "shorten_or_remove": {
        "en": "The longest is {key}: use a shorter text, or take it out with --remove {key}.",
        "zh": "最长的是 {key}：请用更短的文字，或用 --remove {key} 去掉。",
    },
    "key_computed": {
        "en": "{key} is computed from the tensors and can't be set.",
        "zh": "{key} 由张量计算得出，不能设置。",
    },
    "leave_it_out": {"en": "Leave it out.", "zh": "请去掉它。"},
    "key_missing": {"en": "{file} has no metadata {key}.", "zh": "{file} 没有元数据 {key}。"},
    "inspect_lists_keys": {"en": "`sdlora inspect` lists its keys.", "zh": "`sdlora inspect` 会列出它的键。"},
    "family_hidden": {
        "en": "{file} is for {family}: with {what} A1111 would hide it.",
        "zh": "{file} 用于 {family}：若设 {what}，A1111 会把它隐藏。",
    },
    "key_needed": {
        "en": "Without {key} A1111 would hide {file}: it can't be removed.",
        "zh": "没有 {key}，A1111 会隐藏 {file}：不能去掉。",
    },
    # ---- averages
    "average_one": {"en": "One LoRA has no average.", "zh": "只有一个 LoRA，无法求平均。"},
    "average_give_two": {
        "en": "Give two or more: files, or checkpoints as RUN@STEP.",
        "zh": "请给出两个或更多：文件，或写成 RUN@STEP 的检查点。",
    },
    "average_not_plain": {
        "en": "{name} has no checkpoint of a plain LoRA to average (adapter.kind {kind}).",
        "zh": "{name} 没有可以求平均的普通 LoRA 检查点（adapter.kind 为 {kind}）。",
    },
    "average_export_plain": {
        "en": "Write its checkpoints as files first, sdlora export RUN --step STEP --plain, and average those.",
        "zh": "请先用 sdlora export RUN --step STEP --plain 将检查点写成文件，再对文件求平均。",
    },
    "average_layers": {
        "en": "{first} holds {name}, {second} does not: they are not of the same shape.",
        "zh": "{first} 含有 {name}，而 {second} 没有：二者结构不同。",
    },
    "average_use_merge": {
        "en": "To add them up nevertheless: sdlora merge, with a weight for each.",
        "zh": "若仍要相加：请用 sdlora merge，并为每个文件给出权重。",
    },
}
