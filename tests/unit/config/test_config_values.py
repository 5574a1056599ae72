"""Values with a form of their own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.config.values import Listen, format_duration, parse_duration, parse_listen, parse_public_url, parse_store

SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@given(st.integers(0, 999_999_999))
def test_a_duration_survives_being_written(seconds: int) -> None:
    text = format_duration(seconds)
    assert parse_duration(text) == seconds
    assert len(text) <= len(f"{seconds}s")


@given(st.integers(0, 999_999_999), st.sampled_from(sorted(SECONDS)))
def test_a_duration_is_number_times_unit(number: int, unit: str) -> None:
    assert parse_duration(f"{number}{unit}") == number * SECONDS[unit]


@given(st.text() | st.integers() | st.floats() | st.booleans() | st.none())
def test_a_duration_is_read_or_refused_with_help(value: object) -> None:
    written = isinstance(value, str) and value[-1:] in SECONDS and value[:-1].isascii() and value[:-1].isdigit()
    if written and len(str(value)) <= 10:
        assert parse_duration(value) >= 0
    else:
        with pytest.raises(ValueError, match="for example 30s"):
            parse_duration(value)


@pytest.mark.parametrize(
    "text", ["", "s", "1", "1 h", "-1h", "1.5h", "1h30m", "٣s", "1H", " 1h", "1h\n", "9999999999s"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="write a whole number and its unit"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "listen"),
    [
        ("127.0.0.1:29330", Listen("127.0.0.1", 29330)),
        ("[::1]:1", Listen("::1", 1)),
        ("bridge.example.org:65535", Listen("bridge.example.org", 65_535)),
    ],
)
def test_where_to_listen(text: str, listen: Listen) -> None:
    assert parse_listen(text) == listen
    assert str(listen) == text


@pytest.mark.parametrize(
    "text",
    ["", "29330", ":29330", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:x", "::1:80", "[::1]", "[x]:1",
     "[127.0.0.1]:1", "a b:1", "a/b:1", "a:1:2", "127.0.0.1:٣", 29330, None],
)  # fmt: skip
def test_where_nobody_can_listen(text: object) -> None:
    with pytest.raises(ValueError, match="write HOST:PORT"):
        parse_listen(text)


def test_everywhere_is_reached_on_loopback() -> None:
    assert Listen("0.0.0.0", 1).reachable == Listen("127.0.0.1", 1)
    assert str(Listen("::", 1).reachable) == "[::1]:1"
    assert Listen("192.0.2.1", 1).reachable == Listen("192.0.2.1", 1)


@pytest.mark.parametrize("url", ["sqlite:///rialto.db", "sqlite:////var/lib/rialto.db", "sqlite:///data/x.db",
     "postgresql://rialto@db.example.org/rialto", "postgresql://u:p%40ss@[::1]:5432/x?sslmode=verify-full",
     "postgresql:///rialto?host=/run/postgresql"])  # fmt: skip
def test_stores(url: str) -> None:
    assert parse_store(url) == url


@pytest.mark.parametrize(
    "url",
    ["", "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///a?b", "sqlite+aiosqlite:///a", "mysql://x",
     "postgres://x", "postgresql+asyncpg://x", "postgresql://x", "postgresql://x:0/x", "postgresql://x:a/x",
     "postgresql://x/a b", "x", 7],
)  # fmt: skip
def test_no_stores(url: object) -> None:
    with pytest.raises(ValueError, match=r"sqlite:///rialto\.db"):
        parse_store(url)


@pytest.mark.parametrize("url", ["https://bridge.example.org", "http://127.0.0.1:8080/rialto", "https://[::1]:8443"])
def test_public_urls(url: str) -> None:
    assert parse_public_url(url) == url


@pytest.mark.parametrize(
    "url",
    ["", "x", "https://", "ftp://a", "https://a/", "https://a?b", "https://a#b", "https://u@a", "https://a:99999",
     "https://a b", "https://a\n", "https://[::1", "https://a:0", 3],
)  # fmt: skip
def test_no_public_urls(url: object) -> None:
    with pytest.raises(ValueError, match="write a URL"):
        parse_public_url(url)
