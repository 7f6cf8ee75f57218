"""The captioner of the Images tab."""

CAPTIONER = "用模型写说明"
CAPTIONER_HELP = "由这台电脑上的模型逐张看图并写下说明。“撤销”可以全部撤回。"
CAPTIONER_WITH = "模型"
CAPTIONERS = {
    "server": "本地服务器（Ollama、LM Studio、vLLM）",
    "tagger": "WD 标签模型",
    "florence": "Florence-2 模型",
    "blip": "BLIP 模型",
    "qwen": "Qwen-VL 模型",
}
CAPTIONER_MODEL, CAPTIONER_MODEL_HINT = "具体哪一个", "/models/Florence-2-base，或服务器上的名称：qwen2.5vl:7b"
CAPTIONER_SERVER = "服务器地址"
CAPTIONER_MODE = "已有说明的图片"
CAPTIONER_MODES = {"skip": "保持不变", "append": "在后面追加", "replace": "换成新的"}
CAPTIONER_IMAGES = "范围"
CAPTIONER_WHICH = {"shown": "筛选出的所有图片", "chosen": "正在编辑的图片"}
CAPTIONER_MORE = "更多"
CAPTIONER_PROMPT, CAPTIONER_PROMPT_HINT = "对模型的提问", "留空则使用通常有效的提问"
CAPTIONER_WITHOUT, CAPTIONER_WITHOUT_HINT = "去掉", "标签或词语，用逗号分隔：solo, the image shows"
CAPTIONER_LEAST = "标签的最低概率（0 到 1）"
CAPTIONER_REVISION = "Hub 上模型的提交号"
CAPTIONER_START, CAPTIONER_STOP, CAPTIONER_GO_ON = "写说明文字", "停止", "从中断处继续"
CAPTIONER_BEGINS = "正在准备模型。"
CAPTIONER_FAR = "已完成 {done} / {of} 张图片"
CAPTIONER_BUSY = "正在为另一个文件夹写说明文字。请等它结束，或在那里停止。"
CAPTIONER_STOPPED = "已停止；已得到的说明文字都已写入，可以撤销。"
CAPTIONER_FAILED = "没有完成：{reason}"
CAPTIONER_NO_IMAGE = "没有选择图片。"
CAPTIONER_UNKNOWN = "没有这种写说明的方式。请重新加载页面。"
CAPTIONER_NEEDS_MODEL = "请填写模型所在的文件夹，或它在 Hub 上的 id 和提交号。"
CAPTIONER_NOT_LOCAL = "页面只把图片发给这台电脑。要用其他服务器，请运行：sdlora caption FOLDER --server ADDRESS"
CAPTIONER_THRESHOLD = "最低概率应为 0 到 1 之间的数字。"
