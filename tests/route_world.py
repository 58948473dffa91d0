"""One of everything in a compartment, and callers of every kind, behind the API's routes: for walks over them all."""

import base64
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import anyio
import httpx
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from registry_pieces import Room
from request_signing import Client, KeyPair
from scanning_hub import CLAIMS, Hub
from scanning_world import World
from starlette.applications import Starlette

from assay.admission import clusters, identity
from assay.admission.examine import Gate
from assay.clock import SetClock, Site
from assay.iam import Act, Actor, hashing, work_requests
from assay.iam.credentials import api_keys, cluster_tokens, passwords, sessions
from assay.iam.identity import compartments, first_start, groups, policies, users
from assay.iam.identity.trail import sealing
from assay.iam.work_requests import Work
from assay.inventory import LayerReaders
from assay.inventory.catalog import keep_part
from assay.oci_api import routes
from assay.registry.pulls import PullCounter
from assay.secret import Secret
from assay.settings import Settings
from assay.storage import Database, FolderBlobs, Json, Store, metadata
from assay.vault import Custody
from assay.vault.root import SoftwareRoot

HOST = "assay.test"
PASSWORD = "correct horse battery staple"
MESSAGE = base64.b64encode(b"message").decode()
ALGORITHM = "SHA_256_RSA_PKCS_PSS"
RULE = "resource.type = 'cluster'"
#: Callers who are somebody, in the order of their making.
CALLERS = ("plain", "elsewhere", "exact")
NEEDED_BY_SCANNING = (
    "allow service vulnerability-scanning-service to read repos in tenancy",
    "allow service vulnerability-scanning-service to read compartments in tenancy",
)


#: The key pair of the caller `exact`, and one that nobody's key id names.
PAIR, STRANGE_PAIR = KeyPair(), KeyPair()


class Databases(Protocol):
    """Where a world lies, and its copies."""

    def first(self) -> Database:
        """An empty database with the present schema; the world, once it is closed."""
        ...

    def copy(self, number: int) -> AbstractContextManager[Database]:
        """A copy of the world."""
        ...


@dataclass
class Files:
    """SQLite files in `folder`, from an empty one with the present schema."""

    folder: Path
    template: Path

    def first(self) -> Database:
        """`world.db`."""
        return Database(f"sqlite:///{shutil.copyfile(self.template, self.folder / 'world.db')}")

    @contextmanager
    def copy(self, number: int) -> Iterator[Database]:
        """A copied file."""
        path = shutil.copyfile(self.folder / "world.db", self.folder / f"copy{number}.db")
        database = Database(f"sqlite:///{path}")
        yield database
        database.close()
        path.unlink()


@dataclass
class Copies:
    """Databases of a PostgreSQL server, from one with the present schema."""

    server: str
    template: str
    name: str = field(default_factory=lambda: f"world{time.monotonic_ns()}")

    def first(self) -> Database:
        """The world's."""
        self._do(f"CREATE DATABASE {self.name} TEMPLATE {self.template}")
        return Database(f"{self.server}/{self.name}")

    @contextmanager
    def copy(self, number: int) -> Iterator[Database]:
        """A database made after the world's."""
        copied = f"{self.name}copy{number}"
        self._do(f"CREATE DATABASE {copied} TEMPLATE {self.name}")
        database = Database(f"{self.server}/{copied}")
        yield database
        database.close()
        self._do(f"DROP DATABASE {copied} WITH (FORCE)")

    def _do(self, command: str) -> None:
        with psycopg.connect(f"{self.server}/postgres", autocommit=True) as connection:
            connection.execute(command)


def store_on(database: Database, clock: SetClock) -> Store:
    """A store on a database."""
    return Store(database, clock, Site("oc1", "local"), Secret("page key of the tests"))


@dataclass
class Caller:
    """Answers of the API to one session; `token` empty for a caller who does not say who they are."""

    app: Starlette
    token: str = ""

    def ask(self, method: str, path: str, body: Any = None, query: Any = None, host: str = HOST) -> httpx.Response:
        """One request."""

        async def send() -> httpx.Response:
            headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}", headers=headers) as client:
                return await client.request(method, path, json=body, params=query)

        return anyio.run(send)

    def ask_signed(
        self, client: Client, at: int, method: str, path: str, body: Any = None, query: Any = None
    ) -> httpx.Response:
        """One request as `client` signs it at the time `at`; of the same time and request the same bytes."""
        content = b"" if body is None else json.dumps(body).encode()
        asked = httpx.Request(method, f"http://{client.host}{path}", params=query)
        headers = client.headers(method, asked.url.raw_path.decode(), at, content)

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport) as sender:
                return await sender.request(method, asked.url, content=content, headers=headers)

        return anyio.run(send)

    def made(self, method: str, path: str, body: Any = None, query: Any = None, host: str = HOST) -> dict[str, Any]:
        """What a request that must succeed answers."""
        reply = self.ask(method, path, body, query, host)
        assert reply.is_success, f"{method} {path}: {reply.status_code} {reply.text}"
        return dict(reply.json()) if reply.content else {}


