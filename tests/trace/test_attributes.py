"""What is kept of values from user code: short, plain, without secrets, and without calling it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pydantic import BaseModel, ValidationError

from kaygraph_viz.recording import record
from kaygraph_viz.trace.recorder import span
from kaygraph_viz.trace.row import describe_error, safe_attributes, safe_value, traceback_text


class Hostile:
    """Every way of being looked at is an error."""

    def _no(self, *args: Any) -> Any:
        raise AssertionError("was called back")

    __repr__ = __str__ = __len__ = __iter__ = __bool__ = __hash__ = __format__ = _no
    __eq__ = _no


SECRET = "hunter2"
SECRETS = [
    "password", "passwd", "db_password_old", "password2", "passphrase", "pwd", "userPass", "api_key", "apikey",
    "X-Api-Key", "access_key", "private-key", "SECRET", "client_secret", "auth_token", "Authorization",
    "authorisation", "Set-Cookie", "session_id", "credentials", "jwt", "bearer", "pw", "auth", "cookie", "session",
    "private_key", "accessKey", "XApiKey", "token", "tokens", "PGPASSWORD", "oauth_token", "csrftoken", "ssh-key",
]  # fmt: skip


@pytest.mark.parametrize("name", SECRETS)
def test_secret_looking_names_are_masked_at_any_depth(name):
    kept = safe_attributes({name: "hunter2", "headers": {name: "hunter2"}, "list": [{name: "hunter2"}]})
    assert "hunter2" not in json.dumps(kept)


@pytest.mark.parametrize(
    "name",
    [
        "city",
        "passenger",
        "author",
        "authors",
        "key",
        "monkey",
        "keyboard",
        "tokenizer",
        "tokenize",
        "max_tokens",
        "compass",
        "secretary",
        "sessions_count",
        "primary_key",
        "passed",
        "authentic",
        "cookies_method",
        "access_keyboard",
        "pwm",
    ],
)
def test_other_names_are_kept(name):
    assert safe_attributes({name: 1}) == {name: 1}


@pytest.mark.parametrize(
    "value",
    [
        f"https://ada:{SECRET}@example.com/",
        f"postgresql+psycopg://ada:{SECRET}@db/orders",
        "https://example.com/a?token=hunter2&page=1",
        "https://example.com/a?api_key=hunter2",
        "https://bucket.example.com/a?X-Amz-Signature=hunter2&X-Amz-Credential=hunter2",
        "Authorization: Bearer hunter2",
        '{"user": "ada", "password": "hunter2"}',
        '"{\\"password\\": \\"hunter2\\"}"',
        "login --password=hunter2",
        ["Authorization", "hunter2"],
        [(b"authorization", b"hunter2")],
        {b"password": "hunter2"},
        {"a": {"b": {"passphrase": "hunter2"}}},
        b"password=hunter2",
        "x" * 190 + f" https://ada:{SECRET}@example.com/",
    ],
    ids=str,
)  # fmt: skip
def test_a_credential_within_a_value_is_masked(value):
    assert "hunter2" not in json.dumps(safe_attributes({"value": value, "deep": [{"value": value}]}))


def test_fields_of_objects_are_not_read():
    @dataclass
    class Login:
        password: str

    class Model(BaseModel):
        password: str

    kept = safe_attributes({"a": Login("hunter2"), "b": Model(password="hunter2")})
    assert kept == {"a": "<Login>", "b": "<Model>"}


def test_credentials_in_an_error_are_masked():
    class Model(BaseModel):
        password: int

    with pytest.raises(ValidationError) as caught:
        Model(password="hunter2")
    for error in (caught.value, ValueError(f"https://a:{SECRET}@b/"), KeyError("{'password': 'hunter2'}")):
        assert "hunter2" not in describe_error(error)


def test_credentials_in_the_name_of_a_span_are_masked():
    with record() as trace, span(f"GET https://ada:{SECRET}@example.com/?token=hunter2"):
        pass
    assert trace.spans[0].name == "GET https://***@example.com/?token=***"


def test_a_value_is_never_called_back():
    kept = safe_attributes({"a": Hostile(), "b": [Hostile()], "c": {"d": Hostile()}, "e": {7: 1}})
    assert kept == {"a": "<Hostile>", "b": ["<Hostile>"], "c": {"d": "<Hostile>"}, "e": {"<int>": 1}}


def test_a_subclass_of_a_builtin_is_not_looked_into():
    class Text(str):
        def __getitem__(self, key):
            raise AssertionError("was called back")

    assert safe_value(Text("a")) == "<Text>"


def test_huge_values_are_cut():
    kept = safe_attributes({"text": "x" * 10**6, "list": list(range(10**6)), "int": 10**5000, "k" * 10**6: 1})
    assert len(json.dumps(kept)) < 1000


def test_a_list_that_contains_itself_ends():
    endless: list[Any] = []
    endless.append(endless)
    assert json.dumps(safe_value(endless))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner),
        max_leaves=50,
    )
)
def test_whatever_is_kept_is_plain_and_short(value):
    assert len(json.dumps(safe_value(value))) < 2_000_000


def test_hostile_attributes_do_not_hurt_a_span():
    with record() as trace, span("a", thing=Hostile(), password="hunter2") as made:
        made.set(other=Hostile(), token="hunter2")
    assert trace.spans[0].attributes == {
        "thing": "<Hostile>", "password": "***", "other": "<Hostile>", "token": "***",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["name", "kind", "self", "recorder"])
def test_an_attribute_may_be_called_anything(name):
    with record() as trace, span("a") as made:
        made.set(**{name: 1})
    assert trace.spans[0].attributes == {name: 1}


def test_an_error_whose_text_raises_is_described():
    class RudeError(Exception):
        def __str__(self):
            raise ValueError("no")

    assert describe_error(RudeError()) == "RudeError: <message could not be read>"


def test_an_error_that_hides_its_traceback_is_told_all_the_same():
    class SecretiveError(Exception):
        @property
        def __traceback__(self):
            raise ValueError("no")

    try:
        raise SecretiveError("cold tea")
    except SecretiveError as error:
        text = traceback_text(error)
    assert "test_an_error_that_hides_its_traceback" in text
    assert text.endswith("SecretiveError: cold tea\n")


def test_a_huge_error_text_is_cut():
    assert len(describe_error(ValueError("x" * 10**6))) == 500


def test_an_error_without_text_is_its_name():
    assert describe_error(KeyboardInterrupt()) == "KeyboardInterrupt"


def test_what_would_steer_a_terminal_or_cannot_be_sent_is_written_out_in_an_error():
    text = describe_error(ValueError("a\0b\u202ec\ud800\x1b[1m\nnext"))
    assert text == "ValueError: a\\x00b\\u202ec\\ud800\\x1b[1m\nnext"
    assert len(describe_error(ValueError("\0" * 500))) == 500
