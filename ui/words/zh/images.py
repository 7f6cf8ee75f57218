"""The Images tab, and folders that a person types."""

SHOW = "显示图片"
FOLDER_HELP = "图片文件夹，每张图片旁边有一个同名的 .txt 说明文件。"
NO_FOLDER = "请把图片拖到上面，或输入存放图片的文件夹，然后按“显示图片”。"
NO_IMAGES = "此文件夹中还没有图片。"
RECENT = "最近的文件夹"
FORGET = "清除此列表"
TRIGGER_HELP = "代表学习内容的词。没有这个词的说明文字会在前面加上它。"
GALLERY = "图片"
THUMBNAIL = "{name}，第 {at} 张，共 {count} 张"
PREVIOUS, NEXT = "上一页", "下一页"
PAGE_OF = "第 {first} 至 {last} 张，共 {count} 张"
REGULAR_ONE, REGULAR_MANY = "{count} 张正则化图片", "{count} 张正则化图片"
IMAGES_ONE, IMAGES_MANY = "{count} 张图片", "{count} 张图片"
WITH_CAPTION = "{count} 张有说明文字"
LOOKING = "正在查看文件：{done} / {of}"
UNREADABLE = "{name} 无法读取，已跳过。"
UNREADABLES = "{count} 张图片无法读取，已跳过：{names}。"
AND_OTHERS = "{names} 等，另有 {count} 个"
NO_CAPTION = "没有说明文字"
FROM_NAME = "来自文件名"
NOT_LOADED = "请先按“显示图片”。"
GONE = "这张图片已经不存在，请再按一次“显示图片”。"

# ---- dropping files

DROP = "把图片、文件夹或 zip 拖到这里"
DROP_FOLDER = "选择文件夹"
NEW_SET = "新建一组图片"
NEW_SET_READY = "接下来拖入的文件会放进一个新的文件夹。"
ADDED_ONE, ADDED_MANY = "已添加 {count} 张图片。", "已添加 {count} 张图片。"
CAPTIONS_ADDED_ONE = "已为原有图片写入 {count} 条说明文字。"
CAPTIONS_ADDED_MANY = "已为原有图片写入 {count} 条说明文字。"
SAME_ONE, SAME_MANY = "{count} 张原来就有。", "{count} 张原来就有。"
RENAMED = "已改名：{names}。"
ADDED_WHERE = "存放在 {folder}。"
NOT_ADDED = "{name} 无法保存（{reason}）。"
NO_PICTURE = "{name} 不是可以读取的图片。"
NOT_READABLE_FILE = "{name} 在 zip 中已损坏。"
TOO_LARGE = "{name} 超过 {size}。"
NAME_TAKEN = "{name} 已经存在，保持原样。"
CAPTION_ALONE = "说明文件 {name}.txt 没有同名的图片。"
ZIP_DAMAGED = "{name} 不是可以读取的 zip。"
ZIP_TOO_LARGE = "{name} 内容太多：一个 zip 最多取 {count} 个文件。"
ZIP_BOMB = "{name} 解压后将有 {size}，远超过图片应有的大小，因此没有打开。"
ZIP_NO_ROOM = "{name} 需要 {size}，磁盘剩余空间不足。"
ZIP_LEADS_OUT = "{name} 指向 zip 之外，已跳过。"
ZIP_LINK = "{name} 是 zip 中的链接，已跳过。"
ZIP_LOCKED = "{name} 有密码保护。"
NO_NEW_FOLDER = "无法在 {path} 中新建文件夹（{reason}）。"

# ---- finding

FILTER = "显示"
FILTERS = {"all": "全部", "bare": "没有说明文字", "named": "来自文件名", "problem": "有问题"}
SEARCH = "搜索"
SEARCH_HINT = "在说明文字和文件名中"
NOTHING_FOUND = "没有符合的图片。请清除搜索内容，或选择“全部”。"
TAGS = "标签"
TAGS_HELP = "选择标签，查看带有这些标签的图片。"
NO_TAGS = "多条说明文字共有的标签会显示在这里。"

# ---- one image

