"""What the services answer, and their latencies, faults and limits."""

from __future__ import annotations

import math
import statistics
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.course.services.datasets import load_companies, load_customers, load_profiles
from kaygraph_viz.course.services.endpoints import (
    DEFAULT_SETTINGS,
    ENDPOINTS,
    RequestLog,
    Services,
    ServiceSettings,
    company,
    location,
    profile,
    request_key,
    settings_of_all,
    social,
    verify,
)
from kaygraph_viz.course.services.in_process import service_of
from kaygraph_viz.course.services.text_service import TextService

# == responses ======================================================================================================


QUICK = ServiceSettings(latency_s=0)
CUSTOMER = "customer_id=C00003"


def ask(services, path="/profile", query=CUSTOMER, *, now_s=0.0, method="GET"):
    return services.reply(method, path, query, round(now_s * 1e9))


def test_unknown_path_is_answered_404_with_those_that_there_are():
    reply = ask(Services(), "/profiles")
    assert (reply.status, "/profile, /location" in reply.content["error"]) == (404, True)


def test_other_methods_are_answered_405():
    reply = ask(Services(), method="POST")
    assert (reply.status, reply.headers) == (405, {"Allow": "GET"})


def test_unknown_customer_is_answered_404_after_the_usual_latency():
    reply = ask(Services(ServiceSettings(latency_s=0.5, latency_spread=0)), query="customer_id=C99999")
    assert (reply.status, reply.latency_s) == (404, 0.5)


def test_incomplete_question_is_answered_400_and_does_not_count():
    services = Services(ServiceSettings(fail_first=1, rate_limit=1))
    assert ask(services, query="").status == 400
    assert ask(services).status == 503


@pytest.mark.parametrize(("rate", "fault"), [("hang_rate", "hang"), ("drop_rate", "drop"), ("cut_rate", "cut")])
def test_fault_happens(rate, fault):
    assert ask(Services(ServiceSettings(**{rate: 1}))).fault == fault


def test_answer_that_breaks_off_keeps_its_latency():
    assert ask(Services(ServiceSettings(cut_rate=1, latency_s=0.3, latency_spread=0))).latency_s == 0.3


def test_rates_of_two_services_are_counted_apart():
    services = Services(ServiceSettings(rate_limit=1))
    assert [ask(services, path).status for path in ("/profile", "/social", "/profile")] == [200, 200, 429]


def test_call_is_let_through_exactly_after_the_time_that_the_refusal_named():
    services = Services(ServiceSettings(rate_limit=1))
    start_s = 0.1234567
    ask(services, now_s=start_s)
    refusal = ask(services, now_s=0.7654321)
    assert refusal.content["retry_after_s"] == 0.358025  # 0.3580246, rounded up
    assert refusal.headers == {"Retry-After": "1"}
    assert ask(services, now_s=0.7654321 + refusal.content["retry_after_s"]).status == 200


def test_refusal_never_names_a_time_of_zero():
    services = Services(ServiceSettings(rate_limit=1))
    services.reply("GET", "/profile", CUSTOMER, 0)
    assert services.reply("GET", "/profile", CUSTOMER, 999_999_999).content["retry_after_s"] == 1e-6


def test_letters_that_are_no_text_are_answered():
    assert ask(Services(QUICK), "/location", "city=%ED%A0%80&country=FR").body


