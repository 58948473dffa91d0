"""The merged file system of an image, as far as layer parts tell: what is visible, where links lead. Pure.

Source: image-spec, "layer" (changesets, whiteouts, opaque whiteouts). An upper layer hides a lower file when it has
anything at its path, a file or link at a folder on its way, a whiteout of either, or an opaque whiteout of a folder on
its way. An entry whose path goes through a lower layer's link (`lib/x` over `lib -> usr/lib`, with no entry for `lib`
itself) lands where the link leads, as containerd and umoci unpack it.
"""

from collections.abc import Iterator, Sequence

from assay.inventory.part import LayerPart, Link
from assay.inventory.paths import Kind, PathSet, key, parent, resolve

#: Links that one layer writes through; an ordinary layer writes through none.
ALIASES_MAX = 200


class MergedView:
    """Layers, bottom first, seen as one file system. Paths given and answered are real: no link is on their way."""

    def __init__(self, parts: Sequence[LayerPart]) -> None:
        self._sets = [PathSet(part.written) for part in parts]
        self._keys: dict[str, int] = {}
        self._covered: dict[tuple[int, str], bool] = {}
        #: For each real path of a symbolic link, the layers that have it there, top first.
        self._links: dict[str, list[tuple[int, Link]]] = {}
        #: For each layer, the links it writes through: as spelled there, and where they lead.
        self._aliases: list[list[tuple[str, str]]] = []
        self._whiteouts: list[frozenset[str]] = []
        self._opaques: list[frozenset[str]] = []
        self.top = len(parts) - 1
        for layer, part in enumerate(parts):
            self._aliases.append([])
            self._whiteouts.append(frozenset(part.whiteouts))
            self._opaques.append(frozenset(part.opaques))
            self._find_aliases(layer)
            self._covered.clear()
            self._whiteouts[layer] = frozenset(self.place(layer, path) for path in part.whiteouts)
            self._opaques[layer] = frozenset(parent(self.place(layer, f"{path}/x")) for path in part.opaques)
            for link in part.links:
                if not link.hard:
                    self._links.setdefault(self.place(layer, link.path), []).insert(0, (layer, link))

    def place(self, layer: int, path: str) -> str:
        """The real path of what `layer` spells `path`."""
        if any(path.startswith(f"{spelled}/") for spelled, _ in self._aliases[layer]):
            return self.resolve(path, layer, last=False) or path
        return path

    def resolve(self, path: str, top: int, *, last: bool) -> str | None:
        """The real path of `path` in the layers up to `top`; None for a loop of links."""
        return resolve(path, lambda at: self._target(at, top), last=last)

    def is_visible(self, layer: int, path: str, top: int, *, link: bool = False) -> bool:
        """Whether what `layer` has at `path` is still there under the layers up to `top`."""
        return not any(self._hides(above, path, link=link) for above in range(layer + 1, top + 1))

    def holder(self, path: str, top: int) -> tuple[int, str] | None:
        """The layer whose file (or link, or device) is at `path` in the layers up to `top`, and how it spells it."""
        for layer in range(top, -1, -1):
            for spelled in self._spellings(layer, path):
                kind = self._sets[layer].kind(self._key(spelled))
                if kind is Kind.FILE:
                    return layer, spelled
                if kind is not None:
                    return None
            if self._hides(layer, path):
                return None
        return None

    def _target(self, path: str, top: int) -> str | None:
        for layer, link in self._links.get(path, ()):
            if layer <= top:
                # Were this one hidden, whatever hides it would hide those of lower layers too.
                return link.target if self.is_visible(layer, path, top, link=True) else None
        return None

    def _find_aliases(self, layer: int) -> None:
        aliases = self._aliases[layer]
        found = bool(self._links) and self._sets[layer].has_ways
        while found and len(aliases) < ALIASES_MAX:
            found = False
            for path in self._links:
                if self._hides(layer, path, link=True):
                    continue  # removed by the very layer, so there is nothing to go through
                for spelled in list(self._spellings(layer, path)):
                    if self._sets[layer].kind(self._key(spelled)) is not Kind.WAY:
                        continue
                    real = self.resolve(path, layer - 1, last=True)
                    if real is not None and real != path and (spelled, real) not in aliases:
                        aliases.append((spelled, real))
                        found = True

    def _spellings(self, layer: int, path: str) -> Iterator[str]:
        """The paths by which `layer` may have written to the real `path`."""
        yield path
        for spelled, real in self._aliases[layer]:
            if path == real or not real or path.startswith(f"{real}/"):
                yield f"{spelled}/{path[len(real) :].lstrip('/')}".rstrip("/")

    def _hides(self, layer: int, path: str, *, link: bool = False) -> bool:
        """Whether `layer` hides a file, or a link, that a lower layer has at `path`."""
        if path in self._whiteouts[layer]:
            return True
        for spelled in self._spellings(layer, path):
            kind = self._sets[layer].kind(self._key(spelled))
            # Through a link one may write; through a file not, so it is gone.
            if kind is not None and not (link and kind is Kind.WAY):
                return True
            if self._covers(layer, parent(spelled)):
                return True
        return self._covers(layer, parent(path))

    def _covers(self, layer: int, folder: str) -> bool:
        """Whether `layer` hides all that lower layers have below `folder`."""
        asked: list[str] = []
        covered = self._covered.get((layer, folder))
        while covered is None:
            asked.append(folder)
            if folder in self._opaques[layer] or folder in self._whiteouts[layer]:
                covered = True
            elif not folder:
                covered = False
            elif self._sets[layer].kind(self._key(folder)) is Kind.FILE:
                covered = True
            else:
                folder = parent(folder)
                covered = self._covered.get((layer, folder))
        for known in asked:
            self._covered[layer, known] = covered
        return covered

    def _key(self, path: str) -> int:
        number = self._keys.get(path)
        if number is None:
            number = self._keys[path] = key(path)
        return number