@dataclass
class RouteWorld:
    """A closed database with one of everything. `names`: OCIDs and texts by word; `tokens`: sessions by caller."""

    databases: Databases
    folder: Path
    clock: SetClock
    names: dict[str, str]
    tokens: dict[str, str]
    admin: Actor

    @contextmanager
    def copy(self, number: int) -> Iterator["Copy"]:
        """A copy of the world behind routes of its own, to be changed at will."""
        with self.databases.copy(number) as database:
            store = store_on(database, self.clock)
            yield Copy(self, store, app_on(store, self.folder))


@dataclass
class Impostor(Client):
    """Somebody who names the key of the caller `exact`, and has another."""

    @property
    def key_id(self) -> str:
        """The key id of the caller."""
        return f"{self.tenancy}/{self.user}/{PAIR.fingerprint}"


@dataclass
class Copy:
    """The world's copy."""

    world: RouteWorld
    store: Store
    app: Starlette

    def caller(self, name: str) -> Caller:
        """A caller by name; `nobody` has no session, `wrong` one that there is not."""
        return Caller(
            self.app, {"nobody": "", "wrong": "assay_session_wrong"}.get(name) or self.world.tokens.get(name, "")
        )

    def signer(self, host: str, pair: KeyPair = PAIR) -> Client:
        """The caller `exact` as one who signs, or somebody with another pair who says to be them."""
        named = Client(PAIR, self.world.admin.tenancy, self.world.names["exact"], host)
        return named if pair is PAIR else Impostor(pair, named.tenancy, named.user, host)

    def allow_exactly(self, permissions: frozenset[str]) -> None:
        """Let the caller `exact` have these permissions in the whole tenancy, and no other."""
        name = f"exact-{len(permissions)}-{self.store.clock.now()}"
        listed = policies.listed(self.store, self.world.admin, self.world.admin.tenancy).items
        for policy in listed:
            if policy.name.startswith("exact"):
                policies.delete(self.store, self.world.admin, policy.ocid)
        if permissions:
            text = f"allow group Exact to {{{', '.join(sorted(permissions))}}} in tenancy"
            policies.create(self.store, self.world.admin, self.world.admin.tenancy, name, [text])


def app_on(store: Store, folder: Path) -> Starlette:
    """The API's routes on a store."""
    root = SoftwareRoot(bytes(range(32)))
    settings = Settings(
        external_url=f"http://{HOST}",
        api_requests_per_second_address=10_000,
        api_requests_per_second_user=10_000,
    )
    app = SimpleNamespace(
        settings=settings,
        store=store,
        blobs=FolderBlobs(folder / "blobs"),
        root=SimpleNamespace(key=root, sealed_because=""),
        custody=Custody(root),
        gate=Gate.at([HOST], settings.url),
        pulls=PullCounter(store),
        admission_files=None,
        jobs=SimpleNamespace(enqueue=lambda *_arguments: True),
    )
    return Starlette(routes=routes(app))


