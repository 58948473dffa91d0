"""Synchronising with a bucket in a folder and behind an address: what is fetched, changed and refused."""

import zipfile
from collections.abc import Callable
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import pytest
from advisory_bucket import WebBucket, classes_of, content, packed, record, standing, synchronise, write_bucket

from assay.advisories import feeds, revisions
from assay.clock import SECOND, SetClock
from assay.errors import AssayError, Refused, Unavailable
from assay.iam import Actor, Principal, PrincipalKind
from assay.storage import Store


def config(source: Path | str, *ecosystems: str) -> feeds.FeedConfig:
    return feeds.FeedConfig("test", str(source), ecosystems or ("PyPI",))


def names(store: Store) -> set[str]:
    return {row[0] for row in standing(store)["versions"]}


def state(store: Store) -> feeds.FeedState:
    with store.database.read() as connection:
        (found,) = feeds.state(connection, store.clock.now())
    return found


def published(store: Store) -> int:
    with store.database.read() as connection:
        return revisions.published_revision(connection)


@pytest.mark.parametrize(("loose", "archive"), [(True, False), (False, True), (True, True)])
def test_a_feed_is_taken_in_from_loose_files_or_an_archive(
    store: Store, tmp_path: Path, loose: bool, archive: bool
) -> None:
    write_bucket(tmp_path, {"PyPI": [record("A"), record("B")]}, loose=loose, archive=archive)
    assert synchronise(store, config(tmp_path)) == 1
    assert names(store) == {"A", "B"}
    assert (state(store).advisories, state(store).revision, state(store).last_error) == (2, 1, "")


def test_a_feed_that_has_not_changed_makes_no_revision(store: Store, tmp_path: Path) -> None:
    write_bucket(tmp_path, {"PyPI": [record("A")]})
    synchronise(store, config(tmp_path))
    assert synchronise(store, config(tmp_path)) is None
    assert published(store) == 1


def test_ids_that_vanished_are_removed_and_revisions_have_no_gaps(store: Store, tmp_path: Path) -> None:
    write_bucket(tmp_path, {"PyPI": [record("A"), record("B")]})
    synchronise(store, config(tmp_path))
    write_bucket(tmp_path, {"PyPI": [record("B")]})
    assert synchronise(store, config(tmp_path)) == 2
    assert names(store) == {"B"}
    write_bucket(tmp_path, {"PyPI": [record("A"), record("B")]})
    assert synchronise(store, config(tmp_path)) == 3
    assert names(store) == {"A", "B"}


@pytest.mark.parametrize("kept_bytes", [0, 30])
def test_a_list_that_is_empty_or_cut_amid_a_line_takes_nothing_away(
    store: Store, tmp_path: Path, kept_bytes: int
) -> None:
    write_bucket(tmp_path, {"PyPI": [record("A"), record("B"), record("C")]})
    synchronise(store, config(tmp_path))
    listed = tmp_path / "PyPI" / "modified_id.csv"
    listed.write_bytes(listed.read_bytes()[:kept_bytes])
    with pytest.raises(Unavailable):
        synchronise(store, config(tmp_path))
    assert names(store) == {"A", "B", "C"}


@pytest.mark.parametrize("moved", ["2025-01-01T00:00:00Z", "2027-12-31T00:00:00Z", "0001-01-01T00:00:00Z"])
def test_another_date_in_either_direction_is_a_change(store: Store, tmp_path: Path, moved: str) -> None:
    future = record("FAR", modified="2099-01-01T00:00:00Z")
    write_bucket(tmp_path, {"PyPI": [record("A", fixed="2.0"), future]})
    synchronise(store, config(tmp_path))
    write_bucket(tmp_path, {"PyPI": [record("A", fixed="3.0", modified=moved), future]})
    assert synchronise(store, config(tmp_path)) == 2
    assert any("3.0" in row[4] for row in standing(store)["affected"] if row[0] == "A")
    assert synchronise(store, config(tmp_path)) is None


