"""Latency and faults are functions of the seed, the question and the try."""

from __future__ import annotations

import math
import statistics

import pytest

from kaygraph_viz.errors import OptionError
from kaygraph_viz.services.endpoints import ENDPOINTS, request_key
from kaygraph_viz.services.settings import DEFAULT_SETTINGS, ServiceSettings, settings_of_all

KEYS = [str(number) for number in range(4000)]


def test_other_seed_gives_other_latencies():
    keys = [request_key(domain=f"d{number}.example.com") for number in range(20)]
    one, two = ([ServiceSettings(seed=seed).latency_of(key) for key in keys] for seed in (1, 2))
    assert one != two


def test_mean_latency_is_the_one_asked_for():
    settings = ServiceSettings(latency_s=0.02)
    assert statistics.fmean(settings.latency_of(str(n)) for n in range(5000)) == pytest.approx(0.02, rel=0.03)


def test_latencies_are_clipped():
    settings = ServiceSettings(latency_s=1, latency_spread=2)
    latencies = [settings.latency_of(str(number)) for number in range(1000)]
    assert (min(latencies), max(latencies)) == (0.2, 5.0)


def test_share_of_failures_is_the_one_asked_for():
    settings = ServiceSettings(failure_rate=0.25)
    assert sum(settings.fails(str(number), 1) for number in range(4000)) / 4000 == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize(("happens", "rate"), [("hangs", "hang_rate"), ("drops", "drop_rate"), ("cuts", "cut_rate")])
def test_share_of_faults_is_the_one_asked_for(happens, rate):
    decide = getattr(ServiceSettings(**{rate: 0.25}), happens)
    assert sum(decide(key, 1) for key in KEYS) / len(KEYS) == pytest.approx(0.25, abs=0.03)


def test_faults_of_different_kinds_fall_on_different_tries():
    settings = ServiceSettings(hang_rate=0.5, drop_rate=0.5, cut_rate=0.5, failure_rate=0.5)
    decisions = [
        [decide(key, 1) for key in KEYS] for decide in (settings.hangs, settings.drops, settings.cuts, settings.fails)
    ]
    assert len({tuple(found) for found in decisions}) == 4


def test_first_tries_fail_for_certain_and_the_next_ones_by_chance():
    settings = ServiceSettings(fail_first=2)
    assert [settings.fails("Lyon", attempt) for attempt in (1, 2, 3)] == [True, True, False]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", 1.5),
        ("seed", True),
        ("latency_s", -0.1),
        ("latency_s", math.nan),
        ("latency_s", 61),
        ("latency_spread", 2.1),
        ("latency_spread", "wide"),
        ("failure_rate", 1.1),
        ("failure_rate", None),
        ("hang_rate", -1),
        ("drop_rate", 1.5),
        ("cut_rate", math.inf),
        ("fail_first", -1),
        ("fail_first", 1.0),
        ("failure_status", 404),
        ("failure_status", "503"),
        ("rate_limit", 0),
        ("rate_limit", 2.5),
        ("rate_limit", True),
    ],
)
def test_impossible_setting_is_refused_by_name(name, value):
    with pytest.raises(OptionError, match=f"^{name} must be"):
        ServiceSettings(**{name: value})


# -- all services -------------------------------------------------------------------------------------------------


def test_every_service_has_default_settings():
    assert list(DEFAULT_SETTINGS) == list(ENDPOINTS)


def test_services_differ_in_their_latency():
    assert len({(one.latency_s, one.latency_spread) for one in DEFAULT_SETTINGS.values()}) == len(DEFAULT_SETTINGS)


def test_one_setting_is_for_all():
    one = ServiceSettings(latency_s=1)
    assert settings_of_all(one) == dict.fromkeys(DEFAULT_SETTINGS, one)


def test_what_is_not_given_stays_as_it_is():
    slow = ServiceSettings(latency_s=1)
    assert settings_of_all({"social": slow}) == {**DEFAULT_SETTINGS, "social": slow}


@pytest.mark.parametrize("settings", [{"sociable": ServiceSettings()}, {"social": 0.1}, "fast", 7, {"social": None}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(OptionError, match=r"^settings must be a ServiceSettings, or one"):
        settings_of_all(settings)
