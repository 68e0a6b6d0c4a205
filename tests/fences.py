"""The code blocks of a Markdown document, for the tests that run them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def fences(document: str, language: str) -> list[str]:
    """The blocks of one language in a document of the project's root, in order."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def fence(document: str, language: str, marker: str) -> str:
    """The one block that begins with a marker."""
    found = [block for block in fences(document, language) if block.startswith(marker)]
    assert len(found) == 1, f"{document} has {len(found)} {language} blocks that begin with {marker!r}"
    return found[0]
