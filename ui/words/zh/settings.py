"""The Settings tab."""

LABELS = {
    "model.base": "基础模型",
    "data.folder": "图片文件夹",
    "data.trigger": "触发词",
    "data.resolution": "分辨率",
    "adapter.rank": "秩（rank）",
    "adapter.alpha": "Alpha",
    "train.steps": "步数",
    "train.lr": "学习率",
    "train.seed": "随机种子",
    "sample.prompts": "测试提示词",
    "run.name": "名称",
}
HELP: dict[str, str] = {}
HINTS = {
    "data.folder": "/home/me/pictures/cat-toy",
    "data.trigger": "例如：ohwx",
    "sample.prompts": "每行一个提示词，例如：\na watercolour of a lighthouse",
}
ONE_PER_LINE = "每行一个。"

GROUP_WHAT = "训练什么"
GROUP_ADAPTER = "适配器"
GROUP_TRAINING = "训练"
GROUP_TEST = "测试图片"
STRENGTH = "强度 alpha / rank = "
CHECKS = "检查"
ALL_GOOD = "一切正常。"
CHECKED_AT_START = "填写表单时，检查结果会显示在这里。"
CHECK_AGAIN = "重新检查"
START = "开始训练"
BUSY = "{name} 正在训练。请先停止它，或等它结束后再开始新的训练。"
NOT_HERE_YET = "基础模型 {base} 还没有下载到这台电脑。"
NOT_HERE_FIX = "用以下命令下载一次：hf download {base}"
NOT_STARTED = "未开始：请先解决检查列表中的问题。"
FATAL, WARNING = "问题", "提示"
AND_MORE = "还有 {count} 项。"