PICK = "选择一张图片，查看并修改它的说明文字。"
CAPTION = "说明文字"
CAPTION_HELP = "输入时自动保存到 .txt 文件。"
SAVED = "已保存。"
CHANGED_MEANWHILE = "{name} 的说明文字已在别的窗口或磁盘上被更改。目前还没有写入任何内容。"
TYPED_HERE, STANDS_THERE = "这里输入的", "现在的内容"
KEEP_MINE, TAKE_THEIRS = "保留我输入的", "采用现在的内容"
TOKENS = "{tokens} / {limit} 个词元"
PREVIOUS_IMAGE, NEXT_IMAGE = "上一张", "下一张"
ASIDE_ONE = "移出这组图片"
ASIDE_BROKEN_ONE, ASIDE_BROKEN_MANY = "移开 {count} 个无法读取的文件", "移开 {count} 个无法读取的文件"
MOVED_ONE, MOVED_MANY = "已将 {count} 个文件移到 {folder}。", "已将 {count} 个文件移到 {folder}。"
PROBLEM_SHORT = {
    "unreadable": "无法读取",
    "small": "太小",
    "shared": "与另一张同名",
    "long": "说明文字太长",
}
PROBLEM_COUNTS = {
    "named": "{count} 张来自文件名",
    "bare": "{count} 张没有",
    "small": "{count} 张对 {resolution} 像素来说太小",
    "shared": "{count} 张同名",
    "long": "{count} 条超过 {limit} 个词元",
    "unreadable": "{count} 张无法读取",
}
PROBLEM_SENTENCES = {
    "small": "以 {resolution} 像素训练时，这张图片太小。更大的图片能得到更清晰的 LoRA。",
    "named": "没有人写过说明文字：这一条取自文件名。",
    "shared": "另一张图片除扩展名外与它同名，因此两张共用一个说明文件。",
    "long": "加上触发词，说明文字有 {tokens} 个词元；最多读取 {limit} 个。",
}
SEES = "模型看到的样子"
SEES_SIZE = "以 {width} × {height} 像素训练。"
SEES_CUT = "裁掉图片的 {percent} %。"
SEES_WHOLE = "没有裁切。"
SEES_NOT = "模型看不到这张图片：它被跳过。"
SEES_NO_CAPTION = "没有文字：这张图片不带说明文字进行训练。"
SEES_TOKENS = "{tokens} / {limit} 个词元"
SEES_LONG = "{tokens} 个词元；最多读取 {limit} 个，因此末尾不会被读取。"

# ---- many captions

BULK = "批量修改说明文字"
BULK_HELP = "修改筛选结果中所有图片的说明文字。可以撤销，以后也可以。"
BULK_KIND = "操作"
BULK_KINDS = {"front": "加在前面", "end": "加在后面", "replace": "查找并替换", "remove": "删除标签"}
BULK_WHAT, BULK_BY = "文字", "替换为"
APPLY = "修改"
APPLY_COUNT_ONE, APPLY_COUNT_MANY = "修改 {count} 条说明文字", "修改 {count} 条说明文字"
CHANGES_NOTHING = "不会改变任何说明文字。"
PREVIEW_ANEW = "说明文字或筛选结果已经改变：请看现在会有什么变化，然后再按一次。"
CHANGES_COUNT = "将修改 {of} 条中的 {count} 条说明文字："
CHANGED_ONE, CHANGED_MANY = "已修改 {count} 条说明文字。", "已修改 {count} 条说明文字。"
UNDO = "撤销：{what}"
CHANGES = {
    "one": "{words} 的说明文字",
    "front": "在前面加“{words}”",
    "end": "在后面加“{words}”",
    "replace": "替换 {words}",
    "remove": "删除“{words}”",
    "dropped": "拖入的说明文字",
    "mended": "{words} 的文字",
    "captioned": "{words} 写的说明文字",
    "aside": "移出 {words}",
}
UNDONE_ONE, UNDONE_MANY = "{count} 条说明文字已恢复原样。", "{count} 条说明文字已恢复原样。"
UNDONE_CHANGED = "{count} 条之后又被修改，保持不变。"

# ---- folders that a person types

FOLDER_MISSING = "文件夹 {path} 不存在，请检查拼写。"
FOLDER_IS_FILE = "{path} 是一个文件，请输入它所在的文件夹。"
FOLDER_ODD = "这不是文件夹路径。请输入例如 /home/me/pictures 的路径。"
FOLDER_OUTSIDE = "此页面只能读取 {root} 里面的文件夹，请把图片放到那里。"
