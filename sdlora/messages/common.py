"""Words that many sentences use."""

MESSAGES = {
    # ---- lists
    "and_more": {"en": "{names} and {count} more", "zh": "{names} 等（另有 {count} 个）"},
    "either": {"en": "{names} or {last}", "zh": "{names} 或 {last}"},
    "all_of": {"en": "{names} and {last}", "zh": "{names}和{last}"},
    "word": {"en": "{word}", "zh": "{word}"},
    "unknown": {"en": "unknown", "zh": "未知"},
    "none": {"en": "none", "zh": "没有"},
    "fault": {"en": "{name} {fault}.", "zh": "{name} {fault}。"},
    # ---- what the system says, by the name of its errno
    "EACCES": {"en": "Permission denied", "zh": "没有权限"},
    "EPERM": {"en": "Operation not permitted", "zh": "不允许此操作"},
    "ENOENT": {"en": "No such file or directory", "zh": "文件或文件夹不存在"},
    "ENOTDIR": {"en": "Not a directory", "zh": "不是文件夹"},
    "EISDIR": {"en": "Is a directory", "zh": "是一个文件夹"},
    "EEXIST": {"en": "File exists", "zh": "已经存在"},
    "ENOSPC": {"en": "No space left on device", "zh": "磁盘空间不足"},
    "EDQUOT": {"en": "Disk quota exceeded", "zh": "超出磁盘配额"},
    "EROFS": {"en": "Read-only file system", "zh": "磁盘是只读的"},
    "ENAMETOOLONG": {"en": "File name too long", "zh": "名称太长"},
    "EMFILE": {"en": "Too many open files", "zh": "打开的文件太多"},
    "ELOOP": {"en": "Too many levels of symbolic links", "zh": "符号链接层数太多"},
    "EIO": {"en": "Input/output error", "zh": "磁盘读写出错"},
}
