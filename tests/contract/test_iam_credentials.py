"""Passwords, sessions, auth tokens, cluster tokens and bearer tokens on both databases, each with what must fail."""

from collections.abc import Callable

import pytest
from sqlalchemy import select

from assay.clock import DAY, HOUR, MINUTE, SECOND, SetClock
from assay.errors import Reason, Refused
from assay.iam import ANONYMOUS, Actor, PrincipalKind, Target, audit, permitted
from assay.iam.credentials import auth_tokens, cluster_tokens, passwords, registry_tokens, sessions
from assay.iam.identity import compartments, first_start, groups, policies, users
from assay.iam.identity.first_start import FirstStart
from assay.secret import Secret
from assay.storage import Store, metadata
from assay.storage.pages import encode_page

PASSWORD = Secret("correct horse battery")
HERE, THERE = "192.0.2.7", "198.51.100.9"
CLUSTER = "ocid1.cluster.oc1.local." + "c" * 60


@pytest.fixture
def made(store: Store) -> FirstStart:
    found = first_start.bootstrap(store)
    assert found is not None
    return found


@pytest.fixture
def admin(made: FirstStart) -> Actor:
    return Actor(users.principal_of(made.administrator), made.tenancy.ocid)


def refused(reason: Reason, act: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as caught:
        act()
    assert caught.value.reason is reason, caught.value
    return caught.value


def signed_in(store: Store, made: FirstStart) -> Secret:
    """The token of a session whose password was changed."""
    found = sessions.sign_in(store, "admin", made.secret, address=HERE)
    passwords.change(store, found.token, made.secret, PASSWORD, address=HERE)
    return found.token


def person(store: Store, admin: Actor, name: str) -> Actor:
    return Actor(users.principal_of(users.create(store, admin, name)), admin.tenancy)


def login_of(made: FirstStart, name: str = "admin") -> str:
    return f"{made.tenancy.namespace}/{name}"


def wrong(store: Store, name: str = "admin", address: str = HERE) -> Refused:
    return refused(
        Reason.NOT_AUTHENTICATED,
        lambda: sessions.sign_in(store, name, Secret("wrong password, sorry"), address=address),
    )


def everything_stored(store: Store) -> str:
    with store.database.read() as connection:
        return "\n".join(
            repr(tuple(row)) for table in metadata.sorted_tables for row in connection.execute(select(table))
        )


# Signing in.


def test_the_first_administrator_signs_in_and_may_do_nothing_before_the_password_is_changed(
    store: Store, made: FirstStart
) -> None:
    found = sessions.sign_in(store, "admin", made.secret, address=HERE)
    assert found.session.must_change_password
    refused(Reason.PASSWORD_CHANGE_NEEDED, lambda: sessions.resume(store, found.token).actor())
    passwords.change(store, found.token, made.secret, PASSWORD)
    actor = sessions.resume(store, found.token).actor(HERE, "request-1")
    assert users.listed(store, actor).items
    refused(Reason.NOT_AUTHENTICATED, lambda: sessions.sign_in(store, "admin", made.secret))
    assert not sessions.sign_in(store, "ADMIN", PASSWORD).session.must_change_password
    assert sessions.sign_in(store, login_of(made), PASSWORD).session.user == actor.principal.ocid


def test_wrong_names_passwords_and_blocked_users_get_one_answer(store: Store, made: FirstStart, admin: Actor) -> None:
    alice = users.create(store, admin, "alice")
    blocked = users.create(store, admin, "blocked")
    secret = passwords.reset(store, admin, blocked.ocid).password
    users.set_blocked(store, admin, blocked.ocid, blocked=True)
    answers = {
        wrong(store).message,
        wrong(store, "nobody").message,
        wrong(store, alice.name).message,
        wrong(store, "other/admin").message,
        refused(Reason.NOT_AUTHENTICATED, lambda: sessions.sign_in(store, "blocked", secret)).message,
    }
    assert answers == {"Name or password is wrong."}


def test_a_plain_name_does_not_do_where_there_are_several_tenancies(store: Store, made: FirstStart) -> None:
    first_start.create_tenancy(store, "other")
    refused(Reason.NOT_AUTHENTICATED, lambda: sessions.sign_in(store, "admin", made.secret))
    assert sessions.sign_in(store, login_of(made), made.secret).session.tenancy == made.tenancy.ocid


def test_after_five_failures_the_right_password_waits_five_minutes(
    store: Store, made: FirstStart, clock: SetClock
) -> None:
    assert wrong(store).advice == "4 more tries before a pause of 5 minutes."
    assert wrong(store).advice == "3 more tries before a pause of 5 minutes."
    wrong(store)
    assert wrong(store).advice == "1 more try before a pause of 5 minutes."
    assert wrong(store).advice == "Try again in 5 minutes."
    error = refused(Reason.TOO_MANY_REQUESTS, lambda: sessions.sign_in(store, "admin", made.secret, address=HERE))
    assert error.advice == "Try again in 5 minutes."
    # Somebody elsewhere with that name is not shut out by it.
    assert sessions.sign_in(store, "admin", made.secret, address=THERE)
    clock.advance(5 * MINUTE - SECOND)
    refused(Reason.TOO_MANY_REQUESTS, lambda: sessions.sign_in(store, "admin", made.secret, address=HERE))
    clock.advance(SECOND)
    assert wrong(store).advice == "Try again in 10 minutes."
    clock.advance(10 * MINUTE)
    assert sessions.sign_in(store, "admin", made.secret, address=HERE)
    assert wrong(store).advice == "4 more tries before a pause of 5 minutes."


def test_an_unknown_name_is_paused_as_a_known_one_is(store: Store, made: FirstStart) -> None:
    for _ in range(5):
        wrong(store, "nobody")
    refused(Reason.TOO_MANY_REQUESTS, lambda: sessions.sign_in(store, "nobody", PASSWORD, address=HERE))


def test_one_address_may_not_try_many_names(store: Store, made: FirstStart) -> None:
    for number in range(20):
        wrong(store, f"name{number}")
    refused(Reason.TOO_MANY_REQUESTS, lambda: sessions.sign_in(store, "admin", made.secret, address=HERE))
    assert sessions.sign_in(store, "admin", made.secret, address=THERE)


def test_failures_are_forgotten_after_an_hour_of_quiet(store: Store, made: FirstStart, clock: SetClock) -> None:
    for _ in range(4):
        wrong(store)
    clock.advance(HOUR + 1)
    assert wrong(store).advice == "4 more tries before a pause of 5 minutes."


def test_sign_ins_are_audited_with_those_that_failed(store: Store, made: FirstStart) -> None:
    wrong(store)
    wrong(store, "nobody")
    sessions.sign_in(store, "admin", made.secret, address=HERE)
    with store.database.read() as connection:
        columns = (audit.audit.c.outcome, audit.audit.c.principal_name, audit.audit.c.address)
        query = select(*columns).where(audit.audit.c.operation == "SignIn").order_by(audit.audit.c.id)
        assert [tuple(row) for row in connection.execute(query)] == [
            ("denied", "admin", HERE),
            ("done", "admin", HERE),
        ]


# Sessions.


def test_a_session_ends_when_it_is_idle_when_it_is_old_and_by_signing_out(
    store: Store, made: FirstStart, clock: SetClock
) -> None:
    token = signed_in(store, made)
    clock.advance(HOUR - SECOND)
    sessions.resume(store, token)
    clock.advance(HOUR - SECOND)
    sessions.resume(store, token)
    clock.advance(HOUR)
    refused(Reason.NOT_AUTHENTICATED, lambda: sessions.resume(store, token))

    token = sessions.sign_in(store, "admin", PASSWORD, lifetime=90 * MINUTE).token
    clock.advance(50 * MINUTE)
    sessions.resume(store, token)
    clock.advance(40 * MINUTE)
    refused(Reason.NOT_AUTHENTICATED, lambda: sessions.resume(store, token))

    token = sessions.sign_in(store, "admin", PASSWORD).token
    sessions.sign_out(store, token)
    refused(Reason.NOT_AUTHENTICATED, lambda: sessions.resume(store, token))
    refused(Reason.NOT_AUTHENTICATED, lambda: sessions.sign_out(store, token))


def test_a_session_ends_when_its_user_is_blocked_deleted_or_given_a_new_password(
    store: Store, made: FirstStart, admin: Actor
) -> None:
    for act in (
        lambda user: users.set_blocked(store, admin, user, blocked=True),
        lambda user: users.delete(store, admin, user),
        lambda user: passwords.reset(store, admin, user),
    ):
        user = users.create(store, admin, f"user{act.__code__.co_firstlineno}")
        token = sessions.sign_in(store, user.name, passwords.reset(store, admin, user.ocid).password).token
        sessions.resume(store, token)
        act(user.ocid)
        refused(Reason.NOT_AUTHENTICATED, lambda: sessions.resume(store, token))  # noqa: B023


def test_changing_the_password_ends_the_other_sessions_and_keeps_this_one(store: Store, made: FirstStart) -> None:
    token = signed_in(store, made)
    other = sessions.sign_in(store, "admin", PASSWORD).token
    passwords.change(store, token, PASSWORD, Secret("another battery staple"))
    sessions.resume(store, token)
    refused(Reason.NOT_AUTHENTICATED, lambda: sessions.resume(store, other))


def test_a_made_up_token_is_no_session(store: Store, made: FirstStart) -> None:
    token = signed_in(store, made)
    for text in ("", "x", token.reveal() + "x", token.reveal()[:-1], sessions.SESSION_PREFIX):
        refused(Reason.NOT_AUTHENTICATED, lambda: sessions.resume(store, Secret(text)))  # noqa: B023


# Passwords.


def test_a_password_is_changed_only_by_who_knows_it_and_only_to_a_good_one(store: Store, made: FirstStart) -> None:
    token = signed_in(store, made)
    refused(Reason.NOT_AUTHENTICATED, lambda: passwords.change(store, token, Secret("wrong"), Secret("x" * 20)))
    for weak in ("too short", "x" * 300, "aaaaaaaaaaaaaaaa", "adminadminadmin", PASSWORD.reveal()):
        refused(Reason.MALFORMED, lambda: passwords.change(store, token, PASSWORD, Secret(weak)))  # noqa: B023
    assert sessions.sign_in(store, "admin", PASSWORD)


def test_guessing_the_present_password_in_a_stolen_session_is_paused_too(store: Store, made: FirstStart) -> None:
    token = signed_in(store, made)
    for _ in range(5):
        refused(Reason.NOT_AUTHENTICATED, lambda: passwords.change(store, token, Secret("guess"), PASSWORD))
    refused(Reason.TOO_MANY_REQUESTS, lambda: passwords.change(store, token, PASSWORD, Secret("new and good one")))


def test_only_who_may_resets_a_password_and_the_new_one_works_once(
    store: Store, made: FirstStart, admin: Actor
) -> None:
    alice, bob = person(store, admin, "alice"), person(store, admin, "bob")
    refused(Reason.NOT_FOUND, lambda: passwords.reset(store, bob, alice.principal.ocid))
    one_time = passwords.reset(store, admin, alice.principal.ocid)
    assert sessions.sign_in(store, "alice", one_time.password).session.must_change_password


# Auth tokens.


def test_an_auth_token_logs_in_its_user_and_nobody_else(store: Store, made: FirstStart, admin: Actor) -> None:
    alice = person(store, admin, "alice")
    token = auth_tokens.create(store, alice, alice.principal.ocid, "push").token
    assert token is not None
    for login in ("alice", "Alice", "Default/alice", "oracleidentitycloudservice/alice"):
        found = auth_tokens.log_in(store, login_of(made, login), token)
        assert (found.principal, found.tenancy) == (alice.principal, admin.tenancy)
    for login in ("alice", login_of(made), login_of(made, "other/alice"), f"x{login_of(made, 'alice')}", "", "/"):
        refused(Reason.NOT_AUTHENTICATED, lambda: auth_tokens.log_in(store, login, token))  # noqa: B023
    for text in ("", token.reveal()[:-1], PASSWORD.reveal()):
        refused(
            Reason.NOT_AUTHENTICATED,
            lambda: auth_tokens.log_in(store, login_of(made, "alice"), Secret(text), address=THERE),  # noqa: B023
        )


def test_two_auth_tokens_are_the_most_and_lists_never_show_them(store: Store, made: FirstStart, admin: Actor) -> None:
    alice = person(store, admin, "alice")
    me = alice.principal.ocid
    first, second = (auth_tokens.create(store, alice, me, text) for text in ("a", "b"))
    refused(Reason.LIMIT_EXCEEDED, lambda: auth_tokens.create(store, alice, me, "c"))
    assert {(each.ocid, each.token) for each in auth_tokens.listed(store, alice, me)} == {
        (first.ocid, None),
        (second.ocid, None),
    }
    assert auth_tokens.update(store, alice, me, first.ocid, description="new").description == "new"
    auth_tokens.delete(store, alice, me, first.ocid)
    refused(Reason.NOT_FOUND, lambda: auth_tokens.delete(store, alice, me, first.ocid))
    assert auth_tokens.create(store, alice, me, "c").token != second.token


def test_nobody_reaches_another_ones_auth_tokens_without_a_statement(
    store: Store, made: FirstStart, admin: Actor
) -> None:
    alice, bob = person(store, admin, "alice"), person(store, admin, "bob")
    me = alice.principal.ocid
    token = auth_tokens.create(store, alice, me)
    refused(Reason.NOT_FOUND, lambda: auth_tokens.create(store, bob, me))
    refused(Reason.NOT_FOUND, lambda: auth_tokens.listed(store, bob, me))
    refused(Reason.NOT_FOUND, lambda: auth_tokens.delete(store, bob, me, token.ocid))
    refused(Reason.NOT_FOUND, lambda: auth_tokens.delete(store, bob, bob.principal.ocid, token.ocid))
    assert len(auth_tokens.listed(store, admin, me)) == 1


def test_an_auth_token_ends_with_its_time_its_deletion_and_its_user(
    store: Store, made: FirstStart, admin: Actor, clock: SetClock
) -> None:
    alice = person(store, admin, "alice")
    me = alice.principal.ocid

    def works(token: Secret | None) -> bool:
        assert token is not None
        try:
            return auth_tokens.log_in(store, login_of(made, "alice"), token).principal == alice.principal
        except Refused as refusal:
            return refusal.reason is not Reason.NOT_AUTHENTICATED

    short = auth_tokens.create(store, alice, me, lifetime=DAY)
    lasting = auth_tokens.create(store, alice, me, lifetime=None)
    assert works(short.token)
    clock.advance(DAY)
    assert (works(short.token), works(lasting.token)) == (False, True)
    users.set_blocked(store, admin, me, blocked=True)
    assert not works(lasting.token)
    users.set_blocked(store, admin, me, blocked=False)
    assert works(lasting.token)
    auth_tokens.delete(store, alice, me, lasting.ocid)
    assert not works(lasting.token)
    refused(Reason.MALFORMED, lambda: auth_tokens.create(store, alice, me, lifetime=0))


def test_wrong_auth_tokens_are_paused_without_touching_the_password(
    store: Store, made: FirstStart, admin: Actor
) -> None:
    token = auth_tokens.create(store, admin, admin.principal.ocid).token
    assert token is not None
    for _ in range(5):
        refused(Reason.NOT_AUTHENTICATED, lambda: auth_tokens.log_in(store, login_of(made), Secret("no"), address=HERE))
    refused(Reason.TOO_MANY_REQUESTS, lambda: auth_tokens.log_in(store, login_of(made), token, address=HERE))
    assert auth_tokens.log_in(store, login_of(made), token, address=THERE)
    assert sessions.sign_in(store, "admin", made.secret, address=HERE)


def test_the_answer_of_a_retry_token_never_shows_a_token_again(store: Store, made: FirstStart, admin: Actor) -> None:
    me = admin.principal.ocid
    first = auth_tokens.create(store, admin, me, "push", retry_token="t")
    again = auth_tokens.create(store, admin, me, "push", retry_token="t")
    assert again.ocid == first.ocid
    assert again.token is not None
    assert again.token.reveal() == "***"


def test_a_retry_token_does_not_give_again_what_goes_for_good_when_it_is_deleted(store: Store, admin: Actor) -> None:
    me = admin.principal.ocid
    group = groups.create(store, admin, "Ops").ocid
    token = auth_tokens.create(store, admin, me, "push", retry_token="t")
    member = groups.add_user(store, admin, me, group, retry_token="t")
    auth_tokens.delete(store, admin, me, token.ocid)
    groups.remove_user(store, admin, member.ocid)
    refused(Reason.RETRY_TOKEN_REUSED, lambda: auth_tokens.create(store, admin, me, "push", retry_token="t"))
    refused(Reason.RETRY_TOKEN_REUSED, lambda: groups.add_user(store, admin, me, group, retry_token="t"))
    assert auth_tokens.listed(store, admin, me) == ()
    assert groups.add_user(store, admin, me, group, retry_token="fresh").ocid != member.ocid


# Bearer tokens of the registry.


def scopes(*texts: str) -> tuple[registry_tokens.Scope, ...]:
    return registry_tokens.scopes_of(texts)


def test_a_bearer_token_says_who_came_for_which_scopes(store: Store, made: FirstStart, admin: Actor) -> None:
    token = auth_tokens.create(store, admin, admin.principal.ocid).token
    assert token is not None
    login = auth_tokens.log_in(store, login_of(made), token)
    asked = scopes("repository:ns/proj/app:pull,push repository:ns/web:pull")
    found = registry_tokens.redeem(store, registry_tokens.issue(store, login, asked, "registry"), "registry")
    assert (found.principal, found.tenancy, found.scopes) == (admin.principal, admin.tenancy, asked)
    assert found.covers(scopes("repository:ns/proj/app:push")[0])
    assert not found.covers(scopes("repository:ns/web:push")[0])
    assert not found.covers(scopes("repository:ns/other:pull")[0])
    assert found.actor().principal == admin.principal
    assert found.actor("ocid1.tenancy.other").principal == ANONYMOUS


def test_a_bearer_token_ends_with_its_time_and_with_its_credential(
    store: Store, made: FirstStart, admin: Actor, clock: SetClock
) -> None:
    created = auth_tokens.create(store, admin, admin.principal.ocid)
    assert created.token is not None
    login = auth_tokens.log_in(store, login_of(made), created.token)

    def bearer() -> Secret:
        return registry_tokens.issue(store, login, (), "registry", lifetime=MINUTE)

    token = bearer()
    clock.advance(MINUTE - SECOND)
    registry_tokens.redeem(store, token, "registry")
    clock.advance(SECOND)
    refused(Reason.NOT_AUTHENTICATED, lambda: registry_tokens.redeem(store, token, "registry"))
    token = bearer()
    auth_tokens.delete(store, admin, admin.principal.ocid, created.ocid)
    refused(Reason.NOT_AUTHENTICATED, lambda: registry_tokens.redeem(store, token, "registry"))


def test_a_bearer_token_is_good_for_its_service_unchanged_and_under_our_key(store: Store, made: FirstStart) -> None:
    token = registry_tokens.issue(store, None, scopes("repository:ns/app:pull"), "registry")
    assert registry_tokens.redeem(store, token, "registry").principal == ANONYMOUS
    refused(Reason.NOT_AUTHENTICATED, lambda: registry_tokens.redeem(store, token, "other"))
    head, body, mac = token.reveal().split(".")
    forged = ["e30." + body + "." + mac, f"{head}.{body[:-2]}AA.{mac}", f"{head}.{body}.", f"{head}.{body}"]
    # "alg": "none", with the rest as it was.
    forged.append(f"eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{body}.")
    forged.append(encode_page(store.page_key, ("user",), ("a", "b")))
    for text in forged:
        refused(Reason.NOT_AUTHENTICATED, lambda: registry_tokens.redeem(store, Secret(text), "registry"))  # noqa: B023
    other = Store(store.database, store.clock, store.site, Secret("another installation's key"))
    refused(Reason.NOT_AUTHENTICATED, lambda: registry_tokens.redeem(other, token, "registry"))


def test_a_bearer_token_gives_no_permission_by_itself(store: Store, made: FirstStart, admin: Actor) -> None:
    alice = person(store, admin, "alice")
    token = auth_tokens.create(store, alice, alice.principal.ocid).token
    assert token is not None
    login = auth_tokens.log_in(store, login_of(made, "alice"), token)
    bearer = registry_tokens.issue(store, login, scopes("repository:ns/app:pull"), "registry")
    policy = policies.create(store, admin, admin.tenancy, "p", ["allow any-user to read repos in tenancy"])

    def may_pull() -> bool:
        actor = registry_tokens.redeem(store, bearer, "registry").actor(admin.tenancy)
        with store.database.read() as connection:
            return permitted(connection, actor, "PullImage", Target(admin.tenancy), now=store.clock.now())

    assert may_pull()
    policies.delete(store, admin, policy.ocid)
    assert not may_pull()


@pytest.mark.parametrize("text", ["", "repository", "repository:a", ":a:pull", "repository:a b:pull", "Repository:a:x"])
def test_what_is_no_scope_is_refused(text: str) -> None:
    if text:
        refused(Reason.MALFORMED, lambda: registry_tokens.scopes_of([text]))
    else:
        assert registry_tokens.scopes_of([text]) == ()


def test_a_scope_may_name_a_host_with_a_port_and_each_action_counts_once() -> None:
    (found,) = scopes("repository:localhost:5000/ns/app:pull,push,pull")
    assert (found.name, found.actions) == ("localhost:5000/ns/app", ("pull", "push"))
    refused(Reason.MALFORMED, lambda: scopes(*["repository:a:pull"] * 21))


# Cluster tokens.


def test_a_cluster_is_known_by_its_token_and_may_what_a_statement_lets_it(
    store: Store, made: FirstStart, admin: Actor
) -> None:
    prod = compartments.create(store, admin, admin.tenancy, "prod")
    cluster = cluster_tokens.Cluster(CLUSTER, "prod-eu", prod.ocid)
    token = cluster_tokens.create(store, admin, cluster, "webhook").token
    assert token is not None
    login = cluster_tokens.log_in(store, token)
    assert (login.principal.kind, login.principal.ocid) == (PrincipalKind.CLUSTER, CLUSTER)
    actor = login.actor()

    def may(operation: str, **variables: str) -> bool:
        named = {name.replace("_", "."): value for name, value in variables.items()}
        target = Target(prod.ocid, variables=named)
        with store.database.read() as connection:
            return permitted(connection, actor, operation, target, now=store.clock.now())

    assert may("AdmitWorkload", target_cluster_id=CLUSTER)
    assert not may("AdmitWorkload", target_cluster_id=CLUSTER[:-1] + "d")
    assert not may("PullImage")
    text = f"Allow any-user to read repos in tenancy where request.user.id={CLUSTER}"
    policies.create(store, admin, admin.tenancy, "p", [text])
    assert may("PullImage")


def test_cluster_tokens_are_bounded_listed_deleted_and_expire(
    store: Store, made: FirstStart, admin: Actor, clock: SetClock
) -> None:
    cluster = cluster_tokens.Cluster(CLUSTER, "prod-eu", admin.tenancy)
    made_tokens = [cluster_tokens.create(store, admin, cluster, lifetime=DAY) for _ in range(5)]
    refused(Reason.LIMIT_EXCEEDED, lambda: cluster_tokens.create(store, admin, cluster))
    assert all(each.token is None for each in cluster_tokens.listed(store, admin, cluster))
    first, second = made_tokens[0].token, made_tokens[1].token
    assert first is not None
    assert second is not None
    cluster_tokens.delete(store, admin, made_tokens[0].ocid)
    refused(Reason.NOT_AUTHENTICATED, lambda: cluster_tokens.log_in(store, first))
    assert cluster_tokens.log_in(store, second)
    clock.advance(DAY)
    refused(Reason.NOT_AUTHENTICATED, lambda: cluster_tokens.log_in(store, second))
    nobody = person(store, admin, "nobody")
    refused(Reason.NOT_FOUND, lambda: cluster_tokens.create(store, nobody, cluster))
    refused(Reason.NOT_FOUND, lambda: cluster_tokens.listed(store, nobody, cluster))
    refused(Reason.NOT_FOUND, lambda: cluster_tokens.delete(store, nobody, made_tokens[1].ocid))
    with store.database.write() as connection:
        cluster_tokens.forget(connection, CLUSTER)
    assert cluster_tokens.listed(store, admin, cluster) == ()


def test_bearer_tokens_of_a_cluster_end_with_the_clusters_token(store: Store, made: FirstStart, admin: Actor) -> None:
    created = cluster_tokens.create(store, admin, cluster_tokens.Cluster(CLUSTER, "prod-eu", admin.tenancy))
    assert created.token is not None
    bearer = registry_tokens.issue(store, cluster_tokens.log_in(store, created.token), (), "registry")
    assert registry_tokens.redeem(store, bearer, "registry").principal.ocid == CLUSTER
    cluster_tokens.delete(store, admin, created.ocid)
    refused(Reason.NOT_AUTHENTICATED, lambda: registry_tokens.redeem(store, bearer, "registry"))


def test_no_secret_is_stored_in_clear(store: Store, made: FirstStart, admin: Actor) -> None:
    session = signed_in(store, made)
    alice = users.create(store, admin, "alice")
    one_time = passwords.reset(store, admin, alice.ocid)
    auth = auth_tokens.create(store, admin, alice.ocid, retry_token="t").token
    cluster = cluster_tokens.create(store, admin, cluster_tokens.Cluster(CLUSTER, "prod", admin.tenancy)).token
    assert auth is not None
    assert cluster is not None
    stored = everything_stored(store)
    for secret in (made.secret, PASSWORD, session, one_time.password, auth, cluster):
        assert secret.reveal() not in stored
