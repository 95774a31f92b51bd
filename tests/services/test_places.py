"""The shipped cities and countries."""

from __future__ import annotations

import re

from kaygraph_viz.services.places import load_cities, load_countries


def test_country_with_two_calling_codes_has_both():
    assert load_countries()["DO"].phone_prefixes == ("1809", "1829")


def test_namibia_is_text_and_no_missing_value():
    assert load_countries()["NA"].name == "Namibia"


def test_cities_have_numbers():
    lyon = next(city for city in load_cities() if (city.name, city.country) == ("Lyon", "FR"))
    assert (round(lyon.latitude), round(lyon.longitude), lyon.population > 400_000) == (46, 5, True)


def test_changing_the_countries_changes_nothing_for_the_next_caller():
    load_countries().clear()
    assert load_countries()


def test_cities_are_sorted_by_country_and_the_largest_first():
    order = [(city.country, -city.population) for city in load_cities()]
    assert order == sorted(order)
    assert min(city.population for city in load_cities()) >= 100_000


def test_every_city_is_in_a_country():
    assert {city.country for city in load_cities()} <= load_countries().keys()


def test_postal_codes_of_a_country_follow_its_rule():
    rule = load_countries()["PT"].postal_code_regex
    assert re.fullmatch(rule, "1000-001")
    assert not re.fullmatch(rule, "1000")
