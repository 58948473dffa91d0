"""Read JSON bodies as the OCI SDK's own models: run by the Python of the SDK's environment.

stdin: a JSON list of {"client": "artifacts.ArtifactsClient", "model": "ContainerImage", "body": …}. stdout: for each of
them the dotted names of the fields that the model knows and that are empty there, or hold a word that it has not.
"""

import importlib
import json
import sys

from oci.signer import AbstractBaseSigner

#: Of the right shape, and nobody's: nothing is signed or sent.
CONFIG = {
    "user": "ocid1.user.oc1..a",
    "tenancy": "ocid1.tenancy.oc1..a",
    "fingerprint": ":".join(["00"] * 16),
    "region": "us-ashburn-1",
    "key_file": "none",
}


class NoSigner(AbstractBaseSigner):
    """The clients here send nothing."""


def empty_fields(value: object, name: str) -> list[str]:
    """The fields below `value` that are None or of an unknown word."""
    if value is None or (isinstance(value, str) and value == "UNKNOWN_ENUM_VALUE"):
        return [name if value is None else f"{name} (unknown word)"]
    if isinstance(value, list):
        return [found for each in value for found in empty_fields(each, name)]
    fields = getattr(value, "swagger_types", None)
    if fields is None:
        return []
    return [found for field in fields for found in empty_fields(getattr(value, field), f"{name}.{field}")]


def main() -> None:
    """Read all, say all."""
    found = []
    for each in json.load(sys.stdin):
        module, _, client_name = each["client"].rpartition(".")
        client = getattr(importlib.import_module(f"oci.{module}"), client_name)
        made = client(CONFIG, signer=NoSigner(), service_endpoint="http://127.0.0.1:1")
        value = made.base_client.deserialize_response_data(json.dumps(each["body"]).encode(), each["model"])
        found.append(sorted(set(empty_fields(value, each["model"]))))
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
