"""Composition against a naive model that really applies each layer to a file system held in a dict."""

from dataclasses import dataclass, field

from hypothesis import given, reject, settings
from hypothesis import strategies as st
from inventory_layers import file, folder, hard_link, layer, metadata, opaque, symlink, whiteout

from assay.inventory import compose
from assay.inventory.formats import python
from assay.inventory.gather import Gathering

Entry = tuple[str, str, str]


class HasNoMeaning(Exception):
    """A path leads into a loop of links, or a layer says two things of one place: runtimes refuse that, or differ."""


@dataclass
class Disk:
    """Paths to ("file", text) or ("link", target) or ("folder", ""), with the rules by which runtimes unpack."""

    nodes: dict[str, tuple[str, str]] = field(default_factory=dict)

    def real(self, path: str, *, last: bool) -> str | None:
        """Where a path leads; None for a loop of links."""
        done: list[str] = []
        todo = path.split("/")[::-1]
        for _ in range(200):
            if not todo:
                return "/".join(done)
            part = todo.pop()
            if part in ("", "."):
                continue
            if part == "..":
                del done[-1:]
                continue
            kind, target = self.nodes.get("/".join([*done, part]), ("", ""))
            if kind == "link" and (todo or last):
                done = [] if target.startswith("/") else done
                todo += target.split("/")[::-1]
            else:
                done.append(part)
        return None

    def remove(self, path: str, *, itself: bool = True) -> None:
        for other in list(self.nodes):
            if other.startswith(f"{path}/") or not path or (itself and other == path):
                del self.nodes[other]

    def put(self, path: str, kind: str, text: str) -> None:
        above = path.split("/")[:-1]
        for depth in range(1, len(above) + 1):
            way = "/".join(above[:depth])
            if self.nodes.get(way, ("", ""))[0] != "folder":
                self.nodes[way] = ("folder", "")
        if not (kind == "folder" and self.nodes.get(path, ("", ""))[0] == "folder"):
            self.remove(path)
            self.nodes[path] = (kind, text)

    def apply(self, entries: list[Entry]) -> None:
        # image-spec: whiteouts apply to lower layers alone, wherever they stand in the archive. Shallow ones first:
        # a link that the layer removes leads nowhere any more.
        for kind, path, _ in sorted(entries, key=lambda entry: entry[1].count("/")):
            place = self.real(path, last=False)
            if place and kind == "whiteout":
                self.remove(place)
            if kind == "opaque" and (inside := self.real(f"{path}/x", last=False)):
                self.remove(inside.rpartition("/")[0], itself=False)
        own: dict[str, tuple[str, str]] = {}
        linked: dict[str, tuple[str, str]] = {}
        for kind, path, text in entries:
            place = self.real(path, last=False)
            if place is None:
                raise HasNoMeaning
            if kind not in ("whiteout", "opaque") and (
                own.setdefault(place, (kind, path)) != (kind, path) or is_mixed(own)
            ):
                raise HasNoMeaning
            if place and kind in ("file", "folder", "link"):
                self.put(place, kind, text)
            elif place and kind == "hard":
                target = self.real(text, last=False) or ""
                linked[target] = self.nodes.get(target, ("file", ""))
                self.put(place, *linked[target])
            elif kind in ("whiteout", "opaque"):
                self.make_way(self.real(f"{path}/x" if kind == "opaque" else path, last=False))

        if any(self.nodes.get(target, node) != node for target, node in linked.items()):
            raise HasNoMeaning

    def make_way(self, path: str | None) -> None:
        """The folder in which a whiteout lies comes into being with it."""
        if path and "/" in path:
            self.put(f"{path.rpartition('/')[0]}/.wh", "file", "")
            del self.nodes[f"{path.rpartition('/')[0]}/.wh"]

    def packages(self) -> set[tuple[str, str]]:
        shown = set()
        for path, (kind, text) in self.nodes.items():
            if not python.wants(path) or kind == "folder":
                continue
            if kind == "link":
                target = self.real(path, last=True)
                if target is None or python.wants(target):
                    continue
                kind, text = self.nodes.get(target, ("", ""))
            if kind == "file" and text:
                shown.add((path, text))
        return shown


