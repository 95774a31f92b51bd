"""The shipped data, all in one place to import from.

Belongs here: the names. Does not belong here: reading the files (``customers``, ``places``, ``orders``, ``profiles``,
``speeches``), how they are made (the scripts and the README in ``data/``) and judging the records (``patterns``).

Every reader raises `DataError` when its file is missing or has other columns, and `OptionError` for a `limit` that is
no whole number of 0 or more. Lists and dictionaries are new at every call, so they may be changed freely.
"""

from __future__ import annotations

from kaygraph_viz.services.customers import (
    CUSTOMER_COLUMNS,
    REFERENCE_DATE,
    KeyEntry,
    load_customers,
    load_customers_key,
    load_domains,
)
from kaygraph_viz.services.files import data_path
from kaygraph_viz.services.orders import Order, OrderFault, OrderLine, load_orders, load_orders_key
from kaygraph_viz.services.places import City, Country, load_cities, load_countries
from kaygraph_viz.services.profiles import Company, Profile, SocialAccount, load_companies, load_profiles
from kaygraph_viz.services.speeches import Speech, load_speeches

__all__ = [
    "CUSTOMER_COLUMNS",
    "REFERENCE_DATE",
    "City",
    "Company",
    "Country",
    "KeyEntry",
    "Order",
    "OrderFault",
    "OrderLine",
    "Profile",
    "SocialAccount",
    "Speech",
    "data_path",
    "load_cities",
    "load_companies",
    "load_countries",
    "load_customers",
    "load_customers_key",
    "load_domains",
    "load_orders",
    "load_orders_key",
    "load_profiles",
    "load_speeches",
]
