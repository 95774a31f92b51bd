"""The steps of the site are imported as Sphinx does it: from the folder of its pages."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "docs"))
