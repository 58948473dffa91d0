"""Reading one layer in one pass as its bytes arrive: digest, unpacking, walking, package files -> `LayerPart`.

This is the code that meets foreign bytes; it runs in a reader process, and holds one piece, one header and one package
file at a time, beside what it found.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from assay.errors import Refused
from assay.inventory.compression import SNIFFED_BYTES, Unpacker, unpacker_for
from assay.inventory.formats import Format, Parsed, format_of
from assay.inventory.limits import ReadLimits
from assay.inventory.part import LayerPart, Link, PackageFile, Problem
from assay.inventory.paths import Kind, PathSetMaker, ancestors, clean, parent, resolve
from assay.inventory.tarwalk import Member, MemberKind, TarWalker
from assay.oci import Digest

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
#: Aufs kept its own records under such names; runtimes leave them out.
_WHITEOUT_META = ".wh..wh."
#: No entry lies in a folder of this name, as names end at a zero byte.
_NO_FOLDER = "\0"
#: Folders that aren't hashed again for each entry in them.
_WAYS_REMEMBERED_MAX = 50_000


class LayerReading:
    """One layer being read: feed the blob's bytes in order, then finish. Nothing raises, whatever the bytes.

    `algorithm` is that of the digest to be computed; `asked` maps paths at which a file is wanted because a link leads
    there to the path under whose name it is to be read.
    """

    def __init__(
        self, *, algorithm: str = "sha256", limits: ReadLimits | None = None, asked: Mapping[str, str] | None = None
    ) -> None:
        self._limits = limits or ReadLimits()
        self._algorithm = algorithm
        self._asked = dict(asked or {})
        self._contents = _Contents(self._limits, self._asked)
        self._walker = TarWalker(self._contents, self._limits)
        self._blob_hash = hashlib.new(algorithm)
        self._diff_hash = hashlib.new("sha256")
        self._head = b""
        self._unpacker: Unpacker | None = None
        self._size = 0
        self._unpacked = 0
        self._fault = ""
        #: Whether the first bytes told that this is no layer.
        self.is_no_layer = False

    def feed(self, content: bytes) -> None:
        """The next bytes of the blob, any number of them."""
        self._size += len(content)
        self._blob_hash.update(content)
        if self._fault:
            return
        if self._unpacker is None:
            content = self._head + content
            if len(content) < SNIFFED_BYTES:
                self._head = content
                return
        self._read(content)

    def finish(self) -> LayerPart:
        """What the layer says, now that the blob has ended."""
        if not self._fault and self._unpacker is None:
            self._read(self._head)
        if not self._fault:
            try:
                if self._unpacker:
                    self._unpacker.finish()
                self._walker.finish()
            except Refused as fault:
                self._fault = fault.message
        found = self._contents
        problems = [Problem("", text) for text in (self._fault, *self._walker.remarks, *found.remarks()) if text]
        return LayerPart(
            digest=self._digest(self._algorithm, self._blob_hash.hexdigest()),
            size=self._size,
            diff_id=None if self._fault else self._digest("sha256", self._diff_hash.hexdigest()),
            unpacked=self._unpacked,
            members=self._walker.members,
            files=tuple(file for _, file in sorted(found.files.items())),
            links=tuple(link for _, link in sorted(found.links.items())),
            whiteouts=tuple(sorted(found.whiteouts)),
            opaques=tuple(sorted(found.opaques)),
            written=found.written.packed(),
            asked=tuple(sorted(self._asked.items())),
            problems=tuple(problems) + found.problems(),
        )

    def _digest(self, algorithm: str, encoded: str) -> Digest:
        return Digest(f"{algorithm}:{encoded}")

    def _read(self, content: bytes) -> None:
        try:
            if self._unpacker is None:
                self._unpacker, self._head = self._sniff(content), b""
            for piece in self._unpacker.feed(content):
                self._unpacked += len(piece)
                self._diff_hash.update(piece)
                self._hold_limits()
                self._walker.feed(piece)
        except Refused as fault:
            self._fault = fault.message

    def _sniff(self, head: bytes) -> Unpacker:
        try:
            return unpacker_for(head)
        except Refused:
            self.is_no_layer = True
            raise

    def _hold_limits(self) -> None:
        limits = self._limits
        if self._unpacked > limits.unpacked_bytes_max:
            raise Refused(f"It unpacks to more than the limit of {limits.unpacked_bytes_max:,} bytes.")
        if self._unpacked > limits.ratio_free_bytes and self._unpacked > self._size * limits.ratio_max:
            raise Refused(f"It unpacks to more than the limit of {limits.ratio_max} times its size.")


class _Contents:
    """The visitor of a layer's archive: keeps what a layer part holds."""

    def __init__(self, limits: ReadLimits, asked: Mapping[str, str]) -> None:
        self._limits = limits
        self._asked = asked
        self.files: dict[str, PackageFile] = {}
        self.links: dict[str, Link] = {}
        self.whiteouts: set[str] = set()
        self.opaques: set[str] = set()
        self.written = PathSetMaker()
        self._problems: dict[str, str] = {}
        self._remarks: dict[str, int] = {}
        self._packages = 0
        self._link_bytes = 0
        #: The folder of the last entry as written, and where it is.
        self._folder, self._real_folder = "", ""
        self._ways_written: set[str] = set()
        #: Paths of what is kept one by one and the folders on the way there: something may yet take their place.
        self._kept: set[str] = set()
        self._reading: tuple[str, str, Format, bool] | None = None

    def member(self, member: Member) -> int:
        """Note one entry; how much of its content is wanted."""
        self._reading = None
        folder, name = self._place(member.name)
        if not name:
            return 0
        path = f"{folder}/{name}" if folder else name
        if name.startswith(_WHITEOUT):
            self._whiteout(folder, name)
            return 0
        if path in self._kept:
            self._make_way(path, is_folder=member.kind is MemberKind.FOLDER)
        if member.kind is MemberKind.FOLDER:
            self._write(path, Kind.FOLDER)
            return 0
        self._write(path, Kind.FILE)
        as_path, format_ = path, format_of(path)
        if format_ is None and path in self._asked:
            as_path = self._asked[path]
            format_ = format_of(as_path)
        if member.kind is MemberKind.SYMLINK or (member.kind is MemberKind.HARD_LINK and format_):
            self._link(path, member)
        elif format_ and member.kind is MemberKind.FILE:
            wanted = min(member.size, format_.BYTES_MAX)
            self._reading = (path, as_path, format_, wanted == member.size)
            if not wanted:
                self.content(b"")  # the walker doesn't bring what is empty
            return wanted
        elif format_:
            self._problem(path, f"a {member.kind.value}, which isn't read")
        return 0

    def content(self, content: bytes) -> None:
        """Parse the wanted content of the last entry."""
        if self._reading is None:
            return
        path, as_path, format_, whole = self._reading
        parsed = format_.parse(as_path, content, whole=whole)
        left = self._limits.packages_max - self._packages
        if len(parsed.packages) > left:
            self._remark("files with packages beyond the limit of a layer")
            parsed = replace(parsed, packages=parsed.packages[:left])
        self._packages += len(parsed.packages)
        if len(self.files) >= self._limits.package_files_max:
            self._remark("package files beyond the limit of a layer are left out")
        elif parsed != Parsed():
            self.files[path] = PackageFile(path, format_.NAME, parsed)
            self._keep(path)

    def problems(self) -> tuple[Problem, ...]:
        """What isn't read at certain paths."""
        return tuple(Problem(path, text) for path, text in sorted(self._problems.items()))

    def remarks(self) -> tuple[str, ...]:
        """What isn't read at paths that aren't kept one by one."""
        return tuple(f"{text}: {count:,}" for text, count in self._remarks.items())

    def _place(self, name: str) -> tuple[str, str]:
        """Folder and name of an entry, without links on the way; no name when it is left out or is the root."""
        if len(name) > self._limits.path_bytes_max:
            self._remark("entries with longer paths than a path can be are left out")
            return "", ""
        path = clean(name)
        if path is None:
            self._remark("entries that lead outside the image are left out")
            return "", ""
        folder, _, name = path.rpartition("/")
        if folder != self._folder:
            real = resolve(folder, self._target, last=True) if self.links else folder
            if real is None:
                self._remark("entries behind a loop of links are left out")
                return "", ""
            self._folder, self._real_folder = folder, real
            self._ways(real)
        return self._real_folder, name

    def _target(self, path: str) -> str | None:
        link = self.links.get(path)
        return link.target if link and not link.hard else None

    def _ways(self, folder: str) -> None:
        if len(self._ways_written) > _WAYS_REMEMBERED_MAX:
            self._ways_written.clear()
        while folder and folder not in self._ways_written:
            self._ways_written.add(folder)
            self._write(folder, Kind.WAY)
            folder = parent(folder)

    def _write(self, path: str, kind: Kind) -> None:
        if self.written.count >= self._limits.paths_max:
            raise Refused(f"It has more than {self._limits.paths_max:,} paths.")
        self.written.add(path, kind)

    def _keep(self, path: str) -> None:
        self._kept.add(path)
        self._kept.update(ancestors(path))

    def _make_way(self, path: str, *, is_folder: bool) -> None:
        """Forget what earlier entries of this layer put at `path` and, unless it becomes a folder, below it."""
        if path in self.links:
            self._folder = _NO_FOLDER  # what was resolved through it has to be resolved anew
        below = f"{path}/"
        for kept in (self.files, self.links, self._problems):
            kept.pop(path, None)
            if not is_folder:
                for gone in [other for other in kept if other.startswith(below)]:
                    del kept[gone]

    def _link(self, path: str, member: Member) -> None:
        hard = member.kind is MemberKind.HARD_LINK
        target = clean(member.target) if hard else member.target
        if not target or len(target) > self._limits.path_bytes_max:
            return
        if hard:
            # It names an entry of the archive, whose path may go through links of this layer as any other.
            target = resolve(target, self._target, last=False)
        self._link_bytes += len(path) + len(target or "")
        if len(self.links) >= self._limits.links_max or self._link_bytes > self._limits.link_bytes_max:
            self._remark("links beyond the limit of a layer are left out")
        elif target:
            self.links[path] = Link(path, target, hard)
            self._folder = _NO_FOLDER
            self._keep(path)

    def _whiteout(self, folder: str, name: str) -> None:
        removed = name.removeprefix(_WHITEOUT)
        if len(self.whiteouts) + len(self.opaques) >= self._limits.whiteouts_max:
            self._remark("whiteouts beyond the limit of a layer are left out")
        elif name == _OPAQUE:
            self.opaques.add(folder)
        elif removed in ("", ".", ".."):
            self._remark("malformed whiteouts are left out")
        elif not name.startswith(_WHITEOUT_META):
            self.whiteouts.add(f"{folder}/{removed}" if folder else removed)

    def _problem(self, path: str, text: str) -> None:
        if len(self._problems) < self._limits.problems_max:
            self._problems[path] = text
            self._keep(path)
        else:
            self._remark("further files can't be read")

    def _remark(self, text: str) -> None:
        self._remarks[text] = self._remarks.get(text, 0) + 1
