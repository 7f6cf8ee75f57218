"""The Runs tab: keeping order among runs."""

REMARKS_TITLE = "名称、评分和备注"
SAID_NAME = "名称"
SAID_NAME_HELP = "代替文件夹名显示；文件夹名不变。"
SAID_RATING = "评分"
NO_RATING = "无"
SAID_NOTE = "备注"
KEEP_SAID = "保存"
SAID_KEPT = "已随训练保存。"
RATING_ALT_ONE, RATING_ALT_MANY = "{count} 星", "{count} 星"
RECIPE_PROMPTS = "测试提示词"
DELETE_RUN, DUPLICATE, EDIT_WAITING = "删除", "复制", "编辑"
BRANCH = "从这一步开始"
EXPORT_ALL = "全部导出"
ALL_AS_ZIP = "全部打包为 zip"
DELETED = "{name} 已移入回收站（{size}），可以从那里放回。"
NOT_WHILE_LIVE = "{name} 正在训练或等待。请先停止它，或将它移出队列，再删除。"
NOT_WHILE_EXPORTING = "正在写出 {name} 的 LoRA 文件。请在完成后再删除此训练。"
BIN_TITLE = "回收站"
BIN_EMPTY = "回收站是空的。删除的训练会留在这里，直到您清空它。"
BIN_HOLDS_ONE = "1 次训练，{size}。清空回收站之前仍占用磁盘空间。"
BIN_HOLDS_MANY = "{count} 次训练，{size}。清空回收站之前仍占用磁盘空间。"
BIN_CHOOSE = "回收站中的训练"
PUT_BACK, EMPTY_BIN = "放回", "清空回收站"
BIN_CHOOSE_FIRST = "请先选择要放回的训练。"
BACK_AGAIN = "{name} 已放回。"
EMPTY_QUESTION = "彻底删除回收站中的全部内容吗？"
EMPTY_ANSWER = "其中的训练将不复存在，包括 LoRA 文件和检查点。"
YES_EMPTY, KEEP_BIN = "彻底删除", "保留"
EMPTIED_ONE = "已彻底删除 1 次训练，腾出 {size}。"
EMPTIED_MANY = "已彻底删除 {count} 次训练，腾出 {size}。"
DISK_LINE_ONE = "1 次训练，{size}"
DISK_LINE_MANY = "{count} 次训练，{size}"
DISK_LINE_BIN = "回收站 {size}"
DISK_LINE_FREE = "磁盘剩余 {size}"
UNDO_REMOVAL = "将“{name}”放回队列"
GONE_ALREADY = "它已经不在了。"
EDITS_WAITING = "这是正在等待的 {name} 的设置。按“开始训练”会用更改后的设置替换它。"
EDIT_AS_NEW = "保留原样，另开一次训练"
ORIGIN_GONE = "{name} 所依据的训练已不存在，因此不能在这里更改它的设置。"

# ---- what the computer has left

MACHINE_OF = "已用 {used}，共 {total}"
MACHINE_WATTS = "{watts} 瓦"
MACHINE_LOAD = "占用率 {load} %"
MACHINE_MEMORY = "内存：剩余 {free}，共 {total}"

# ---- a run that has ended

RING_TITLE = "训练结束时"
RING_NOTE = "显示通知"
RING_SOUND = "播放声音"
RING_REFUSED = "此浏览器不允许本页面显示通知。"
RING_STATES = {
    "done": "已完成",
    "stopped": "已停止",
    "failed": "已失败",
    "interrupted": "意外停止",
}

# ---- two runs side by side

BESIDE = "与另一次训练并排"
BESIDE_HELP = "显示两次训练的设置有何不同，并在同一张图中画出两条学习曲线。"
BESIDE_NONE = "不并排"
SERIES_OTHER, SERIES_OTHER_CHECK = "另一次训练，平滑后", "另一次训练，验证"
SERIES_OF_OTHER = "{line}，{name}"