def test_a_new_date_on_the_same_words_is_noted_but_is_no_revision(store: Store, tmp_path: Path) -> None:
    write_bucket(tmp_path, {"PyPI": [record("A")]})
    synchronise(store, config(tmp_path))
    write_bucket(tmp_path, {"PyPI": [record("A", modified="2026-06-01T00:00:00Z")]})
    assert synchronise(store, config(tmp_path)) is None
    with WebBucket(tmp_path).serving() as web:
        # From another place all is listed anew, yet the dates are known: no record is fetched.
        assert synchronise(store, config(web.address)) is None
        assert [path for path, _ in web.requests] == ["/PyPI/modified_id.csv"]


def test_a_record_of_two_ecosystems_stays_until_both_have_dropped_it(store: Store, tmp_path: Path) -> None:
    both = record("A")
    write_bucket(tmp_path, {"PyPI": [both], "npm": [both]})
    synchronise(store, config(tmp_path, "PyPI", "npm"))
    write_bucket(tmp_path, {"PyPI": [], "npm": [both]})
    assert synchronise(store, config(tmp_path, "PyPI", "npm")) is None
    assert names(store) == {"A"}
    write_bucket(tmp_path, {"PyPI": [], "npm": []})
    assert synchronise(store, config(tmp_path, "PyPI", "npm")) == 2
    assert names(store) == set()


def test_an_ecosystem_that_is_no_longer_chosen_goes(store: Store, tmp_path: Path) -> None:
    write_bucket(tmp_path, {"PyPI": [record("A")], "npm": [record("B", ecosystem="npm")]})
    synchronise(store, config(tmp_path, "PyPI", "npm"))
    synchronise(store, config(tmp_path, "npm"))
    assert names(store) == {"B"}


def test_few_changes_are_fetched_one_by_one_and_lists_only_when_they_changed(store: Store, tmp_path: Path) -> None:
    records = [record(f"A-{n}") for n in range(250)]
    write_bucket(tmp_path, {"PyPI": records, "npm": []})
    with WebBucket(tmp_path).serving() as web:
        feed = config(web.address, "PyPI", "npm")
        synchronise(store, feed)
        assert [path for path, _ in web.requests] == ["/PyPI/modified_id.csv", "/npm/modified_id.csv", "/PyPI/all.zip"]
        web.requests.clear()
        synchronise(store, feed)
        assert web.requests == [("/PyPI/modified_id.csv", 304), ("/npm/modified_id.csv", 304)]
        web.requests.clear()
        write_bucket(tmp_path, {"PyPI": [*records[:-1], record("A-249", modified="2026-02-01T00:00:00Z", fixed="9")]})
        assert synchronise(store, feed) == 2
        assert web.requests == [
            ("/PyPI/modified_id.csv", 200),
            ("/npm/modified_id.csv", 304),
            ("/PyPI/A-249.json", 200),
        ]


def test_records_that_cannot_be_read_are_counted_and_stop_nothing(store: Store, tmp_path: Path) -> None:
    write_bucket(tmp_path, {"PyPI": [record("A"), record("B", fixed="2.0"), record("C")]})
    synchronise(store, config(tmp_path))
    broken = record("B", modified="2026-02-01T00:00:00Z", affected=[{"package": {"ecosystem": "PyPI", "name": 5}}])
    other = record("OTHER", modified="2026-02-01T00:00:00Z")
    write_bucket(tmp_path, {"PyPI": [record("A", modified="2026-02-01T00:00:00Z", fixed="3"), broken, other]})
    (tmp_path / "PyPI/OTHER.json").write_bytes(content(record("C")))
    assert synchronise(store, config(tmp_path)) == 2
    assert names(store) == {"A", "B"}
    assert any("2.0" in row[4] for row in standing(store)["affected"] if row[0] == "B")
    with store.database.read() as connection:
        refused = feeds.refused_records(connection, "test")
    assert [each.name for each in refused] == ["B", "OTHER"]
    assert "at `$.affected[0].package.name`" in refused[0].reason
    assert "holds the record C" in refused[1].reason
    assert state(store).refused == 2
    # They are not tried again until the feed lists them anew.
    assert synchronise(store, config(tmp_path)) is None
    good = [record(name, modified="2026-03-01T00:00:00Z", fixed="4") for name in ("A", "B")]
    write_bucket(tmp_path, {"PyPI": good})
    assert synchronise(store, config(tmp_path)) == 3
    assert (state(store).refused, names(store)) == (0, {"A", "B"})


