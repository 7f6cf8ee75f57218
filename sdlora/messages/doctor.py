"""What is wrong with pictures: ``sdlora.doctor``."""

MESSAGES = {
    # ---- copies
    "alike": {
        "en": "{names} are nearly the same picture.",
        "zh": "{names} 几乎是同一张图片。",
    },
    "why_alike": {
        "en": "A picture that is there several times is learnt by heart, and all others count less.",
        "zh": "重复出现的图片会被死记硬背，其他图片的作用则被削弱。",
    },
    "fix_alike": {"en": "Keep the best one of them.", "zh": "请只保留其中最好的一张。"},
    # ---- blur
    "blurred": {"en": "{name} is blurred all over.", "zh": "{name} 整张模糊。"},
    "why_blurred": {
        "en": "A LoRA learns blur like anything else, and draws it.",
        "zh": "LoRA 会像学习其他内容一样学会模糊，并画出来。",
    },
    "fix_blurred": {
        "en": "Take a sharper picture, or leave this one out unless the blur is meant.",
        "zh": "请换一张更清晰的图片；除非模糊是有意的，否则请去掉这张。",
    },
    # ---- compression
    "compressed": {
        "en": "{name} shows the blocks of a strong JPEG compression.",
        "zh": "{name} 有明显的 JPEG 压缩方块。",
    },
    "why_compressed": {
        "en": "The blocks are on the pictures' own grid, where a LoRA learns them first.",
        "zh": "这些方块总在固定的网格上，LoRA 会最先学到它们。",
    },
    "fix_compressed": {
        "en": "Look for the original; a picture that is saved again, or enlarged, keeps the blocks.",
        "zh": "请寻找原图；重新保存或放大都不会去掉方块。",
    },
    # ---- borders
    "bordered": {
        "en": "{name} has bars or a frame around it ({percent} % of it).",
        "zh": "{name} 带有黑边或边框（占 {percent} %）。",
    },
    "why_bordered": {
        "en": "A LoRA draws the bars it was shown.",
        "zh": "LoRA 会把看到的边框也画出来。",
    },
    "fix_bordered": {"en": "Cut them off.", "zh": "请把它们裁掉。"},
    # ---- transparency
    "transparent": {
        "en": "{percent} % of {name} is transparent and is trained as white.",
        "zh": "{name} 有 {percent} % 是透明的，训练时按白色处理。",
    },
    "why_transparent": {
        "en": "If all pictures stand on white, so does what the LoRA draws.",
        "zh": "如果所有图片都是白底，LoRA 画出来的也会是白底。",
    },
    "fix_transparent": {
        "en": "Put it on a ground of your choice, a different one for each picture.",
        "zh": "请为每张图片换上您选择的不同背景。",
    },
    # ---- colours
    "profile_unusable": {
        "en": "{name} has a colour profile that can't be used.",
        "zh": "{name} 的颜色配置文件无法使用。",
    },
    "print_without_profile": {
        "en": "{name} is in the colours of print (CMYK) and does not say of which printer.",
        "zh": "{name} 使用印刷颜色（CMYK），却没有注明是哪种印刷条件。",
    },
    "why_colours": {
        "en": "Its colours are trained as they are stored, which may be others than you see.",
        "zh": "训练时按存储的颜色读取，可能与您看到的不同。",
    },
    "fix_colours": {
        "en": "Open it in a picture editor and save it in sRGB.",
        "zh": "请用图片编辑器打开，并以 sRGB 保存。",
    },
    # ---- captions
    "garbled": {
        "en": "The caption of {name} has characters that nobody typed: “{part}”.",
        "zh": "{name} 的说明中有乱码：“{part}”。",
    },
    "why_garbled": {
        "en": "A caption is learnt as it stands, broken letters included.",
        "zh": "说明会原样学习，乱码也不例外。",
    },
    "fix_garbled": {
        "en": "Write the letters as they should be, and save the file as UTF-8.",
        "zh": "请改正这些文字，并以 UTF-8 保存文件。",
    },
    "repeated": {
        "en": "{names} have the same caption: “{caption}”.",
        "zh": "{names} 的说明相同：“{caption}”。",
    },
    "why_repeated": {
        "en": "What differs between pictures of one caption can't be told apart later; it becomes part of each.",
        "zh": "说明相同的图片之间的差别以后无法区分，会混在一起。",
    },
    "fix_repeated": {
        "en": "Say in each what it shows beside the thing that is learnt, unless one caption for all is meant.",
        "zh": "请在每个说明中写出除学习对象外还有什么；除非您有意让它们共用一个说明。",
    },
    "usual": {
        "en": "“{tag}” stands in {part} of {all} captions, and not in those of {names}.",
        "zh": "{all} 个说明中有 {part} 个含有“{tag}”，而 {names} 的说明中没有。",
    },
    "why_usual": {
        "en": "What nearly all captions name and one leaves out though it is there is learnt as part of everything.",
        "zh": "几乎每个说明都写出的内容，若在画面中却没有写，就会被当作一切的一部分来学习。",
    },
    "fix_usual": {
        "en": "Add the tag where the picture shows it.",
        "zh": "如果图片中有它，请补上这个标签。",
    },
    # ---- sizes
    "buckets": {"en": "Sizes that are trained", "zh": "训练所用的尺寸"},
    "bucket": {
        "en": "{width} × {height}: {count} pictures, of which {percent} % is cropped away on average.",
        "one": "{width} × {height}: 1 picture, of which {percent} % is cropped away.",
        "zh": "{width} × {height}：{count} 张图片，平均裁掉 {percent} %。",
    },
    # ---- the report
    "no_such_side": {
        "en": "--resolution is {given}; the side of a training picture is {least} to {most} pixels.",
        "zh": "--resolution 为 {given}；训练图片的边长应为 {least} 到 {most} 像素。",
    },
    "looked_at": {
        "en": "{count} pictures looked at: {found} findings.",
        "zh": "已检查 {count} 张图片：发现 {found} 处问题。",
    },
    "nothing_found": {
        "en": "{count} pictures looked at: nothing found.",
        "zh": "已检查 {count} 张图片：没有发现问题。",
    },
    "finding": {"en": "  {what}", "zh": "  {what}"},
    "files_and_captions": {"en": "Files and captions", "zh": "文件和标注"},
    "and_so_more": {
        "en": "  … and {count} more; --json has them all.",
        "zh": "  …… 还有 {count} 处；用 --json 可查看全部。",
    },
}
