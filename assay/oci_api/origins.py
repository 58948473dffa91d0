"""Where the clients of OCI find this server: the addresses that models hold, and what a client is set up with.

A model's addresses follow the name that was asked: who asks by one of OCI's names gets such names, and stays with them;
who asks at the main address, where all services are, gets that.
"""

from typing import Any

from assay.admission import authority
from assay.endpoints import Endpoints
from assay.oci_api.contract import Gives
from assay.oci_api.frame import Call, Reply, Row, takes


def endpoints_of(call: Call) -> Endpoints:
    """The names of OCI's services at this installation."""
    return call.app.settings.endpoints(call.app.store.site.region)


def functions_origin(call: Call) -> str:
    """Where functions are invoked. Without it the stock client would call the public service (oci-api 2.4)."""
    endpoints = endpoints_of(call)
    port = endpoints.port_of(call.host)
    return call.app.settings.url if port is None else f"https://functions.{endpoints.zones[0]}{port}"


def vault_origins(call: Call, extension: str) -> tuple[str, str]:
    """Where a vault's keys are managed, and where they are used."""
    endpoints = endpoints_of(call)
    port = endpoints.port_of(call.host)
    if port is None:
        origin = f"{call.app.settings.url}/vaults/{extension}"
        return origin, origin
    management, crypto = endpoints.vault_hosts(extension)
    return f"https://{management}{port}", f"https://{crypto}{port}"


@takes(Gives.ONE)
def _set_up(call: Call) -> Reply:
    endpoints = endpoints_of(call)
    body: dict[str, Any] = {
        "region": endpoints.region,
        "realmDomain": endpoints.realm_domain,
        "address": endpoints.address,
        "serviceHosts": endpoints.services,
        "vaultZone": endpoints.zones[2],
        "certificateAuthorities": authority.trusted_bundle(call.app.store),
    }
    return Reply(body)


#: What `assay oci-setup` writes down; for every signed-in caller, since it names nothing that is anybody's.
ROWS: tuple[Row, ...] = (Row("GET", "/20260901/ociClient", "GetSession", _set_up),)
