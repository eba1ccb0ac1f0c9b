import uuid

from hypothesis import given
from hypothesis import strategies as st

from budget.domain.ids import Ids


@given(now=st.integers(0, 2**47 * 1000))
def test_an_id_is_a_uuid_of_version_7_that_tells_its_milliseconds(now):
    parsed = uuid.UUID(Ids().new(now))
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert parsed.int >> 80 == now // 1000


def test_ids_of_one_process_sort_as_they_were_made():
    ids = Ids()
    made = [ids.new(1_764_000_000_000_000 + at // 3) for at in range(5000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_the_same_noise_makes_the_same_ids():
    assert Ids(bytes).new(5) == Ids(bytes).new(5)