def test_a_listed_record_that_is_nowhere_is_awaited_and_taken_when_it_comes(store: Store, tmp_path: Path) -> None:
    write_bucket(tmp_path, {"PyPI": [record("A"), record("LATE")]}, loose=False)
    whole = (tmp_path / "PyPI/all.zip").read_bytes()
    (tmp_path / "PyPI/all.zip").write_bytes(packed({"A.json": content(record("A"))}))
    assert synchronise(store, config(tmp_path)) == 1
    assert (names(store), state(store).awaited) == ({"A"}, 1)
    assert synchronise(store, config(tmp_path)) is None
    (tmp_path / "PyPI/all.zip").write_bytes(whole)
    assert synchronise(store, config(tmp_path)) == 2
    assert (names(store), state(store).awaited) == ({"A", "LATE"}, 0)


def test_a_bucket_of_loose_files_may_lack_one(store: Store, tmp_path: Path) -> None:
    write_bucket(tmp_path, {"PyPI": [record("A"), record("LATE")]}, archive=False)
    held = (tmp_path / "PyPI/LATE.json").rename(tmp_path / "held")
    assert synchronise(store, config(tmp_path)) == 1
    assert synchronise(store, config(tmp_path)) is None
    assert (names(store), state(store).awaited, state(store).last_error) == ({"A"}, 1, "")
    held.rename(tmp_path / "PyPI/LATE.json")
    assert synchronise(store, config(tmp_path)) == 2
    assert (names(store), state(store).awaited) == ({"A", "LATE"}, 0)


def test_an_archive_older_than_its_list_is_read_again_until_it_has_caught_up(store: Store, tmp_path: Path) -> None:
    new = record("A", modified="2026-05-01T00:00:00Z", fixed="5")
    write_bucket(tmp_path, {"PyPI": [record("A")]}, loose=False, dates={"A": new["modified"]})
    assert synchronise(store, config(tmp_path)) == 1
    assert (names(store), state(store).awaited) == ({"A"}, 1)
    (tmp_path / "PyPI/all.zip").write_bytes(packed({"A.json": content(new)}))
    assert synchronise(store, config(tmp_path)) == 2
    assert state(store).awaited == 0


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[60] ^= 0xFF
    path.write_bytes(bytes(data))


def without_most(path: Path) -> None:
    path.write_bytes(packed({"A-0.json": content(record("A-0"))}))


BROKEN: list[tuple[str, Callable[[Path], None], str]] = [
    ("all.zip", half, "cut off or damaged"),
    ("all.zip", flipped, "cut off or damaged"),
    ("all.zip", lambda path: path.write_bytes(b""), "cut off or damaged"),
    ("all.zip", lambda path: path.unlink(), "neither"),
    ("all.zip", without_most, "lacks 249 of the 250"),
    ("modified_id.csv", lambda path: path.unlink(), "no PyPI/modified_id.csv"),
    ("modified_id.csv", lambda path: path.write_text("A-0,2026-01-01T00:00:00Z\n"), "cannot be read: line 1"),
    ("modified_id.csv", lambda path: path.write_text("2026-01-01T00:00:00Z\n"), "cannot be read: line 1"),
    ("modified_id.csv", lambda path: path.write_text("2026-01-01T00:00:00Z,../x\n"), "cannot be read: line 1"),
    ("modified_id.csv", lambda path: path.write_text("2026-01-01T00:00:00Z,A\n2026-01-02T00:00:00Z,A\n"), "twice"),
    ("modified_id.csv", lambda path: path.write_bytes(b"\xff\xfe"), "cannot be read"),
    ("modified_id.csv", lambda path: path.write_text(""), "lacks 250 of the 250 ids"),
]


