"""LoRA files read, written and compared: ``sdlora.lorafiles``, ``sdlora.adapters``."""

_TOOL = {  # what a tool would do with the file, after the tool's name
    "takes dora_scale per input channel and makes garbage of this one": (
        "按输入通道读取 dora_scale，因此会把这一层变成乱码"
    ),
    "takes the size of W for that of W + change: up to a third of the change is off": (
        "把 W 的大小当作 W + 变化量的大小：变化量最多偏差三分之一"
    ),
    "takes factors of the weight's own shape only": "只接受与权重形状一致的因子",
    "can't fit these factors to the weight": "无法使这些因子与权重吻合",
    "reshapes these factors into a change without sense": "会把这些因子重排成没有意义的变化",
    "passes over dora_scale: a plain LoRA is left": "忽略 dora_scale：只剩普通 LoRA",
    "has no layer of that name and says nothing": "没有这个名称的层，也不提示",
    "has no layer of that name (a warning in its console)": "没有这个名称的层（控制台中有警告）",
    "has no layer of that name": "没有这个名称的层",
    "finds a container and no layer": "找到的是容器而不是层",
    "applies q, k, v and out of OpenCLIP's attention together or not at all": (
        "对 OpenCLIP 注意力的 q、k、v 和 out 只会一起应用，否则都不应用"
    ),
    "knows no such kind of layer": "不认识这种层",
    "knows lora_down and lora_up alone and says nothing": "只认识 lora_down 和 lora_up，也不提示",
    "passes over lora_mid: the rest makes no sense": "忽略 lora_mid：其余部分没有意义",
    "takes an alpha of 0 for alpha = rank": "把为 0 的 alpha 当作 alpha = rank",
    "can't tell the base model without attn2.to_k, attn2.to_v or a text encoder": (
        "没有 attn2.to_k、attn2.to_v 或文本编码器就无法判断基础模型"
    ),
    "divides alpha by the number of inputs where the rank is 1": "秩为 1 时把 alpha 除以输入的数目",
    "takes lora_down and lora_up alone": "只接受 lora_down 和 lora_up",
    "finds layers without text_model with new versions of transformers only": (
        "只有配合新版 transformers 才能找到没有 text_model 的层"
    ),
    "takes whole pairs only": "只接受成对的因子",
    "refuses a file with more than 12 keys that it has no layer for": "会拒绝有超过 12 个无对应层的键的文件",
    "passes over the strength in lora_adapter_metadata": "忽略 lora_adapter_metadata 中的强度",
    "takes the kohya container only": "只接受 kohya 布局",
    "refuses a file for SDXL with such a prefix": "会拒绝带有这种前缀的 SDXL 文件",
    "refuses a file that mixes two kinds of block names": "会拒绝混用两种块名称的文件",
    "refuses a file with a foreign key": "会拒绝含有外来键的文件",
    "takes one alpha for all layers of a network, and these have another": (
        "对一个网络的所有层只用一个 alpha，而这些层的 alpha 不同"
    ),
    "mis-scales other ranks without alpha (releases before 2026-08)": (
        "在没有 alpha 时会把其他秩的强度算错（2026-08 之前的版本）"
    ),
    "reads one spelling a file and passes over the other": "每个文件只读取一种写法，忽略另一种",
    "can't match target_modules with text_model in lora_adapter_metadata": (
        "无法匹配 lora_adapter_metadata 中带有 text_model 的 target_modules"
    ),
    "takes a text encoder with out_proj only": "只接受带有 out_proj 的文本编码器",
    "refuses peft's lora_adapter_metadata beside alpha": "会拒绝同时含有 alpha 和 peft 的 lora_adapter_metadata 的文件",
    "passes over changes of norms": "忽略归一化层的变化",
    "passes over changes of biases": "忽略偏置的变化",
    "passes over the remainder in bias_values": "忽略 bias_values 中的余项",
    "passes over the strength in scalar": "忽略 scalar 中的强度",
    "passes over the bias of lora_B": "忽略 lora_B 的偏置",
}
_BESIDE = {
    "{count} norm layers": " {count} 个归一化层",
    "1 norm layer": " 1 个归一化层",
    "{count} biases": " {count} 个偏置",
    "1 bias": " 1 个偏置",
    "{count} text projections": " {count} 个文本投影",
    "1 text projection": " 1 个文本投影",
}
SENTENCES = {
    # ---- reading a file
    "{file} is truncated, damaged or no safetensors file: {fault_of_file}.": (
        "{file} 不完整、已损坏，或不是 safetensors 文件：{fault_of_file}。"
    ),
    "{file} is truncated, damaged or no safetensors file ({reason}).": (
        "{file} 不完整、已损坏，或不是 safetensors 文件（{reason}）。"
    ),
    "Get the file again.": "请重新获取此文件。",
    "Get it again.": "请重新获取它。",
    "There is no file {path}.": "没有文件 {path}。",
    "{file} is no LoRA for Stable Diffusion: it is empty.": "{file} 不是 Stable Diffusion 的 LoRA：它是空的。",
    "{file} is no LoRA for Stable Diffusion: it has {key_in_file}{foreign}{more_keys}.": (
        "{file} 不是 Stable Diffusion 的 LoRA：其中有 {key_in_file}{foreign}{more_keys}。"
    ),
    "{file} has {key_in_file}{foreign}{more_keys}: no layer that a LoRA can have.": (
        "{file} 中有 {key_in_file}{foreign}{more_keys}：LoRA 不可能有这样的层。"
    ),
    "`sdlora convert --leave-out` takes the other {layers_left}.": (
        "`sdlora convert --leave-out` 会取出其余{layers_left}。"
    ),
    "{file} has {beside} ({key_in_file}), which a plain LoRA can't hold.": (
        "{file} 中有{beside}（{key_in_file}），普通 LoRA 无法容纳。"
    ),
    "`sdlora merge --into` applies them; `sdlora convert --leave-out` takes the other {layers_left}.": (
        "`sdlora merge --into` 可以应用它们；`sdlora convert --leave-out` 会取出其余{layers_left}。"
    ),
    "{file} is {contents}, not a LoRA.": "{file} 是{contents}，不是 LoRA。",
    "{file} has {count} numbered layers, in no order that is known.": "{file} 有 {count} 个编号的层，顺序未知。",
    "{file} has no layer of a plain LoRA.": "{file} 中没有普通 LoRA 的层。",
    "{file} is a whole model ({name}), not a LoRA.": "{file} 是完整的模型（{name}），不是 LoRA。",
    "Make a LoRA of it with `sdlora extract`.": "请用 `sdlora extract` 从中提取 LoRA。",
    "{file} has the same layer twice, as {first} and {second}.": "{file} 中同一层出现两次：{first} 和 {second}。",
    "Don't use it.": "请不要使用它。",
    "{file} {fault_of_layer}.": "{file} {fault_of_layer}。",
    "It comes from a failed training; don't use it.": "它来自失败的训练，请不要使用。",
    "So it is with {count} more layers.": "另有 {count} 层也是如此。",
    "So it is with {count} more.": "另有 {count} 个也是如此。",
    "{file}: the lora_alpha of {name} is no number.": "{file}：{name} 的 lora_alpha 不是数字。",
    "{file}: its peft configuration is no JSON object.": "{file}：它的 peft 配置不是 JSON 对象。",
    # ---- to go on from, or merged into the base
    "{file} is for another base model: {name} is {here} there, the LoRA changes {there}.": (
        "{file} 用于另一种基础模型：{name} 是 {here}，而 LoRA 改变的是 {there}。"
    ),
    "{file} is for another base model: here is no {name}.": "{file} 用于另一种基础模型：这里没有 {name}。",
    "{file} is for another base model: here is no {name} ({count} such layers).": (
        "{file} 用于另一种基础模型：这里没有 {name}（这样的层有 {count} 个）。"
    ),
    "{file} has a {kind_of_lora} in {name}, which is no plain {title}.": (
        "{file} 的 {name} 中是 {kind_of_lora}，不是普通 {title}。"
    ),
    "Make it a LoRA with `sdlora resize --rank N`{or_kind}.": "请用 `sdlora resize --rank N` 转换为 LoRA{or_kind}。",
    "{file} has no plain LoRA factors in {name} ({kind_of_lora}).": (
        "{file} 的 {name} 中没有普通 LoRA 的因子（{kind_of_lora}）。"
    ),
    "Give a rank to approximate them.": "请给出一个秩来近似。",
    "{file} is a DoRA: the change of {name} depends on the base model's weights.": (
        "{file} 是 DoRA：{name} 的变化取决于基础模型的权重。"
    ),
    "Make a plain LoRA of it with `sdlora resize --rank N --base MODEL`, or merge it into that base model with `sdlora "
    "merge --into`.": (
        "请用 `sdlora resize --rank N --base MODEL` 把它变成普通 LoRA，或用 `sdlora merge --into` 并入那个基础模型。"
    ),
    "{name} is missing in the saved LoRA.": "保存的 LoRA 中缺少 {name}。",
    "{name} is in the saved LoRA but does not learn here.": "{name} 在保存的 LoRA 中，但这里不参与训练。",
    "Use the same base model, adapter.targets and adapter.text_encoder.": (
        "请使用相同的基础模型、adapter.targets 和 adapter.text_encoder。"
    ),
    "{name} has rank {there} in the saved LoRA and rank {here} here.": (
        "{name} 在保存的 LoRA 中秩为 {there}，这里为 {here}。"
    ),
    "Set the same rank.": "请设置相同的秩。",
    "{name} has shape {there} in the saved LoRA and {here} here.": (
        "{name} 在保存的 LoRA 中形状为 {there}，这里为 {here}。"
    ),
    "Use the same base model.": "请使用相同的基础模型。",
    # ---- the layers that learn
    "Unknown target set {name}.": "未知的层组 {name}。",
    "Known sets: {names}.{hint}": "已知的层组：{names}。{hint}",
    "{name} is a {kind}; a LoRA fits nn.Linear and nn.Conv2d only.": (
        "{name} 是 {kind}；LoRA 只适用于 nn.Linear 和 nn.Conv2d。"
    ),
    "{name} is a convolution with {count} groups; a LoRA fits convolutions with one group only.": (
        "{name} 是有 {count} 组的卷积；LoRA 只适用于一组的卷积。"
    ),
    "The rank of {name} is {given}; it must be a whole number of at least 1.": (
        "{name} 的秩为 {given}；必须是至少为 1 的整数。"
    ),
    "The alpha of {name} is {given}; it must be more than 0.": "{name} 的 alpha 为 {given}；必须大于 0。",
    "The {setting} {pattern} fits none of the layers that learn.": "{setting} 的 {pattern} 不符合任何参与训练的层。",
    "Mend or remove it.": "请改正或删除它。",
    "No nn.Linear or nn.Conv2d fits {patterns}, only {kinds}.": (
        "没有 nn.Linear 或 nn.Conv2d 符合 {patterns}，符合的只有 {kinds}。"
    ),
    "No layer of the model fits {patterns}.": "模型中没有符合 {patterns} 的层。",
    "Its layers have names such as {names}.": "它的层的名称如 {names}。",
    "It has no nn.Linear or nn.Conv2d.": "其中没有 nn.Linear 或 nn.Conv2d。",
    # ---- writing a file
    "save.container is {given}.": "save.container 的值是 {given}。",
    "It must be kohya or diffusers.": "必须是 kohya 或 diffusers。",
    "save.dtype is {given}.": "save.dtype 的值是 {given}。",
    "save.metadata is {given}.": "save.metadata 的值是 {given}。",
    "It must be full or minimum.": "必须是 full 或 minimum。",
    "Unknown adapter kind {given}.": "未知的适配器种类 {given}。",
    "Known kinds: {names}.": "已知的种类：{names}。",
    "LoRA files have no name for {name}, most tools would drop it.": (
        "LoRA 文件没有 {name} 的名称，大多数工具会丢掉它。"
    ),
    "Leave it out of the targets.": "请不要把它列入要训练的层。",
    "The LoRA has only a part of {part} ({name} is missing), which tools don't load.": (
        "LoRA 中只有 {part} 的一部分（缺少 {name}），各工具不会载入。"
    ),
    "Train all of its layers or none.": "请训练它的全部层，或都不训练。",
    "The LoRA is not finite in {layers}: training became unstable.": (
        "LoRA 在 {layers} 中有非有限的数字：训练变得不稳定。"
    ),
    "Use an earlier checkpoint, or train again with a lower train.lr.": (
        "请使用更早的检查点，或用更低的 train.lr 重新训练。"
    ),
    "The numbers of {name} are too large for the LoRA file ({count} such layers).": (
        "{name} 的数值太大，LoRA 文件放不下（这样的层有 {count} 个）。"
    ),
    "Training became unstable: use an earlier checkpoint or a lower train.lr.": (
        "训练变得不稳定：请使用更早的检查点，或降低 train.lr。"
    ),
    "The LoRA's numbers are too small for {dtype}: {share} of it would be lost.": (
        "LoRA 的数值对 {dtype} 来说太小：会丢失其中的 {share}。"
    ),
    "Set save.dtype to fp32, or train longer or with a higher train.lr.": (
        "请把 save.dtype 设为 fp32，或训练更久，或提高 train.lr。"
    ),
    "{file} can't hold the trigger word or description: they have broken characters.": (
        "{file} 无法写入触发词或描述：其中有损坏的字符。"
    ),
    "Type them again.": "请重新输入。",
    "The cover picture can't be read.": "封面图片无法读取。",
    "Use a PNG, JPEG or WebP picture.": "请使用 PNG、JPEG 或 WebP 图片。",
    "Files can't be written on a big-endian machine.": "无法在大端序的机器上写文件。",
    "Use another machine.": "请换一台机器。",
    "The result needs {size}, but {path} has only {free} free.": "结果需要 {size}，但 {path} 只剩 {free}。",
    "Free some space, or write it elsewhere with --out.": "请腾出一些空间，或用 --out 写到别处。",
    # ---- names of layers and families
    "The model family {family} is not known.": "未知的模型系列 {family}。",
    "Known: {names}.": "已知：{names}。",
    "A LoRA of the family {family} has no {name}.": "模型系列 {family} 的 LoRA 没有 {name}。",
    "It has {names}.": "它有 {names}。",
    "{name} is no layer name of a Stable Diffusion LoRA.": "{name} 不是 Stable Diffusion LoRA 的层名称。",
    "{name} is no layer of a Stable Diffusion UNet.": "{name} 不是 Stable Diffusion UNet 的层。",
    # ---- the check of a written file
    "diffusers can't load {file}: {kind}: {what}": "diffusers 无法载入 {file}：{kind}：{what}",
    "{file}, read back by diffusers, is not what was trained: {difference}.": (
        "{file} 由 diffusers 读回后，与训练结果不一致：{difference}。"
    ),
    "Don't use this file; please report it.": "请不要使用此文件，并报告此问题。",
    "{tool} {does}: {layers}.": "{tool} {does}：{layers}。",
    "Don't use this file there.": "请不要在那里使用此文件。",
}
PARTS = {
    "does": _TOOL,
    "layers": {"{name} and {count} more layers": "{name} 等（另有 {count} 层）", "{name}": "{name}"},
    "kind_of_lora": {
        "DoRA (LoRA with a Tucker core)": "DoRA（带 Tucker 核的 LoRA）",
        "DoRA (full difference)": "DoRA（完整差值）",
        "LoRA with a Tucker core": "带 Tucker 核的 LoRA",
        "full difference": "完整差值",
        "{kind} with a sparse remainder": "带稀疏余项的 {kind}",
        "DoRA ({kind})": "DoRA（{kind}）",
        "{kind}": "{kind}",
    },
    "foreign": {
        "": "",
        ", whose name lacks text_model_": "（名称中缺少 text_model_）",
        ", an embedding bundled with the LoRA": "（随 LoRA 附带的嵌入）",
        ", OFT": "（OFT）",
        ", GLoRA": "（GLoRA）",
        ", IA3": "（IA3）",
        ", a layer of a diffusion transformer (Flux, SD3 and the like)": "（Flux、SD3 等扩散 transformer 的层）",
        ", a weight of a whole model": "（完整模型的权重）",
        ", a layer of another kind of network": "（另一种网络的层）",
    },
    "layers_left": {"1 layer": " 1 层", "{count} layers": " {count} 层"},
    "beside": {
        "{beside_a} and {beside_b} and {beside_c}": "{beside_a}、{beside_b}和{beside_c}",
        "{beside_a} and {beside_b}": "{beside_a}和{beside_b}",
        "{beside_a}": "{beside_a}",
    },
    "beside_a": _BESIDE,
    "beside_b": _BESIDE,
    "beside_c": _BESIDE,
    "contents": {
        "an IP-Adapter": " IP-Adapter",
        "a ControlNet": " ControlNet",
        "a T2I-Adapter": " T2I-Adapter",
        "an AnimateDiff motion module": " AnimateDiff 运动模块",
        "a textual inversion embedding": " textual inversion 嵌入",
        "a VAE": " VAE",
        "an image encoder": "图像编码器",
        "a text encoder": "文本编码器",
    },
    "more_keys": {"": "", " and {count} more such keys": "，另有 {count} 个这样的键"},
    "fault_of_layer": {
        "mixes two kinds of LoRA in {name}": "的 {name} 混用了两种 LoRA",
        "has no factors of {name}": "中没有 {name} 的因子",
        "has only one half of {name} ({part} is missing)": "中只有 {name} 的一半（缺少 {part}）",
        "has no usable numbers in {name} ({part})": "的 {name} 中没有可用的数字（{part}）",
        "has factors of {name} that don't fit: {shapes}": "中 {name} 的因子不吻合：{shapes}",
        "is not finite in {name} ({part})": "的 {name} 中有非有限的数字（{part}）",
    },
    "fault_of_file": {
        "it has only {count} bytes": "只有 {count} 个字节",
        "its header claims {count} bytes, {most} are allowed": "文件头声明有 {count} 个字节，最多允许 {most} 个",
        "its header claims {count} bytes, the whole file has {all}": (
            "文件头声明有 {count} 个字节，而整个文件只有 {all} 个"
        ),
        "its header does not begin with {{": "文件头不以 {{ 开始",
        "its header has the key {name} twice": "文件头中键 {name} 出现两次",
        "its header is no JSON": "文件头不是 JSON",
        "its metadata is not text by key": "元数据不是由键和文字组成",
        "the tensors {first} and {second} overlap": "张量 {first} 和 {second} 重叠",
        "there is a gap before the tensor {name}": "张量 {name} 之前有空缺",
        "it has {count} bytes after its last tensor": "最后一个张量之后还有 {count} 个字节",
        "its tensor {name} is described wrongly": "张量 {name} 的描述有误",
        "its tensor {name} has the unknown dtype {dtype}": "张量 {name} 的数值格式 {dtype} 未知",
        "its tensor {name} has no usable shape or place": "张量 {name} 没有可用的形状或位置",
        "its tensor {name} has {count} bytes, its shape needs {needed}": (
            "张量 {name} 有 {count} 个字节，而它的形状需要 {needed} 个"
        ),
        "its tensor {name} ends {count} bytes after the file": "张量 {name} 超出文件末尾 {count} 个字节",
    },
    "or_kind": {"": "", " or set adapter.kind to {name}": "，或把 adapter.kind 设为 {name}"},
    "hint": {"": "", " Did you mean {name}?": "您是否想写 {name}？"},
    "odd": {"missing": "缺失", "unknown": "未知"},
    "difference": {
        "{name} is {odd} ({count} such layers)": "{name} {odd}（这样的层有 {count} 个）",
        "{name} differs by {share} of its strength": "{name} 相差其强度的 {share}",
        "the {part}'s outputs differ by {share} of the LoRA's effect": "{part} 的输出相差 LoRA 效果的 {share}",
    },
}
