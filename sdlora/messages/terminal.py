"""What the commands print: ``sdlora.commands``."""

MESSAGES = {
    # ---- any command
    "note": {"en": "Note: {what}", "zh": "提示：{what}"},
    "warning": {"en": "Warning: {what}", "zh": "警告：{what}"},
    "problem": {"en": "Problem: {what}", "zh": "问题：{what}"},
    "details": {"en": "Details: {path}", "zh": "详细内容：{path}"},
    "of_process": {"en": "Process {number}: {what}", "zh": "进程 {number}：{what}"},
    "stopped": {"en": "Stopped.", "zh": "已停止。"},
    "wrote": {"en": "Wrote {path}", "zh": "已写入 {path}"},
    "wrote_checked": {
        "en": "Wrote {path} (read back through diffusers: relative error {error})",
        "zh": "已写入 {path}（由 diffusers 读回：相对误差 {error}）",
    },
    "drew_pictures": {
        "en": "Drew {count} pictures into {folder}",
        "one": "Drew 1 picture into {folder}",
        "zh": "已在 {folder} 中画了 {count} 张图片",
    },
    "page_not_installed": {
        "en": "The page can't be loaded: the package {name} is not installed.",
        "zh": "无法载入页面：未安装软件包 {name}。",
    },
    "install_again": {
        "en": "Install sdlora again with what it needs: pip install --upgrade sdlora",
        "zh": "请连同所需的软件包重新安装 sdlora：pip install --upgrade sdlora",
    },
    "option_fault": {"en": "--{fault}", "zh": "--{fault}"},
    "base_ready": {"en": "{base}: {described}, ready to train on.", "zh": "{base}：{described}，可以用来训练。"},
    "one_of": {"en": "One of: {choices}.", "zh": "可选：{choices}。"},
    "out_not_png": {"en": "--out is {path}; it must end in .png.", "zh": "--out 为 {path}；必须以 .png 结尾。"},
    "setting_drawn": {"en": "{key}: {seed} (drawn)", "zh": "{key}：{seed}（随机抽取）"},
    "base_model": {"en": "Base model: {base}.", "zh": "基础模型：{base}。"},
    "to_correct": {"en": "{count} to correct before training.", "zh": "训练前有 {count} 处需要修正。"},
    "ready": {"en": "Ready to train.", "zh": "可以开始训练。"},
    "as_plain_lora": {
        "en": "As a plain LoRA of rank {rank}: {share} of the change is lost.",
        "zh": "作为秩 {rank} 的普通 LoRA：会丢失变化的 {share}。",
    },
    "merge_is_exact": {
        "en": "A merge into a base is exact and keeps its dtypes.",
        "zh": "并入基础模型是精确的，并保留其数值格式。",
    },
    "all_of_them_alone": {
        "en": "--all takes neither --out nor --plain.",
        "zh": "--all 不能与 --out 或 --plain 一起使用。",
    },
    "leave_out_options": {"en": "Leave out --rank, --method, --dtype.", "zh": "请去掉 --rank、--method、--dtype。"},
    "foreign_settings": {"en": "{file} is a settings file of {tool}.", "zh": "{file} 是 {tool} 的设置文件。"},
    "import_first": {
        "en": "Import it first: sdlora settings --import {file} > settings.toml",
        "zh": "请先导入：sdlora settings --import {file} > settings.toml",
    },
    # ---- other trainers' settings
    "taken_from": {"en": "Taken from {tool}:", "zh": "取自 {tool}："},
    "not_taken": {"en": "Not taken:", "zh": "未采用："},
    "all_taken": {"en": "Everything was taken.", "zh": "全部已采用。"},
    # ---- runs
    "run_unreadable": {"en": "{name} unreadable   {why}", "zh": "{name} 无法读取   {why}"},
    "run_line": {
        "en": "{name} {state} step {step} {size}  {file}{origin}{offers}{remarks}",
        "zh": "{name} {state} 步 {step} {size}  {file}{origin}{offers}{remarks}",
    },
    "run_offers": {"en": "  ({offers})", "zh": "  （{offers}）"},
    "run_from": {"en": "  (from {origin})", "zh": "  （来自 {origin}）"},
    "no_runs": {"en": "No runs in {folder}.", "zh": "{folder} 中没有训练。"},
    "runs_sum": {
        "en": "{count} runs, {size}; in the bin {binned}, {binned_size}.",
        "one": "1 run, {size}; in the bin {binned}, {binned_size}.",
        "zh": "{count} 次训练，{size}；回收站中 {binned} 次，{binned_size}。",
    },
    "bin_empty": {"en": "The bin of {folder} is empty.", "zh": "{folder} 的回收站是空的。"},
    "bin_emptied": {
        "en": "{count} runs deleted for good, {size}.",
        "one": "1 run deleted for good, {size}.",
        "zh": "已彻底删除 {count} 次训练，{size}。",
    },
    "in_the_bin": {"en": "In the bin: {path} ({size})", "zh": "已移入回收站：{path}（{size}）"},
    "put_back": {"en": "Put back: {path}", "zh": "已放回：{path}"},
    "remarked": {"en": "Noted of {name}.", "zh": "已记在 {name} 上。"},
    "wrote_bytes": {"en": "Wrote {path} ({size})", "zh": "已写入 {path}（{size}）"},
    "name_a_run": {"en": "Which run? Name its folder.", "zh": "是哪次训练？请写出它的文件夹。"},
    "one_run_only": {
        "en": "A name and a zip belong to one run: name one folder.",
        "zh": "名称和 zip 只能用于一次训练：请只写一个文件夹。",
    },
    "not_training": {"en": "{name} is not being trained.", "zh": "{name} 没有在训练。"},
    "resume_with": {"en": "To go on: sdlora train --resume {path}", "zh": "要继续：sdlora train --resume {path}"},
    "asked": {"en": "Asked {name}: {what}.", "zh": "已请求 {name}：{what}。"},
    # ---- base models
    "model_line": {"en": "{described} {size}  {base}", "zh": "{described} {size}  {base}"},
    "place_of_models": {"en": "{program} {path}", "zh": "{program} {path}"},
    "folder_added": {"en": "{path} is looked in from now on.", "zh": "今后也会在 {path} 中查找。"},
    "folder_forgotten": {"en": "{path} is looked in no more.", "zh": "不再在 {path} 中查找。"},
    "no_models": {
        "en": "No base model in {count} folders. `sdlora models --add FOLDER` looks in another one, too.",
        "one": "No base model in 1 folder. `sdlora models --add FOLDER` looks in another one, too.",
        "zh": "在 {count} 个文件夹中没有找到基础模型。`sdlora models --add FOLDER` 可增加一个文件夹。",
    },
    "models_pickled": {
        "en": "{count} files of kinds that can run code when opened (.ckpt, .bin) were left alone.",
        "one": "1 file of a kind that can run code when opened (.ckpt, .bin) was left alone.",
        "zh": "{count} 个文件的类型在打开时可能运行代码（.ckpt、.bin），未作处理。",
    },
    "models_cut": {
        "en": "There is more than one look can see. Name a folder: sdlora models FOLDER",
        "zh": "内容太多，一次没有看完。请写出一个文件夹：sdlora models FOLDER",
    },
    # ---- training
    "your_lora": {"en": "Your LoRA: {path}", "zh": "您的 LoRA：{path}"},
    "started": {
        "en": (
            "{images} images on {device}; {trainable} M of {total} M parameters learn; the file will have {size} MB."
        ),
        "zh": ("{images} 张图片，设备 {device}；{total} M 参数中有 {trainable} M 参与训练；文件将有 {size} MB。"),
    },
    "computes": {"en": "Precision: {arithmetic}", "zh": "精度：{arithmetic}"},
    "validated": {
        "en": "Validation loss of step {step}: {loss} ({images})",
        "zh": "第 {step} 步的验证损失：{loss}（{images}）",
    },
    "validated_training": {
        "en": "The same on training images: {loss}",
        "zh": "训练图片上的同一损失：{loss}",
    },
    "drift": {
        "en": "Drift, how far answers to other prompts have moved from the base model's: {drift}",
        "zh": "漂移，即模型对其他提示词的回答偏离基础模型的程度：{drift}",
    },
    "held_out_images": {"en": "{count} held-out images", "one": "1 held-out image", "zh": "{count} 张留出的图片"},
    "training_images": {"en": "training images", "zh": "训练图片"},
    "sampled": {"en": "Test pictures of step {step}: {files}", "zh": "第 {step} 步的测试图片：{files}"},
    "saved": {"en": "Saved {path} (step {step})", "zh": "已保存 {path}（第 {step} 步）"},
    "stopping": {"en": "Stopping: the LoRA so far is written.", "zh": "正在停止：写入目前的 LoRA。"},
    "stopping_after_step": {
        "en": "Stopping after this step; press Ctrl-C again to end at once.",
        "zh": "将在此步之后停止；再按 Ctrl-C 立即结束。",
    },
    "paused": {"en": "Paused.", "zh": "已暂停。"},
    "going_on": {"en": "Going on.", "zh": "继续训练。"},
    "done": {"en": "Done after {step} steps.", "zh": "已完成，共 {step} 步。"},
    "stopped_after": {"en": "Stopped after {step} steps.", "zh": "已在第 {step} 步后停止。"},
    "stopped_before_first_step": {
        "en": "{name} was stopped before its first step: there is no LoRA.",
        "zh": "{name} 在第一步之前被停止：没有 LoRA。",
    },
    "work_class": {"en": "Drawing regularization images", "zh": "正在画正则化图片"},
    "work_images": {"en": "Encoding images", "zh": "正在编码图片"},
    "work_captions": {"en": "Encoding captions", "zh": "正在编码说明"},
    "work_model": {"en": "Loading the model", "zh": "正在载入模型"},
    "work_begins": {"en": "{what} …", "zh": "{what}……"},
    "steps_per_second": {"en": "{count} steps/s", "zh": "{count} 步/秒"},
    "seconds_per_step": {"en": "{count} s/step", "zh": "{count} 秒/步"},
    "loss_and_speed": {"en": "loss {loss}  {speed}", "zh": "损失 {loss}  {speed}"},
    "step_line": {
        "en": "step {step}/{steps}  {note}  lr {lr}  about {minutes} min left",
        "zh": "第 {step}/{steps} 步  {note}  lr {lr}  约剩 {minutes} 分钟",
    },
    # ---- the cost of a step
    "probe_seconds": {
        "en": "{seconds} s per step on {device} in {arithmetic}; first step after {start} s",
        "zh": "在 {device} 上每步 {seconds} 秒，精度 {arithmetic}；第一步在 {start} 秒后",
    },
    "probe_minutes": {
        "en": "{steps} steps: about {minutes} min, test pictures not counted",
        "zh": "{steps} 步：约 {minutes} 分钟，不含测试图片",
    },
    "probe_memory": {"en": "memory: {peak} GB of {free} GB free", "zh": "内存：{peak} GB，空闲 {free} GB"},
    "probe_size": {"en": "LoRA: {parameters} parameters, {size} MB", "zh": "LoRA：{parameters} 个参数，{size} MB"},
    # ---- the demo
    "demo_needs_clone": {"en": "The example pictures are not at {path}.", "zh": "{path} 中没有示例图片。"},
    "run_from_clone": {"en": "Run the demo from a clone of the project.", "zh": "请在项目的克隆中运行演示。"},
    "demo_same_pictures": {
        "en": ("The LoRA file in diffusers draws the same pictures: mean difference {error} of 255 grey levels."),
        "zh": "LoRA 文件在 diffusers 中画出相同的图片：255 级灰度中平均相差 {error}。",
    },
    "demo_other_pictures": {
        "en": "Warning: diffusers draws other pictures than the trainer did.",
        "zh": "警告：diffusers 画出的图片与训练器的不同。",
    },
    "demo_in_seconds": {"en": "In {seconds} s:", "zh": "用时 {seconds} 秒："},
    "demo_file": {"en": "LoRA file", "zh": "LoRA 文件"},
    "demo_before_after": {"en": "before/after", "zh": "前后对比"},
    "demo_run_folder": {"en": "run folder", "zh": "训练文件夹"},
    "demo_next": {
        "en": "Look at the before/after picture; then teach your own pictures on the page: python launch.py",
        "zh": "请看前后对比图；然后在页面上用您自己的图片训练：python launch.py",
    },
}