def test_tries_of_many_threads_are_all_counted():
    services = Services(ServiceSettings(fail_first=400, latency_s=0))
    meeting = threading.Barrier(4)

    def caller():
        meeting.wait()
        for _ in range(100):
            ask(services)

    threads = [threading.Thread(target=caller) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ask(services).status == 200


# == endpoints ======================================================================================================


HERMIT = next(c["customer_id"] for c in load_customers() if c["customer_id"] not in load_profiles())
EMPLOYED = next(user for user in load_profiles().values() if user.company_id)


@pytest.mark.parametrize(
    ("domain", "status"),
    [
        ("example.com", "deliverable"),
        ("EXAMPLE.com.", "deliverable"),
        ("closed.example.com", "undeliverable"),
        ("throwaway.example.org", "disposable"),
        ("nobody.knows.example.org", "unknown"),
    ],
)
def test_domain_status(domain, status):
    assert verify(domain=domain)["domain_status"] == status


@pytest.mark.parametrize(
    ("city", "country", "known"),
    [
        ("São Paulo", "BR", True),
        ("sao paulo", "br", True),
        ("São Paulo", "PT", False),
        ("Atlantis", "GR", False),
        ("x" * 100_000, "GR", False),
    ],
)
def test_city_is_known_only_in_its_country(city, country, known):
    assert verify(city, country)["city_known"] is known


def test_accounts_are_the_business_of_another_service():
    assert "accounts" not in profile(EMPLOYED.customer_id)


@pytest.mark.parametrize("ask", [profile, social])
@pytest.mark.parametrize("customer_id", [HERMIT, "C99999", "", "x" * 100_000])
def test_nothing_is_known_about_a_customer_without_profile(ask, customer_id):
    assert ask(customer_id) is None


def test_social_adds_up_the_followers():
    user = next(user for user in load_profiles().values() if len(user.accounts) == 3)
    found = social(user.customer_id)
    assert [account["handle"] for account in found["accounts"]] == [account.handle for account in user.accounts]
    assert found["followers"] == sum(account.followers for account in user.accounts)


def test_company_is_found_by_its_number_and_by_who_works_there():
    assert company(customer_id=EMPLOYED.customer_id) == company(company_id=EMPLOYED.company_id)
    assert company(EMPLOYED.company_id)["name"] == load_companies()[EMPLOYED.company_id].name


def test_location_tells_where_a_city_is():
    found = location("lyon", "fr")
    assert (found["city"], found["country_name"], found["phone_prefixes"]) == ("Lyon", "France", ["33"])
    assert (round(found["latitude"]), round(found["longitude"])) == (46, 5)


def test_largest_city_of_a_name_is_meant():
    assert location("Springfield", "US")["population"] == 170_188


# -- questions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ENDPOINTS)
def test_example_of_every_service_can_be_asked_and_is_answered(name):
    endpoint = ENDPOINTS[name]
    question = endpoint.question(dict(part.split("=") for part in endpoint.example.split("&")))
    assert endpoint.answer(**question) is not None


def test_what_a_service_does_not_know_to_ask_for_is_ignored():
    assert ENDPOINTS["profile"].question({"customer_id": " C00001 ", "colour": "red"}) == {"customer_id": "C00001"}


def test_two_ways_to_spell_a_question_have_one_key():
    endpoint = ENDPOINTS["location"]
    assert endpoint.key({"city": "São Paulo", "country": "BR"}) == endpoint.key({"city": "SAO PAULO", "country": "br"})


# == settings =======================================================================================================


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


@pytest.mark.parametrize("settings", [{"sociable": ServiceSettings()}, {"social": 0.1}, "fast", 7, {"social": None}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(OptionError, match=r"^settings must be a ServiceSettings, or one"):
        settings_of_all(settings)


# == request log ====================================================================================================


def test_what_is_noted_later_belongs_to_its_request():
    log = RequestLog()
    first, second = log.arrived("GET", "/a", "", 1), log.arrived("GET", "/b", "", 2)
    log.note(second, status=503)
    log.note(first, status=200)
    log.note(first, answered_ns=9)
    assert [(one.status, one.answered_ns) for one in log.requests] == [(200, 9), (503, None)]


def test_threads_get_places_of_their_own():
    log = RequestLog()

    def ask(number):
        at = log.arrived("GET", f"/{number}", "", number)
        log.note(at, status=number)
        return at

    with ThreadPoolExecutor(8) as pool:
        places = list(pool.map(ask, range(200)))
    assert sorted(places) == list(range(200))
    assert all(one.path == f"/{one.status}" for one in log.requests)


def test_credentials_in_a_query_are_masked():
    log = RequestLog()
    at = log.arrived("GET", "/verify", "city=Oslo&api_key=hunter2", 1)
    assert log[at].query == "city=Oslo&api_key=***"


# == kinds ==========================================================================================================


def test_a_service_stays_what_it_is():
    service = TextService()
    assert service_of(service) is service
