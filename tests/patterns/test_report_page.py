"""The report page: answers are counted rightly and drawn, and missing ones are reported."""

from __future__ import annotations

from collections import Counter

import pytest

from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.course.patterns.report_page import SECTIONS, Section, draw_page, report_graph
from kaygraph_viz.course.patterns.sources import customer_sources
from kaygraph_viz.course.services.datasets import load_companies, load_customers, load_profiles
from kaygraph_viz.course.services.endpoints import ServiceSettings
from kaygraph_viz.course.services.server import serve
from kaygraph_viz.recording import record

CUSTOMERS = load_customers()[::20]
PNG = b"\x89PNG\r\n\x1a\n"


def reported(path, settings=None, customers=CUSTOMERS, **options):
    """Fetch and draw in simulated time; return the shared store and the trace."""
    with record(clock="virtual") as trace, serve(settings) as server, customer_sources(server.base_url) as sources:
        report_graph(sources, path, **options).run(shared := {"records": customers})
    return shared, trace.validate()


@pytest.fixture(scope="module")
def enriched(tmp_path_factory):
    return reported(tmp_path_factory.mktemp("report") / "page.png", max_workers=20)[0]["enriched_records"]


def panels(figure):
    """Return for each panel its title, the label of each bar with its length, and what stands below."""
    return [
        (
            axes.get_title(loc="left"),
            {
                label.get_text(): round(bar.get_width())
                for label, bar in zip(axes.get_yticklabels(), axes.patches, strict=True)
            },
            axes.get_xlabel(),
        )
        for axes in figure.axes
    ]


def section(title):
    return next(one for one in SECTIONS if one.title == title)


# -- what is counted ----------------------------------------------------------------------------------------------


def test_counts_are_those_of_the_tables(enriched):
    known = [profile for one in CUSTOMERS if (profile := load_profiles().get(one["customer_id"])) is not None]
    industries = Counter(load_companies()[one.company_id].industry for one in known if one.company_id)
    networks = Counter(account.network for one in known for account in one.accounts)
    assert section("Plans").counts(enriched) == Counter(one.plan for one in known)
    assert section("Industries of employers").counts(enriched) == industries
    assert section("Accounts in networks").counts(enriched) == networks
    assert section("Countries").counts(enriched).total() == sum("location" in one.facts for one in enriched)


def test_bars_are_the_counts_the_largest_first(enriched):
    for (title, bars, _), one in zip(panels(draw_page(enriched)), SECTIONS, strict=True):
        counts = one.counts(enriched)
        assert title == one.title
        assert bars == {word: counts[word] for word in bars}
        assert list(bars.values()) == sorted(counts.values(), reverse=True)[: len(bars)]
        assert len(bars) == min(8, len(counts))


# -- partial failure ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("executor", ["thread", "async"])
def test_service_that_is_down_costs_only_its_own_panel(tmp_path, executor):
    faults = {"company": ServiceSettings(failure_rate=1)}
    shared, _ = reported(tmp_path / "page.png", faults, CUSTOMERS[:10], executor=executor, max_workers=10)
    *others, (_, bars, below) = panels(draw_page(shared["enriched_records"]))
    assert (bars, below) == ({}, "0 of 10 answered, 10 unavailable")
    assert all(bars for _, bars, _ in others)
    assert shared["report_path"].read_bytes().startswith(PNG)


def test_panel_without_data_says_so():
    (axes, *_) = draw_page([]).axes
    assert [text.get_text() for text in axes.texts] == ["no data"]
    assert axes.get_xlabel() == "0 of 0 answered"


# -- the graph ----------------------------------------------------------------------------------------------------


def test_page_is_the_same_with_threads_and_coroutines(tmp_path):
    pages = [
        reported(tmp_path / f"{executor}-{workers}.png", max_workers=workers, executor=executor)[0]["report_path"]
        for executor, workers in [("thread", 2), ("thread", 8), ("async", 8)]
    ]
    assert len({page.read_bytes() for page in pages}) == 1


def test_page_is_drawn_after_the_last_answer(tmp_path):
    _, trace = reported(tmp_path / "page.png", customers=CUSTOMERS[:10], max_workers=10)
    (page,) = (span for span in trace.where(kind="node") if span.name == "ReportPageNode")
    assert page.started_ns >= max(span.ended_ns for span in trace.where(kind="branch"))


def test_folder_that_is_not_there_is_an_error_of_the_node(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        reported(tmp_path / "nowhere" / "page.png", customers=CUSTOMERS[:1])
    assert any("ReportPageNode" in note for note in caught.value.__notes__)


# -- drawing ------------------------------------------------------------------------------------------------------


def test_hostile_words_are_cut_and_inert(enriched, tmp_path):
    words = ["$\\nonsense$", "<script>", "a\x1b[31m\x00", "x" * 100_000]
    figure = draw_page(enriched[:1], [Section("$x$", "profile", lambda _: words)])
    figure.savefig(tmp_path / "page.png")
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["$\\nonsense$", "<script>", "a?[31m?", "x" * 21 + "…"]


@pytest.mark.parametrize("count", [0, 5])
def test_too_many_or_no_panels_are_refused(count):
    with pytest.raises(OptionError, match="sections must be 1 to 4 sections"):
        draw_page([], [SECTIONS[0]] * count)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_places_without_a_panel_stay_empty(enriched, count):
    figure = draw_page(enriched, SECTIONS[:count])
    assert [axes.axison for axes in figure.axes] == [True] * count + [False] * (4 - count)
