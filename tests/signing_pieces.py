"""A signing room to test with: a tenancy, its registry, a vault with keys, and the outbox delivered by hand."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry_pieces import Room
from sqlalchemy import update

from assay.events import ArtifactPushed, ImageSigned, RepositoryMoved, SignatureDeleted
from assay.iam import Actor, Principal, PrincipalKind
from assay.iam.identity import first_start
from assay.oci import Digest
from assay.registry import artifacts
from assay.signing import cosign, publish, pushed, sign, verify
from assay.signing.resources import ImageSignature, SignDetails
from assay.storage import Store, metadata
from assay.vault import Custody, Message, crypto, keys, vaults
from assay.vault.resources import Key, KeyDetails, Vault, VaultDetails
from assay.vault.root import SoftwareRoot
from assay.vault.shapes import KeyAlgorithm, KeyShape, SigningAlgorithm

ROOT = SoftwareRoot(bytes(range(32)))
HOST = "registry.example:5000"
P256 = KeyShape(KeyAlgorithm.ECDSA, 32)
REPOSITORY = "team/app"


@dataclass(frozen=True)
class Desk:
    """A tenancy's room: who acts, its registry, its vault."""

    room: Room
    actor: Actor
    namespace: str
    vault: Vault
    custody: Custody
    host: str = HOST

    @classmethod
    def on(cls, store: Store, folder: Path, tenancy: str = "acme") -> "Desk":
        """A fresh tenancy with a vault; its blobs lie in `folder`."""
        made = first_start.create_tenancy(store, tenancy)
        actor = Actor(Principal(PrincipalKind.INSTALLATION, "tests"), made.tenancy.ocid)
        return cls.of(Room.on(store, folder), actor, made.tenancy.namespace)

    @classmethod
    def of(cls, room: Room, actor: Actor, namespace: str, host: str = HOST) -> "Desk":
        """A vault for somebody in a tenancy that is there; `host` is what clients call the registry."""
        vault = vaults.create_vault(room.store, actor, VaultDetails(actor.tenancy, "signing keys"))
        return cls(room, actor, namespace, vault, Custody(ROOT), host)

    @property
    def store(self) -> Store:
        """The store."""
        return self.room.store

    def key(self, shape: KeyShape = P256, name: str = "release") -> Key:
        """A fresh key."""
        details = KeyDetails(self.vault.ocid, self.actor.tenancy, name, shape)
        return keys.create_key(self.store, self.actor, details, root=ROOT)

    def push(self, tag: str = "v1", seed: str = "one", repository: str = REPOSITORY) -> tuple[str, Digest]:
        """Push an image; its OCID and digest."""
        made, _ = self.room.push_image(tag, seed, repository, self.actor)
        return made.image, made.digest

    def sign(self, image: str, key: Key, **details: Any) -> ImageSignature:
        """Sign an image, not yet published."""
        return sign.sign_image(
            self.store,
            self.actor,
            SignDetails(image, key.ocid, **details),
            custody=self.custody,
            registry_host=self.host,
        )

    def deliver(self, since: int = 0, hosts: tuple[str, ...] = ()) -> int:
        """Deliver every fact behind the first `since` to the signing room, until there are no more; their number."""
        while since < len(facts := self.room.facts()):
            fact = facts[since]
            since += 1
            if isinstance(fact, ImageSigned | SignatureDeleted):
                publish.publish(self.store, self.room.blobs, fact)
            elif isinstance(fact, ArtifactPushed):
                pushed.take_notice(self.store, self.room.blobs, fact, registry_hosts=hosts or (self.host,))
            elif isinstance(fact, RepositoryMoved):
                publish.follow_repository(self.store, fact)
        return since

    def repository_ocid(self, name: str = REPOSITORY) -> str:
        """The repository's OCID."""
        return self.room.repository(name, self.actor).ocid

    def tag(self, digest: Digest, repository: str = REPOSITORY) -> bytes | None:
        """The manifest under the signature tag of a digest."""
        with self.store.database.read() as connection:
            name = cosign.signature_tag(digest)
            named = artifacts.resolve(connection, self.actor.tenancy, repository, name)
            held = artifacts.manifest(connection, named.repository, named.digest) if named else None
        return held[1] if held else None

    def layers(self, digest: Digest, repository: str = REPOSITORY) -> tuple[cosign.Layer, ...]:
        """The signatures under the signature tag of a digest."""
        content = self.tag(digest, repository)
        return cosign.read_layers(content) if content else ()

    def bundles(self, digest: Digest, repository: str = REPOSITORY) -> list[bytes]:
        """The manifests of all referrers of a digest."""
        ocid = self.repository_ocid(repository)
        with self.store.database.read() as connection:
            found = artifacts.referrers(connection, ocid, digest)
            held = [artifacts.manifest(connection, ocid, each.digest) for each in found]
        return [each[1] for each in held if each]

    def blob(self, digest: Digest) -> bytes:
        """The bytes of a blob."""
        with self.room.blobs.open(digest) as opened:
            return opened.read()

    def trust(self, digest: Digest, *trusted: Key, repository: str = REPOSITORY) -> verify.ImageTrust:
        """Whether the keys vouch for an image."""
        with self.store.database.read() as connection:
            ocid = self.repository_ocid(repository)
            return verify.image_trust(connection, self.actor.tenancy, ocid, digest, [key.ocid for key in trusted])

    def push_signature(self, digest: Digest, *signed: tuple[bytes, bytes], repository: str = REPOSITORY) -> Digest:
        """Push a signature tag as a user does: only these payloads with these signatures."""
        layers = [cosign.Layer.of(payload, signature) for payload, signature in signed]
        made = cosign.artifact(layers)
        for content in (made.config, *{payload for payload, _ in signed}):
            self.room.push_blob(content, repository, self.actor)
        return self.room.put(made.manifest, cosign.signature_tag(digest), repository, self.actor).digest


def signed(desk: Desk, key: Key, content: bytes, algorithm: SigningAlgorithm | None = None) -> bytes:
    """A signature by the vault over bytes of our choice: what an outside signer with a trusted key makes."""
    algorithm = algorithm or (
        SigningAlgorithm.ECDSA_SHA_256 if key.shape.curve else SigningAlgorithm.SHA_256_RSA_PKCS1_V1_5
    )
    message = Message.hashed(content, algorithm)
    return crypto.sign(desk.store, desk.actor, key.ocid, message, custody=desk.custody).signature


def tamper(desk: Desk, table: str, **values: Any) -> None:
    """Change every row of a table behind Assay's back."""
    with desk.store.database.write() as connection:
        connection.execute(update(metadata.tables[table]).values(**values))


def outcomes(desk: Desk, image: str) -> list[tuple[str, str]]:
    """Form and reason of every signature of an image, as `verify_image` gives them."""
    return [(each.form, each.because) for each in verify.verify_image(desk.store, desk.actor, image)]
