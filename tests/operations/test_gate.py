"""How a request brings its key."""

import pytest

from budget.operations import gate


@pytest.mark.parametrize(
    ("headers", "secret"),
    [
        ({}, None),
        ({b"x-api-key": b"k"}, "k"),
        ({b"authorization": b"Bearer k"}, "k"),
        ({b"authorization": b"bearer  k "}, "k"),
        ({b"authorization": b"Basic YW5uOms="}, "k"),
        ({b"authorization": b"basic OmE6Yg=="}, "a:b"),
        ({b"authorization": b"Basic ????"}, ""),
        ({b"authorization": b"Basic /w=="}, ""),
        ({b"authorization": b"Digest k"}, None),
        ({b"authorization": b"Bearer other", b"x-api-key": b"k"}, "k"),
    ],
)
def test_the_key_is_found_where_it_may_stand(headers, secret):
    assert gate.given({"headers": list(headers.items())}) == secret
