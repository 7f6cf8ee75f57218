"""Images, captions and their caches: ``sdlora.data``, and what ``sdlora.check`` says about images."""

MESSAGES = {
    "the_image": {"en": "The image", "zh": "图片"},
    # ---- the folder
    "folder_missing": {"en": "There is no folder {path}.", "zh": "文件夹 {path} 不存在。"},
    "check_folder": {"en": "Check data.folder.", "zh": "请检查 data.folder。"},
    "folder_is_file": {"en": "{path} is a file, not a folder.", "zh": "{path} 是文件，不是文件夹。"},
    "choose_image_folder": {"en": "Choose the folder that the images are in.", "zh": "请选择图片所在的文件夹。"},
    "folder_forbidden": {"en": "No permission to open {path}.", "zh": "没有权限打开 {path}。"},
    "choose_own_folder": {"en": "Choose a folder of your own.", "zh": "请选择您自己的文件夹。"},
    "folder_unreadable": {
        "en": "The folder {path} can't be opened ({reason}).",
        "zh": "文件夹 {path} 无法打开（{reason}）。",
    },
    "subfolder_left_out": {
        "en": "The folder {path} can't be opened ({reason}) and is left out.",
        "zh": "文件夹 {path} 无法打开（{reason}），已跳过。",
    },
    "folder_without_images": {"en": "There are no images in {path}.", "zh": "{path} 中没有图片。"},
    "add_images": {"en": "Put JPEG, PNG or WebP files there.", "zh": "请放入 JPEG、PNG 或 WebP 文件。"},
    "no_usable_image": {"en": "No image in {path} can be used.", "zh": "{path} 中没有可用的图片。"},
    "see_other_messages": {"en": "See the other messages.", "zh": "请看其他提示。"},
    "folder_with_0_repeats": {
        "en": "The folder {name} means 0 repeats, so its images are left out.",
        "zh": "文件夹 {name} 表示重复 0 次，因此其中的图片已跳过。",
    },
    "folder_with_repeats": {
        "en": "The folder {name} means {count} repeats of each of its images.",
        "zh": "文件夹 {name} 表示其中每张图片重复 {count} 次。",
    },
    "rename_folder": {
        "en": 'If that is not meant, rename it, for example to "{name}".',
        "zh": "如果不是这个意思，请改名，例如“{name}”。",
    },
    # ---- files that are no images
    "other_files": {
        "en": "{count} files are {kind_of_file}: {names}.",
        "one": "1 file is {kind_of_file}: {names}.",
        "zh": "{count} 个文件{kind_of_file}：{names}。",
    },
    "kind_unreadable": {"en": "of a kind that can't be read", "zh": "的格式无法读取"},
    "kind_film": {"en": "left out as a film", "zh": "是视频，已跳过"},
    "kind_films": {"en": "left out as films", "zh": "是视频，已跳过"},
    "kind_archive": {"en": "left out as an archive", "zh": "是压缩包，已跳过"},
    "kind_archives": {"en": "left out as archives", "zh": "是压缩包，已跳过"},
    "kind_lone_caption": {
        "en": "left out as a caption without an image",
        "zh": "是没有对应图片的说明，已跳过",
    },
    "kind_lone_captions": {
        "en": "left out as captions without an image",
        "zh": "是没有对应图片的说明，已跳过",
    },
    "kind_unknown_table": {"en": "left out as an unknown table", "zh": "是未知的表格，已跳过"},
    "kind_unknown_tables": {"en": "left out as unknown tables", "zh": "是未知的表格，已跳过"},
    "kind_mask": {"en": "left out as a mask", "zh": "是蒙版，已跳过"},
    "kind_masks": {"en": "left out as masks", "zh": "是蒙版，已跳过"},
    "kind_other": {"en": "neither an image nor a caption", "zh": "既不是图片也不是说明"},
    "kind_others": {"en": "neither images nor captions", "zh": "既不是图片也不是说明"},
    "save_as_png": {"en": "Save them as PNG or JPEG.", "zh": "请另存为 PNG 或 JPEG。"},
    "save_frames": {"en": "Save single frames as PNG or JPEG.", "zh": "请把单帧另存为 PNG 或 JPEG。"},
    "unpack": {"en": "Unpack them.", "zh": "请解压。"},
    "name_captions_as_images": {
        "en": "Name each caption as its image: cat.txt for cat.png.",
        "zh": "说明文件应与图片同名：cat.png 对应 cat.txt。",
    },
    "use_caption_table": {
        "en": "Captions of many images go into metadata.jsonl, .csv or .json.",
        "zh": "多张图片的说明请放入 metadata.jsonl、metadata.csv 或 metadata.json。",
    },
    "rename_pictures": {
        "en": "Rename those that are pictures to train on.",
        "zh": "如果其中有要训练的图片，请改名。",
    },
    "not_a_file": {
        "en": "{name} is {thing}, not a file, and is left out.",
        "zh": "{name} 是{thing}，不是文件，已跳过。",
    },
    # ---- images that can't be used
    "left_out": {"en": "{name} {fault_of_image} and is left out.", "zh": "{name} {fault_of_image}，已跳过。"},
    "unreadable_left_out": {
        "en": "{name} cannot be read ({reason}) and is left out.",
        "zh": "{name} 无法读取（{reason}），已跳过。",
    },
    "too_small_left_out": {
        "en": "{name} is {width} x {height} pixels, less than the {step} that training needs, and is left out.",
        "zh": "{name} 为 {width} x {height} 像素，小于训练所需的 {step}，已跳过。",
    },
    "use_larger_or_upscale": {
        "en": "Use a larger picture or switch data.upscale on.",
        "zh": "请换更大的图片，或打开 data.upscale。",
    },
    "changed_after_check": {
        "en": "{name} was changed or removed after the check.",
        "zh": "{name} 在检查之后被修改或删除。",
    },
    "start_again": {"en": "Start again.", "zh": "请重新开始。"},
    "fault_too_many_pixels": {
        "en": "has more than {count} million pixels",
        "zh": "超过 {count} 百万像素",
    },
    "fault_no_permission": {"en": "cannot be read (no permission)", "zh": "无法读取（没有权限）"},
    "fault_gone": {"en": "cannot be read (it is gone)", "zh": "无法读取（已不存在）"},
    "fault_unreadable": {"en": "cannot be read", "zh": "无法读取"},
    "fault_unreadable_because": {"en": "cannot be read ({reason})", "zh": "无法读取（{reason}）"},
    "fault_empty": {"en": "is an empty file", "zh": "是空文件"},
    "fault_git_lfs_pointer": {
        "en": "is a Git LFS pointer (fetch the picture with `git lfs pull`)",
        "zh": "是 Git LFS 指针（请 `git lfs pull`）",
    },
    "fault_web_page": {"en": "is a web page, not a picture,", "zh": "是网页，不是图片，"},
    "fault_damaged": {"en": "is cut off or damaged", "zh": "不完整或已损坏"},
    # ---- all images together
    "too_few": {
        "en": "There are only {count} images to train on.",
        "one": "There is only 1 image to train on.",
        "zh": "可以训练的图片只有 {count} 张。",
    },
    "use_ten_to_thirty": {"en": "Ten to thirty varied ones work better.", "zh": "十到三十张各不相同的图片效果更好。"},
    "small_for_resolution": {
        "en": "{count} images are very small for training at {size} pixels: {names}.",
        "one": "1 image is very small for training at {size} pixels: {names}.",
        "zh": "以 {size} 像素训练时，有 {count} 张图片太小：{names}。",
    },
    "use_larger": {"en": "Larger ones give a sharper LoRA.", "zh": "更大的图片能得到更清晰的 LoRA。"},
    "cropped": {
        "en": "{count} images lose more than {percent} to the crop (in brackets what is left): {names}.",
        "one": "1 image loses more than {percent} to the crop (in brackets what is left): {names}.",
        "zh": "{count} 张图片因裁剪损失超过 {percent}（括号内为保留部分）：{names}。",
    },
    "crop_yourself_or_pad": {
        "en": 'Cut them yourself to what matters, or set data.fit to "pad".',
        "zh": "请自己裁剪出重要的部分，或把 data.fit 设为“pad”。",
    },
    "batches_unfilled": {
        "en": (
            "train.batch_size is {size}, but {images} images have {sizes} sizes and fill batches of "
            "{average} on average."
        ),
        "zh": "train.batch_size 为 {size}，但 {images} 张图片有 {sizes} 种尺寸，每批平均只有 {average} 张。",
    },
    "use_smaller_batch_or_one_size": {
        "en": 'Use a smaller one, or set data.fit to "crop" or "pad".',
        "zh": "请用更小的值，或把 data.fit 设为“crop”或“pad”。",
    },
    "batch_too_large": {
        "en": "train.batch_size is {size}, but there are only {images} images.",
        "zh": "train.batch_size 为 {size}，但只有 {images} 张图片。",
    },
    "use_smaller_batch": {"en": "Use a smaller one.", "zh": "请用更小的值。"},
    "more_remarks": {"en": "… and {count} more {remarks}.", "zh": "……另有 {count} {remarks}。"},
    "remarks_unreadable": {"en": "images that can't be read", "zh": "张图片无法读取"},
    "remarks_too_small": {"en": "images that are too small", "zh": "张图片太小"},
    "remarks_shared_captions": {"en": "images that share a caption file", "zh": "组图片共用说明文件"},
    "remarks_captions": {"en": "remarks about captions", "zh": "条关于说明文字的提示"},
    "remarks_not_files": {"en": "that are no files", "zh": "个不是文件"},
    "share_of_all": {"en": "{count} of {all} images", "zh": "{all} 张图片中 {count} 张"},
    "share_single": {"en": "the image", "zh": "这张图片"},
    # ---- regularization images
    "regularization_among_images": {
        "en": "The regularization images in {path} lie inside data.folder, so they would be trained as the subject.",
        "zh": "{path} 里的正则化图片在 data.folder 里面，会被当作主体来训练。",
    },
    "images_among_regularization": {
        "en": "The images in {path} lie inside data.regularization, so they would be trained as regularization images.",
        "zh": "{path} 里的图片在 data.regularization 里面，会被当作正则化图片来训练。",
    },
    "move_regularization": {
        "en": "Put the regularization images into a folder beside the image folder.",
        "zh": "请把正则化图片放到图片文件夹旁边的另一个文件夹里。",
    },
    "regularization_with_trigger": {
        "en": 'Regularization images are named with the trigger word "{trigger}", so they teach it something else: '
        "{captions}.",
        "zh": "正则化图片的说明里有触发词“{trigger}”，它会因此学到别的东西：{captions}。",
    },
    "name_the_class": {
        "en": 'Name only the class there, such as "a dog".',
        "zh": "那里只写类别，例如“a dog”。",
    },
    "regularization_left_out": {
        "en": "{used} of {count} regularization images are trained: as many as the images count in an epoch.",
        "zh": "{count} 张正则化图片中有 {used} 张参与训练：与图片在一轮中计的次数一样多。",
    },
    # ---- captions
    "caption_shared": {
        "en": "{name}.txt is the caption file of several images: {names}.",
        "zh": "说明文件 {name}.txt 由几张图片共用：{names}。",
    },
    "rename_one": {
        "en": "Rename one of them if they are different pictures.",
        "zh": "如果是不同的图片，请给其中一张改名。",
    },
    "captions_from_names": {
        "en": "The captions of {share} are made from file names ({example}).",
        "zh": "{share}的说明取自文件名（{example}）。",
    },
    "example_from_name": {"en": "{name} gives “{caption}”", "zh": "{name} 得出“{caption}”"},
    "caption_missing": {"en": "There is no caption for {share}: {names}.", "zh": "{share}没有说明：{names}。"},
    "caption_empty": {"en": "The caption is empty for {share}: {names}.", "zh": "{share}的说明是空的：{names}。"},
    "file_without_caption": {"en": "{file} holds no caption.", "zh": "{file} 中没有说明。"},
    "caption_unreadable": {
        "en": "The caption {file} can't be read ({reason}).",
        "zh": "说明文件 {file} 无法读取（{reason}）。",
    },
    "caption_not_saved": {
        "en": "The caption {file} can't be saved ({reason}).",
        "zh": "说明文件 {file} 无法保存（{reason}）。",
    },
    "mask_unreadable": {
        "en": "A mask can't be used, so its image is trained whole: {why}",
        "zh": "一个蒙版无法使用，它的图片将整张训练：{why}",
    },
    "mask_gone": {"en": "The mask {name} can't be read ({reason}).", "zh": "无法读取蒙版 {name}（{reason}）。"},
    "without_mask": {
        "en": "No mask was found for {names}: trained whole.",
        "zh": "没有找到 {names} 的蒙版：整张训练。",
    },
    "no_undo": {
        "en": "Nothing was changed, since no undo could be kept ({reason}).",
        "zh": "无法保存撤销记录（{reason}），因此没有做任何修改。",
    },
    "file_not_moved": {"en": "{name} can't be moved ({reason}).", "zh": "{name} 无法移动（{reason}）。"},
    "captions_busy": {
        "en": "The captions of this folder are being changed by another program.",
        "zh": "另一个程序正在修改这个文件夹的说明文字。",
    },
    "wait_for_captions": {"en": "Wait for its end, then try again.", "zh": "请等它结束，然后再试。"},
    "write_txt_captions": {
        "en": "Write captions as .txt files beside the images.",
        "zh": "请在图片旁边用 .txt 文件写说明文字。",
    },
    "several_lines": {
        "en": "The captions of {count} images have several lines, of which the first is trained: {names}.",
        "one": "The captions of 1 image have several lines, of which the first is trained: {names}.",
        "zh": "{count} 张图片的说明有多行，只训练第一行：{names}。",
    },
    "set_caption_lines": {
        "en": 'Set data.caption_lines to "random" to draw one at each step, or to "all".',
        "zh": "把 data.caption_lines 设为“random”可每步随机取一行，设为“all”则全部使用。",
    },
    "choices_as_text": {
        "en": "The captions of {count} images have choices such as {choice}, which are trained as text.",
        "one": "The captions of 1 image have choices such as {choice}, which are trained as text.",
        "zh": "{count} 张图片的说明含有 {choice} 这样的选项，会按普通文字训练。",
    },
    "turn_on_wildcards": {
        "en": "Switch data.wildcards on to draw one at each step.",
        "zh": "打开 data.wildcards 可每步随机取一个。",
    },
    # ---- tables of captions
    "table_partly_unclear": {"en": "{file} is not understood in part.", "zh": "{file} 有看不懂的内容。"},
    "table_unclear": {"en": "{file} is not understood.", "zh": "{file} 看不懂。"},
    "table_lines_unreadable": {
        "en": "{file} is not readable in line {lines}.",
        "zh": "{file} 的这些行无法读取：{lines}。",
    },
    "table_rows_without_image": {
        "en": "{file} has {count} rows for images that are not there: {names}.",
        "one": "{file} has 1 row for images that are not there: {names}.",
        "zh": "{file} 中有 {count} 行对应的图片不存在：{names}。",
    },
    "name_images_by_path": {
        "en": "Name each image by its path from the folder of {file}.",
        "zh": "请用相对于 {file} 所在文件夹的路径来写图片名。",
    },
    "like_caption_json": {
        "en": 'It must be like {{"caption": "a cat"}}.',
        "zh": '应写成 {{"caption": "a cat"}} 的样子。',
    },
    "like_csv": {"en": "Its first line must be file_name,text.", "zh": "第一行必须是 file_name,text。"},
    "like_table_json": {
        "en": 'It must be like {{"cat.png": {{"caption": "a cat"}}}}.',
        "zh": '应写成 {{"cat.png": {{"caption": "a cat"}}}} 的样子。',
    },
    "like_jsonl": {
        "en": 'Each line must be like {{"file_name": "cat.png", "text": "a cat"}}.',
        "zh": '每一行都应写成 {{"file_name": "cat.png", "text": "a cat"}} 的样子。',
    },
    # ---- encodings
    "not_utf8": {
        "en": "{count} caption files are not in UTF-8 and read as {encoding}: {file} as “{caption}”.",
        "one": "1 caption file is not in UTF-8 and read as {encoding}: {file} as “{caption}”.",
        "zh": "{count} 个说明文件不是 UTF-8，按 {encoding} 读取：{file} 读作“{caption}”。",
    },
    "save_as_utf8": {"en": "If that is wrong, save them as UTF-8.", "zh": "如果不对，请另存为 UTF-8。"},
    "encoding_gbk": {"en": "GBK (simplified Chinese)", "zh": "GBK（简体中文）"},
    "encoding_big5": {"en": "Big5 (traditional Chinese)", "zh": "Big5（繁体中文）"},
    "encoding_shift_jis": {"en": "Shift-JIS (Japanese)", "zh": "Shift-JIS（日文）"},
    "encoding_euc_jp": {"en": "EUC-JP (Japanese)", "zh": "EUC-JP（日文）"},
    "encoding_euc_kr": {"en": "EUC-KR (Korean)", "zh": "EUC-KR（韩文）"},
    "encoding_windows_1251": {"en": "Windows-1251 (Cyrillic)", "zh": "Windows-1251（西里尔文）"},
    "encoding_koi8_r": {"en": "KOI8-R (Cyrillic)", "zh": "KOI8-R（西里尔文）"},
    "encoding_windows_1252": {"en": "Windows-1252 (Western European)", "zh": "Windows-1252（西欧）"},
    "encoding_windows_1250": {"en": "Windows-1250 (Central European)", "zh": "Windows-1250（中欧）"},
    "encoding_windows_1253": {"en": "Windows-1253 (Greek)", "zh": "Windows-1253（希腊文）"},
    "encoding_windows_1254": {"en": "Windows-1254 (Turkish)", "zh": "Windows-1254（土耳其文）"},
    "encoding_windows_1255": {"en": "Windows-1255 (Hebrew)", "zh": "Windows-1255（希伯来文）"},
    "encoding_windows_1256": {"en": "Windows-1256 (Arabic)", "zh": "Windows-1256（阿拉伯文）"},
    "encoding_windows_1257": {"en": "Windows-1257 (Baltic)", "zh": "Windows-1257（波罗的海）"},
    "encoding_windows_1258": {"en": "Windows-1258 (Vietnamese)", "zh": "Windows-1258（越南文）"},
    "encoding_windows_874": {"en": "Windows-874 (Thai)", "zh": "Windows-874（泰文）"},
    # ---- caches of latents and text
    "cache_not_writable": {
        "en": "The cache folder {path} can't be written ({reason}).",
        "zh": "缓存文件夹 {path} 无法写入（{reason}）。",
    },
    "choose_cache_folder": {
        "en": "Set data.cache to a folder of your own.",
        "zh": "请把 data.cache 设为您自己的文件夹。",
    },
    "latents_lost": {
        "en": "The cached latents of {name} are gone or damaged.",
        "zh": "{name} 的潜变量缓存已丢失或损坏。",
    },
    "renew_latents": {"en": "Start again to renew them.", "zh": "请重新开始，以便重新生成。"},
    "vae_not_finite": {"en": "The VAE's output for {name} is not finite.", "zh": "VAE 对 {name} 没有给出有限的数字。"},
    "use_fp32_or_mend_vae": {
        "en": 'Set train.precision to "fp32"; if it is that already, the VAE files of model.base are damaged.',
        "zh": "请把 train.precision 设为“fp32”；如果已经是，则 model.base 的 VAE 文件已损坏。",
    },
    "text_encoder_not_finite": {
        "en": "The text encoder's output for {caption} is not finite.",
        "zh": "文本编码器对 {caption} 没有给出有限的数字。",
    },
    "use_fp32": {
        "en": 'Set train.precision to "fp32".',
        "zh": "请把 train.precision 设为“fp32”。",
    },
    "no_model_files": {"en": "There are no model files in {path}.", "zh": "{path} 中没有模型文件。"},
    "check_base": {"en": "Check model.base.", "zh": "请检查 model.base。"},
}
