"""From what people write to what the API knows: images, scans, keys and all else that has a name and an OCID."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Self

from assay.cli.session import Session, only
from assay.errors import Reason, Refused
from assay.oci import Digest, Reference, repository_name

IMAGES = "/20160918/container/images"
REPOSITORIES = "/20160918/container/repositories"
SCANS = "/20210215/containerScanResults"
VAULTS = "/20180608/vaults"
KEYS = "/20180608/keys"
CLUSTERS = "/20180222/clusters"
APPLICATIONS = "/20181201/applications"
FUNCTIONS = "/20181201/functions"


@dataclass(frozen=True, slots=True)
class ImageName:
    """`[HOST/][NAMESPACE/]REPOSITORY[:TAG][@DIGEST]` without host and namespace; a digest decides instead of a tag."""

    repository: str
    tag: str = ""
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str, namespace: str, hosts: Collection[str]) -> Self:
        """Read a name as people write it. Errors: Refused for what is no reference, or one of another registry."""
        reference = Reference.parse(text)
        if reference.host and reference.host not in hosts:
            raise Refused(
                f"{text[:200]!r} is an image of {reference.host}, not of {', '.join(sorted(hosts))}.",
                advice="Name an image of the registry that you are signed in to.",
            )
        name = reference.name.removeprefix(f"{namespace}/")
        return cls(repository_name(name), reference.tag, reference.digest)

    @property
    def version(self) -> str:
        """The digest, else the tag, else nothing."""
        return str(self.digest) if self.digest else self.tag

    def require_version(self) -> Self:
        """Itself. Errors: Refused when it names neither tag nor digest: which image is meant is not guessed."""
        if not self.version:
            raise Refused(
                f"{self.repository!r} names a repository, not an image of it.",
                advice=f"Write {self.repository}:TAG; see: assay image list {self.repository}",
            )
        return self


def image_name(session: Session, text: str) -> ImageName:
    """A name in the registry that the user is signed in to. Errors: Refused."""
    profile = session.profile
    hosts = {profile.registry, profile.server.partition("://")[2].rstrip("/")}
    return ImageName.parse(text, profile.namespace, hosts)


def full_reference(session: Session, text: str) -> str:
    """An image's name as clients write it: `HOST/NAMESPACE/REPOSITORY:TAG` or `@DIGEST`. Errors: Refused."""
    name = image_name(session, text).require_version()
    profile = session.profile
    return f"{profile.registry}/{profile.namespace}/{name.repository}{'@' if name.digest else ':'}{name.version}"


def image(session: Session, text: str) -> dict[str, Any]:
    """The image of a name or an OCID. Errors: Refused."""
    if is_ocid(text, "containerimage"):
        return dict(session.server.get(f"{IMAGES}/{text}").body)
    name = image_name(session, text).require_version()
    mark = "@" if name.digest else ":"
    uri = f"{session.profile.namespace}/{name.repository}{mark}{name.version}"
    return dict(session.server.post(f"{IMAGES}/actions/lookupImageByUri", {"imageUri": uri}).body)


def deleted_image(session: Session, text: str) -> dict[str, Any]:
    """The deleted image of a name or an OCID; of a tag, the one that had it. Errors: Refused."""
    if is_ocid(text, "containerimage"):
        return dict(session.server.get(f"{IMAGES}/{text}").body)
    name = image_name(session, text).require_version()
    found = session.server.everything(
        IMAGES, **session.within(""), repositoryName=name.repository, lifecycleState="DELETED"
    )
    # Of its tags a deleted image remembers the one that it is displayed with.
    tagged = f"{name.repository}:{name.tag}"
    wanted = [
        each
        for each in found
        if (each["digest"] == str(name.digest) if name.digest else each["displayName"].partition("@")[0] == tagged)
    ]
    if name.digest:
        # Deleted, pushed and deleted again: the same bytes, of which the newest is restored.
        wanted = wanted[:1]
    return dict(only(wanted, "deleted image", text, listing="image list --deleted"))


def repository(session: Session, text: str) -> dict[str, Any]:
    """The repository of a name or an OCID. Errors: Refused, also for a text that names a tag or digest."""
    if is_ocid(text, "containerrepo"):
        return dict(session.server.get(f"{REPOSITORIES}/{text}").body)
    name = image_name(session, text)
    if name.version:
        raise Refused(f"{text!r} names an image.", advice=f"Write {name.repository} for its repository.")
    found = session.server.everything(REPOSITORIES, **session.within(""), displayName=name.repository)
    return dict(only(found, "repository", name.repository))


