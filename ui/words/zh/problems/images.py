"""Images, captions and their caches: ``sdlora.data``, and what ``sdlora.preflight`` says about images."""

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
    "No image has a caption; captions are made from the file names ({example}).": (
        "没有一张图片有说明文字；说明文字取自文件名（{example}）。"
    ),
    "{count} of {all} images have no caption and get one from their file names ({names}).": (
        "{all} 张图片中有 {count} 张没有说明文字，取自文件名（{names}）。"
    ),
    "Write captions as .txt files beside the images.": "请在图片旁边用 .txt 文件写说明文字。",
    "The caption {file} can't be read ({reason}).": "说明文件 {file} 无法读取（{reason}）。",
    "The caption {file} can't be saved ({reason}).": "说明文件 {file} 无法保存（{reason}）。",
    "The caption of {name} has {count} characters; the model reads about the first 300 of them.": (
        "{name} 的说明文字有 {count} 个字符，模型大约只读取前 300 个。"
    ),
    "Put what matters first.": "请把重要的内容写在前面。",
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
    "example": {"{name} gives {caption}": "{name} 得出 {caption}"},
    "remarks": {
        "images that can't be read": "张图片无法读取",
        "images that are too small": "张图片太小",
        "images that share a caption file": "组图片共用说明文件",
        "remarks about captions": "条关于说明文字的提示",
    },
    "fault_of_image": {
        "has more than {count} million pixels": "超过 {count} 百万像素",
        "cannot be read (no permission)": "无法读取（没有权限）",
        "cannot be read (it is gone)": "无法读取（已不存在）",
        "cannot be read": "无法读取",
        "is an empty file": "是空文件",
        "is cut off or damaged": "不完整或已损坏",
    },
    "are_images": {"is only 1 image": "只有 1 张", "are only {count} images": "只有 {count} 张"},
    "images_are": {"1 image is": "1 张", "{count} images are": "{count} 张"},
    "lines": {"{lines} and {count} more": "{lines} 等（另有 {count} 行）", "{lines}": "{lines}"},
}
