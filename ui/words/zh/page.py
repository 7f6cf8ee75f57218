"""What stands on every tab, numbers, the server."""

TITLE = "SD LoRA 训练器"
SUBTITLE = "用一个带说明文字的图片文件夹，教会 Stable Diffusion 一种风格或一个主体。"

TAB_IMAGES = "1  图片"
TAB_SETTINGS = "2  设置"
TAB_RUNS = "3  训练"

NOTHING_RUNNING = "当前没有训练在进行。"
CLOSE_ANYTIME = "可以关闭此页面，训练会继续进行。"
CLOSE_MESSAGE = "关闭此消息"
COMMA = "、"

LANGUAGE, LANGUAGE_BROWSER = "语言", "跟随浏览器"

# ---- dates and numbers

MOMENT = "{month}{day}日 {time}"
MONTHS = {
    "1": "1月", "2": "2月", "3": "3月", "4": "4月", "5": "5月", "6": "6月",
    "7": "7月", "8": "8月", "9": "9月", "10": "10月", "11": "11月", "12": "12月",
}  # fmt: skip

UNDER_A_SECOND = "不到 1 秒"
SECONDS = "{seconds} 秒"
MINUTES = "{minutes} 分钟"
HOURS = "{hours} 小时 {minutes} 分钟"
TIME_LEFT = "约剩 {time}"
PACE_SLOW = "每步 {seconds} 秒"
PACE_FAST = "每秒 {steps} 步"

# ---- the server (said in the terminal, in English)

LISTEN_NEEDS_PASSWORD = (
    "--listen 会向网络开放此页面，因此需要密码。"
    "请设置环境变量 SDLORA_PASSWORD（至少 8 个字符）后重新启动；用户名为 sdlora。"
)
PORT_TAKEN = "端口 {port} 已被占用，可能就是此页面。请打开 http://127.0.0.1:{port}，或用 --port {other} 启动。"
SERVING = "页面地址：{url}（按 Ctrl-C 结束页面，训练不受影响）"
WRONG_PASSWORD = "{time} 来自 {address} 的密码错误（连续第 {count} 次）。"
RUNS_NOT_WRITABLE = "训练文件夹 {path} 无法写入（{reason}）。"
RUNS_NOT_WRITABLE_FIX = "请用 --runs 选择另一个文件夹。"

# ---- what the server refuses

FOREIGN_SITE = "这是另一个网站发出的请求；只有页面本身可以这样做。"
NO_LENGTH = "请求没有说明自身长度（Content-Length）。"
TOO_LONG_A_REQUEST = "请求过长。"
NO_ROOM_FOR_UPLOAD = "没有空间容纳这次上传：已上传的内容过多，或磁盘将满。"
TOO_MANY_PASSWORDS = "密码错误次数过多：请等半分钟再试。"

# ---- calls of scripts (docs/api.md)

API_TOO_LONG = "设置超过 {limit} 个字符。"
API_NOT_TOML = "设置不是有效的 TOML 格式（{reason}）。"
