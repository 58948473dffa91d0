"""The only reader of the environment and of the configuration file.

Each setting has a default that works on one machine. A setting NAME is taken from the environment as ASSAY_NAME, else
from the TOML file (`--config`, or ASSAY_CONFIG), else from its default; docs/settings.md describes them all.
"""

import difflib
import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from assay.clock import DAY, HOUR, MINUTE, SECOND
from assay.endpoints import Endpoints
from assay.errors import Refused
from assay.secret import Secret

_PREFIX = "ASSAY_"
#: Variables of ours that are no settings of a server.
_NO_SETTINGS = ("ASSAY_CONFIG", "ASSAY_PASSPHRASE", "ASSAY_PROFILE")

_DATABASE = re.compile(r"(?:postgresql://|sqlite:///).+")
_EXTERNAL = re.compile(r"https?://(?:\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?/*")

_MANY = 10**6
#: The least and the most of each setting that limits something.
_LIMITS = {
    "api_requests_per_second_address": (0, _MANY),
    "api_requests_per_second_user": (0, _MANY),
    "registry_requests_per_second_address": (0, _MANY),
    "registry_requests_per_second_user": (0, _MANY),
    "token_requests_per_second_address": (0, _MANY),
    "token_requests_per_second_user": (0, _MANY),
    "connections_max": (1, _MANY),
    "connections_max_address": (1, _MANY),
    "manifest_bytes_max": (1024, 16 * 1024**2),
    "manifest_layers_max": (1, 10_000),
    "index_children_max": (1, 10_000),
    "index_nesting_max": (1, 16),
    "blob_bytes_max": (1024**2, 1024**4),
    "open_uploads_max": (1, _MANY),
    "open_uploads_max_user": (1, _MANY),
    "collection_blobs_per_second": (0, _MANY),
    "scrub_bytes_per_second": (0, 10**12),
}

#: Settings that are one of some words.
_WORDS = {
    "unrated_counts_as": ("critical", "high", "medium", "low"),
    "sparse_manifests": ("refuse", "take"),
    "log_format": ("text", "json"),
}

#: Durations up to a year, each with the least that it may be.
_SPANS = {"restore_window": 0, "retention_interval": 0, "scrub_interval": 0, "collection_grace": 2 * HOUR}


