"""The registry side by side with Debian's docker-registry, on the same machine and disk, in turns.

    make bench NAME=registry [SIZE=small] [ONLY="disk pulls pushes manifests small tags skopeo memory"] [SKOPEO=skopeo]

Where requests may be pinned, servers have the first core and the client the second; skopeo has all. CPU seconds are
those of the server process. Ratios are ours to theirs, of medians of rounds: `*_spread` has the lowest, the median and
the highest. `SIZE=small` measures the same with less, and its figures are worth as much less. Ends with one JSON line.
"""

import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

from benchmarks import registry_load, registry_servers
from benchmarks.registry_content import MANIFEST, ImageNoise, Noise, digest_of, manifest_of
from benchmarks.registry_load import Link, together
from benchmarks.registry_rounds import Compared, Rounds, Spread, Work
from benchmarks.registry_servers import Assay, Server

GB, MIB = 1e9, 1024 * 1024
CONNECTIONS = 16
TAGS_IN_ONE_PUSH = 50


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured. `pulls`, `pushes`: blobs in a round; `big_bytes`: a layer while memory is watched."""

    rounds: int
    blob_bytes: int
    pulls: int
    pushes: int
    image_bytes: int
    manifests: int
    small_blobs: int
    tags: int
    tag_lists: int
    big_bytes: int


SIZES = {
    "small": Size(3, 20_000_000, 48, 8, 50_000_000, 1_000, 100, 1_000, 40, 64 * MIB),
    "full": Size(5, 100_000_000, 128, 8, 500_000_000, 3_000, 400, 10_000, 100, 512 * MIB),
}


class Bench:
    """The measurements, and the figures that come of them."""

    def __init__(self, size: Size, folder: Path, ours: Assay, loose: Assay, peer: Server, token_peer: Server) -> None:
        self.size = size
        self.folder = folder
        self.ours, self.loose, self.peer, self.token_peer = ours, loose, peer, token_peer
        self.rounds = Rounds[Server](size.rounds)
        self.figures: dict[str, object] = {}
        self._fresh = count(1)

    def run(self, only: Collection[str]) -> dict[str, object]:
        """All of it, or some parts by name."""
        parts: dict[str, Callable[[], None]] = {
            "disk": self._disk,
            "pulls": self._pulls,
            "pushes": self._pushes,
            "manifests": self._manifests,
            "small": self._small_blobs,
            "tags": self._tags,
            "skopeo": self._skopeo,
            "memory": self._memory,
        }
        for name, measure in parts.items():
            if not only or name in only:
                measure()
        return self.figures

    def _disk(self) -> None:
        """What fsync costs on this disk, without any server."""
        took = {}
        for name, options in {"written": (), "synced": ("conv=fsync",)}.items():
            to = f"of={self.folder / 'dd'}"
            found = []
            for _ in range(self.size.rounds):
                os.sync()
                began = time.perf_counter()
                what = ["dd", "if=/dev/zero", to, "bs=1M", f"count={self.size.blob_bytes // MIB}", *options]
                subprocess.run(what, check=True, capture_output=True)
                found.append(time.perf_counter() - began)
            took[name] = statistics.median(found)
        self.figures["dd_seconds_a_blob"] = round(took["written"], 3)
        self.figures["dd_fsync_seconds_a_blob"] = round(took["synced"], 3)

    def _pulls(self) -> None:
        blob = Noise(self.folder, self.size.blob_bytes).fresh()
        for server in (self.ours, self.peer):
            with server.turn(), Link(server.port, server.headers("pulled")) as link:
                link.push(server.path("pulled"), blob)

        def prepare(clients: int, server: Server) -> Work:
            headers = server.headers("pulled")
            each = max(1, self.size.pulls // clients)
            path = f"{server.path('pulled')}/blobs/{blob.digest}"

            def one() -> None:
                with Link(server.port, headers) as link:
                    for _ in range(each):
                        link.pull(path)

            return partial(together, [one] * clients), each * clients * blob.size / GB

        found = [
            self.rounds.compare(f"pull, {clients} client(s)", "GB", (self.ours, self.peer), partial(prepare, clients))
            for clients in (1, 16)
        ]
        self._worst("pull", found, self.ours)

    def _pushes(self) -> None:
        noise = Noise(self.folder, self.size.blob_bytes)

        def prepare(clients: int, server: Server) -> Work:
            repository = f"pushed{next(self._fresh)}"
            headers = server.headers(repository)
            each = max(1, self.size.pushes // clients)
            blobs = [[noise.fresh() for _ in range(each)] for _ in range(clients)]

            def one(mine: int) -> None:
                with Link(server.port, headers) as link:
                    for blob in blobs[mine]:
                        link.push(server.path(repository), blob)

            return partial(together, [partial(one, mine) for mine in range(clients)]), each * clients * noise.size / GB

        found = []
        for clients in (1, 8):
            servers = (self.ours, self.loose, self.peer)
            name = f"push, {clients} client(s)"
            found.append(self.rounds.compare(name, "GB", servers, partial(prepare, clients)))
            self._clean_up()
        self._worst("push", found, self.ours)
        self._worst("push_not_durable", found, self.loose)
        one = found[0]
        kept, dropped = (1 / one.rate(server.name) for server in (self.ours, self.loose))
        self.figures["push_fsync_seconds_a_blob"] = round((kept - dropped) * self.size.blob_bytes / GB, 3)

    def _manifests(self) -> None:
        content, digest = self._image()
        for repository in ("read", "public"):
            for server in (self.ours, self.peer):
                with server.turn(), Link(server.port, server.headers(repository)) as link:
                    self._push_image(link, server.path(repository), content)
                    link.ask(201, "PUT", f"{server.path(repository)}/manifests/v1", content, content_type=MANIFEST)

        def prepare(method: str, reference: str, repository: str, server: Server) -> Work:
            headers = server.headers(repository) if repository == "read" else {}
            link = Link(server.port, {**headers, "accept": MANIFEST})
            request = link.request(method, f"{server.path(repository)}/manifests/{reference}")
            with link:
                link.ask(200, method, f"{server.path(repository)}/manifests/{reference}")
            body = len(content) if method == "GET" else 0
            work = partial(registry_load.repeat, server.port, request, body, self.size.manifests, CONNECTIONS)
            return work, self.size.manifests

        for key, repository, peer in (
            ("manifest", "read", self.token_peer),
            ("manifest_public", "public", self.peer),
        ):
            found = [
                self.rounds.compare(
                    f"{method} of a manifest by {what}, {repository}",
                    "request",
                    (self.ours, peer),
                    partial(prepare, method, reference, repository),
                )
                for method, what, reference in (("GET", "tag", "v1"), ("HEAD", "tag", "v1"), ("GET", "digest", digest))
            ]
            self._worst(f"{key}_read", found, self.ours, peer)

    def _small_blobs(self) -> None:
        pushed: dict[str, list[str]] = {}

        def push(server: Server) -> Work:
            headers = server.headers("small")
            each = self.size.small_blobs // 8
            contents = [[os.urandom(2_000) for _ in range(each)] for _ in range(8)]
            pushed[server.name] = [digest_of(content) for mine in contents for content in mine]

            def one(mine: int) -> None:
                with Link(server.port, headers) as link:
                    for content in contents[mine]:
                        link.push_small(server.path("small"), content, digest_of(content))

            return partial(together, [partial(one, mine) for mine in range(8)]), each * 8

        def mount(server: Server) -> Work:
            repository = f"mounted{next(self._fresh)}"
            source = f"{server.namespace}small"
            link = Link(server.port, server.headers(repository, "small"))

            def work() -> None:
                with link:
                    for digest in pushed[server.name]:
                        where = f"{server.path(repository)}/blobs/uploads/?mount={digest}&from={source}"
                        link.ask(201, "POST", where)

            return work, len(pushed[server.name])

        both = (self.ours, self.peer)
        compared = self.rounds.compare("push of small blobs, 8 clients", "blob", both, push)
        self._tell("small_blob_push", compared, self.ours)
        compared = self.rounds.compare("cross-repository mount, 1 client", "mount", both, mount)
        self._tell("mount", compared, self.ours)

    def _tags(self) -> None:
        content, digest = self._image()
        names = [f"v{number:05d}" for number in range(self.size.tags)]
        for server in (self.ours, self.peer):
            with server.turn(), Link(server.port, server.headers("tags")) as link:
                manifests = f"{server.path('tags')}/manifests"
                self._push_image(link, server.path("tags"), content)
                if server is self.peer:
                    for name in names:
                        link.ask(201, "PUT", f"{manifests}/{name}", content, content_type=MANIFEST)
                    continue
                for start in range(0, len(names), TAGS_IN_ONE_PUSH):
                    query = "&".join(f"tag={name}" for name in names[start : start + TAGS_IN_ONE_PUSH])
                    link.ask(201, "PUT", f"{manifests}/{digest}?{query}", content, content_type=MANIFEST)
        took: dict[str, list[float]] = {self.ours.name: [], self.peer.name: []}

        def prepare(server: Server) -> Work:
            link = Link(server.port, server.headers("tags"))

            def work() -> None:
                with link:
                    for _ in range(self.size.tag_lists):
                        began = time.perf_counter()
                        _, body = link.ask(200, "GET", f"{server.path('tags')}/tags/list")
                        took[server.name].append(time.perf_counter() - began)
                        if len(json.loads(body)["tags"]) != self.size.tags:
                            raise registry_load.Wrong("not all tags were listed")

            return work, self.size.tag_lists

        self.rounds.compare(f"list of {self.size.tags} tags", "list", (self.ours, self.peer), prepare)
        for key, server in (("tag_list", self.ours), ("tag_list_peer", self.peer)):
            p95 = statistics.quantiles(took[server.name], n=20)[-1]
            self.figures[f"{key}_p95_ms"] = round(p95 * 1000, 1)

    def _skopeo(self) -> None:
        noise = ImageNoise(self.folder, self.size.image_bytes)
        # What comes with an older distribution may be so slow that it is the client that is measured.
        skopeo = os.environ.get("SKOPEO") or registry_servers.part("skopeo")
        told = subprocess.run([skopeo, "--version"], check=True, capture_output=True, text=True).stdout
        self.figures["skopeo_version"] = told.split()[2]

        def copy(server: Server, *what: str) -> None:
            command = [skopeo, "copy", "-q", *server.credentials("dest" if what[1].startswith("docker") else "src")]
            done = subprocess.run([*command, *what], check=False, capture_output=True, text=True)
            if done.returncode:
                raise registry_load.Wrong(done.stderr)

        def push(server: Server) -> Work:
            layout = noise.fresh(self.folder / f"layout{next(self._fresh)}")
            last[server.name] = f"skopeo{next(self._fresh)}"
            what = (f"oci:{layout}:latest", server.image(last[server.name]))

            return partial(copy, server, *what), self.size.image_bytes / GB

        def pull(server: Server) -> Work:
            to = self.folder / f"copied{next(self._fresh)}"
            what = (server.image(last[server.name]), f"dir:{to}")
            return partial(copy, server, *what), self.size.image_bytes / GB

        self.figures["skopeo_alone_rate"] = round(self._skopeo_alone(skopeo, noise), 2)
        last: dict[str, str] = {}
        for key, prepare in (("skopeo_push", push), ("skopeo_pull", pull)):
            compared = self.rounds.compare(key.replace("_", " "), "GB", (self.ours, self.peer), prepare, pinned=False)
            self._tell(key, compared, self.ours)
            for made in (*self.folder.glob("layout[0-9]*[0-9]"), *self.folder.glob("copied*")):
                shutil.rmtree(made)
        self._clean_up()

    def _skopeo_alone(self, skopeo: str, noise: ImageNoise) -> float:
        """GB a second when skopeo copies from folder to folder: no server makes it faster than that by much."""
        took = []
        for _ in range(self.size.rounds):
            layout, to = (self.folder / f"{kind}{next(self._fresh)}" for kind in ("layout", "copied"))
            noise.fresh(layout)
            os.sync()
            with self.peer.turn(pinned=False):  # which has nothing to do, and lets skopeo have all cores
                began = time.perf_counter()
                subprocess.run([skopeo, "copy", "-q", f"oci:{layout}:latest", f"dir:{to}"], check=True)
                took.append(time.perf_counter() - began)
            shutil.rmtree(layout)
            shutil.rmtree(to)
        return self.size.image_bytes / GB / statistics.median(took)

    def _memory(self) -> None:
        """The most memory of the server process while 16 clients push a large layer each."""
        noise = Noise(self.folder, self.size.big_bytes)
        for key, server in (("server", self.ours), ("server_peer", self.peer)):
            with server.turn(pinned=False):
                server.forget_peak_memory()
                headers = server.headers("big")

                def one(server: Server = server, headers: dict[str, str] = headers) -> None:
                    with Link(server.port, headers) as link:
                        link.push(server.path("big"), noise.fresh())

                together([one] * 16)
                self.figures[f"{key}_rss_mib"] = round(server.peak_memory_mib(), 1)
            self._clean_up()

    def _image(self) -> tuple[bytes, str]:
        content = manifest_of(b"{}", b"layer")
        return content, digest_of(content)

    def _push_image(self, link: Link, path: str, content: bytes) -> None:
        for blob in (b"{}", b"layer"):
            link.push_small(path, blob, digest_of(blob))
        assert content

    def _clean_up(self) -> None:
        """Take the large blobs away behind the servers' backs: nobody asks for them again, and disks are finite."""
        for file in self.folder.rglob("*"):
            is_stored = "blobs" in file.parts or "_uploads" in file.parts
            if is_stored and file.is_file() and file.stat().st_size >= self.size.blob_bytes // 2:
                file.unlink()

    def _worst(self, key: str, found: list[Compared], ours: Server, theirs: Server | None = None) -> None:
        """The figures of the measurement in which we do worst: rates and CPU each by their own."""
        other = (theirs or self.peer).name
        rates = [compared.rates(ours.name, other) for compared in found]
        cpus = [compared.cpus(ours.name, other) for compared in found]
        self._note(f"{key}_ratio" if "read" in key else f"{key}_rate_ratio", min(rates, key=lambda each: each.median))
        self._note(f"{key}_cpu_ratio", max(cpus, key=lambda each: each.median))

    def _tell(self, key: str, compared: Compared, ours: Server) -> None:
        self.figures[f"{key}_rate"] = round(compared.rate(ours.name), 2)
        self._worst(key, [compared], ours)

    def _note(self, key: str, spread: Spread) -> None:
        self.figures[key] = spread.median
        self.figures[f"{key}_spread"] = spread.listed()


def main() -> None:
    """Run, and print the figures."""
    name = os.environ.get("SIZE", "full")
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="bench-registry-", dir=os.environ.get("FOLDER")) as made, ExitStack() as on:
        folder = Path(made)
        started = (
            on.enter_context(registry_servers.assay(folder, "assay", {})),
            on.enter_context(registry_servers.assay(folder, "assay-not-durable", {"ASSAY_BLOB_FSYNC": "off"})),
            on.enter_context(registry_servers.peer(folder)),
            on.enter_context(registry_servers.token_peer(folder)),
        )
        for server in started:
            server.rest()
        only = os.environ.get("ONLY", "").split()
        figures = Bench(SIZES[name], folder, *started).run(only)
    seconds = round(time.perf_counter() - began)
    print(json.dumps({"size": name, "scanning": "off", "rounds": SIZES[name].rounds, **figures, "seconds": seconds}))


if __name__ == "__main__":
    main()
