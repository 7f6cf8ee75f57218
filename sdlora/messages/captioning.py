"""Captions that models write: ``sdlora.captioners``."""

MESSAGES = {
    # ---- a model
    "no_model": {
        "en": "There is no model {model}.",
        "zh": "没有模型 {model}。",
    },
    "give_model": {
        "en": "Give --model the folder of the whole model, or its id on the hub.",
        "zh": "请用 --model 给出完整模型所在的文件夹，或它在 Hub 上的 id。",
    },
    "not_pinned": {
        "en": "Of {model} on the hub it must be said which version: it may change any day.",
        "zh": "必须注明使用 Hub 上 {model} 的哪个版本：它随时可能变化。",
    },
    "pin": {
        "en": "Add --revision with a commit of 40 letters, from huggingface.co/{model}/commits/main.",
        "zh": "请加上 --revision 和 40 位的提交号，可在 huggingface.co/{model}/commits/main 找到。",
    },
    "pin_newest": {
        "en": "The newest is --revision {revision}.",
        "zh": "最新版本是 --revision {revision}。",
    },
    "not_downloaded": {
        "en": "{model} at {revision} can't be downloaded ({reason}).",
        "zh": "无法下载 {model} 的版本 {revision}（{reason}）。",
    },
    "download_by_hand": {
        "en": "Check name and connection, or download it by hand and give --model its folder.",
        "zh": "请检查名称和网络连接，或手动下载后用 --model 给出它的文件夹。",
    },
    "no_config": {
        "en": "{folder} holds no model for transformers: its config.json is missing or damaged.",
        "zh": "{folder} 中没有 transformers 的模型：config.json 缺失或已损坏。",
    },
    "another_kind": {
        "en": "{folder} holds a model of kind {kind}; this captioner reads {kinds}.",
        "zh": "{folder} 中是 {kind} 类型的模型；这个标注器只能读取 {kinds}。",
    },
    "choose_captioner": {
        "en": "Choose the captioner that fits the model, or another model.",
        "zh": "请选择与模型相符的标注器，或换一个模型。",
    },
    "no_safetensors": {
        "en": "{folder} has its weights in a format that can run code when it is opened.",
        "zh": "{folder} 的权重格式在打开时可能会运行代码。",
    },
    "convert_weights": {
        "en": "Take a version with .safetensors files; many models have one as a pull request on the hub.",
        "zh": "请使用带 .safetensors 文件的版本；许多模型在 Hub 的拉取请求中提供。",
    },
    "not_loaded": {
        "en": "The model in {folder} can't be loaded ({reason}).",
        "zh": "无法加载 {folder} 中的模型（{reason}）。",
    },
    # ---- taggers
    "no_onnx": {
        "en": "Taggers need ONNX Runtime, which is not installed.",
        "zh": "标签模型需要 ONNX Runtime，但它没有安装。",
    },
    "install_onnx": {
        "en": "Install it: .venv/bin/pip install -c constraints.txt onnxruntime",
        "zh": "请安装：.venv/bin/pip install -c constraints.txt onnxruntime",
    },
    "no_tag_table": {
        "en": "{path} is no table of tags (columns name and category).",
        "zh": "{path} 不是标签表（需要 name 和 category 两列）。",
    },
    "no_tagger": {
        "en": "{path} is no WD tagger that fits its table of tags.",
        "zh": "{path} 不是与标签表相符的 WD 标签模型。",
    },
    "give_tagger": {
        "en": "Give --model a folder with model.onnx and selected_tags.csv of one tagger.",
        "zh": "请用 --model 给出一个文件夹，其中有同一标签模型的 model.onnx 和 selected_tags.csv。",
    },
    # ---- servers
    "no_address": {"en": "{address} is no address of a server.", "zh": "{address} 不是服务器地址。"},
    "like_address": {"en": "Write it like {address}.", "zh": "请写成 {address} 这样。"},
    "no_server": {"en": "No server answers at {address} ({reason}).", "zh": "{address} 没有服务器应答（{reason}）。"},
    "start_server": {
        "en": "Start Ollama, LM Studio or vLLM, or give its address with --server.",
        "zh": "请启动 Ollama、LM Studio 或 vLLM，或用 --server 给出地址。",
    },
    "server_refused": {
        "en": "The server at {address} refuses with code {code}: {said}",
        "zh": "{address} 的服务器拒绝了请求，代码 {code}：{said}",
    },
    "odd_answer": {
        "en": "What answers at {address} does not speak OpenAI's chat API.",
        "zh": "在 {address} 应答的不是 OpenAI 聊天接口。",
    },
    "which_model": {
        "en": "The server at {address} has several models: {names}.",
        "zh": "{address} 的服务器有多个模型：{names}。",
    },
    "server_without_model": {"en": "The server at {address} has no model.", "zh": "{address} 的服务器没有模型。"},
    "name_model": {
        "en": "Name one that sees pictures with --model.",
        "zh": "请用 --model 指定一个能看图的模型。",
    },
    # ---- a job
    "no_such_picture": {"en": "There is no picture {name} in {folder}.", "zh": "{folder} 中没有图片 {name}。"},
    "no_list": {"en": "{file} is no list of names in JSON.", "zh": "{file} 不是 JSON 格式的名称列表。"},
    "written": {"en": "{count} captions written.", "one": "1 caption written.", "zh": "写了 {count} 条说明文字。"},
    "gone_on": {
        "en": "{count} were there from before it was cut off.",
        "one": "1 was there from before it was cut off.",
        "zh": "其中 {count} 条在中断之前已经写好。",
    },
    "skipped": {
        "en": "{count} pictures have captions, which stay.",
        "one": "1 picture has a caption, which stays.",
        "zh": "{count} 张图片已有说明文字，保持不变。",
    },
    "silent": {"en": "Nothing came of {names}.", "zh": "{names} 没有得到任何说明。"},
    "broke_off": {"en": "The captioner broke off ({reason}).", "zh": "标注器中断了（{reason}）。"},
    "failed": {"en": "{name}: {what}", "zh": "{name}：{what}"},
    "goes_on": {
        "en": "The same command goes on where it was; --undo takes back what was written.",
        "zh": "用同样的命令可以从中断处继续；--undo 可以撤销已写的内容。",
    },
    "undone": {
        "en": "{count} captions are as they were before.",
        "one": "1 caption is as it was before.",
        "zh": "{count} 条说明文字已恢复原样。",
    },
    "stays": {
        "en": "{count} changed again since and stay.",
        "one": "1 changed again since and stays.",
        "zh": "{count} 条之后又被修改过，保持不变。",
    },
    "nothing_to_undo": {
        "en": "The last change of captions in {folder} is none that a model has written.",
        "zh": "{folder} 中最近一次修改不是由模型写的说明文字。",
    },
    "undo_on_page": {
        "en": "On the page, Undo takes back the changes one by one.",
        "zh": "在页面上，“撤销”可以逐个撤回修改。",
    },
}
