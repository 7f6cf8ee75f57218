"""What all tests share. Threads: the machine's cores are few, and results must not depend on them."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:  # as many processes as cores already
    os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test needs a model hub
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

pytest_plugins = ["base_models"]  # a small base model, images and runs, for the tests that want them


def pytest_collection_modifyitems(config, items):
    """What is marked large runs only when it is asked for: `-m large`."""
    if "large" in config.option.markexpr:
        return
    large = [item for item in items if item.get_closest_marker("large")]
    items[:] = [item for item in items if item not in large]
    config.hook.pytest_deselected(items=large)