@pytest.mark.parametrize(("file", "damage", "message"), BROKEN, ids=[f"{row[0]}-{row[2][:16]}" for row in BROKEN])
def test_a_damaged_feed_is_refused_with_advice_and_changes_nothing(
    store: Store, clock: SetClock, tmp_path: Path, file: str, damage: Callable[[Path], None], message: str
) -> None:
    folder = tmp_path / "feed"
    write_bucket(folder, {"PyPI": [record(f"A-{n}") for n in range(250)]}, loose=False)
    feed = config(folder)
    synchronise(store, feed)
    before = standing(store)
    later = [record(f"A-{n}", modified="2026-02-01T00:00:00Z", fixed="3") for n in range(249)]
    write_bucket(folder, {"PyPI": [*later, record("NEW")]}, loose=False)
    damage(folder / "PyPI" / file)
    clock.advance(7200 * SECOND)
    with pytest.raises(Unavailable) as fault:
        synchronise(store, feed)
    assert message in fault.value.message
    assert standing(store) == before
    with store.database.read() as connection:
        assert (revisions.published_revision(connection), revisions.preparing_revision(connection)) == (1, None)
    shown = state(store)
    assert message in shown.last_error
    assert shown.next_run == clock.now() + 300 * SECOND
    assert shown.last_success == clock.now() - 7200 * SECOND


def test_most_of_a_list_may_go_when_someone_says_so(store: Store, tmp_path: Path) -> None:
    write_bucket(tmp_path, {"PyPI": [record(f"A-{n}") for n in range(250)]})
    feed = config(tmp_path)
    synchronise(store, feed)
    write_bucket(tmp_path, {"PyPI": [record("A-0")]})
    with pytest.raises(Unavailable, match="probably cut off") as fault:
        synchronise(store, feed)
    assert "assay feed refresh --accept-removals" in fault.value.advice
    assert not fault.value.may_pass
    operator = Actor(Principal(PrincipalKind.INSTALLATION, "operator"), "ocid1.tenancy.oc1..test")
    feeds.ask_refresh(store, operator, feed.name)
    with pytest.raises(Unavailable, match="probably cut off"):
        synchronise(store, feed)
    feeds.ask_refresh(store, operator, feed.name, accept_removals=True)
    synchronise(store, feed)
    assert names(store) == {"A-0"}
    # It was said of that one time.
    write_bucket(tmp_path, {"PyPI": [record(f"B-{n}") for n in range(250)]})
    synchronise(store, feed)
    write_bucket(tmp_path, {"PyPI": [record("B-0")]})
    with pytest.raises(Unavailable, match="probably cut off"):
        synchronise(store, feed)


def test_a_run_has_succeeded_only_once_readers_see_what_it_brought(store: Store, tmp_path: Path) -> None:
    write_bucket(tmp_path, {"PyPI": [record("A")]})
    feed = config(tmp_path)
    synchronise(store, feed, publish=False)
    assert (state(store).last_success, state(store).advisories, state(store).is_first_load) == (None, 1, True)
    with store.database.write() as connection:
        feeds.succeed(connection, feed.name, store.clock.now())
    assert (state(store).last_success, state(store).is_first_load) == (store.clock.now(), False)


