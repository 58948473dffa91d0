"""A cluster to test with: a tenancy with images, keys and signatures, a policy, and reviews put to admission."""

import base64
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from admission_loopback import CONSOLE, HOST, encoded, pod_review
from registry_pieces import index_of
from signing_pieces import Desk

from assay.admission import admit, clusters, ledger
from assay.admission.examine import Gate
from assay.admission.model import Cluster, ClusterChange, ClusterDetails, Decision
from assay.admission.policy import ImagePolicy
from assay.admission.reviews import Phase, Reply, answer, read_review
from assay.iam import Actor, Principal, PrincipalKind
from assay.iam.identity import policies
from assay.oci import Digest
from assay.signing import cosign, sign
from assay.signing.resources import ImageSignature, SignDetails
from assay.storage import Store
from assay.vault import Message, SigningAlgorithm, crypto
from assay.vault.resources import Key

REPOSITORY = "payments/api"
ALIAS = "10.0.0.7:5000"


@dataclass(frozen=True)
class Checkpoint:
    """The cluster `prod-eu`, which trusts the key `release-signing` and may read every repository."""

    desk: Desk
    key: Key
    cluster: Cluster
    gate: Gate

    @classmethod
    def on(cls, store: Store, folder: Path) -> "Checkpoint":
        """A fresh tenancy with all of it."""
        desk = Desk.on(store, folder)
        key = desk.key(name="release-signing")
        details = ClusterDetails(desk.actor.tenancy, "prod-eu", ImagePolicy.of(enabled=True, keys=(key.ocid,)))
        made = cls(desk, key, clusters.create_cluster(store, desk.actor, details), Gate.at([HOST, ALIAS], CONSOLE))
        made.state(f"Allow any-user to read repos in tenancy where request.user.id='{made.cluster.ocid}'")
        return made

    @property
    def store(self) -> Store:
        """The store."""
        return self.desk.store

    @property
    def actor(self) -> Actor:
        """The cluster as who acts."""
        principal = Principal(PrincipalKind.CLUSTER, self.cluster.name, self.cluster.ocid)
        return Actor(principal, self.desk.actor.tenancy, "127.0.0.1")

    def state(self, *statements: str, name: str = "prod-eu-reads") -> str:
        """A policy with these statements; its OCID."""
        return policies.create(self.store, self.desk.actor, self.desk.actor.tenancy, name, statements).ocid

    def trusting(self, *keys: Key) -> "Checkpoint":
        """The same cluster, its policy changed to these keys."""
        policy = ImagePolicy.of(enabled=True, keys=tuple(key.ocid for key in keys))
        changed = clusters.update_cluster(self.store, self.desk.actor, self.cluster.ocid, ClusterChange(policy=policy))
        return replace(self, cluster=changed)

    def push(self, tag: str = "2.14.1", seed: str = "one", repository: str = REPOSITORY) -> tuple[str, Digest]:
        """Push an image; its OCID and digest."""
        return self.desk.push(tag, seed, repository)

    def push_index(self, tag: str, *seeds: str, repository: str = REPOSITORY) -> tuple[str, Digest, list[Digest]]:
        """Push an index with one platform a seed; its image's OCID, its digest and its children's."""
        children = [
            self.desk.room.push_image("", seed, repository, self.desk.actor, settle_microseconds=60_000_000)[1]
            for seed in seeds
        ]
        content = index_of(*((child, f"arch{number}") for number, child in enumerate(children)))
        made = self.desk.room.put(content, tag, repository, self.desk.actor)
        return made.image, made.digest, [Digest.of(child) for child in children]

    def sign(self, image: str, key: Key | None = None) -> ImageSignature:
        """Sign an image (OCID) and all its platforms."""
        details = SignDetails(image, (key or self.key).ocid)
        return sign.sign_image(self.store, self.desk.actor, details, custody=self.desk.custody, registry_host=HOST)

    def signed(self, tag: str = "2.14.1", seed: str = "one", repository: str = REPOSITORY) -> Digest:
        """Push an image and sign it; its digest."""
        image, digest = self.push(tag, seed, repository)
        self.sign(image)
        return digest

    def push_cosign_signature(self, on: Digest, says: Digest, repository: str = REPOSITORY, named: str = "") -> None:
        """Push a `.sig` of `on` as a user does, whose payload, signed by our key, names `says`."""
        payload = cosign.Payload(f"{HOST}/{self.desk.namespace}/{named or repository}", says).encode()
        made = crypto.sign(
            self.store,
            self.desk.actor,
            self.key.ocid,
            Message(payload, SigningAlgorithm.ECDSA_SHA_256),
            custody=self.desk.custody,
        )
        self.desk.push_signature(on, (payload, made.signature), repository=repository)
        self.desk.deliver()

    def name(self, rest: str = ":2.14.1", repository: str = REPOSITORY, host: str = HOST) -> str:
        """An image reference as a workload writes it."""
        return f"{host}/{self.desk.namespace}/{repository}{rest}"

    def ask(self, *images: str, phase: Phase = Phase.VALIDATE, **request: Any) -> Reply:
        """What admission replies to the review of a pod with these images."""
        return self.put(pod_review(*images, **request), phase)

    def put(self, review: dict[str, Any], phase: Phase = Phase.VALIDATE) -> Reply:
        """What admission replies to a review."""
        return admit.admit(self.store, self.actor, read_review(encoded(review)), phase, gate=self.gate)

    def decisions(self) -> tuple[Decision, ...]:
        """The decisions that are recorded, newest first."""
        return ledger.list_decisions(self.store, self.desk.actor, self.cluster.ocid).items


def patch_of(reply: Reply) -> list[dict[str, str]]:
    """The operations of the JSON patch that answers a mutating review; none when there is none."""
    response = json.loads(answer("u", reply, Phase.MUTATE))["response"]
    patch = response.get("patch")
    assert (patch is None) == ("patchType" not in response)
    found: list[dict[str, str]] = json.loads(base64.b64decode(patch)) if patch else []
    return found


def update_of(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """The members of a request that changes one object into another."""
    return {"operation": "UPDATE", "object": after, "oldObject": before}


def pod(*images: str, **metadata: Any) -> dict[str, Any]:
    """A pod with one container an image."""
    made: dict[str, Any] = pod_review(*images)["request"]["object"]
    made["metadata"] |= {"uid": "c56a34b3-0137-4823-be2e-3d020062a6e8", "resourceVersion": "201"} | metadata
    return made