def is_mixed(own: dict[str, tuple[str, str]]) -> bool:
    """Whether a layer puts something below what it says is no folder."""
    return any(
        other.startswith(f"{place}/")
        for place, (kind, _) in own.items()
        if kind in ("file", "hard", "link")
        for other in own
    )


def raw(entry: Entry) -> bytes:
    kind, path, text = entry
    if kind == "file":
        return file(path, metadata(text, "1") if text else "plain")
    return {"folder": folder, "whiteout": whiteout, "opaque": opaque}.get(kind, lambda path: b"")(path) or {
        "link": symlink, "hard": hard_link,
    }[kind](path, text)  # fmt: skip


def is_tidy(entries: list[Entry]) -> bool:
    """Whether the layer says one thing however it is read: no two kinds at a path, nothing below a file, no whiteout
    through a link of its own, no hard link to what the layer writes again."""
    own = [(kind, path) for kind, path, _ in entries if kind not in ("whiteout", "opaque")]
    solid = {path for kind, path in own if kind in ("file", "hard", "link")}
    folders = {path for kind, path in own if kind == "folder"}
    links = {path for kind, path in own if kind == "link"}
    below = {path[:at] for kind, path in own for at, sign in enumerate(path) if sign == "/"}
    marked = {
        f"{path}/x"[:at]
        for kind, path, _ in entries
        if kind in ("whiteout", "opaque")
        for at, sign in enumerate(f"{path}/x")
        if sign == "/"
    }
    targets = {text for kind, _, text in entries if kind == "hard"}
    after = [(entry, {later[1] for later in entries[at:]}) for at, entry in enumerate(entries)]
    return (
        not solid & folders
        and not (solid - links) & (below | marked)
        and not links & (marked | below)
        and not any(text in paths_after for (kind, _, text), paths_after in after if kind == "hard")
        and len(links) == sum(kind == "link" for kind, _ in own)
        and not {path for kind, path, _ in entries if kind == "hard"} & targets
        and not targets & links
    )


place = st.lists(st.sampled_from(["a", "b", "c"]), max_size=2).map("/".join)
package = st.tuples(place, st.sampled_from(["p", "q"])).map(
    lambda at: f"{at[0]}/{at[1]}.dist-info/METADATA".lstrip("/")
)
anywhere = st.one_of(package, place.filter(bool), package.map(lambda path: path.rpartition("/")[0]))
label = st.sampled_from(["", "one", "two", "three"])
target = st.tuples(st.sampled_from(["", "/", "../"]), anywhere).map("".join)
entries = st.lists(
    st.one_of(
        st.tuples(st.just("file"), package, label),
        st.tuples(st.just("file"), anywhere, label),
        st.tuples(st.just("folder"), anywhere, st.just("")),
        st.tuples(st.just("link"), anywhere, target),
        st.tuples(st.just("hard"), package, anywhere),
        st.tuples(st.just("whiteout"), anywhere, st.just("")),
        st.tuples(st.just("opaque"), place.filter(bool), st.just("")),
    ),
    max_size=6,
).filter(is_tidy)


@settings(max_examples=150)
@given(st.lists(entries, min_size=1, max_size=4))
def test_an_image_shows_what_unpacking_its_layers_leaves(layers: list[list[Entry]]) -> None:
    disk = Disk()
    try:
        for entry_list in layers:
            disk.apply(entry_list)
    except HasNoMeaning:
        reject()
    raws = [b"".join(raw(entry) for entry in entry_list) for entry_list in layers]
    parts = [layer(content) for content in raws]
    for _ in range(8):
        asked = Gathering(parts).asked
        for at, names in asked.items():
            parts[at] = layer(raws[at], asked={**dict(parts[at].asked), **names})
        if not asked:
            break
    composition = compose(parts)
    assert {(seen.path, seen.component.name) for seen in composition.occurrences} == disk.packages()
    assert composition.components == frozenset().union(*composition.levels)
    assert sum(map(len, composition.levels)) == len(composition.components)