def test_what_a_refusal_says_ends_as_a_sentence_does(store: Store, tmp_path: Path) -> None:
    write_bucket(tmp_path, {"PyPI": [record("A")]})
    (tmp_path / "PyPI" / "modified_id.csv").write_text("2026-01-01T00:00:00Z,../A\n")
    with pytest.raises(Unavailable) as fault:
        synchronise(store, config(tmp_path))
    assert ".." not in str(fault.value).replace("../A", "")


@pytest.mark.parametrize(("status", "may_pass"), [(400, False), (403, False), (429, True), (500, True), (503, True)])
def test_a_servers_refusal_is_final_unless_it_may_pass(
    store: Store, tmp_path: Path, status: int, may_pass: bool
) -> None:
    with WebBucket(tmp_path).serving() as web:
        web.answers["/PyPI/modified_id.csv"] = lambda handler: handler.send_error(status)
        with pytest.raises(Unavailable) as fault:
            synchronise(store, config(web.address))
        assert fault.value.may_pass is may_pass


def test_a_folder_or_a_list_that_is_not_there_will_not_come_by_asking_again(store: Store, tmp_path: Path) -> None:
    for folder in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(Unavailable) as fault:
            synchronise(store, config(folder))
        assert not fault.value.may_pass


def test_another_source_may_have_a_quite_different_list(store: Store, tmp_path: Path) -> None:
    write_bucket(tmp_path / "one", {"PyPI": [record(f"A-{n}") for n in range(250)]})
    write_bucket(tmp_path / "other", {"PyPI": [record("B")]})
    synchronise(store, config(tmp_path / "one"))
    assert synchronise(store, config(tmp_path / "other")) == 2
    assert names(store) == {"B"}


def test_a_body_that_ends_early_is_unavailable(store: Store, tmp_path: Path) -> None:
    write_bucket(tmp_path, {"PyPI": [record("A")]})
    with WebBucket(tmp_path).serving() as web:

        def answer(handler: SimpleHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.send_header("Content-Length", "1000")
            handler.end_headers()
            handler.wfile.write(b"2026-01-01T00:00:00Z,A\n")

        web.answers["/PyPI/modified_id.csv"] = answer
        with pytest.raises(Unavailable, match="did not give"):
            synchronise(store, config(web.address))


@pytest.mark.parametrize("status", [403, 500, 503])
def test_a_server_that_refuses_is_unavailable(store: Store, tmp_path: Path, status: int) -> None:
    with WebBucket(tmp_path).serving() as web:
        web.answers["/PyPI/modified_id.csv"] = lambda handler: handler.send_error(status)
        with pytest.raises(Unavailable, match=f"answered {status}"):
            synchronise(store, config(web.address))


def test_nobody_listening_is_unavailable(store: Store) -> None:
    with pytest.raises(Unavailable, match="did not give"):
        synchronise(store, config("http://127.0.0.1:1"))


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "https://127.0.0.1:1/x"])
def test_a_redirect_to_another_scheme_is_not_followed(store: Store, tmp_path: Path, target: str) -> None:
    with WebBucket(tmp_path).serving() as web:
        web.answers["/PyPI/modified_id.csv"] = _redirect(target)
        with pytest.raises(AssayError) as fault:
            synchronise(store, config(web.address))
    assert "redirect" in str(fault.value) or "did not give" in str(fault.value)
    assert "etc" not in names(store)


def test_a_redirect_on_the_same_scheme_is_followed_but_not_for_ever(store: Store, tmp_path: Path) -> None:
    write_bucket(tmp_path, {"PyPI": [record("A")]})
    with WebBucket(tmp_path).serving() as web:
        (tmp_path / "moved.csv").write_bytes((tmp_path / "PyPI/modified_id.csv").read_bytes())
        web.answers["/PyPI/modified_id.csv"] = _redirect(f"{web.address}/moved.csv")
        assert synchronise(store, config(web.address)) == 1
        web.answers["/moved.csv"] = _redirect(f"{web.address}/moved.csv")
        with pytest.raises(Unavailable, match="from place to place"):
            synchronise(store, config(web.address))