def build(folder: Path, databases: Databases, clock: SetClock) -> RouteWorld:
    """Make the world: a compartment with one of everything, another that is empty, a second tenancy, and callers.

    Passwords are hashed slowly on purpose; here many are, and none is worth guessing.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hashing, "MEMORY_KIB", 64)
        patch.setattr(hashing, "PASSES", 1)
        return _build(folder, databases, clock)


def databases_of(request: pytest.FixtureRequest, kind: str, folder: Path) -> Databases:
    """Where a world lies on `sqlite` or on `postgres`, from the templates that fixtures make."""
    if kind == "sqlite":
        return Files(folder, request.getfixturevalue("sqlite_template"))
    return Copies(request.getfixturevalue("postgres_server"), request.getfixturevalue("postgres_template"))


def _build(folder: Path, databases: Databases, clock: SetClock) -> RouteWorld:
    store = store_on(databases.first(), clock)
    first = first_start.bootstrap(store)
    assert first is not None
    admin = Actor(users.principal_of(first.administrator), first.tenancy.ocid)
    names = {"tenancy": first.tenancy.ocid, "namespace": first.tenancy.namespace, "admin": admin.principal.ocid}
    names["place"] = compartments.create(store, admin, admin.tenancy, "place").ocid
    names["other_place"] = compartments.create(store, admin, admin.tenancy, "other").ocid
    tokens = _callers(store, first, admin)
    api = Caller(app_on(store, folder), tokens["admin"])
    exact = next(user for user in users.listed(store, admin).items if user.name == "exact")
    names["exact"] = exact.ocid
    api_keys.upload(store, admin, exact.ocid, PAIR.public_pem)
    _people(api, names)
    _images(api, store, folder, clock, admin, names)
    _resources(api, names)
    _cluster_token(store, admin, names)
    _works(store, admin, names)
    sealing.seal_waiting(store)
    store.database.close()
    return RouteWorld(databases, folder, clock, names, tokens, admin)


def _callers(store: Store, first: first_start.FirstStart, admin: Actor) -> dict[str, str]:
    other = first_start.create_tenancy(store, "foreign")
    stranger = Actor(users.principal_of(other.administrator), other.tenancy.ocid)
    tokens = {"admin": _session(store, "admin", first.secret, first.tenancy.namespace)}
    tokens["stranger"] = _session(store, "admin", other.secret, other.tenancy.namespace)
    assert stranger.tenancy != admin.tenancy
    for name in CALLERS:
        user = users.create(store, admin, name)
        group = groups.create(store, admin, name.capitalize())
        groups.add_user(store, admin, user.ocid, group.ocid)
        secret = passwords.reset(store, admin, user.ocid).password
        tokens[name] = _session(store, name, secret, first.tenancy.namespace)
    text = "allow group Elsewhere to manage all-resources in compartment other"
    policies.create(store, admin, admin.tenancy, "elsewhere", [text])
    policies.add_statements(store, admin, NEEDED_BY_SCANNING)
    return tokens


def _session(store: Store, name: str, secret: Secret, namespace: str) -> str:
    begun = sessions.sign_in(store, f"{namespace}/{name}", secret)
    passwords.change(store, begun.token, secret, Secret(PASSWORD))
    return sessions.sign_in(store, f"{namespace}/{name}", Secret(PASSWORD)).token.reveal()


def public_key() -> str:
    """A fresh public key in PEM form."""
    key = rsa.generate_private_key(65537, 2048).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _people(api: Caller, names: dict[str, str]) -> None:
    tenancy = {"compartmentId": names["tenancy"], "description": "d"}
    v = "/20160918"
    names["user"] = api.made("POST", f"{v}/users", {**tenancy, "name": "somebody"})["id"]
    names["group"] = api.made("POST", f"{v}/groups", {**tenancy, "name": "Some"})["id"]
    member = {"userId": names["user"], "groupId": names["group"]}
    names["membership"] = api.made("POST", f"{v}/userGroupMemberships", member)["id"]
    statement = {"statements": ["allow group Some to inspect repos in compartment place"]}
    where = {**tenancy, "compartmentId": names["tenancy"], "name": "some"}
    names["policy"] = api.made("POST", f"{v}/policies", {**where, **statement})["id"]
    named = {**tenancy, "name": "things"}
    names["dynamic_group"] = api.made("POST", f"{v}/dynamicGroups", {**named, "matchingRule": RULE})["id"]
    network = {"publicSourceList": ["192.0.2.0/24"]}
    names["network_source"] = api.made("POST", f"{v}/networkSources", {**named, **network})["id"]
    inner = {"compartmentId": names["place"], "name": "inner", "description": "d"}
    names["compartment"] = api.made("POST", f"{v}/compartments", inner)["id"]
    gone = {"compartmentId": names["tenancy"], "name": "gone", "description": "d"}
    names["deleted_compartment"] = api.made("POST", f"{v}/compartments", gone)["id"]
    api.made("DELETE", f"{v}/compartments/{names['deleted_compartment']}")
    names["auth_token"] = api.made("POST", f"{v}/users/{names['user']}/authTokens", {"description": "d"})["id"]
    key = api.made("POST", f"{v}/users/{names['user']}/apiKeys", {"key": public_key()})
    names["fingerprint"] = key["fingerprint"]
    names["new_public_key"] = public_key()


def _images(api: Caller, store: Store, folder: Path, clock: SetClock, admin: Actor, names: dict[str, str]) -> None:
    repository = {"compartmentId": names["place"], "displayName": "team/app"}
    names["repository"] = api.made("POST", "/20160918/container/repositories", repository)["id"]
    bare = {**repository, "displayName": "team/bare"}
    names["bare"] = api.made("POST", "/20160918/container/repositories", bare)["id"]
    keeping = {"compartmentId": names["place"], "displayName": "p", "rules": [{"kind": "KEEP_LAST", "count": 9}]}
    names["retention_policy"] = api.made("POST", "/20260901/retentionPolicies", keeping)["id"]
    api.made("PUT", f"/20260901/containerQuotas/{names['place']}", {"repositoryLimit": 100})
    readers = LayerReaders(partial(keep_part, store), processes=1)
    try:
        hub = Hub(store, Room.on(store, folder / "blobs"), readers, admin, World(store), clock.advance)
        hub.world.publish(CLAIMS)
        names["image"] = hub.push({"a": 1, "b": 1}, tag="v1")
        hub.add_scanner(image_count=4)
        assert hub.deliver() == 1
        names["scan"] = hub.scans(names["image"])[0].ocid
    finally:
        readers.close()


def _resources(api: Caller, names: dict[str, str]) -> None:
    here = {"compartmentId": names["place"]}
    vss = "/20210215"
    recipe = {**here, "displayName": "r", "scanSettings": {"scanLevel": "STANDARD"}}
    names["recipe"] = api.made("POST", f"{vss}/containerScanRecipes", recipe)["id"]
    registry = {"type": "OCIR", **here, "repositories": ["team/none"]}
    target = {**here, "displayName": "t", "containerScanRecipeId": names["recipe"], "targetRegistry": registry}
    names["target"] = api.made("POST", f"{vss}/containerScanTargets", target)["id"]
    vault = {**here, "displayName": "v", "vaultType": "DEFAULT"}
    names["vault"] = api.made("POST", "/20180608/vaults", vault)["id"]
    names["extension"] = names["vault"].split(".")[-2]
    shape = {"algorithm": "RSA", "length": 256}
    key = {**here, "displayName": "k", "keyShape": shape, "protectionMode": "SOFTWARE"}
    made = api.made("POST", f"/vaults/{names['extension']}/20180608/keys", key)
    names["key"], names["version"] = made["id"], made["currentKeyVersion"]
    signing = {"keyId": names["key"], "keyVersionId": names["version"], "message": MESSAGE}
    signed = api.made("POST", "/20180608/sign", {**signing, "signingAlgorithm": ALGORITHM})
    names["sealed"] = signed["signature"]
    path = f"/20260901/images/{names['image']}/actions/sign"
    names["signature"] = api.made("POST", path, {"kmsKeyId": names["key"], "signingAlgorithm": ALGORITHM})["id"]
    cluster = {**here, "name": "c", "vcnId": "v", "kubernetesVersion": "v1.30.1"}
    api.made("POST", "/20180222/clusters", cluster)
    reply = api.ask("GET", "/20180222/clusters", query=here).json()
    names["cluster"] = reply[0]["id"]
    application = {**here, "displayName": "app", "subnetIds": ["s"]}
    names["application"] = api.made("POST", "/20181201/applications", application)["id"]
    names["digest"] = api.made("GET", f"/20160918/container/images/{names['image']}")["digest"]
    names["image_name"] = f"{HOST}/{names['namespace']}/team/app"
    function = {"applicationId": names["application"], "displayName": "fn", "image": f"{names['image_name']}:v1"}
    names["function"] = api.made("POST", "/20181201/functions", {**function, "memoryInMBs": 128})["id"]
    names["option"], names["position"] = "all", "1"
    here = {"compartmentId": names["place"]}
    found = api.made("GET", "/20210215/vulnerabilities", query=here)["items"]
    names["vulnerability"] = str(found[0]["id"])
    names["feed"] = str(api.made("GET", "/20260901/feeds")["items"][0]["name"])


def _cluster_token(store: Store, admin: Actor, names: dict[str, str]) -> None:
    cluster = cluster_tokens.Cluster(names["cluster"], "c", names["place"])
    names["cluster_token"] = cluster_tokens.create(store, admin, cluster).ocid
    issuer = identity.issuer(store, SoftwareRoot(bytes(range(32))), None)
    certificate = clusters.create_cluster_certificate(store, admin, names["cluster"], issuer=issuer)
    names["certificate"] = certificate.ocid
    decision = metadata.tables["admission_decision"]
    row = {column.name: 0 if str(column.type) in ("INTEGER", "BIGINT", "BOOLEAN") else "[]" for column in decision.c}
    row |= {column.name: [] for column in decision.c if isinstance(column.type, Json)}
    place = {"tenancy": admin.tenancy, "compartment": names["place"], "cluster": names["cluster"], "number": "d1"}
    with store.database.write() as connection:
        connection.execute(decision.insert().values({**row, "allowed": True, **place}))
    names["number"] = "d1"


def _works(store: Store, admin: Actor, names: dict[str, str]) -> None:
    """A work request of each service."""
    for service, work in {
        "20210215": Work.CREATE_CONTAINER_SCAN_TARGET,
        "20180222": Work.CLUSTER_CREATE,
        "20181201": Work.CREATE_APPLICATION,
        "20160918": Work.MOVE_COMPARTMENT,
    }.items():
        resource = SimpleNamespace(ocid=f"of the tests {service}", compartment=names["place"], etag="tests")
        with store.database.write() as connection:
            act = Act(connection, admin, store.clock.now())
            names[f"work {service}"] = work_requests.begin(store, act, work, resource, steps=1)
    names["work 20260325"] = names["work 20181201"]