def _home(variable: str, default: str) -> Path:
    return Path(os.environ.get(variable) or Path.home() / default) / "assay"


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, checked. Durations are in microseconds here and in seconds where people write them."""

    data_folder: Path = field(default_factory=lambda: _home("XDG_DATA_HOME", ".local/share"))
    database_url: str = ""
    jobs_url: str = ""
    root_key_file: Path = field(default_factory=lambda: _home("XDG_CONFIG_HOME", ".config") / "root.key")
    root_passphrase: Secret | None = None
    realm: str = "oc1"
    region: str = "local"
    host: str = "127.0.0.1"
    port: int = 5080
    admission_host: str = "127.0.0.1"
    admission_port: int = 5443
    #: The address people and clients use, scheme included; names signatures. Empty: http://HOST:PORT.
    external_url: str = ""
    #: Further HOST[:PORT] under which clusters may name this registry.
    registry_aliases: tuple[str, ...] = ()
    #: The address at which API servers reach the admission webhook. Empty: https://ADMISSION_HOST:ADMISSION_PORT.
    admission_url: str = ""
    #: Names in the admission server's certificate, beside `admission_host`.
    admission_names: tuple[str, ...] = ()
    admission_certificate_file: Path | None = None
    admission_key_file: Path | None = None
    #: The TLS port for OCI's own clients, and their way to it; the realm's domain is part of every name they ask for.
    oci_host: str = "127.0.0.1"
    oci_port: int = 5444
    oci_domain: str = "assay.internal"
    #: The HOST:PORT at which those clients reach it. Empty: OCI_HOST:OCI_PORT.
    oci_address: str = ""
    feed_address: str = "https://osv-vulnerabilities.storage.googleapis.com"
    feed_ecosystems: tuple[str, ...] = ("Debian", "Ubuntu", "Alpine", "PyPI", "npm")
    feed_interval: int = HOUR
    #: Whether a blob is on the disk before its push is acknowledged. "off" is for measurements.
    blob_fsync: str = "on"
    #: Where blobs lie: empty for a folder in the data folder, or s3://BUCKET/PREFIX.
    blob_store: str = ""
    s3_endpoint: str = ""
    s3_region: str = "us-east-1"
    s3_access_key: str = ""
    s3_secret_key: Secret | None = None
    s3_session_token: Secret | None = None
    #: Whether the bucket stands in the path of addresses, and not before the host.
    s3_path_style: str = "on"
    #: Whether the endpoint may have no TLS although it is not on loopback.
    s3_plain_http: str = "off"
    #: Whether clients are sent to the object store for blobs, and how long such an address lasts.
    blob_redirect: str = "off"
    blob_redirect_lifetime: int = MINUTE
    readers: int = 2
    unrated_counts_as: str = "medium"
    session_lifetime: int = 12 * HOUR
    registry_token_lifetime: int = 5 * MINUTE
    #: How long a deleted image can be restored; then it is purged.
    restore_window: int = 2 * DAY
    #: How long a blob that nothing needs any more stays, and one that was uploaded waits for its manifest.
    collection_grace: int = DAY
    collection_blobs_per_second: int = 50
    #: How often everything stored is read again to find damage, and how fast; an interval of 0 for never.
    scrub_interval: int = 7 * DAY
    scrub_bytes_per_second: int = 20_000_000
    #: How often retention policies go through each repository; 0 for on command alone.
    retention_interval: int = HOUR
    #: How long API keys and auth tokens last whose maker says nothing else.
    credential_lifetime: int = 365 * DAY
    #: Requests to the API from one address, and of one user, in this process; 0 for no limit.
    api_requests_per_second_address: int = 1000
    api_requests_per_second_user: int = 500
    #: The same of the registry, and of its token server.
    registry_requests_per_second_address: int = 2000
    registry_requests_per_second_user: int = 1000
    token_requests_per_second_address: int = 100
    token_requests_per_second_user: int = 50
    #: Connections to a port at once; beyond them each is told to come again.
    connections_max: int = 2000
    connections_max_address: int = 500
    #: Addresses and networks of proxies whose word on where a request came from is believed.
    trusted_proxies: tuple[str, ...] = ()
    trusted_proxy_header: str = "x-forwarded-for"
    manifest_bytes_max: int = 4 * 1024**2
    manifest_layers_max: int = 1000
    index_children_max: int = 1000
    index_nesting_max: int = 4
    blob_bytes_max: int = 64 * 1024**3
    #: Whether a manifest may be pushed whose blobs or children its repository does not have: "refuse", "take".
    sparse_manifests: str = "refuse"
    #: Uploads that have begun and not ended, of a tenancy and of a user.
    open_uploads_max: int = 10_000
    open_uploads_max_user: int = 1000
    worker_name: str = ""
    log_format: str = "text"

    def __post_init__(self) -> None:
        for name in ("port", "admission_port", "oci_port"):
            if not 0 <= getattr(self, name) <= 65535:
                raise Refused(f"{name} is {getattr(self, name)}.", advice="Use a port from 1 to 65535.")
        if self.feed_interval < SECOND:
            raise Refused("feed_interval is below one second.", advice="Give seconds, such as 3600.")
        for name, (least, most) in _LIMITS.items():
            if not least <= getattr(self, name) <= most:
                no_limit = "; 0 is no limit" if least == 0 else ""
                raise Refused(f"{name} is {getattr(self, name)}.", advice=f"Give {least} to {most}{no_limit}.")
        self._check_addresses()
        self._check_proxies()
        for name, least in _SPANS.items():
            if not least <= getattr(self, name) <= 366 * DAY:
                raise Refused(f"{name} is out of range.", advice=f"Give seconds, from {least // SECOND} to a year.")
        if not SECOND <= self.credential_lifetime <= 3650 * DAY:
            raise Refused("credential_lifetime is out of range.", advice="Give seconds, at most ten years.")
        self.endpoints(self.region)
        for name, words in _WORDS.items():
            if getattr(self, name) not in words:
                advice = f"Use {', '.join(words[:-1])} or {words[-1]}."
                raise Refused(f"{name} is {getattr(self, name)!r}.", advice=advice)
        self._check_store()

    def _check_store(self) -> None:
        for name in _SWITCHES:
            if getattr(self, name) not in ("on", "off"):
                raise Refused(f"{name} is {getattr(self, name)!r}.", advice="Use on or off.")
        if not SECOND <= self.blob_redirect_lifetime <= HOUR:
            raise Refused("blob_redirect_lifetime is out of range.", advice="Give seconds, at most an hour.")

    def _check_addresses(self) -> None:
        for name in ("database_url", "jobs_url"):
            # Not said as it is: a password may stand in it.
            if (url := getattr(self, name)) and not _DATABASE.fullmatch(url):
                raise Refused(
                    f"{name} names no database that Assay knows.",
                    advice="Write postgresql://USER@HOST:PORT/NAME or sqlite:///PATH.",
                )
        if self.external_url and not _EXTERNAL.fullmatch(self.external_url):
            raise Refused(
                f"external_url is {self.external_url[:80]!r}.",
                advice="Write http://HOST[:PORT] or https://HOST[:PORT], without a path.",
            )

    def _check_proxies(self) -> None:
        for proxy in self.trusted_proxies:
            try:
                ipaddress.ip_network(proxy)
            except ValueError as fault:
                raise Refused(
                    f"trusted_proxies holds {proxy!r}: {fault}.",
                    advice="Give addresses, or networks such as 10.1.0.0/16.",
                ) from fault
        if self.trusted_proxy_header.lower() not in ("x-forwarded-for", "forwarded"):
            raise Refused(
                f"trusted_proxy_header is {self.trusted_proxy_header!r}.", advice="Use x-forwarded-for or forwarded."
            )

    @property
    def database(self) -> str:
        """The database's URL; by default a file in the data folder."""
        return self.database_url or f"sqlite:///{self.data_folder / 'assay.db'}"

    @property
    def s3_address(self) -> str:
        """Where the object store listens; by default Amazon's."""
        return self.s3_endpoint or f"https://s3.{self.s3_region}.amazonaws.com"

    @property
    def jobs_database(self) -> str:
        """The task engine's own database: beside ours, never in it."""
        if self.jobs_url:
            return self.jobs_url
        if self.database.startswith("sqlite"):
            return f"sqlite:///{self.data_folder / 'jobs.db'}"
        return f"{self.database}_jobs"

    @property
    def url(self) -> str:
        """Where people and clients reach this server."""
        return self.external_url.rstrip("/") or f"http://{self.host}:{self.port}"

    @property
    def admission_origin(self) -> str:
        """Where API servers reach the admission webhook."""
        return self.admission_url.rstrip("/") or f"https://{self.admission_host}:{self.admission_port}"

    def endpoints(self, region: str) -> Endpoints:
        """The names of OCI's services here. Errors: Refused for a domain or an address that is none."""
        host = f"[{self.oci_host}]" if ":" in self.oci_host else self.oci_host
        return Endpoints(region, self.oci_domain, self.oci_address or f"{host}:{self.oci_port}")

    @property
    def registry_host(self) -> str:
        """The HOST[:PORT] of image references."""
        return self.url.partition("://")[2]