def scan(session: Session, text: str) -> str:
    """The OCID of a scan: of an image the latest, of IMAGE#REVISION that as of the feed revision. Errors: Refused."""
    if is_ocid(text, "containerscanresult"):
        return text
    named, mark, revision = text.partition("#")
    if mark and not revision.isdecimal():
        raise Refused(f"{revision[:40]!r} is not a feed revision.", advice="Write IMAGE#7, or IMAGE alone.")
    found = scans_of(session, image(session, named)["id"])
    if not found:
        raise Refused(f"{named!r} has no scan.", advice="See: assay scanner status REPOSITORY", reason=Reason.NOT_FOUND)
    wanted = [each for each in found if not mark or each["feedRevision"] == int(revision)]
    if not wanted:
        known = ", ".join(f"#{each['feedRevision']}" for each in found[:20])
        raise Refused(f"{named!r} has no scan #{revision}.", advice=f"It has {known}.", reason=Reason.NOT_FOUND)
    return str(wanted[0]["id"])


def scans_of(session: Session, image_id: str, rows_max: int | None = None) -> list[dict[str, Any]]:
    """The scans of an image (OCID), the newest first."""
    return session.server.everything(SCANS, rows_max=rows_max, **session.within(""), imageId=image_id)


def vault(session: Session, text: str, place: str = "") -> dict[str, Any]:
    """The vault of a name or an OCID. Errors: Refused."""
    if is_ocid(text, "vault"):
        return dict(session.server.get(f"{VAULTS}/{text}").body)
    found = session.everywhere(VAULTS, place)
    return dict(only([each for each in living(found) if each["displayName"] == text], "vault", text))


def key(session: Session, text: str) -> dict[str, Any]:
    """The key of a name, of VAULT/NAME, or of an OCID. Errors: Refused."""
    if is_ocid(text, "key"):
        return dict(session.server.get(f"{KEYS}/{text}").body)
    vault_text, _, name = text.rpartition("/")
    vaults = [vault(session, vault_text)] if vault_text else living(session.everywhere(VAULTS, ""))
    found = [each for one in vaults for each in living(keys_of(session, one)) if each["displayName"] == name]
    return dict(only(found, "key", text))


def keys_of(session: Session, one: dict[str, Any], place: str = "") -> list[dict[str, Any]]:
    """The keys of a vault."""
    return session.everywhere(f"{endpoint(one)}{KEYS}", place)


def endpoint(one: dict[str, Any]) -> str:
    """The path prefix by which requests about keys name their vault."""
    return "/vaults/" + str(one["managementEndpoint"]).rpartition("/vaults/")[2]


def cluster(session: Session, text: str) -> dict[str, Any]:
    """The cluster of a name or an OCID. Errors: Refused."""
    if is_ocid(text, "cluster"):
        return dict(session.server.get(f"{CLUSTERS}/{text}").body)
    found = living(session.everywhere(CLUSTERS, "", name=text))
    return dict(only(found, "cluster", text))


def application(session: Session, text: str) -> dict[str, Any]:
    """The application of a name or an OCID. Errors: Refused."""
    if is_ocid(text, "fnapp"):
        return dict(session.server.get(f"{APPLICATIONS}/{text}").body)
    found = living(session.everywhere(APPLICATIONS, "", displayName=text))
    return dict(only(found, "application", text))


def function(session: Session, text: str) -> dict[str, Any]:
    """The function of APPLICATION/NAME or of an OCID. Errors: Refused."""
    if is_ocid(text, "fnfunc"):
        return dict(session.server.get(f"{FUNCTIONS}/{text}").body)
    named, slash, name = text.rpartition("/")
    if not slash:
        raise Refused(f"{text!r} names no application.", advice="Write APPLICATION/FUNCTION, or the OCID.")
    of = application(session, named)["id"]
    found = session.server.everything(FUNCTIONS, applicationId=of, displayName=name)
    return dict(only(living(found), "function", text))


def named(session: Session, path: str, kind: str, text: str, **query: Any) -> dict[str, Any]:
    """The user, group or policy (`kind`) of a name or an OCID, from its list at `path`. Errors: Refused."""
    if is_ocid(text, kind):
        return dict(session.server.get(f"{path}/{text}").body)
    found = living(session.server.everything(path, compartmentId=session.profile.tenancy, name=text, **query))
    return dict(only(found, kind, text))


def living(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that are not deleted: a name belongs to them again."""
    return [each for each in found if each["lifecycleState"] != "DELETED"]


def is_ocid(text: str, kind: str) -> bool:
    """Whether a text is the OCID of a thing of this kind, rather than a name."""
    return text.startswith(f"ocid1.{kind}.")
