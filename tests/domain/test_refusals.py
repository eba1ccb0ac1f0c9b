from hypothesis import given
from hypothesis import strategies as st

from budget.domain import commands, refusals
from budget.domain.configuration import FOREVER
from budget.domain.refusals import Expiry, Limit, Refusal

NOW = 1000


def a_limit(used=0, held=0, asked=100, limit=100, end=FOREVER) -> Limit:
    return Limit(
        policy_id="p",
        version=1,
        period="daily",
        window="w",
        window_start=0,
        window_end=end,
        unit="tokens",
        limit=limit,
        used=used,
        held=held,
        asked=asked,
    )


class AnOutlook:
    """Holds that end, and windows that begin empty."""

    def __init__(self, expiries):
        self._expiries = list(expiries)

    def expiries(self, limit, without):
        return self._expiries

    def opens(self, limit):
        return limit.window_end

    def keeps_its_price(self, refusal, at):
        return True


def completed(*limits: Limit, expiries=()) -> Refusal:
    refusal = Refusal(code="c", message="m", limits=list(limits), operation="allocate", request={})
    refusals.complete(refusal, NOW, AnOutlook(expiries))
    return refusal


def test_it_fits_when_enough_holds_have_ended():
    refusal = completed(a_limit(held=90), expiries=[Expiry(5000, 30, 0), Expiry(3000, 60, 0)])
    assert refusal.retry_at == 5000


def test_it_fits_at_the_windows_end_at_the_latest():
    assert completed(a_limit(used=50, end=9000)).retry_at == 9000
    assert completed(a_limit(held=50, end=4000), expiries=[Expiry(5000, 50, 0)]).retry_at == 4000


def test_a_window_that_never_resets_cannot_be_waited_for():
    refusal = completed(a_limit(used=50))
    assert (refusal.retryable, refusal.retry_at, refusal.offers) == (False, None, [])


def test_more_than_the_limit_never_fits():
    assert not completed(a_limit(asked=101, end=9000)).retryable


def test_all_limits_must_let_it_pass():
    assert completed(a_limit(used=50, end=9000), a_limit(used=50, end=7000)).retry_at == 9000
    assert not completed(a_limit(used=50, end=9000), a_limit(used=50)).retryable


@given(fitting=st.integers(0, 10**6), least=st.integers(1, 10**6), asked=st.integers(1, 10**6))
def test_the_most_tokens_that_fit_are_found(fitting, least, asked):
    found = refusals.most_tokens(lambda tokens: tokens <= fitting, least, asked)
    wanted = min(fitting, asked - 1)
    assert found == (wanted if wanted >= least and least < asked else None)


@given(asked=st.integers(1, 1000), data=st.data())
def test_fewer_tokens_never_cut_the_input(asked, data):
    given_input = data.draw(st.none() | st.integers(0, asked))
    output = data.draw(st.none() | st.integers(0, asked - (given_input or 0)))
    command = commands.Allocate(
        context_id="c", component="a", tokens_allocated=asked, input_tokens=given_input, max_output_tokens=output
    )
    tokens = data.draw(st.integers(refusals.least_tokens(command), asked))
    fewer = refusals.with_fewer_tokens(command, tokens)
    assert fewer.input_tokens == given_input
    assert (fewer.input_tokens or 0) + (fewer.max_output_tokens or 0) <= fewer.tokens_allocated == tokens
    if output is not None and (given_input or 0) + output <= tokens:
        assert fewer.max_output_tokens == output
