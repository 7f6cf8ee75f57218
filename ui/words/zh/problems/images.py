"""Images, captions and their caches: ``sdlora.data``, and what ``sdlora.check`` says about images."""

SENTENCES = {
    # ---- the folder
    "There is no folder {path}.": "文件夹 {path} 不存在。",
    "Check data.folder.": "请检查 data.folder。",
    "{path} is a file, not a folder.": "{path} 是文件，不是文件夹。",
    "Choose the folder that the images are in.": "请选择图片所在的文件夹。",
    "No permission to open {path}.": "没有权限打开 {path}。",
    "Choose a folder of your own.": "请选择您自己的文件夹。",
    "The folder {path} can't be opened ({reason}).": "文件夹 {path} 无法打开（{reason}）。",
    "The folder {path} can't be opened ({reason}) and is left out.": "文件夹 {path} 无法打开（{reason}），已跳过。",
    "There are no images in {path}.": "{path} 中没有图片。",
    "Put JPEG, PNG or WebP files there.": "请放入 JPEG、PNG 或 WebP 文件。",
    "No image in {path} can be used.": "{path} 中没有可用的图片。",
    "See the other messages.": "请看其他提示。",
    "… and {count} more {remarks}.": "……另有 {count} {remarks}。",
    "{files_are} {kind_of_file}: {names}.": "{files_are}{kind_of_file}：{names}。",
    "Save them as PNG or JPEG.": "请另存为 PNG 或 JPEG。",
    "Save single frames as PNG or JPEG.": "请把单帧另存为 PNG 或 JPEG。",
    "Unpack them.": "请解压。",
    "Name each caption as its image: cat.txt for cat.png.": "说明文件应与图片同名：cat.png 对应 cat.txt。",
    "Captions of many images go into metadata.jsonl, .csv or .json.": (
        "多张图片的说明请放入 metadata.jsonl、metadata.csv 或 metadata.json。"
    ),
    "Rename those that are pictures to train on.": "如果其中有要训练的图片，请改名。",
    "{name} is {thing}, not a file, and is left out.": "{name} 是{thing}，不是文件，已跳过。",
    "The folder {name} means 0 repeats, so its images are left out.": (
        "文件夹 {name} 表示重复 0 次，因此其中的图片已跳过。"
    ),
    "The folder {name} means {count} repeats of each of its images.": "文件夹 {name} 表示其中每张图片重复 {count} 次。",
    'If it does not, rename it, for example to "{name}".': "如果不是这个意思，请改名，例如“{name}”。",
    # ---- images
    "{name} {fault_of_image} and is left out.": "{name} {fault_of_image}，已跳过。",
    "{name} cannot be read ({reason}) and is left out.": "{name} 无法读取（{reason}），已跳过。",
    "{name} is {width} x {height} pixels, less than the {step} that training needs, and is left out.": (
        "{name} 为 {width} x {height} 像素，小于训练所需的 {step}，已跳过。"
    ),
    "Use a larger picture or switch data.upscale on.": "请换更大的图片，或打开 data.upscale。",
    "There {are_images} to train on.": "可以训练的图片{are_images}。",
    "Ten to thirty varied ones work better.": "十到三十张各不相同的图片效果更好。",
    "{images_are} very small for training at {size} pixels: {names}.": (
        "以 {size} 像素训练时，有 {images_are}图片太小：{names}。"
    ),
    "Larger ones give a sharper LoRA.": "更大的图片能得到更清晰的 LoRA。",
    "{name} was changed or removed after the check.": "{name} 在检查之后被修改或删除。",
    "Start again.": "请重新开始。",
    # ---- captions
    "{name}.txt is the caption file of several images: {names}.": "说明文件 {name}.txt 由几张图片共用：{names}。",
    "Rename one of them if they are different pictures.": "如果是不同的图片，请给其中一张改名。",
    "The captions of {share} are made from file names ({example}).": "{share}的说明取自文件名（{example}）。",
    "There is no caption for {share}: {names}.": "{share}没有说明：{names}。",
    "The caption is empty for {share}: {names}.": "{share}的说明是空的：{names}。",
    "{caption_files} not in UTF-8 and read as {encoding}: {file} as “{caption}”.": (
        "{caption_files}不是 UTF-8，按 {encoding} 读取：{file} 读作“{caption}”。"
    ),
    "If that is wrong, save them as UTF-8.": "如果不对，请另存为 UTF-8。",
    "{file} holds no caption.": "{file} 中没有说明。",
    'It must be like {{"caption": "a cat"}}.': '应写成 {{"caption": "a cat"}} 的样子。',
    "{file} is not understood in part.": "{file} 有看不懂的内容。",
    "{file} is not understood.": "{file} 看不懂。",
    "Its first line must be file_name,text.": "第一行必须是 file_name,text。",
    'It must be like {{"cat.png": {{"caption": "a cat"}}}}.': '应写成 {{"cat.png": {{"caption": "a cat"}}}} 的样子。',
    "{file} has {rows} for images that are not there: {names}.": "{file} 中有{rows}对应的图片不存在：{names}。",
    "Name each image by its path from the folder of {file}.": "请用相对于 {file} 所在文件夹的路径来写图片名。",
    "Write captions as .txt files beside the images.": "请在图片旁边用 .txt 文件写说明文字。",
    "The caption {file} can't be read ({reason}).": "说明文件 {file} 无法读取（{reason}）。",
    "The caption {file} can't be saved ({reason}).": "说明文件 {file} 无法保存（{reason}）。",
    "{images_lose} more than {percent} to the crop (in brackets what is left): {names}.": (
        "{images_lose}因裁剪损失超过 {percent}（括号内为保留部分）：{names}。"
    ),
    'Cut them yourself to what matters, or set data.fit to "pad".': (
        "请自己裁剪出重要的部分，或把 data.fit 设为“pad”。"
    ),
    "train.batch_size is {size}, but {count} images have {sizes} sizes and fill batches of {average} on average.": (
        "train.batch_size 为 {size}，但 {count} 张图片有 {sizes} 种尺寸，每批平均只有 {average} 张。"
    ),
    "train.batch_size is {size}, but there are only {count} images.": (
        "train.batch_size 为 {size}，但只有 {count} 张图片。"
    ),
    'Use a smaller one, or set data.fit to "crop" or "pad".': "请用更小的值，或把 data.fit 设为“crop”或“pad”。",
    "Use a smaller one.": "请用更小的值。",
    "The captions of {captioned} have several lines, of which the first is trained: {names}.": (
        "{captioned}的说明有多行，只训练第一行：{names}。"
    ),
    'Set data.caption_lines to "random" to draw one at each step, or to "all".': (
        "把 data.caption_lines 设为“random”可每步随机取一行，设为“all”则全部使用。"
    ),
    "The captions of {captioned} have choices such as {choice}, which are trained as text.": (
        "{captioned}的说明含有 {choice} 这样的选项，会按普通文字训练。"
    ),
    "Switch data.wildcards on to draw one at each step.": "打开 data.wildcards 可每步随机取一个。",
    "{file} can't be read ({reason}).": "{file} 无法读取（{reason}）。",
    "{file} is not readable in line {lines}.": "{file} 的这些行无法读取：{lines}。",
    'Each line must be like {{"file_name": "cat.png", "text": "a cat"}}.': (
        '每一行都应写成 {{"file_name": "cat.png", "text": "a cat"}} 的样子。'
    ),
    # ---- caches
    "The cache folder {path} can't be written ({reason}).": "缓存文件夹 {path} 无法写入（{reason}）。",
    "Set data.cache to a folder of your own.": "请把 data.cache 设为您自己的文件夹。",
    "The cached latents of {name} are gone or damaged.": "{name} 的潜变量缓存已丢失或损坏。",
    "Start again to renew them.": "请重新开始，以便重新生成。",
    "The VAE gave no finite numbers for {name}.": "VAE 对 {name} 没有给出有限的数字。",
    'Set train.precision to "fp32"; if it is that already, the VAE files of model.base are damaged.': (
        "请把 train.precision 设为“fp32”；如果已经是，则 model.base 的 VAE 文件已损坏。"
    ),
    "The text encoder gave no finite numbers for {caption}.": "文本编码器对 {caption} 没有给出有限的数字。",
    'Set train.precision to "fp32".': "请把 train.precision 设为“fp32”。",
    "There are no model files in {path}.": "{path} 中没有模型文件。",
    "Check model.base.": "请检查 model.base。",
}
PARTS = {
    "example": {"{name} gives “{caption}”": "{name} 得出“{caption}”"},
    "remarks": {
        "images that can't be read": "张图片无法读取",
        "images that are too small": "张图片太小",
        "images that share a caption file": "组图片共用说明文件",
        "remarks about captions": "条关于说明文字的提示",
        "that are no files": "个不是文件",
    },
    "files_are": {"1 file is": "1 个文件", "{count} files are": "{count} 个文件"},
    "kind_of_file": {
        "of a kind that can't be read": "的格式无法读取",
        "left out as a film": "是视频，已跳过",
        "left out as films": "是视频，已跳过",
        "left out as an archive": "是压缩包，已跳过",
        "left out as archives": "是压缩包，已跳过",
        "left out as a caption without an image": "是没有对应图片的说明，已跳过",
        "left out as captions without an image": "是没有对应图片的说明，已跳过",
        "left out as an unknown table": "是未知的表格，已跳过",
        "left out as unknown tables": "是未知的表格，已跳过",
        "left out as a mask": "是蒙版，已跳过",
        "left out as masks": "是蒙版，已跳过",
        "neither an image nor a caption": "既不是图片也不是说明",
        "neither images nor captions": "既不是图片也不是说明",
    },
    "thing": {
        "a pipe": "管道",
        "a device": "设备",
        "a socket": "套接字",
        "a folder": "文件夹",
        "a link to nothing": "失效的链接",
        "a link in a circle": "循环链接",
        "something else": "别的东西",
    },
    "share": {"{count} of {all} images": "{all} 张图片中 {count} 张", "the image": "这张图片"},
    "caption_files": {"1 caption file is": "1 个说明文件", "{count} caption files are": "{count} 个说明文件"},
    "encoding": {
        "GBK (simplified Chinese)": "GBK（简体中文）",
        "Big5 (traditional Chinese)": "Big5（繁体中文）",
        "Shift-JIS (Japanese)": "Shift-JIS（日文）",
        "EUC-JP (Japanese)": "EUC-JP（日文）",
        "EUC-KR (Korean)": "EUC-KR（韩文）",
        "Windows-1251 (Cyrillic)": "Windows-1251（西里尔文）",
        "KOI8-R (Cyrillic)": "KOI8-R（西里尔文）",
        "Windows-1252 (Western European)": "Windows-1252（西欧）",
        "Windows-1250 (Central European)": "Windows-1250（中欧）",
        "Windows-1253 (Greek)": "Windows-1253（希腊文）",
        "Windows-1254 (Turkish)": "Windows-1254（土耳其文）",
        "Windows-1255 (Hebrew)": "Windows-1255（希伯来文）",
        "Windows-1256 (Arabic)": "Windows-1256（阿拉伯文）",
        "Windows-1257 (Baltic)": "Windows-1257（波罗的海）",
        "Windows-1258 (Vietnamese)": "Windows-1258（越南文）",
        "Windows-874 (Thai)": "Windows-874（泰文）",
        "LATIN-1": "Latin-1",
    },
    "rows": {"1 row": " 1 行", "{count} rows": " {count} 行"},
    "images_lose": {"1 image loses": "1 张图片", "{count} images lose": "{count} 张图片"},
    "captioned": {"1 image": "1 张图片", "{count} images": "{count} 张图片"},
    "fault_of_image": {
        "has more than {count} million pixels": "超过 {count} 百万像素",
        "cannot be read (no permission)": "无法读取（没有权限）",
        "cannot be read (it is gone)": "无法读取（已不存在）",
        "cannot be read": "无法读取",
        "is an empty file": "是空文件",
        "is a Git LFS pointer (fetch the picture with `git lfs pull`)": "是 Git LFS 指针（请 `git lfs pull`）",
        "is a web page, not a picture,": "是网页，不是图片，",
        "is cut off or damaged": "不完整或已损坏",
    },
    "are_images": {"is only 1 image": "只有 1 张", "are only {count} images": "只有 {count} 张"},
    "images_are": {"1 image is": "1 张", "{count} images are": "{count} 张"},
    "lines": {"{lines} and {count} more": "{lines} 等（另有 {count} 行）", "{lines}": "{lines}"},
}
