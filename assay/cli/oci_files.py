"""The files by which OCI's own clients find an installation of Assay, as texts. Pure (oci-api 1.4, 1.6).

One profile of the client's configuration file, and beside that file a folder of the profile's own: the developer tool
configuration with our region, the certificate authorities to trust, the private key, and the environment that names
them all. Only a client that is given that environment looks here; every other profile goes on as before.
"""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from assay.errors import Refused

MADE_BY = "# made by: assay oci-setup"
#: A realm of our own: a client that is also to know the public regions keeps theirs.
REALM = "assay"
#: The client says that a private key file should end with this, and warns of others.
KEY_LABEL = "OCI_API_KEY"

_PROFILE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HEADING = re.compile(r"\s*\[([^\]]*)\]")

#: What the environment may already say that would lead elsewhere, or speak for somebody else.
_UNSET = (
    "OCI_CLI_AUTH",
    "OCI_CLI_CERT_BUNDLE",
    "OCI_CLI_ENDPOINT",
    "OCI_CLI_FINGERPRINT",
    "OCI_CLI_KEY_CONTENT",
    "OCI_CLI_KEY_FILE",
    "OCI_CLI_RC_FILE",
    "OCI_CLI_REGION",
    "OCI_CLI_TENANCY",
    "OCI_CLI_USER",
)


@dataclass(frozen=True, slots=True)
class Places:
    """Where the files of one profile lie. `folder` is the client's own, `~/.oci` else."""

    folder: Path
    profile: str

    def __post_init__(self) -> None:
        if not _PROFILE.fullmatch(self.profile) or self.profile == "DEFAULT":
            raise Refused(
                f"{self.profile[:80]!r} can be no profile of an installation's own.",
                advice="Use letters, digits, '-' and '_'; what stands in DEFAULT would hold for all profiles.",
            )

    @property
    def config(self) -> Path:
        """The client's configuration file, which holds all profiles."""
        return self.folder / "config"

    @property
    def own(self) -> Path:
        """The folder of this profile alone."""
        return self.folder / f"assay-{self.profile}"

    @property
    def tools(self) -> Path:
        """The developer tool configuration."""
        return self.own / "developer-tool-configuration.json"

    @property
    def authorities(self) -> Path:
        """The certificate authorities, PEM."""
        return self.own / "authorities.pem"

    @property
    def key(self) -> Path:
        """The private key that is made here."""
        return self.own / "api-key.pem"

    @property
    def environment(self) -> Path:
        """What a shell sources."""
        return self.own / "env"


def section(values: Mapping[str, str]) -> str:
    """The body of a profile."""
    return "".join([f"{MADE_BY}\n", *(f"{name}={value}\n" for name, value in values.items())])


def section_of(text: str, profile: str) -> str | None:
    """The body of a profile in a configuration file, or None when there is none of that name."""
    found = [body for name, body in _sections(text) if name == profile]
    return "".join(body.partition("\n")[2] for body in found) if found else None


def with_section(text: str, profile: str, body: str) -> str:
    """A configuration file with this profile as given, and everything else as it was, byte for byte.

    Errors: Refused when a profile of that name is there that this command did not make.
    """
    rest = without_section(text, profile)
    if rest and not rest.endswith("\n"):
        rest += "\n"
    return f"{rest}[{profile}]\n{body}"


def without_section(text: str, profile: str) -> str:
    """A configuration file without this profile. Errors: as of `with_section`."""
    present = section_of(text, profile)
    if present is not None and MADE_BY not in present:
        raise Refused(
            f"There is a profile {profile!r} that assay oci-setup did not make.",
            advice="Choose another name with --profile.",
        )
    return "".join(body for name, body in _sections(text) if name != profile)


def value_in(body: str, name: str) -> str:
    """A member of a profile's body; empty when it is not there."""
    found = re.search(rf"(?m)^{name}\s*=\s*(.+?)\s*$", body)
    return found[1] if found else ""


def tool_configuration(region: str, realm_domain: str) -> str:
    """The developer tool configuration with one region, ours."""
    one = {
        "realmKey": REALM,
        "realmDomainComponent": realm_domain,
        "regionKey": region,
        "regionIdentifier": region,
    }
    return json.dumps({"services": [], "regions": [one]}, indent=2) + "\n"


def environment(places: Places, *, proxy: str, direct: str) -> str:
    """What a shell sources. `proxy` is the address of the TLS port, or empty where all names are resolved by others;
    `direct` is the host that `assay` itself talks to, which no proxy should stand before.
    """
    # A bundle that REQUESTS_CA_BUNDLE names goes before --cert-bundle, so it must be this variable (oci-api 1.4).
    values = {
        "OCI_CONFIG_FILE": str(places.config),
        "OCI_CLI_CONFIG_FILE": str(places.config),
        "OCI_CLI_PROFILE": places.profile,
        "OCI_DEVELOPER_TOOL_CONFIGURATION_FILE_PATH": str(places.tools),
        # The same file under the name by which SDKs before 2025 know it.
        "OCI_ALLOY_CONFIG_FILE_PATH": str(places.tools),
        "REQUESTS_CA_BUNDLE": str(places.authorities),
    }
    ways = ("HTTPS_PROXY", "https_proxy") if proxy else ()
    values |= dict.fromkeys(ways, proxy) | dict.fromkeys(("NO_PROXY", "no_proxy"), direct)
    lines = [
        MADE_BY,
        "# For a shell whose OCI clients are to talk to this installation alone:  . "
        + shlex.quote(places.own.name)
        + "/env",
        f"unset {' '.join((*_UNSET, *(() if proxy else ('HTTPS_PROXY', 'https_proxy'))))}",
        *(f"export {name}={shlex.quote(value)}" for name, value in values.items()),
    ]
    return "\n".join(lines) + "\n"


def host_lines(address: str, services: list[str], vault_zone: str, vaults: Mapping[str, str]) -> list[str]:
    """Lines for /etc/hosts: every service, and both hosts of each vault (extension to name)."""
    names = [(name, "") for name in services]
    for extension, called in sorted(vaults.items()):
        names += [(f"{extension}-{part}.{vault_zone}", f"  # vault {called}") for part in ("management", "crypto")]
    return [f"{address}  {name}{remark}" for name, remark in names]


def _sections(text: str) -> list[tuple[str, str]]:
    """(name, text with its heading), in order; what stands before the first heading has an empty name."""
    found: list[tuple[str, str]] = [("", "")]
    for line in text.splitlines(keepends=True):
        heading = _HEADING.match(line)
        if heading:
            found.append((heading[1], line))
        else:
            name, body = found[-1]
            found[-1] = (name, body + line)
    return found
