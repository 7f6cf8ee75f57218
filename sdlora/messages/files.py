"""Files and folders of any kind, and what the system refused: ``sdlora.errors``, ``sdlora.files``."""

MESSAGES = {
    # ---- read
    "missing": {"en": "There is no file {path}.", "zh": "没有文件 {path}。"},
    "unreadable": {"en": "{file} can't be read ({reason}).", "zh": "{file} 无法读取（{reason}）。"},
    "not_readable": {"en": "{file} can't be read: {reason}.", "zh": "{file} 无法读取：{reason}。"},
    "check_path": {"en": "Check the path.", "zh": "请检查路径。"},
    "empty": {"en": "{file} is empty.", "zh": "{file} 是空文件。"},
    "damaged": {"en": "{file} is damaged: {damage}.", "zh": "{file} 已损坏：{damage}。"},
    "get_again": {"en": "Download or convert it again.", "zh": "请重新下载或转换。"},
    # ---- why a file can't be read
    "because_over_1_mib": {"en": "it has more than 1 MiB", "zh": "超过 1 MiB"},
    "because_over_256_mib": {"en": "it has more than 256 MiB", "zh": "超过 256 MiB"},
    "because_git_lfs_pointer": {
        "en": "it is a Git LFS pointer: fetch the file with `git lfs pull`",
        "zh": "只是 Git LFS 指针：请用 `git lfs pull` 取回文件",
    },
    "because_web_page": {"en": "it is a web page", "zh": "是网页"},
    "because_not_text": {"en": "it is no text", "zh": "它不是文本"},
    # ---- what a name stands for
    "because_not_a_file": {"en": "it is {thing}, not a file", "zh": "是{thing}，不是文件"},
    "thing_pipe": {"en": "a pipe", "zh": "管道"},
    "thing_device": {"en": "a device", "zh": "设备"},
    "thing_socket": {"en": "a socket", "zh": "套接字"},
    "thing_folder": {"en": "a folder", "zh": "文件夹"},
    "thing_dangling_link": {"en": "a link to nothing", "zh": "失效的链接"},
    "thing_circular_link": {"en": "a link in a circle", "zh": "循环链接"},
    "thing_other": {"en": "something else", "zh": "别的东西"},
    # ---- the system
    "out_of_memory": {"en": "The computer ran out of memory.", "zh": "电脑内存不足。"},
    "use_less_memory": {
        "en": "Use train.gradient_checkpointing, a smaller train.batch_size or a lower data.resolution.",
        "zh": "请使用 train.gradient_checkpointing，减小 train.batch_size，或降低 data.resolution。",
    },
    "unexpected_error": {
        "en": "Something went wrong inside the trainer: {kind}: {what}",
        "zh": "训练器内部出错：{kind}：{what}",
    },
    "report_with_details": {
        "en": "The details are in {path}; please report it with them.",
        "zh": "详细内容见 {path}，反馈问题时请一并附上。",
    },
    "report": {"en": "Please report it.", "zh": "请反馈此问题。"},
    "disk_full": {"en": "The disk is full{place}.", "zh": "磁盘已满{place}。"},
    "free_space": {
        "en": "Free some space and start again; nothing was half-written.",
        "zh": "请腾出一些空间后重新开始；没有文件只写了一半。",
    },
    "no_permission": {"en": "No permission to read or write there{place}.", "zh": "没有读写权限{place}。"},
    "name_too_long": {"en": "A file name is too long{place}.", "zh": "文件名太长{place}。"},
    "use_shorter_name": {"en": "Use a shorter one.", "zh": "请用更短的名称。"},
    "file_for_folder": {
        "en": "There is a file where a folder should be{place}.",
        "zh": "应为文件夹的位置上是一个文件{place}。",
    },
    "choose_another_place": {"en": "Choose another place.", "zh": "请选择别的位置。"},
    "delete_or_move": {
        "en": "Delete it or move it away; the folder is made anew.",
        "zh": "请将其删除或移走；文件夹会重新创建。",
    },
    "system_refused": {"en": "The system refused{place}: {reason}.", "zh": "系统拒绝{place}：{reason}。"},
    "check_path_and_retry": {"en": "Check the path and try again.", "zh": "请检查路径后重试。"},
    "at_path": {"en": " ({path})", "zh": "（{path}）"},
}
