"""Which package files an image shows: those of its layers that nothing hides, and those that links lead to. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from assay.inventory.formats import Parsed, apk, dpkg, format_of, osrelease
from assay.inventory.part import LayerPart
from assay.inventory.paths import LINKS_FOLLOWED_MAX
from assay.inventory.view import MergedView

#: Places at which one file is looked for even through links of the folders on its way.
PLACES = (dpkg.DATABASE, *apk.DATABASES, *osrelease.PLACES)

#: Files that links lead to and no part holds: for each layer, path -> the name under which it is to be read.
Asked = dict[int, dict[str, str]]


@dataclass(frozen=True, slots=True)
class SeenFile:
    """A package file that the image shows at `path`, in `layer`, which is of `format` and says `parsed`.

    `below` are what lower layers said at the same path in the same format, the lowest first.
    """

    path: str
    layer: int
    format: str
    parsed: Parsed
    below: tuple[tuple[int, Parsed], ...] = ()


class Gathering:
    """The package files of an image of these layers, bottom first: what it shows, and what is still to be asked for."""

    def __init__(self, parts: Sequence[LayerPart]) -> None:
        self.view = MergedView(parts)
        self.seen: list[SeenFile] = []
        self.asked: Asked = {}
        self._parts = parts
        #: What each layer says at each real path in each format, the lowest layer first.
        self._said: dict[tuple[str, str], list[tuple[int, Parsed]]] = {}
        for layer, part in enumerate(parts):
            for file in part.files:
                place = (self.view.place(layer, file.path), file.format)
                self._said.setdefault(place, []).append((layer, file.parsed))
        self._was_asked = [dict(part.asked) for part in parts]
        self._hard = [{link.path: link.target for link in part.links if link.hard} for part in parts]
        self._look_at_files()
        for path, layer in self._linked():
            self._follow(path, layer)
        self.seen.sort(key=lambda file: file.path)

    def _look_at_files(self) -> None:
        for (path, format_name), layers in self._said.items():
            layer, parsed = layers[-1]
            format_ = format_of(path)
            # A file read for the sake of a link is seen at the link's path alone.
            if format_ and format_name == format_.NAME and self.view.is_visible(layer, path, self.view.top):
                self.seen.append(SeenFile(path, layer, format_name, parsed, tuple(layers[:-1])))

    def _linked(self) -> Iterator[tuple[str, int]]:
        """The paths at which a package file may be reached over links, and the layer of the link there."""
        linked: dict[str, int] = dict.fromkeys(PLACES, 0)
        for layer, part in enumerate(self._parts):
            for link in part.links:
                path = self.view.place(layer, link.path)
                if format_of(path) and self.view.is_visible(layer, path, self.view.top):
                    linked[path] = layer
        shown = {file.path for file in self.seen}
        return ((path, layer) for path, layer in linked.items() if path not in shown)

    def _follow(self, path: str, layer: int) -> None:
        """Add the file that `path` leads to, or ask for it; nothing where it leads nowhere, as in the running image."""
        format_ = format_of(path)
        real = self.view.resolve(path, self.view.top, last=True)
        if format_ is None or real is None or (real != path and format_of(real) is format_):
            return  # a loop, or what is seen at its own path already
        top = self.view.top
        for _ in range(LINKS_FOLLOWED_MAX):
            held = self.view.holder(real, top)
            if held is None:
                return
            holder, spelled = held
            said = [parsed for at, parsed in self._said.get((real, format_.NAME), ()) if at == holder]
            if said:
                self.seen.append(SeenFile(path, max(layer, holder), format_.NAME, said[0]))
                return
            if spelled not in self._hard[holder]:
                if spelled not in self._was_asked[holder]:
                    self.asked.setdefault(holder, {})[spelled] = path
                return
            # A hard link is the file itself, whatever later layers do to the other name.
            real, top = self.view.place(holder, self._hard[holder][spelled]), holder
