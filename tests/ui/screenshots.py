"""Screenshots of every tab, wide and narrow, light and dark: ``python tests/ui/screenshots.py OUT URL``.

URL: a page that is being served (``python -m ui.app``); its newest run and the folder filled in are what is shown.
"""

import sys
from pathlib import Path

from browser import open_browser, open_tab, sideways_scroll

SIZES = {"wide": (1280, 900), "narrow": (390, 844)}


def main(out: Path, url: str) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with open_browser() as browser:
        for size, (width, height) in SIZES.items():
            for scheme in ("light", "dark"):
                context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
                page = context.new_page()
                page.goto(url)
                page.wait_for_selector("#gallery .thumbnail-item img", timeout=60_000)
                page.locator("#gallery .thumbnail-item").nth(2).click()
                for tab in ("Images", "Settings", "Runs"):
                    open_tab(page, tab)
                    page.wait_for_timeout(3000)
                    path = out / f"{tab.lower()}-{size}-{scheme}.png"
                    page.screenshot(path=path, full_page=True)
                    print(path, "too wide by", sideways_scroll(page), "pixels")
                context.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
