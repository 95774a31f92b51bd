"""Which reply a request gets."""

from __future__ import annotations

import json
import threading

import pytest

from kaygraph_viz.services.responses import Services
from kaygraph_viz.services.settings import ServiceSettings

QUICK = ServiceSettings(latency_s=0)
CUSTOMER = "customer_id=C00003"


def ask(services, path="/profile", query=CUSTOMER, *, now_s=0.0, method="GET"):
    return services.reply(method, path, query, round(now_s * 1e9))


@pytest.mark.parametrize("path", ["/verify", "/profile", "/location", "/social", "/company"])
def test_every_service_answers(path):
    query = "city=Lyon&country=FR" if path in ("/verify", "/location") else CUSTOMER
    assert ask(Services(QUICK), path, query).status == 200


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


def test_latency_of_one_customer_differs_between_services():
    services = Services(ServiceSettings(latency_spread=1))
    assert len({ask(services, path).latency_s for path in ("/profile", "/social", "/company")}) == 3


def test_one_service_can_fail_while_the_others_work():
    services = Services({"social": ServiceSettings(failure_rate=1, failure_status=500)})
    assert [ask(services, path).status for path in ("/social", "/profile")] == [500, 200]


def test_failure_comes_at_once():
    assert ask(Services(ServiceSettings(latency_s=1, failure_rate=1))).latency_s == 0


def test_first_try_of_each_question_fails():
    services = Services(ServiceSettings(fail_first=1, latency_s=0))
    queries = [CUSTOMER, CUSTOMER, "customer_id=C00004", "customer_id=C00004"]
    assert [ask(services, query=query).status for query in queries] == [503, 200, 503, 200]


@pytest.mark.parametrize(("rate", "fault"), [("hang_rate", "hang"), ("drop_rate", "drop"), ("cut_rate", "cut")])
def test_fault_happens(rate, fault):
    assert ask(Services(ServiceSettings(**{rate: 1}))).fault == fault


def test_answer_that_breaks_off_keeps_its_latency():
    assert ask(Services(ServiceSettings(cut_rate=1, latency_s=0.3, latency_spread=0))).latency_s == 0.3


def test_half_a_body_cannot_be_read():
    reply = ask(Services(QUICK))
    assert reply.body.startswith(reply.half_body)
    with pytest.raises(json.JSONDecodeError):
        json.loads(reply.half_body)


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
