"""Which service is meant."""

from __future__ import annotations

import pytest

from kaygraph_viz.errors import OptionError
from kaygraph_viz.services.kinds import service_of
from kaygraph_viz.services.responses import Services
from kaygraph_viz.services.settings import ServiceSettings
from kaygraph_viz.services.text_service import TextService


def test_a_service_stays_what_it_is():
    service = TextService()
    assert service_of(service) is service


def test_settings_of_look_ups():
    assert isinstance(service_of({"social": ServiceSettings()}), Services)


def test_something_else_is_refused():
    with pytest.raises(OptionError):
        service_of(5)
