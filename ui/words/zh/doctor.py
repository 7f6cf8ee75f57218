"""The doctor of the Images tab."""

DOCTOR = "数据体检"
DOCTOR_HELP = "检查每张图片和说明文字中会损害 LoRA 的问题。它自己不会改动任何内容。"
DOCTOR_START, DOCTOR_STOP = "全部检查", "停止检查"
DOCTOR_BEGINS = "正在打开文件。"
DOCTOR_FAR = "已检查 {done} / {of} 张图片"
DOCTOR_BUSY = "正在检查另一个文件夹。请等它结束，或在那里停止。"
DOCTOR_STOPPED = "已停止；没有保留结果。"
DOCTOR_FAILED = "检查没有完成：{reason}"
DOCTOR_SILENT = "它没有说明原因就结束了"
DOCTOR_FOUND_ONE = "{images}中有 {count} 处问题，检查于 {when}。"
DOCTOR_FOUND_MANY = "{images}中有 {count} 处问题，检查于 {when}。"
DOCTOR_NOTHING = "{images}中没有发现问题，检查于 {when}。"
DOCTOR_CHECKS = {
    "alike": "几乎相同",
    "blurred": "模糊",
    "compressed": "JPEG 方块",
    "bordered": "黑边和边框",
    "transparent": "透明",
    "colours": "颜色不确定",
    "garbled": "说明文字中的乱码",
    "repeated": "相同的说明文字",
    "usual": "遗漏的标签",
}
DOCTOR_FILES = "文件、说明文字和尺寸"
DOCTOR_SIZES = "训练所用的尺寸"
DOCTOR_SIZE_HEADS = {"size": "像素", "pictures": "图片", "lost": "裁掉"}
DOCTOR_MEND = "修复"
DOCTOR_MEND_HELP = "选择要修复的内容并查看效果；不会删除任何文件，可以撤销。"
DOCTOR_OUT_ONE = "{count} 张图片将移到 {folder}，不参与训练："
DOCTOR_OUT_MANY = "{count} 张图片将移到 {folder}，不参与训练："
DOCTOR_CAPTIONS_ONE, DOCTOR_CAPTIONS_MANY = "将修改 {count} 条说明文字：", "将修改 {count} 条说明文字："
DOCTOR_APPLY = "按此修复"
BROUGHT_BACK_ONE, BROUGHT_BACK_MANY = "{count} 张图片已放回。", "{count} 张图片已放回。"
