"""The Runs tab."""

NO_RUNS = "还没有训练。请选择图片，检查设置，然后按“开始训练”。"
RUN_LIST = "训练列表"
STOP, PAUSE, CONTINUE, RESUME = "停止", "暂停", "继续", "恢复训练"
SAVE_NOW, SAMPLE_NOW = "立即保存", "立即生成测试图片"
SAMPLES = "测试图片"
NO_SAMPLES = "第 1 步之前会出现第一批测试图片。"
NO_PROMPTS = "此训练没有测试提示词。"
LEARNING_CURVE = "学习曲线"
CURVE_HELP = "请以测试图片为准：浅色线大多是噪声，深色线是它的滑动平均。"
CURVE_HELP_CHECK = (
    "请以测试图片为准。验证损失每次用同样的图片和同样的噪声测得；"
    "用留出的图片测时，它若上升，说明 LoRA 在死记训练图片。浅色线大多是噪声。"
)
CURVE_HELP_DRIFT = "漂移是代价：模型对日常事物提示词的回答偏离基础模型的程度。只要还在学，它就会上升。"
SERIES_RAW, SERIES_SMOOTH, SERIES_CHECK = "每一步", "平滑后", "验证"
SERIES_TRAINED, SERIES_DRIFT = "训练图片上的同一损失", "其他提示词的漂移"
SMOOTHING, FOLLOW = "平滑", "跟随最新"
OFFERS = "选哪个检查点？"
FILES = "文件"
NO_FILES = "训练结束后 LoRA 文件会出现在这里，提前停止也一样。"
FINAL_FILE, CHECKPOINT_FILE = "整个训练的 LoRA", "检查点的 LoRA"
CHECKPOINTS = "检查点"
CHECKPOINTS_HELP = "选择一个步数，得到它的 LoRA 文件。"
MAKE_FILE, MAKING_FILE = "导出", "正在导出…"
EXPORT_FAILED = "导出没有成功。{text}"
CONTAINER, DTYPE = "格式", "数值"
CONTAINERS = {"": "按设置", "kohya": "kohya（所有工具）", "diffusers": "diffusers 格式"}
DTYPES = {"": "按设置", "fp16": "fp16", "bf16": "bf16", "fp32": "fp32"}
LOG = "日志"
DOWNLOAD = "下载"
LAST_LINES = "日志的最后几行："
PROGRESS = "进度"
BEFORE, AT_STEP = "训练前", "第 {step} 步"
STEP_OF = "第 {step} 步，共 {steps} 步"
PICTURE_ALT = "测试图片，{step}，{prompt}"
FACT_STEP, FACT_LOSS, FACT_MEMORY, FACT_IMAGES = "步数", "损失", "内存", "图片"
FACT_VALIDATION = "验证损失"

STATES = {
    "waiting": "等待中",
    "starting": "正在启动",
    "loading": "准备中",
    "running": "训练中",
    "pausing": "正在暂停",
    "paused": "已暂停",
    "stopping": "正在停止",
    "done": "已完成",
    "stopped": "已停止",
    "failed": "失败",
    "interrupted": "意外停止",
    "new": "未能启动",
}
WORK = {
    "start": "正在启动",
    "model": "正在加载模型",
    "class": "正在画正则化图片",
    "latents": "正在准备图片",
    "text": "正在读取说明文字",
    "validation": "正在测量验证损失",
    "by_heart": "正在查看是否死记了图片",
    "samples": "正在生成测试图片",
    "save": "正在保存检查点",
    "export": "正在写出 LoRA 文件",
}
ASKED = {
    "stop": "这一步之后停止，已有的 LoRA 会保留。",
    "pause": "这一步之后暂停。",
    "continue": "继续训练。",
    "save": "这一步之后保存检查点。",
    "sample": "这一步之后生成测试图片。",
}
NOT_RUNNING = "此训练目前没有在进行。"
UNKNOWN_CHECKPOINT = "这个检查点已经不存在。"
UNKNOWN_RUN = "这个训练已经不存在。"
CHANGE_SETTINGS = "更改设置"
FINISHED_IN = "已完成，用时 {time}。"
STARTED_FROM = "从 {name} 的第 {step} 步开始。"
STOPPED_AT = "在第 {step} 步停止。已有的 LoRA 已保留；按“恢复训练”可从这里继续。"
FAILED_AT = "在第 {step} 步失败。{text}"
INTERRUPTED_AT = "{name} 在第 {step} 步意外停止。按“恢复训练”可从上一个检查点继续。"
NEVER_STARTED = "训练程序没有输出任何内容就结束了。"
STARTING = "训练程序正在启动，需要几秒钟。"
STOPPING_STEP = "这一步之后停止…"
STOPPING_FIRST = "完成这一项之后停止…"
STOPPING_NOW = "已停止；正在保存目前的进度。"
IS_TRAINING = "{name} 正在训练。"
IS_TRAINING_FIX = "请停止它，或等它结束。"

