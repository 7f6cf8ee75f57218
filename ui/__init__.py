"""The page: a view of run folders. It writes settings, starts the trainer as a process and reads what that writes."""

import os

# The page itself never goes to the model hub (a check must not begin a download of gigabytes); trainers may. This must
# come before gradio is imported, which reads it.
OFFLINE_BY_PAGE = "HF_HUB_OFFLINE" not in os.environ
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from ui.shell.quick import leave_stubs_alone  # noqa: E402

leave_stubs_alone()
