"""What single lessons need beside the library, lesson by lesson."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import matplotlib.pyplot as plt
import pytest

import kaygraph_viz as kv
from kaygraph_viz.clock.clock import compute
from kaygraph_viz.course.lessons import l09, l13, l15 as shop
from kaygraph_viz.course.lessons.goals import all_ok
from kaygraph_viz.course.lessons.grade import grade
from kaygraph_viz.course.lessons.in_browser import is_here
from kaygraph_viz.course.lessons.l01 import CheckLog, all_checks_made, open_checks
from kaygraph_viz.course.lessons.l02 import each_source_is_asked, most_in_one_second, refused, within_limit
from kaygraph_viz.course.lessons.l03 import by_country, count_repeats, price, sample_orders, search_in_turn
from kaygraph_viz.course.lessons.l04 import (
    TextMapReduce,
    count_words,
    cut,
    every_letter_read,
    in_some_order,
    load_speeches,
    right_elsewhere,
    with_one_long_text,
    words_of,
)
from kaygraph_viz.course.lessons.l05 import max_in_pipeline, open_shop
from kaygraph_viz.course.lessons.l06 import Service, each_called_once
from kaygraph_viz.course.lessons.l10 import LATENCIES_S, customers, simulated
from kaygraph_viz.course.lessons.l11 import (
    Bank,
    EventStream,
    booked_once,
    lag_chart,
    load_orders,
    paid_one_by_one,
    stream_graph,
)
from kaygraph_viz.course.lessons.l12 import answer, run_day, waits_at_most
from kaygraph_viz.course.services.datasets import Speech, load_customers
from kaygraph_viz.course.services.endpoints import LoggedRequest
from kaygraph_viz.execute.coroutines.loops import run
from kaygraph_viz.graph.batch import ParallelBatchNode
from kaygraph_viz.graph.graph import Graph
from kaygraph_viz.graph.pipeline import PipelineNode, Stage
from kaygraph_viz.recording import record
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.recorder import span


def test_what_is_installed_needs_no_words(capsys):
    assert (is_here("pytest"), capsys.readouterr().out) == (True, "")


@pytest.mark.parametrize(("package", "name"), [("distributed", "Dask"), ("joblib", "joblib")])
def test_what_is_missing_is_named_with_the_command_that_installs_it(package, name, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, package, None)
    assert not is_here(package)
    assert capsys.readouterr().out == f"This cell needs {name}: run `%pip install {package}` and restart the kernel.\n"


TWO_RECORDS = [{"customer_id": "C1"}, {"customer_id": "C2"}]

RUN = make_trace(bar("a", "t-1", 0, 1))


def log_of(*made):
    """Return a log in which some checks were made: record, name."""
    log = CheckLog({"format": lambda record: [], "external": lambda record: []})
    for customer, name in made:
        log[name]({"customer_id": customer})
    return log


ALL = [("C1", "format"), ("C1", "external"), ("C2", "format"), ("C2", "external")]


def test_all_checks_made_once_meet_the_goal():
    assert all_checks_made(log_of(*ALL), TWO_RECORDS).evaluate(RUN).is_met


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (ALL[:3], "1 were not made once, the first is external of C2: 0 times"),
        ([*ALL, ALL[0]], "1 were not made once, the first is format of C1: 2 times"),
        ([], "4 were not made once, the first is format of C1: 0 times"),
    ],
)
def test_a_check_that_was_left_out_or_made_twice_does_not(made, reason):
    found = all_checks_made(log_of(*made), TWO_RECORDS).evaluate(RUN)
    assert (found.is_met, found.reason) == (False, reason)


def test_plain_functions_tell_nothing_of_what_was_made():
    assert not all_checks_made({"format": len}, TWO_RECORDS).evaluate(RUN).is_met


def test_a_check_that_fails_was_not_made():
    log = CheckLog({"format": lambda record: 1 / 0})
    with pytest.raises(ZeroDivisionError):
        log["format"](TWO_RECORDS[0])
    assert log.made.total() == 0


def test_the_service_answers_in_simulated_time_and_fails_as_often_as_is_asked():
    customers = load_customers(limit=4)
    with record(clock="virtual") as trace, open_checks(customers) as checks:
        assert [checks[name](customers[3]) for name in checks] == [[], [], [], []]
    assert list(checks) == ["security", "format", "business", "external"]
    assert not all_ok(1).evaluate(trace).is_met  # the checks themselves are not branches
    with record(clock="virtual"), open_checks(customers, failure_rate=1) as checks, pytest.raises(ConnectionError):
        checks["external"](customers[3])


SECOND_NS = 1_000_000_000


def calls(service, *times_s, status=200):
    return [LoggedRequest("GET", f"/{service}", "", round(at * SECOND_NS), 0, status) for at in times_s]


def test_calls_are_counted_in_every_second_and_for_each_service_alone():
    log = calls("social", 0, 0.5, 0.9, 1.2, 1.3, 3) + calls("profile", 0.6, 0.7)
    assert (most_in_one_second(log, "social"), most_in_one_second(log, "company")) == (4, 0)


@pytest.mark.parametrize(
    ("log", "is_met", "reason"),
    [
        (calls("social", 0, 0.5, 1), True, "none was refused, and social got at most 2 calls in one second"),
        (calls("social", 0, 0.5, 0.9), False, "none was refused, and social got at most 3 calls in one second"),
        (calls("social", 0, 2, status=429), False, "2 calls were refused"),
        (calls("social", 0, status=429), False, "1 call was refused"),
    ],
)
def test_a_limit_is_kept_where_none_is_refused_and_none_would_be(log, is_met, reason):
    found = within_limit(log, "social", 2).evaluate(RUN)
    assert (found.is_met, found.reason) == (is_met, reason)


def test_refused_calls_are_those_with_status_429():
    assert refused(calls("social", 0, 1, status=429) + calls("social", 2, status=503)) == 2


def test_each_source_has_to_answer_about_each_record():
    records = [{}, {}]
    log = [call for name in ("profile", "location", "social") for call in calls(name, 0, 1)]
    found = each_source_is_asked(log + calls("company", 0) + calls("company", 1, status=503), records).evaluate(RUN)
    assert (found.is_met, found.reason) == (False, "company answered 1 questions, but there are 2 customers")
    assert each_source_is_asked(log + calls("company", 0, 1, status=404), records).evaluate(RUN).is_met


FEW = sample_orders()


def test_a_price_takes_as_long_as_the_order_costs_and_a_broken_order_has_none():
    with record(clock="virtual") as trace, span("good"):
        assert price(FEW[0]) > 0
    assert trace.makespan_s == FEW[0].cost_s
    with record(clock="virtual"):
        assert price(replace(FEW[0], items="P1:2:")) == 0


def test_countries_are_in_alphabetical_order_and_lose_no_order():
    found = by_country(FEW)
    assert list(found) == sorted({order.country for order in FEW})
    assert sum(map(len, found.values())) == len(FEW)


def test_an_order_is_repeated_where_customer_and_items_are_the_same():
    with record(clock="virtual"):
        assert count_repeats([FEW[0], FEW[1], FEW[0], replace(FEW[0], order_id="again")]) == 2


def test_the_search_computes_for_the_square_of_the_orders_of_each_country():
    groups = by_country(FEW)
    repeats, trace = search_in_turn(groups)
    assert list(repeats) == list(groups)
    assert sum(branch.cpu_ns for branch in trace.where(kind="branch")) == sum(
        1000 * len(orders) ** 2 for orders in groups.values()
    )


TEXTS = [Speech(str(number), 1800 + number, "A", True, text) for number, text in enumerate(["to be " * 500, "or not"])]


def pairs(speech):
    return [(word, 1) for word in words_of(speech.text)]


def add(word, values):
    return sum(values)


def counted(speeches):
    return sum(map(count_words, speeches), Counter())


def run_node(node, items=TEXTS):
    with record(clock="virtual") as trace:
        node.run(shared := {"items": items})
    return shared["result"], trace


def test_a_letter_costs_60_ns_and_a_value_that_is_sent_1_us():
    found, trace = run_node(TextMapReduce(pairs, add, max_workers=1))
    assert found == {"to": 500, "be": 500, "or": 1, "not": 1}
    assert trace.makespan_s == pytest.approx((3006 * 60e-9) + (1002 * 1e-6), abs=2e-8)


@pytest.mark.parametrize(("mapper", "combiner"), [(pairs, add), (count_words, Counter)])
def test_a_combiner_sends_one_value_for_each_word_of_a_text(mapper, combiner):
    _, trace = run_node(TextMapReduce(mapper, add, combiner, max_workers=1))
    assert trace.makespan_s == pytest.approx((3006 * 60e-9) + (4 * 1e-6), abs=2e-8)


def test_the_long_text_has_the_letters_of_those_that_it_replaces():
    speeches = load_speeches()
    others, book = with_one_long_text(speeches)
    assert counted([*others, book]) == counted(speeches)
    assert "".join(piece.text for piece in cut(book, 20_000)) == book.text


def test_an_order_is_the_same_for_the_same_seed():
    assert in_some_order(TEXTS * 5, 1) == in_some_order(TEXTS * 5, 1) != in_some_order(TEXTS * 5, 2)


@pytest.mark.parametrize(("items", "is_met"), [(TEXTS, True), (TEXTS[1:], False)])
def test_a_run_that_leaves_out_texts_is_found(items, is_met):
    _, trace = run_node(TextMapReduce(pairs, add), items)
    assert grade(trace, [every_letter_read(TEXTS)]).passed == is_met


def test_answers_that_were_made_before_are_found():
    known = counted(TEXTS)
    cheat = TextMapReduce(lambda speech: known.items() if speech is TEXTS[0] else (), lambda word, values: values[0])
    found, trace = run_node(cheat)
    assert found == known
    assert grade(trace, [all_ok(), every_letter_read(TEXTS)]).passed
    assert "for 'to' it gives None, expected 3" in str(grade(trace, [right_elsewhere(cheat, counted)]))
    assert grade(trace, [right_elsewhere(TextMapReduce(pairs, add), counted)]).passed


def called(*numbers):
    """Return a service after calls of it, all at once, and the trace of them."""
    service = Service(0.2)

    async def calls():
        return await asyncio.gather(*[service.call(number) for number in numbers])

    with record(clock="virtual") as trace:
        assert run(calls()) == [f"answer {number}" for number in numbers]
    return service, trace


def test_each_call_waits_and_is_a_branch():
    _, trace = called(0, 1, 2)
    assert [branch.service_s for branch in trace.where(kind="branch")] == [0.2, 0.2, 0.2]
    assert trace.makespan_s == 0.2


@pytest.mark.parametrize(
    ("numbers", "is_met", "reason"),
    [
        ([0, 1, 2], True, "3 calls were answered"),
        ([0, 2], False, "call 1 was answered 0 times"),
        ([0, 1, 2, 2], False, "call 2 was answered 2 times"),
    ],
)
def test_each_number_has_to_be_called_once(numbers, is_met, reason):
    found = each_called_once(called(*numbers)[0], range(3)).evaluate(RUN)
    assert (found.is_met, found.reason) == (is_met, reason)


def test_what_is_no_service_was_not_called():
    assert not each_called_once(None, range(1)).evaluate(RUN).is_met


DAYS = l09.years["north"][:8]


def each(days):
    return [l09.evaluate(day) for day in days]


def finding(goal, trace):
    (found,) = grade(trace, [goal]).findings
    return found.is_met, found.reason


def test_a_message_takes_5_ms_and_a_second_for_ten_megabytes():
    _, small = l09.on_cluster(len, [b""])
    _, large = l09.on_cluster(len, [bytes(1_000_000)])
    assert small.makespan_s == pytest.approx(0.005, rel=0.02)
    assert large.makespan_s - small.makespan_s == pytest.approx(0.1, rel=0.001)


def test_what_the_work_uses_from_outside_is_sent_with_each_message():
    outside = bytes(1_000_000)
    _, trace = l09.on_cluster(lambda number: outside[number], [0, 1], workers=2)
    assert [bar.service_s for bar in trace.where(kind="branch")] == pytest.approx([0.105, 0.105], rel=0.01)


def test_each_worker_has_a_core_of_its_own():
    _, trace = l09.on_cluster(compute, [1.0] * 8)
    assert trace.makespan_s == pytest.approx(1.005, rel=0.001)


def test_results_come_in_the_order_of_the_parts():
    (first, second), _ = l09.on_cluster(each, [DAYS[:3], DAYS[3:]])
    assert first + second == each(DAYS)


def test_fewer_messages_send_less():
    (_, one), (_, eight) = l09.on_cluster(each, [DAYS]), l09.on_cluster(each, [[day] for day in DAYS])
    assert l09.sending_share(one) < 0.3 < 0.7 < l09.sending_share(eight)
    assert finding(l09.sending_at_most(0.3), one) == (True, "1 messages, and sending took 24% of their time")
    assert finding(l09.sending_at_most(0.3), eight)[0] is False
    assert l09.sending_share(make_trace()) == 0


def test_days_that_the_cluster_does_not_evaluate_are_missed():
    (_, whole), (_, half) = l09.on_cluster(each, [DAYS]), l09.on_cluster(each, [DAYS[:4]])
    assert finding(l09.all_computed_there(whole), whole) == (True, "the cluster evaluated 8 of 8 days")
    assert finding(l09.all_computed_there(whole), half) == (False, "the cluster evaluated 4 of 8 days")


def ask(client, service):
    return client.get(f"/{service}", params={"customer_id": customers[0]["customer_id"]}).status_code


@pytest.mark.parametrize("service", ["profile", "company", "social"])
def test_each_service_takes_its_time_and_each_call_is_recorded(service):
    def program(client):
        with ThreadPoolExecutor(2) as pool:
            return [each.result() for each in [pool.submit(ask, client, service) for _ in range(2)]]

    answers, trace = simulated(program)
    assert len(answers) == 2
    assert [call.service_s for call in trace.where(name="ask")] == pytest.approx([LATENCIES_S[service]] * 2)


ORDERS = load_orders()[:24]

SOME_RUN = make_trace(bar("charge", "t-1", 0, 1))


def pay(bank, orders, key):
    """Charge orders one after the other until the connection breaks; return whether it did not."""
    try:
        for order in orders:
            bank.charge(order.order_id, order.total_cents, key(order))
    except ConnectionError:
        return False
    return True


def paid(key):
    bank = Bank()
    with record(clock="virtual"):
        runs = [pay(bank, ORDERS, key) for _ in range(3)]
    assert runs == [False, False, True]
    return bank


def found(bank, orders=ORDERS):
    return str(grade(SOME_RUN, [booked_once(bank, orders)]))


def test_with_a_key_each_order_is_booked_once():
    assert "all 24 were" in found(paid(lambda order: order.order_id))


def test_without_a_key_orders_are_booked_again():
    assert "N00001 was booked 3 times, expected once" in found(paid(lambda order: None))


def test_with_the_same_key_for_all_nothing_is_booked_after_the_first():
    assert "N00002 was booked 0 times" in found(paid(lambda order: "key"))


def test_payments_of_others_are_found():
    assert "1 more payments were booked" in found(paid(lambda order: order.order_id), ORDERS[:-1])


@pytest.mark.parametrize("bank", [None, Bank()])
def test_a_bank_that_never_broke_proves_nothing(bank):
    assert "the connection did not break twice" in found(bank)


def test_the_bank_knows_what_is_paid_also_where_its_answer_was_lost():
    bank = Bank()
    with record(clock="virtual"):
        assert not pay(bank, ORDERS, lambda order: None)
        assert [bank.is_paid(order.order_id) for order in ORDERS[11:15]] == [True, True, False, False]


def test_one_by_one_takes_the_time_of_all_calls_also_of_those_that_are_repeated():
    assert paid_one_by_one(ORDERS).makespan_s == pytest.approx((13 + 9 + 24) * 0.05)


def test_the_chart_has_a_line_for_each_number_of_workers():
    with record(clock="virtual"):
        stream_graph(windows=2, max_workers=2).run(shared := {"events": EventStream(20)})
    ax = lag_chart({2: shared["stream_result"], 4: shared["stream_result"]}, rush=(1, 2))
    assert [line.get_label() for line in ax.get_lines()] == ["2 workers", "4 workers"]
    assert ax.get_lines()[0].get_xdata().tolist() == [1.0, 2.0]
    plt.close(ax.figure)


def one_after_the_other(coming):
    return [answer(request) for request in coming if request.kind == "short"]


def with_six_workers(coming):
    with ThreadPoolExecutor(6) as pool:
        return [each.result() for each in [pool.submit(answer, request) for request in coming]]


def test_requests_come_in_order_and_all_are_answered():
    answers, trace = run_day(with_six_workers)
    assert answers == list(range(392))
    assert [len(trace.where(name=kind)) for kind in ("short", "long")] == [360, 32]


def test_a_request_that_is_answered_at_once_does_not_wait():
    _, trace = run_day(one_after_the_other)
    assert grade(trace, [waits_at_most(0, "short")]).passed


def test_the_wait_is_that_of_so_many_of_100_and_is_shown_where_it_was():
    waits = make_trace(*(bar("short", "t-1", at, at + 1, waited_s=at) for at in range(10)))
    assert grade(waits, [waits_at_most(8, "short", of_100=90)]).passed
    (found,) = grade(waits, [waits_at_most(8, "short")]).findings
    assert (found.is_met, found.reason, found.from_s, found.to_s) == (False, "100 of 100 waited at most 9.00 s", 0, 9)


def test_requests_that_were_not_answered_are_missed():
    (found,) = grade(make_trace(bar("short", "t-1", 0, 1, waited_s=0)), [waits_at_most(1, "long")]).findings
    assert (found.is_met, found.reason) == (False, "no long request was answered")


def test_transfers_keep_the_money_and_change_all_accounts():
    assert sum(l13.RIGHT.values()) == sum(l13.ACCOUNTS.values())
    accounts, transfers = l13.other_day()
    assert l13.settled(accounts, transfers) == l13.OTHER_RIGHT != accounts
    assert [name for name in l13.ACCOUNTS if l13.RIGHT[name] == l13.ACCOUNTS[name]] == []


def test_what_a_function_raises_is_its_result():
    error = l13.result_or_error(int, "a")
    assert type(error) is ValueError
    assert l13.result_or_error(int, "1") == 1


@pytest.mark.parametrize(
    ("bars", "is_met", "reason"),
    [
        (("book", "book"), True, "there were 2 bookings, and no branch failed"),
        (("book", "move"), False, "there were 1 bookings, and no branch failed"),
    ],
)
def test_bookings_are_counted_and_other_branches_are_not(bars, is_met, reason):
    trace = make_trace(*(bar(name, f"t-{number}", 0, 1) for number, name in enumerate(bars)))
    found = l13.booked(2).evaluate(trace)
    assert (found.is_met, found.reason) == (is_met, reason)


def test_a_booking_that_failed_does_not_count():
    trace = make_trace(bar("book", "t-1", 0, 1), bar("book", "t-2", 0, 1, status="error"))
    assert l13.booked(2).evaluate(trace).reason == "1 branches failed or never ended, the first is 'error'"


@pytest.mark.parametrize(
    ("found", "is_met", "reason"),
    [
        (dict(l13.RIGHT), True, "they are right"),
        ({**l13.RIGHT, "Bob": 7}, False, f"Bob has 7 and should have {l13.RIGHT['Bob']}"),
        ({}, False, f"Ada has None and should have {l13.RIGHT['Ada']}"),
        (None, False, "expected the accounts by name, got None"),
        (ValueError("no"), False, "it ended with an error: ValueError: no"),
    ],
)
def test_a_wrong_balance_is_told_with_the_right_one(found, is_met, reason):
    finding = l13.balances_are_right(found).evaluate(make_trace())
    assert (finding.is_met, finding.reason) == (is_met, reason)


def run_of(chunks, workers=2):
    with (
        kv.record(clock=kv.VirtualClock(dispatch_s=0.5)) as trace,
        kv.get_executor("process", workers) as executor,
    ):
        list(executor.imap(lambda chunk: kv.compute(sum(chunk)), chunks))
    return trace


def test_the_costs_of_a_chunk_size_add_up_to_the_makespan():
    one, two = run_of([[1], [1], [1]]), run_of([[1, 1], [1]])
    assert l13.chunk_costs(one, 2) == pytest.approx((1.5, 0.75, 0.75))
    assert l13.chunk_costs(two, 2) == pytest.approx((1.5, 0.5, 0.5))
    for trace in (one, two):
        assert sum(l13.chunk_costs(trace, 2)) == pytest.approx(trace.makespan_s)


def test_the_chunk_curve_has_a_point_for_each_size_and_names_the_best():
    runs = {1: run_of([[1], [1], [1]]), 2: run_of([[1, 1], [1]])}
    ax = l13.chunk_curve(runs, 2)
    assert ax.lines[0].get_xydata().tolist() == [[1, 3.0], [2, 2.5]]
    assert ax.get_title(loc="left") == "The best chunk here has 2 items"
    assert "makespan" in str(kv.describe(ax))


def test_the_curves_of_the_laws_go_through_points_that_follow_them():
    ax = l13.law_curves(0.5, {1: 1.0, 2: 4 / 3}, {1: 1.0, 2: 1.5})
    amdahl, same, gustafson, more = (line.get_xydata().tolist() for line in ax.lines)
    assert [amdahl[0], amdahl[1]] == same == [[1, 1.0], [2, pytest.approx(4 / 3)]]
    assert [gustafson[0], gustafson[1]] == more == [[1, 1.0], [2, 1.5]]


CUSTOMER = shop.new_customers[0]

PRICED = [SimpleNamespace(country="DE", net_cents=cents) for cents in (250, 350)]

FACTS = {("profile", "C1"): {"plan": "basic"}, ("profile", "C2"): None, ("social", "C1"): {"followers": 3}}


class Ask(ParallelBatchNode):
    def prep(self, shared):
        return shop.SERVICES

    def exec(self, service):
        return shop.ask(service, CUSTOMER["customer_id"])

    def post(self, shared, services, answers):
        shared["answers"] = answers


def test_services_are_open_during_a_run_only():
    shared, _ = shop.run(Graph(start=Ask(max_workers=3)))
    assert len(shared["answers"]) == len(shop.SERVICES)
    with pytest.raises(RuntimeError, match="use threads for this part"):
        shop.ask("social", CUSTOMER["customer_id"])


def test_a_service_that_hangs_gives_no_answer():
    shared, trace = shop.run(Graph(start=Ask(max_workers=3)), hang_rate=1.0)
    social = shared["answers"][shop.SERVICES.index("social")]
    assert (social, trace.makespan_s >= shop.PATIENCE_S) == (None, True)


@pytest.mark.parametrize(
    ("panel", "numbers"), list(zip(shop.PANELS, [{"DE": 6}, {"basic": 1}, {1: 2, 0: 1}], strict=True)), ids=shop.PANELS
)
def test_a_panel_counts_only_what_is_there(panel, numbers):
    shared = {"priced": [None, *PRICED], "facts": FACTS, "findings": [["a remark"], [], ["another"]]}
    with record(clock="virtual"):
        assert shop.count_panel(panel, shared) == numbers


def test_the_longest_branch_of_a_name_counts():
    goal = shop.none_longer_than(1, "ask")
    assert grade(make_trace(bar("ask", "t-1", 0, 1), bar("other", "t-1", 1, 9)), [goal]).passed
    (found,) = grade(make_trace(bar("ask", "t-1", 0, 1), bar("ask", "t-2", 1, 4)), [goal]).findings
    assert (found.is_met, found.reason, found.from_s, found.to_s) == (False, "the longest took 3.00 s", 1, 4)
    assert not grade(make_trace(bar("other", "t-1", 0, 1)), [goal]).passed


def run_shop(orders, **options):
    with record(clock="virtual") as trace, open_shop(**options) as shop:
        stages = [
            Stage("check", shop.check, buffer=1), Stage("price", shop.price, buffer=1),
            Stage("enrich", shop.enrich, buffer=1), Stage("load", shop.load, buffer=1),
        ]  # fmt: skip
        PipelineNode(stages).run({"items": orders})
        return shop.store.rows(), trace


def test_each_order_becomes_a_row():
    rows, _ = run_shop(load_orders()[:5])
    assert [row.order_id for row in rows] == ["N00001", "N00002", "N00003", "N00004", "N00005"]
    assert (rows[4].city, rows[4].language) == ("El Paso", "en")


def test_the_database_may_be_a_file_that_is_opened_again(tmp_path):
    run_shop(load_orders()[:2], database=tmp_path / "orders.db")
    rows, _ = run_shop(load_orders()[2:4], database=tmp_path / "orders.db")
    assert len(rows) == 4


def test_other_seeds_are_other_latencies():
    lengths = {run_shop(load_orders()[:3], latency_s=0.025, seed=seed)[1].makespan_s for seed in (1, 1, 2)}
    assert len(lengths) == 2


def test_with_room_for_one_there_is_one_order_in_each_stage_and_queue():
    _, trace = run_shop(load_orders()[:20])
    assert max_in_pipeline(trace) == 8