def read(config_file: Path | None = None, environment: Mapping[str, str] | None = None, **given: Any) -> Settings:
    """The settings from `given` (command-line options), the environment and the file, in this order of precedence.

    Errors: Refused for a file that does not read, an unknown name (with the nearest known one), a value that is wrong.
    """
    environment = os.environ if environment is None else environment
    if config_file is None and environment.get(f"{_PREFIX}CONFIG"):
        config_file = Path(environment[f"{_PREFIX}CONFIG"])
    written: dict[str, Any] = _file(config_file) if config_file else {}
    known = {setting.name: setting for setting in fields(Settings)}
    for variable, value in environment.items():
        name = variable.removeprefix(_PREFIX).lower()
        if variable.startswith(_PREFIX) and name in known:
            written[name] = value
    written |= {name: value for name, value in given.items() if value is not None}
    for name in written:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise Refused(
                f"There is no setting {name!r}.",
                advice=f"Did you mean {near[0]!r}?" if near else "See docs/settings.md.",
            )
    return Settings(**{name: _value(name, str(known[name].type), value) for name, value in written.items()})


def misspelt(environment: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """What to warn of, in words: variables of the environment (the process's by default) that nearly have a setting's
    name. They may be other programs', so none is refused."""
    environment = os.environ if environment is None else environment
    known = {f"{_PREFIX}{setting.name.upper()}" for setting in fields(Settings)}
    strange = sorted(name for name in environment if name.startswith(_PREFIX) and name not in {*known, *_NO_SETTINGS})
    near = {name: difflib.get_close_matches(name, known, n=1, cutoff=0.86) for name in strange}
    return tuple(
        f"{name} is no setting, and is not used. Did you mean {found[0]}?" for name, found in near.items() if found
    )


def _file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as fault:
        raise Refused(f"The configuration file {path} cannot be read: {fault.strerror}.") from fault
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise Refused(f"The configuration file {path} is not TOML: {fault}.") from fault


def _value(name: str, kind: str, value: Any) -> Any:
    """`value` as the field's type wants it."""
    if "tuple" in kind:
        return (
            tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else tuple(value)
        )
    if "Path" in kind:
        return Path(value).expanduser()
    if "Secret" in kind:
        return value if isinstance(value, Secret) else Secret(str(value))
    if "int" in kind:
        try:
            number = int(value)
        except ValueError as fault:
            raise Refused(f"{name} is {value!r}, not a whole number.") from fault
        return number * SECOND if name in _IN_SECONDS else number
    return str(value)


_IN_SECONDS = {
    "feed_interval",
    "session_lifetime",
    "registry_token_lifetime",
    "credential_lifetime",
    "restore_window",
    "collection_grace",
    "scrub_interval",
    "retention_interval",
    "blob_redirect_lifetime",
}
_SWITCHES = ("blob_fsync", "s3_path_style", "s3_plain_http", "blob_redirect")