def _redirect(target: str) -> Callable[[SimpleHTTPRequestHandler], None]:
    def answer(handler: SimpleHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", target)
        handler.end_headers()

    return answer


@pytest.mark.parametrize("source", ["http://example.org", "ftp://example.org", "https://", "file:///tmp", ""])
def test_a_feed_cannot_have_such_a_source(source: str) -> None:
    with pytest.raises(Refused):
        config(source)


@pytest.mark.parametrize("ecosystems", [("Debian:12",), ("../etc",), ("PyPI", "PyPI"), ()])
def test_a_feed_cannot_have_such_ecosystems(ecosystems: tuple[str, ...]) -> None:
    with pytest.raises(Refused):
        feeds.FeedConfig(ecosystems=ecosystems)


def test_a_folder_that_does_not_exist_is_unavailable(store: Store, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="does not exist"):
        synchronise(store, config(tmp_path / "nowhere"))


def test_feeds_are_due_by_their_schedule_and_stale_after_three_of_their_intervals(
    store: Store, clock: SetClock, tmp_path: Path
) -> None:
    write_bucket(tmp_path, {"PyPI": [record("A")]})
    feed = config(tmp_path)
    feeds.configure(store, [feed])
    assert feeds.due(store) == (feed,)
    assert state(store).stale
    synchronise(store, feed)
    assert (feeds.due(store), state(store).stale) == ((), False)
    clock.advance(3600 * SECOND)
    assert feeds.due(store) == (feed,)
    clock.advance(7200 * SECOND)
    assert not state(store).stale
    clock.advance(1)
    assert state(store).stale
    feeds.configure(store, [])
    assert feeds.due(store) == ()
    assert names(store) == {"A"}


def test_the_carried_feed_shows_a_first_state_and_a_later_one(store: Store) -> None:
    feed = feeds.FeedConfig(source=feeds.CARRIED_FIRST)
    assert synchronise(store, feed) == 1
    assert (state(store).refused, state(store).awaited) == (0, 0)
    first = classes_of(store)
    assert first["CVE-2018-18074"] == {"PYSEC-2018-28"}
    assert synchronise(store, feeds.FeedConfig(source=feeds.CARRIED_LATER)) == 2
    later = classes_of(store)
    assert later["CVE-2018-18074"] == {"PYSEC-2018-28", "GHSA-x84v-xcm2-53pg"}
    assert later.keys() - first.keys() == {"CVE-2023-50447", "CVE-2024-47081"}


def test_a_zip_with_odd_members_gives_only_its_records(store: Store, tmp_path: Path) -> None:
    write_bucket(tmp_path, {"PyPI": [record("A")]}, loose=False)
    with zipfile.ZipFile(tmp_path / "PyPI/all.zip", "a") as archive:
        archive.writestr("README.txt", "hello")
        archive.writestr("UNLISTED.json", content(record("UNLISTED")))
    assert synchronise(store, config(tmp_path)) == 1
    assert names(store) == {"A"}


@pytest.mark.parametrize("loose", [True, False])
def test_a_record_that_unpacks_beyond_the_limits_is_refused_alone(store: Store, tmp_path: Path, loose: bool) -> None:
    size = 9 * 1024 * 1024 if loose else 5_000_000
    write_bucket(tmp_path, {"PyPI": [record("A"), record("BOMB")]}, loose=loose, archive=not loose)
    blown = b"{" + b" " * size + b"}"
    if loose:
        (tmp_path / "PyPI/BOMB.json").write_bytes(blown)
    else:
        (tmp_path / "PyPI/all.zip").write_bytes(packed({"A.json": content(record("A")), "BOMB.json": blown}))
    assert synchronise(store, config(tmp_path)) == 1
    assert (names(store), state(store).refused) == ({"A"}, 1)
    with store.database.read() as connection:
        assert "not read" in feeds.refused_records(connection, "test")[0].reason
