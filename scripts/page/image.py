"""Make the README's picture of the page: the machine, and the score of one query and one key.

    python scripts/page/image.py                # notebooks/images/page.png

The head is the one in which the last token looks most at a token between the first and itself, and
the key is that token's: so the picture fits any model that ships. Needs the extra ``browser`` and
Chromium.
"""

import sys
import tempfile
from base64 import b64decode
from pathlib import Path

# From a clone the package need not be installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from chromium import SHOWN, start_chromium, wait_until

import gptlite
from gptlite.explain.page import page

TEXT = "A robot must obey the orders given it"
OUT = Path(__file__).resolve().parents[2] / "notebooks" / "images" / "page.png"


def main() -> None:
    """Write the picture."""
    model, tokenizer = gptlite.load()
    trace = gptlite.Trace()
    ids = [tokenizer.eot, *tokenizer.encode(TEXT)]
    model(ids, trace=trace)
    looks = np.stack(
        [trace[f"h.{i}.attn.weights"][0, :, -1, 1:-1] for i in range(model.config.n_layer)]
    )  # [n_layer, head, seq - 2]
    layer, head, key = (int(i) for i in np.unravel_index(looks.argmax(), looks.shape))
    link = f"stop=h.{layer}.attn.scores&head={head}&key={key + 1}&pinned={len(ids) - 1}&whole=1"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.html"
        path.write_bytes(page(model, tokenizer, TEXT))
        driver = start_chromium(1280, 1020)
        try:
            driver.get(f"{path.as_uri()}#{link}")
            wait_until(driver, f"{SHOWN} && scrollY > 0")
            shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
        finally:
            driver.quit()
    OUT.write_bytes(b64decode(shot["data"]))
    print(f"{OUT}: block {layer}, head {head}")


if __name__ == "__main__":
    main()
