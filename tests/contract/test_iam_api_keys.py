"""API keys and requests signed with them, on both databases: who is let in, who is not, what is carried out once."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from request_signing import Client, KeyPair
from sqlalchemy import func, select

from assay.clock import DAY, MINUTE, SECOND, SetClock
from assay.errors import Reason, Refused
from assay.iam import Actor, audit, request_signature
from assay.iam.credentials import api_keys, signed_requests
from assay.iam.credentials.signed_requests import SignedRequest
from assay.iam.identity import compartments, first_start, policies, users
from assay.iam.identity.first_start import FirstStart
from assay.iam.records.api_keys import used_signature
from assay.iam.resources import State
from assay.storage import Store

HERE, THERE = "192.0.2.7", "198.51.100.9"
PAIR, OTHER, THIRD = KeyPair(), KeyPair(), KeyPair()


@pytest.fixture
def made(store: Store) -> FirstStart:
    found = first_start.bootstrap(store)
    assert found is not None
    return found


@pytest.fixture
def admin(made: FirstStart) -> Actor:
    return Actor(users.principal_of(made.administrator), made.tenancy.ocid)


@pytest.fixture
def me(admin: Actor) -> str:
    return admin.principal.ocid


@pytest.fixture
def client(store: Store, admin: Actor, me: str) -> Client:
    """The administrator with an uploaded key."""
    api_keys.upload(store, admin, me, PAIR.public_pem)
    return Client(PAIR, admin.tenancy, me)


def refused(reason: Reason, act: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as caught:
        act()
    assert caught.value.reason is reason, caught.value
    return caught.value


def signed(client: Client, now: int, method: str = "GET", target: str = "/n", body: bytes = b"") -> SignedRequest:
    headers = client.headers(method, target, now, body)
    return SignedRequest(method, target.encode(), [(n.encode(), v.encode()) for n, v in headers.items()], body)


def come(
    store: Store,
    client: Client,
    *,
    address: str = HERE,
    once: bool = False,
    method: str = "GET",
    target: str = "/n",
) -> Actor:
    """A request that is signed now and comes at once."""
    asked = signed(client, store.clock.now(), method, target)
    return signed_requests.authenticate(store, asked, once=once, address=address, request_id="r-1")


def denials(store: Store) -> list[str]:
    table = audit.audit.c
    query = select(table.reason).where(table.operation == signed_requests.OPERATION, table.outcome == "denied")
    with store.database.read() as connection:
        return list(connection.execute(query).scalars())


def person(store: Store, admin: Actor, name: str) -> Actor:
    return Actor(users.principal_of(users.create(store, admin, name)), admin.tenancy)


# Keys.


def test_a_key_is_shown_as_the_clients_know_it(store: Store, admin: Actor, me: str, clock: SetClock) -> None:
    made = api_keys.upload(store, admin, me, f"my laptop\n{PAIR.public_pem}OCI_API_KEY\n")
    assert made.key_id == f"{admin.tenancy}/{me}/{PAIR.fingerprint}"
    assert made.public_key == PAIR.public_pem
    assert made.lifecycle_state is State.ACTIVE
    assert made.time_expires == clock.now() + 365 * DAY
    assert api_keys.listed(store, admin, me) == (made,)


def test_three_keys_are_the_most_and_none_twice(store: Store, admin: Actor, me: str) -> None:
    for pair in (PAIR, OTHER, THIRD):
        api_keys.upload(store, admin, me, pair.public_pem)
    refused(Reason.EXISTS, lambda: api_keys.upload(store, admin, me, PAIR.public_pem))
    refused(Reason.LIMIT_EXCEEDED, lambda: api_keys.upload(store, admin, me, KeyPair().public_pem))
    api_keys.delete(store, admin, me, OTHER.fingerprint)
    assert {each.fingerprint for each in api_keys.listed(store, admin, me)} == {PAIR.fingerprint, THIRD.fingerprint}
    refused(Reason.NOT_FOUND, lambda: api_keys.delete(store, admin, me, OTHER.fingerprint))


def test_a_private_key_is_refused_and_nothing_of_it_is_repeated_or_kept(store: Store, admin: Actor, me: str) -> None:
    refusal = refused(Reason.MALFORMED, lambda: api_keys.upload(store, admin, me, PAIR.private_pem))
    assert "private key" in refusal.message
    for line in PAIR.private_pem.splitlines()[1:-1]:
        assert line not in str(refusal)
    assert api_keys.listed(store, admin, me) == ()


def test_keys_that_cannot_sign_requests_are_refused_with_what_to_do(store: Store, admin: Actor, me: str) -> None:
    curve = ec.generate_private_key(ec.SECP256R1()).public_key()
    cut = PAIR.public_pem.replace(PAIR.public_pem.splitlines()[3] + "\n", "")
    for text, says in (
        ("", "not one public key"),
        ("ssh-rsa AAAA alice", "not one public key"),
        (PAIR.public_pem + OTHER.public_pem, "not one public key"),
        (PAIR.public_pem + " " * 17_000, "not one public key"),
        (cut, "does not read"),
        (KeyPair(1024).public_pem, "1024 bits"),
        (curve.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(), "not of the kind RSA"),
    ):
        assert says in refused(Reason.MALFORMED, lambda text=text: api_keys.upload(store, admin, me, text)).message
    refused(Reason.MALFORMED, lambda: api_keys.upload(store, admin, me, PAIR.public_pem, lifetime=11 * 365 * DAY))


def test_people_look_after_their_own_keys_and_nobody_after_anothers(store: Store, admin: Actor, me: str) -> None:
    alice = person(store, admin, "alice")
    api_keys.upload(store, alice, alice.principal.ocid, PAIR.public_pem)
    assert len(api_keys.listed(store, alice, alice.principal.ocid)) == 1
    refused(Reason.NOT_FOUND, lambda: api_keys.listed(store, alice, me))
    refused(Reason.NOT_FOUND, lambda: api_keys.upload(store, alice, me, PAIR.public_pem))
    api_keys.upload(store, admin, me, OTHER.public_pem)
    refused(Reason.NOT_FOUND, lambda: api_keys.delete(store, alice, me, OTHER.fingerprint))
    # Not even under one's own name in the path.
    refused(Reason.NOT_FOUND, lambda: api_keys.delete(store, alice, alice.principal.ocid, OTHER.fingerprint))


def test_a_retry_token_finds_the_first_key_again(store: Store, admin: Actor, me: str) -> None:
    first = api_keys.upload(store, admin, me, PAIR.public_pem, retry_token="t-1")
    assert api_keys.upload(store, admin, me, PAIR.public_pem, retry_token="t-1") == first
    refused(Reason.RETRY_TOKEN_REUSED, lambda: api_keys.upload(store, admin, me, OTHER.public_pem, retry_token="t-1"))


def test_a_retry_token_does_not_give_again_a_key_that_was_deleted_since(store: Store, admin: Actor, me: str) -> None:
    first = api_keys.upload(store, admin, me, PAIR.public_pem, retry_token="t-1")
    api_keys.delete(store, admin, me, first.fingerprint)
    refused(Reason.RETRY_TOKEN_REUSED, lambda: api_keys.upload(store, admin, me, PAIR.public_pem, retry_token="t-1"))
    assert api_keys.listed(store, admin, me) == ()
    assert api_keys.upload(store, admin, me, PAIR.public_pem, retry_token="t-2").ocid != first.ocid


# Who signed.


def test_who_signs_with_an_uploaded_key_acts_as_its_user(store: Store, client: Client, admin: Actor) -> None:
    actor = come(store, client)
    assert (actor.principal, actor.tenancy) == (admin.principal, admin.tenancy)
    assert (actor.address, actor.request_id) == (HERE, "r-1")


def test_two_keys_hold_at_once_and_a_deleted_one_is_refused_at_once(
    store: Store, client: Client, admin: Actor, me: str
) -> None:
    api_keys.upload(store, admin, me, OTHER.public_pem)
    rotated = Client(OTHER, admin.tenancy, me)
    assert come(store, client).principal == come(store, rotated).principal == admin.principal
    api_keys.delete(store, admin, me, PAIR.fingerprint)
    refused(Reason.NOT_AUTHENTICATED, lambda: come(store, client))
    assert come(store, rotated).principal == admin.principal


def test_everything_that_is_wrong_with_a_key_gets_one_answer(
    store: Store, client: Client, admin: Actor, me: str, clock: SetClock
) -> None:
    alice = person(store, admin, "alice")
    of_alice = Client(OTHER, admin.tenancy, alice.principal.ocid)
    api_keys.upload(store, alice, alice.principal.ocid, OTHER.public_pem, lifetime=DAY)
    bob = person(store, admin, "bob")
    of_bob = Client(THIRD, admin.tenancy, bob.principal.ocid)
    api_keys.upload(store, bob, bob.principal.ocid, THIRD.public_pem)
    assert come(store, of_alice).principal == alice.principal
    assert come(store, of_bob).principal == bob.principal
    users.set_blocked(store, admin, bob.principal.ocid, blocked=True)
    clock.advance(DAY)
    now = store.clock.now()
    forged = client.headers("GET", "/n", now, signature=OTHER.signature("something else"))
    wrong = SignedRequest("GET", b"/n", [(n.encode(), v.encode()) for n, v in forged.items()], b"")
    cases = {
        "a wrong signature": wrong,
        "a key that has ended": signed(of_alice, now),
        "a blocked user": signed(of_bob, now),
        "a key of another user": signed(Client(PAIR, admin.tenancy, alice.principal.ocid), now),
        "a key that was never uploaded": signed(Client(THIRD, admin.tenancy, me), now),
        "an unknown user": signed(Client(PAIR, admin.tenancy, f"{me[:-4]}zzzz"), now),
        "another tenancy": signed(Client(PAIR, f"{admin.tenancy[:-4]}zzzz", me), now),
    }
    answers = {
        str(
            refused(
                Reason.NOT_AUTHENTICATED,
                # Each from an address of its own, so that none is paused.
                lambda asked=asked, number=number: signed_requests.authenticate(
                    store, asked, once=False, address=f"192.0.2.{number}"
                ),
            )
        )
        for number, asked in enumerate(cases.values())
    }
    assert len(answers) == 1


def test_a_signature_is_verified_in_every_case_so_that_the_work_tells_nothing(
    store: Store, client: Client, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified = []
    genuine = request_signature.is_genuine
    monkeypatch.setattr(request_signature, "is_genuine", lambda *given: verified.append(1) or genuine(*given))
    come(store, client)
    refused(Reason.NOT_AUTHENTICATED, lambda: come(store, Client(OTHER, admin.tenancy, "ocid1.user.oc1..nobody")))
    assert len(verified) == 2


def test_deleting_a_user_deletes_their_keys(store: Store, admin: Actor) -> None:
    alice = person(store, admin, "alice")
    api_keys.upload(store, alice, alice.principal.ocid, PAIR.public_pem)
    users.delete(store, admin, alice.principal.ocid)
    refused(Reason.NOT_AUTHENTICATED, lambda: come(store, Client(PAIR, admin.tenancy, alice.principal.ocid)))


def test_who_signs_may_do_what_the_statements_say_and_no_more(store: Store, admin: Actor) -> None:
    alice = person(store, admin, "alice")
    api_keys.upload(store, alice, alice.principal.ocid, PAIR.public_pem)
    actor = come(store, Client(PAIR, admin.tenancy, alice.principal.ocid))
    refused(Reason.NOT_FOUND, lambda: compartments.create(store, actor, actor.tenancy, "mine", ""))
    policies.create(
        store, admin, admin.tenancy, "all", ("allow any-user to manage compartments in tenancy",), "for this test"
    )
    assert compartments.create(store, actor, actor.tenancy, "mine", "").name == "mine"


# Once.


def test_a_request_that_changes_something_is_taken_once(store: Store, client: Client, clock: SetClock) -> None:
    asked = signed(client, clock.now(), "POST", "/20160918/users", b"{}")

    def again() -> Actor:
        return signed_requests.authenticate(store, asked, once=True, address=HERE)

    again()
    refusal = refused(Reason.WRONG_STATE, again)
    assert "not carried out twice" in refusal.message
    # From elsewhere, and up to the last moment at which its date is taken.
    clock.advance(5 * MINUTE)
    refused(Reason.WRONG_STATE, lambda: signed_requests.authenticate(store, asked, once=True, address=THERE))
    signed_requests.forget(store)
    refused(Reason.WRONG_STATE, again)
    clock.advance(SECOND)
    assert "off the server's clock" in refused(Reason.NOT_AUTHENTICATED, again).message
    assert denials(store) == ["The signed request had come before."] * 3


def test_of_many_copies_that_come_at_once_one_is_taken(store: Store, client: Client, clock: SetClock) -> None:
    asked = signed(client, clock.now(), "POST", "/20160918/users", b"{}")

    def take(_: int) -> str:
        try:
            signed_requests.authenticate(store, asked, once=True, address=HERE)
        except Refused as refusal:
            return refusal.reason
        return "taken"

    with ThreadPoolExecutor(8) as pool:
        assert Counter(pool.map(take, range(16))) == {"taken": 1, Reason.WRONG_STATE: 15}


def test_the_same_change_signed_in_the_next_second_is_another_request(
    store: Store, client: Client, clock: SetClock
) -> None:
    come(store, client, once=True, method="POST", target="/keys/k/actions/disable")
    refused(Reason.WRONG_STATE, lambda: come(store, client, once=True, method="POST", target="/keys/k/actions/disable"))
    clock.advance(SECOND)
    come(store, client, once=True, method="POST", target="/keys/k/actions/disable")


def test_reading_the_same_twice_in_a_second_is_nothing_unusual(store: Store, client: Client) -> None:
    assert come(store, client) == come(store, client)


def test_a_forged_request_takes_no_signature_away_from_its_owner(store: Store, client: Client, admin: Actor) -> None:
    asked = signed(client, store.clock.now(), "POST", "/n", b"{}")
    elsewhere = SignedRequest("POST", b"/m", asked.headers, b"{}")
    refused(Reason.NOT_AUTHENTICATED, lambda: signed_requests.authenticate(store, elsewhere, once=True, address=THERE))
    assert signed_requests.authenticate(store, asked, once=True, address=HERE).principal == admin.principal


def test_what_is_remembered_is_forgotten_when_the_date_alone_refuses_it(
    store: Store, client: Client, clock: SetClock
) -> None:
    def kept() -> int:
        with store.database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(used_signature)).scalar_one())

    come(store, client, once=True, method="POST")
    clock.advance(2 * MINUTE)
    come(store, client, once=True, method="POST")
    assert kept() == 2
    clock.advance(3 * MINUTE + SECOND)
    signed_requests.forget(store)
    assert kept() == 1
    clock.advance(2 * MINUTE)
    signed_requests.forget(store)
    assert kept() == 0


# Failing.


def test_after_five_failures_a_key_id_gets_a_pause_and_costs_no_more_rows(
    store: Store, client: Client, admin: Actor, me: str, clock: SetClock
) -> None:
    wrong = Client(OTHER, admin.tenancy, me)
    for _ in range(5):
        refused(Reason.NOT_AUTHENTICATED, lambda: come(store, wrong))
    pause = refused(Reason.TOO_MANY_REQUESTS, lambda: come(store, wrong))
    assert pause.retry_after == 300
    assert denials(store) == ["The request was not signed with a valid API key of the user."] * 5
    clock.advance(5 * MINUTE)
    refused(Reason.NOT_AUTHENTICATED, lambda: come(store, wrong))


def test_an_unknown_key_id_is_paused_as_a_known_one_is(store: Store, admin: Actor) -> None:
    nobody = Client(OTHER, admin.tenancy, "ocid1.user.oc1..nobody")
    for _ in range(5):
        refused(Reason.NOT_AUTHENTICATED, lambda: come(store, nobody))
    refused(Reason.TOO_MANY_REQUESTS, lambda: come(store, nobody))
    assert denials(store) == []


def test_one_address_may_not_try_many_key_ids(store: Store, admin: Actor) -> None:
    for number in range(20):
        refused(
            Reason.NOT_AUTHENTICATED, lambda n=number: come(store, Client(OTHER, admin.tenancy, f"ocid1.user..{n}"))
        )
    refused(Reason.TOO_MANY_REQUESTS, lambda: come(store, Client(OTHER, admin.tenancy, "ocid1.user..20")))
    refused(
        Reason.NOT_AUTHENTICATED,
        lambda: come(store, Client(OTHER, admin.tenancy, "ocid1.user..20"), address=THERE),
    )


def test_nobody_is_kept_out_by_others_who_fail_in_their_name(store: Store, client: Client, admin: Actor) -> None:
    for number in range(80):
        asked = signed(client, store.clock.now())
        forged = SignedRequest("GET", b"/forged", asked.headers, b"")
        address = HERE if number % 2 else f"198.51.100.{number}"
        with pytest.raises(Refused):
            signed_requests.authenticate(store, forged, once=False, address=address)
    # Neither from elsewhere nor from the very address.
    assert come(store, client, address=THERE).principal == admin.principal
    assert come(store, client, address=HERE).principal == admin.principal
