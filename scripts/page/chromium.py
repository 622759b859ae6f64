"""Headless Chromium, driven by selenium, for the scripts that look at the page."""

import shutil
import time
from typing import Any

# In JavaScript: the page has drawn a text.
SHOWN = "document.getElementById('content')?.hidden === false"

SWITCHES = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")


def start_chromium(width: int = 1280, height: int = 860) -> Any:
    """Start the browser with a window of that size; ``quit`` ends it.

    Raises:
        SystemExit: selenium or the browser is missing.
    """
    try:
        from selenium import webdriver
    except ImportError as missing:
        raise SystemExit(f"error: {missing}: pip install -e '.[browser]'") from None
    paths = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    if not all(paths.values()):
        raise SystemExit("error: no browser: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = paths["chromium"] or ""
    for switch in SWITCHES:
        options.add_argument(switch)
    driver = webdriver.Chrome(options, webdriver.ChromeService(paths["chromedriver"]))
    driver.set_script_timeout(600)
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    return driver


def wait_until(driver: Any, condition: str, seconds: float = 600) -> float:
    """Wait until a condition in JavaScript holds.

    Returns:
        The seconds it took.

    Raises:
        SystemExit: it does not hold in time, or the page says what is wrong.
    """
    begin = time.monotonic()
    while not driver.execute_script(f"return {condition}"):
        problem = driver.execute_script("return document.getElementById('problem')?.textContent")
        if problem or time.monotonic() - begin > seconds:
            raise SystemExit(f"error: {problem or f'waited in vain for {condition}'}")
        time.sleep(0.01)
    return time.monotonic() - begin
