"""The Runs tab."""

NO_RUNS = "还没有训练。请选择图片，检查设置，然后按“开始训练”。"
RUN_LIST = "训练列表"
STOP, PAUSE, CONTINUE, RESUME = "停止", "暂停", "继续", "恢复训练"
SAVE_NOW, SAMPLE_NOW = "立即保存", "立即生成测试图片"
SAMPLES = "测试图片"
NO_SAMPLES = "第 1 步之前会出现第一批测试图片。"
NO_PROMPTS = "此训练没有测试提示词。"
LEARNING_CURVE = "学习曲线"
CURVE_HELP = "请以测试图片为准：灰线大多是噪声，彩色线是它的滑动平均。"
SERIES_RAW, SERIES_SMOOTH = "每一步", "平滑后"
FILES = "文件"
NO_FILES = "训练结束后 LoRA 文件会出现在这里，提前停止也一样。"
FINAL_FILE, CHECKPOINT_FILE = "整个训练的 LoRA", "检查点的 LoRA"
CHECKPOINTS = "检查点"
CHECKPOINTS_HELP = "选择一个步数，得到它的 LoRA 文件。"
MAKE_FILE, MAKING_FILE = "生成 LoRA 文件", "正在生成文件…"
LOG = "日志"
DOWNLOAD = "下载"
LAST_LINES = "日志的最后几行："
PROGRESS = "进度"
BEFORE, AT_STEP = "训练前", "第 {step} 步"
STEP_OF = "第 {step} 步，共 {steps} 步"
PICTURE_ALT = "测试图片，{step}，{prompt}"
FACT_STEP, FACT_LOSS, FACT_MEMORY, FACT_IMAGES = "步数", "损失", "内存", "图片"

STATES = {
    "starting": "正在启动",
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
WORK = {"latents": "正在准备图片", "text": "正在读取说明文字", "samples": "正在生成测试图片"}
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
FINISHED_IN = "已完成，用时 {time}。"
STOPPED_AT = "在第 {step} 步停止。已有的 LoRA 已保留；按“恢复训练”可从这里继续。"
FAILED_AT = "在第 {step} 步失败。{text}"
INTERRUPTED_AT = "{name} 在第 {step} 步意外停止。按“恢复训练”可从上一个检查点继续。"
NEVER_STARTED = "训练程序没有输出任何内容就结束了。"
STARTING = "训练程序正在启动，需要几秒钟。"
IS_TRAINING = "{name} 正在训练。"
IS_TRAINING_FIX = "请停止它，或等它结束。"
