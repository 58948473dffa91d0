"""Foreign text: whatever is sent as a statement, a scope or a token gives a value or a clear refusal, never a crash."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.clock import Instant, SetClock, Site
from assay.errors import Reason, Refused
from assay.iam.credentials import registry_tokens
from assay.iam.statements import check
from assay.iam.syntax import KEYWORDS, Statement
from assay.iam.words import Fault
from assay.secret import Secret
from assay.storage import Database, Store

MARKS = ("{", "}", "(", ")", ",", "=", "!=", "/", "//", "'a'", "''", "'", "/x*/", "ocid1.", "\x00", "é", "a:b")
WORDS = st.sampled_from((*sorted(KEYWORDS), *MARKS, "repos", "request.utc-timestamp", "target.repo.name"))


@given(st.one_of(st.text(max_size=300), st.lists(WORDS, max_size=40).map(" ".join)))
@settings(max_examples=1_500)
def test_any_text_is_a_statement_or_a_fault(text: str) -> None:
    found = check(text)
    assert isinstance(found, Statement | Fault)
    if isinstance(found, Statement):
        assert check(str(found)) == found


@given(st.text(max_size=200))
@settings(max_examples=500)
def test_any_text_is_scopes_or_refused(text: str) -> None:
    try:
        scopes = registry_tokens.scopes_of([text])
    except Refused:
        return
    assert len(scopes) <= registry_tokens.SCOPES_MAX
    assert registry_tokens.scopes_of([str(scope) for scope in scopes]) == scopes


@given(
    st.one_of(st.text(max_size=200), st.from_regex(r"[A-Za-z0-9_-]{0,60}\.[A-Za-z0-9_-]{0,60}\.[A-Za-z0-9_-]{0,60}"))
)
@settings(max_examples=500)
def test_no_text_but_ours_is_a_bearer_token(text: str) -> None:
    store = Store(Database("sqlite:////nowhere"), SetClock(Instant(0)), Site("oc1", "local"), Secret("key"))
    with pytest.raises(Refused) as caught:
        registry_tokens.redeem(store, Secret(text), "registry")
    assert caught.value.reason is Reason.NOT_AUTHENTICATED
