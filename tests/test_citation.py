"""CITATION.cff: the version and the licence are those of the package."""

import re
from pathlib import Path

import gptlite

ROOT = Path(gptlite.__file__).resolve().parent.parent


def test_the_citation_is_of_this_version_under_this_licence():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    fields = dict(re.findall(r"^([\w-]+): (.+)$", text, re.MULTILINE))
    assert fields["cff-version"] == "1.2.0"
    assert fields["version"] == gptlite.__version__
    assert fields["license"] in (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert {"message", "title", "type", "abstract"} <= fields.keys()
    assert "\nauthors:\n  - name: " in text
