"""Run folders and their checkpoints, gone on with: ``sdlora.runs``."""

MESSAGES = {
    # ---- the folder
    "flag_empty": {
        "en": "{flag} is empty, where a run folder should be.",
        "zh": "{flag} 为空，这里应是训练文件夹。",
    },
    "folder_gone": {
        "en": "The run folder {path} is gone: deleted or renamed while it trained.",
        "zh": "训练文件夹 {path} 不见了：在训练期间被删除或重命名。",
    },
    "not_a_run": {
        "en": "{path} is not a run folder (no settings.toml in it).",
        "zh": "{path} 不是训练文件夹（其中没有 settings.toml）。",
    },
    "list_runs": {"en": "`sdlora runs` lists them.", "zh": "`sdlora runs` 会列出它们。"},
    "in_use": {"en": "{name} is being trained by another process.", "zh": "另一个进程正在训练 {name}。"},
    "wait_or_stop": {"en": "Wait for it, or stop it first.", "zh": "请等它结束，或先停止它。"},
    "folder_not_writable": {
        "en": "The output folder {path} can't be written ({reason}).",
        "zh": "输出文件夹 {path} 无法写入（{reason}）。",
    },
    "choose_another_folder": {"en": "Choose another run.folder.", "zh": "请换一个 run.folder。"},
    # ---- what is said of it, the bin, a zip
    "rating_odd": {
        "en": "The rating is {rating}; it must be a whole number from 0 (none) to {best}.",
        "zh": "评分为 {rating}；必须是 0（不评）到 {best} 的整数。",
    },
    "name_too_long": {
        "en": "The name has {length} characters; {limit} are allowed.",
        "zh": "名称有 {length} 个字符；最多 {limit} 个。",
    },
    "note_too_long": {
        "en": "The note has {length} characters; {limit} are allowed.",
        "zh": "备注有 {length} 个字符；最多 {limit} 个。",
    },
    "stop_before_deleting": {"en": "Stop it before you delete it.", "zh": "请先停止，再删除。"},
    "in_bin_already": {"en": "{name} is in the bin already.", "zh": "{name} 已在回收站中。"},
    "empty_bin": {
        "en": "`sdlora runs --empty-bin` deletes it for good.",
        "zh": "`sdlora runs --empty-bin` 可彻底删除。",
    },
    "not_in_bin": {"en": "No run called {name} is in the bin.", "zh": "回收站中没有名为 {name} 的训练。"},
    "list_bin": {"en": "`sdlora runs --bin` lists what is there.", "zh": "`sdlora runs --bin` 会列出其中的内容。"},
    "export_first": {
        "en": "`sdlora export RUN --all` writes one of each checkpoint.",
        "zh": "`sdlora export RUN --all` 会为每个检查点各写一个。",
    },
    # ---- its settings
    "settings_edited": {
        "en": "The settings of {name} are not those it began with: settings.toml was edited or damaged.",
        "zh": "{name} 的设置与开始时不同：settings.toml 被修改过或已损坏。",
    },
    "unseal_or_restore": {
        "en": "If you edited it on purpose, delete its last line; else put back a copy, or begin a new run.",
        "zh": "如果是您有意修改的，请删除它的最后一行；否则请恢复副本，或开始新的训练。",
    },
    "settings_cut_off": {
        "en": "The settings of {name} are incomplete: the end of settings.toml is missing.",
        "zh": "{name} 的设置不完整：settings.toml 的末尾缺失。",
    },
    "arithmetic_damaged": {
        "en": "{path}, which says in what precision the run began, is damaged or was edited.",
        "zh": "{path} 已损坏或被修改过，其中记录了训练开始时的精度。",
    },
    "remove_for_fp32": {
        "en": "Put back a copy, or delete it: the run then goes on in train.precision, where auto is fp32.",
        "zh": "请恢复副本，或删除它：训练将按 train.precision 继续，auto 即 fp32。",
    },
    "restore_copy": {"en": "Put back a copy, or begin a new run.", "zh": "请恢复副本，或开始新的训练。"},
    "settings_kept": {"en": "A resumed run keeps its settings.", "zh": "恢复的训练沿用原来的设置。"},
    "begin_again": {
        "en": "To begin it again with other settings: sdlora train --from {path}",
        "zh": "用其他设置重新开始：sdlora train --from {path}",
    },
    "begin_from": {
        "en": "To change them, begin a new run at its last checkpoint: sdlora train --from {path} …",
        "zh": "要更改设置，请从它最后的检查点开始新的训练：sdlora train --from {path} …",
    },
    # ---- a checkpoint
    "no_checkpoint": {"en": "{name} has no checkpoint.", "zh": "{name} 没有检查点。"},
    "train_first": {"en": "Train it for at least one step first.", "zh": "请先至少训练一步。"},
    "no_checkpoint_of_step": {
        "en": "{name} has no checkpoint of step {step}.",
        "zh": "{name} 没有第 {step} 步的检查点。",
    },
    "steps_there": {"en": "There are: {steps}.", "zh": "现有：{steps}。"},
    "no_checkpoint_to_start": {
        "en": "{name} has no checkpoint to start from.",
        "zh": "{name} 没有可以作为起点的检查点。",
    },
    "checkpoint_damaged": {
        "en": "The checkpoint {name} is damaged ({fault}).",
        "zh": "检查点 {name} 已损坏（{fault}）。",
    },
    "delete_or_use_another": {
        "en": "Delete that folder, or use another checkpoint.",
        "zh": "请删除该文件夹，或使用另一个检查点。",
    },
    "checkpoint_skipped": {
        "en": "The checkpoint {name} is damaged ({fault}) and is skipped.",
        "zh": "检查点 {name} 已损坏（{fault}），已跳过。",
    },
    "checkpoint_set_aside": {
        "en": "The checkpoint {name} is damaged ({fault}): it is skipped and kept as {aside}.",
        "zh": "检查点 {name} 已损坏（{fault}）：已跳过，并保留为 {aside}。",
    },
    "not_a_checkpoint": {
        "en": "{name} in checkpoints is no checkpoint and is left alone.",
        "zh": "checkpoints 中的 {name} 不是检查点，未作处理。",
    },
    "checkpoint_not_written": {
        "en": "The checkpoint of step {step} could not be written: {reason}.",
        "zh": "第 {step} 步的检查点无法写入：{reason}。",
    },
    "free_space_and_resume": {
        "en": "Free some space on the disk and resume the run.",
        "zh": "请在磁盘上腾出一些空间，然后恢复训练。",
    },
    "checkpoint_not_copied": {
        "en": "The checkpoint {name} of {run} could not be copied: {error}.",
        "zh": "{run} 的检查点 {name} 无法复制：{error}。",
    },
    "fault_unreadable": {"en": "{file} can't be read: {reason}", "zh": "{file} 无法读取：{reason}"},
    "fault_empty": {"en": "{file} is empty", "zh": "{file} 是空的"},
    "fault_changed": {"en": "{file} is not what was saved", "zh": "{file} 不是当初保存的内容"},
    "fault_not_safetensors": {
        "en": "{file} is no complete safetensors file: {why}",
        "zh": "{file} 不是完整的 safetensors 文件：{why}",
    },
    "fault_lacks": {
        "en": "{file} lacks a part of {name_of_layer}",
        "zh": "{file} 缺少 {name_of_layer} 的一部分",
    },
    "fault_fits_nothing": {
        "en": "{name_of_layer} in {file} fits no part of the LoRA",
        "zh": "{file} 中的 {name_of_layer} 与 LoRA 的任何部分都不符",
    },
    "fault_not_finite": {
        "en": "{name_of_layer} in {file} is not finite",
        "zh": "{file} 中的 {name_of_layer} 不是有限的数字",
    },
    "fault_other_step": {"en": "{file} is of step {number}", "zh": "{file} 属于第 {number} 步"},
    "fault_no_step": {"en": "{file} has no step", "zh": "{file} 中没有步数"},
    "fault_newer_version": {
        "en": "{file} is of a newer version of this program",
        "zh": "{file} 由本程序的更新版本写成",
    },
    "fault_lists_no_files": {"en": "{file} does not name its files", "zh": "{file} 没有列出它的文件"},
    "fault_beyond_run": {"en": "the run has only {number} steps", "zh": "这次训练只有 {number} 步"},
    "fault_torn": {"en": "changed or torn", "zh": "被改动或不完整"},
    "fault_not_json": {"en": "not JSON", "zh": "不是 JSON"},
    "fault_of_file": {"en": "{file}: {why}", "zh": "{file}：{why}"},
    "fault_nested": {"en": "nested too deep", "zh": "嵌套过深"},
    "fault_no_object": {"en": "no JSON object", "zh": "不是 JSON 对象"},
    "fault_no_digest": {"en": "no digest", "zh": "没有校验值"},
    # ---- what a run offers
    "offer_figures": {
        "en": "validation loss {loss}, base model {base}; drift {drift}, base model 0",
        "zh": "验证损失 {loss}，基础模型 {base}；漂移 {drift}，基础模型 0",
    },
    "offer_keeps": {
        "en": "Keeps more: step {step}, with the lowest of {count} validation losses on held-out images ({figures}).",
        "zh": "保留更多：第 {step} 步，{count} 次测量中留出图片的验证损失在此最低（{figures}）。",
    },
    "offer_shows": {
        "en": "Shows more: step {step}, the last; more is learnt there, and more of the rest is lost ({figures}).",
        "zh": "表现更多：第 {step} 步，即最后一步；学到的更多，其余内容损失也更多（{figures}）。",
    },
    "offer_shows_within": {
        "en": "Shows more: step {step}, the last one there is before the drift passed {bound} ({figures}).",
        "zh": "表现更多：第 {step} 步，即漂移超过 {bound} 之前现有的最后一步（{figures}）。",
    },
    "offer_shows_nearest": {
        "en": "Shows more: step {step}; no checkpoint is within the drift of {bound}, this one is nearest ({figures}).",
        "zh": "表现更多：第 {step} 步；没有漂移不超过 {bound} 的检查点，这一个最接近（{figures}）。",
    },
    "offer_one": {
        "en": "One offer: the last step, {step}, has the lowest of {count} validation losses, too ({figures}).",
        "one": "One offer: the last step, {step}, the only one measured on held-out images ({figures}).",
        "zh": "只有一个建议：最后一步（第 {step} 步）的验证损失在 {count} 次测量中也最低（{figures}）。",
    },
    "offer_one_unmeasured": {
        "en": (
            "One offer: the last step, {step} ({figures}). No image was held out, so no number speaks for an earlier "
            "one; look at the test pictures."
        ),
        "zh": (
            "只有一个建议：最后一步（第 {step} 步，{figures}）。没有留出图片，因此没有数字支持更早的一步；"
            "请看测试图片。"
        ),
    },
    "offer_both": {
        "en": (
            "One offer: step {step}, with the lowest of {count} validation losses and the last one before the "
            "drift passed {bound} ({figures})."
        ),
        "zh": (
            "只有一个建议：第 {step} 步，{count} 次测量中验证损失最低，也是漂移超过 {bound} 前的最后一步（{figures}）。"
        ),
    },
    "offer_lost": {
        "en": "The validation loss was lower at step {step}, {loss}, but there is no checkpoint of it.",
        "zh": "第 {step} 步的验证损失更低（{loss}），但没有那一步的检查点。",
    },
    "offer_not_below_base": {
        "en": "At no step was it below the base model's: nothing was learnt that holds for the held-out images.",
        "zh": "没有任何一步低于基础模型：没有学到对留出图片同样有效的内容。",
    },
    "offer_file": {
        "en": (
            "{file} is of the last step, {step}, as train.steps asks; files of other offers lie in exports. Numbers "
            "can't say which serves better, pictures can."
        ),
        "zh": (
            "{file} 属于最后一步（第 {step} 步），与 train.steps 一致；其他建议的文件在 exports 中。"
            "哪个更好用，数字说不准，图片可以。"
        ),
    },
    "offers_short": {
        "en": "keeps more: step {keeps}; shows more: step {shows}",
        "zh": "保留更多：第 {keeps} 步；表现更多：第 {shows} 步",
    },
    "no_offer": {
        "en": "{name} offers no checkpoint: nothing was measured, or none is there.",
        "zh": "{name} 没有可建议的检查点：没有测量，或没有检查点。",
    },
    "choose_step": {"en": "Choose a checkpoint by --step.", "zh": "请用 --step 选择检查点。"},
    # ---- learnt by heart?
    "heart_measured": {
        "en": (
            "Drawn with {count} training captions, two seeds each: pictures of one caption are {spread} apart (base "
            "model {spread_base}), and {own} from the caption's own image (base model {own_base})."
        ),
        "one": (
            "Drawn with 1 training caption and two seeds: its pictures are {spread} apart (base model {spread_base}), "
            "and {own} from the caption's own image (base model {own_base})."
        ),
        "zh": (
            "用 {count} 条训练说明各以两个种子绘制：同一说明的图片相差 {spread}（基础模型 {spread_base}），"
            "与该说明的原图相差 {own}（基础模型 {own_base}）。"
        ),
    },
    "heart_learnt": {
        "en": (
            "Both are less than half of the base model's: with its training captions the LoRA repeats its images. "
            "Fewer steps, a lower rate or more images help; an earlier checkpoint may do."
        ),
        "zh": (
            "两者都不到基础模型的一半：用训练说明时，LoRA 会重复它的图片。减少步数、降低学习率或增加图片会有帮助；"
            "较早的检查点也许就够了。"
        ),
    },
    "heart_free": {
        "en": "They are not learnt by heart: that would be less than half of the base model's, both.",
        "zh": "没有死记图片：若死记，两者都会不到基础模型的一半。",
    },
    "heart_skipped": {
        "en": "Whether the images are learnt by heart was not looked at: {why}",
        "zh": "没有查看是否死记了图片：{why}",
    },
    "heart_no_time": {
        "en": "it would take about {needed} s, and a twenty-fifth of the steps' time is {room} s.",
        "zh": "大约需要 {needed} 秒，而各步用时的二十五分之一是 {room} 秒。",
    },
    "heart_no_memory": {"en": "memory did not suffice.", "zh": "内存不足。"},
    # ---- gone on
    "goes_on": {"en": "The run goes on from step {step}.", "zh": "训练从第 {step} 步继续。"},
    "begins_again": {
        "en": "No complete checkpoint is left, so the run begins again.",
        "zh": "已没有完整的检查点，训练从头开始。",
    },
    "precision_changed": {
        "en": "The run was trained in {before} and goes on in {now}: it will differ a little.",
        "zh": "此前以 {before} 训练，现在以 {now} 继续：结果会略有不同。",
    },
    "record_damaged": {
        "en": "The record of the run's images, {file}, is damaged ({fault}): whether they changed is not known.",
        "zh": "这次训练的图片记录 {file} 已损坏（{fault}）：无法判断图片是否有变化。",
    },
    "images_added": {
        "en": "Images added since the run's last start: {captions}.",
        "zh": "自上次启动以来新增的图片：{captions}。",
    },
    "images_removed": {
        "en": "Images removed since the run's last start: {captions}.",
        "zh": "自上次启动以来移除的图片：{captions}。",
    },
    "images_changed": {
        "en": "Images changed since the run's last start: {captions}.",
        "zh": "自上次启动以来改变的图片：{captions}。",
    },
    "captions_changed": {
        "en": "Images with another caption since the run's last start: {captions}.",
        "zh": "自上次启动以来说明文字改变的图片：{captions}。",
    },
    "repeats_changed": {
        "en": "Images with other repeats since the run's last start: {captions}.",
        "zh": "自上次启动以来重复次数改变的图片：{captions}。",
    },
    "not_exactly": {
        "en": "The run goes on a little differently: order and noise are those of the images there are now.",
        "zh": "因此不会与原来完全一样地继续：顺序和噪声以现有的图片为准。",
    },
    # ---- begun from another
    "layers_begin": {
        "en": "Layers that the checkpoint does not have start anew: {names_of_layers}.",
        "zh": "检查点中没有的层从头开始：{names_of_layers}。",
    },
    "layers_left_out": {
        "en": "Layers of the checkpoint that do not learn here and are left out: {names_of_layers}.",
        "zh": "检查点中有、但在这里不训练、因而舍去的层：{names_of_layers}。",
    },
    "optimizer_begins_kind": {
        "en": "The optimizer starts anew: the checkpoint has the state of {kind}.",
        "zh": "优化器从头开始：检查点保存的是 {kind} 的状态。",
    },
    "optimizer_begins_strength": {
        "en": "The optimizer starts anew: the LoRA's strength, alpha / rank, is another one here.",
        "zh": "优化器从头开始：LoRA 的强度（alpha / rank）与原来不同。",
    },
    "nothing_left": {
        "en": "The checkpoint is of step {step}, and train.steps is {steps}: nothing is left to train.",
        "zh": "检查点是第 {step} 步的，而 train.steps 是 {steps}：没有剩余的步数可训练。",
    },
    "raise_steps": {
        "en": "train.steps counts from the first run's beginning: set it higher.",
        "zh": "train.steps 从最初那次训练的开头算起：请设得更大。",
    },
    "alpha_not_noted": {
        "en": "{key} can't change: an older version saved this checkpoint and did not note its alpha.",
        "zh": "{key} 不能更改：这个检查点由旧版本保存，没有记录 alpha。",
    },
    "keep_or_start_from_file": {
        "en": "Keep it, or use adapter.start_from with the LoRA file.",
        "zh": "请保持不变，或用 adapter.start_from 指定 LoRA 文件。",
    },
    # ---- the optimizer's state
    "optimizer_differs": {
        "en": "The checkpoint has the state of {kind}, but this run trains with {other}.",
        "zh": "检查点保存的是 {kind} 的状态，而这次训练使用 {other}。",
    },
    "use_same_optimizer": {"en": "Use the same optimizer.", "zh": "请使用相同的优化器。"},
    "state_of_unknown": {
        "en": "The checkpoint has an optimizer's state of {name}, which does not learn here ({count} such names).",
        "zh": "检查点含有 {name} 的优化器状态，而它在这里不训练（共 {count} 个）。",
    },
    "state_lacks": {
        "en": "The checkpoint lacks {entry} of {name} in the optimizer's state.",
        "zh": "检查点的优化器状态中缺少 {name} 的 {entry}。",
    },
}