# ---- the queue

MOVE_UP, MOVE_DOWN, REMOVE = "上移", "下移", "移出队列"
WAITS_NEXT = "队列中的下一个：{name} 结束后自动开始。"
WAITS_AT = "队列中第 {place} 位：会自动开始。"
WAITS_ALONE = "马上开始。"
ADDED_TO_QUEUE = "{name} 已加入队列，会自动开始。"
ADD_TO_QUEUE = "加入队列"
WILL_WAIT = "{name} 正在训练；之后会自动开始此训练。"
NOT_WAITING = "此训练已不在等待。"
RESUME_LATER = "之后恢复训练"
QUEUE_FAILED = "训练程序无法启动（{reason}）。"

# ---- asking once

STOP_QUESTION = "停止并保留目前的进度吗？"
STOP_ANSWER = "这一步之后写出 LoRA；按“恢复训练”可从那里继续。"
YES_STOP, GO_ON = "停止", "继续训练"

# ---- what went wrong

WHAT_HAPPENED, WHY, TRY_THIS, DETAILS = "发生了什么", "原因", "可以这样做", "技术细节"
WHY_KILLED = "进程被外部终止：被系统终止（常见于内存不足），或随电脑一起关闭。"
TRY_RESUME = "按“恢复训练”：从第 {step} 步继续。"
TRY_RESUME_START = "按“恢复训练”：还没有保存检查点，因此会从头开始。"
TRY_CHANGE = (
    "按“更改设置”可换用其他设置，从第 {step} 步继续。“恢复训练”则用同样的设置从那里继续："
    "适合原因在外部的情况，例如磁盘已满。"
)
TRY_CHANGE_START = (
    "没有保存检查点，因此会从头开始：按“更改设置”可换用其他设置开始；"
    "如果原因在外部，例如磁盘已满，按“恢复训练”可用同样的设置开始。"
)
TRY_LESS_MEMORY = "如果再次发生，请关闭其他程序或降低分辨率。"
WHY_NEVER = "它最后的输出在技术细节中。"
TRY_LOG = "请阅读技术细节，改正其中指出的问题，然后按“恢复训练”。"
COPY, COPIED = "复制", "已复制"

# ---- test pictures

SHOW_ALL = "显示所有步数"
MORE_COMES = "正在准备更多图片…"
CLOSE, EARLIER, LATER, COMPARE_WITH = "关闭", "上一张", "下一张", "与第一张比较"
SLIDER = "之前与现在"
LARGE = "测试图片，大图"
STRENGTH_TITLE = "强度"
STRENGTH_HELP = "用最新的检查点重新生成测试提示词的图片。"
STRENGTH_LABEL = "LoRA 的强度"
DRAW_AGAIN = "生成"
NO_CHECKPOINT = "还没有检查点。请按“立即保存”，或等待第一个检查点。"
STRENGTH_CAPTION = "强度 {strength}，{step}"
DRAW_STATES = {
    "waiting": "等待 {name} 结束。",
    "next": "马上开始。",
    "running": "正在生成：{done} / {of}",
    "failed": "图片没有生成。{text}",
}

# ---- keys, and a page without its server

KEYS_TITLE = "快捷键"
KEYS = {
    "1": "图片、设置、训练、比较",
    "s": "立即生成测试图片",
    "slash": "搜索设置",
    "start": "开始训练",
    "arrows": "上一张和下一张图片",
    "enter": "从图片进入它的说明文字；按 Esc 返回",
    "next": "保存说明文字，转到下一张图片",
    "esc": "关闭",
    "help": "显示此列表",
}
KEYS_SWITCH = "单个字母和数字作为快捷键"
NOT_CONNECTED = "未连接 — 训练不受影响。正在重试…"
DRAWING_NOW = "正在生成图片：{done} / {of}"
