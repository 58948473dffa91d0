"""The OpenAPI 3.1 document of the service, written from the table of routes and their contracts.

Source: OpenAPI Specification 3.1.1; the schemas of members are JSON Schema 2020-12, as msgspec describes types.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import msgspec

from assay.errors import ANSWERS, Reason
from assay.oci_api import openapi_doors
from assay.oci_api.contract import Contract, Gives, Members, Need, kind_of
from assay.oci_api.frame import Row

Json = dict[str, Any]

#: With what the door may answer any request before the operation is reached, or because a supply fails.
_ALWAYS = (
    Reason.MALFORMED,
    Reason.NOT_AUTHENTICATED,
    Reason.PASSWORD_CHANGE_NEEDED,
    Reason.NOT_FOUND,
    Reason.TOO_LARGE,
    Reason.TOO_MANY_REQUESTS,
    Reason.INTERNAL,
    Reason.UNAVAILABLE,
)
#: With what an operation that changes something may, beside these.
_CHANGES = (Reason.EXISTS, Reason.ETAG_MISMATCH)

_SERVICES = {
    "20160918": "Identity and Artifacts",
    "20180222": "Container Engine",
    "20180608": "Key Management",
    "20181201": "Functions",
    "20210215": "Vulnerability Scanning",
    "20260325": "Functions",
    "20260901": "Assay",
    "n": "Object Storage",
}
_REPLY_HEADERS: Json = {"opc-request-id": {"schema": {"type": "string"}}}
_OBJECT: Json = {"type": "object"}
_GIVEN: Mapping[Gives, Json] = {
    Gives.ONE: _OBJECT,
    Gives.LIST: {"type": "array", "items": _OBJECT},
    Gives.ITEMS: {
        "type": "object",
        "properties": {"items": {"type": "array", "items": _OBJECT}},
        "required": ["items"],
    },
    Gives.WORD: {"type": "string"},
    Gives.TEXT: {"type": "string"},
}


def document(signed_in: Sequence[Row], for_anybody: Sequence[Row]) -> Json:
    """The whole document: the API's operations by their rows, and the paths of the registry's and the other doors."""
    kinds = {kind for row in (*signed_in, *for_anybody) for kind in _kinds(row.run.contract)}
    ordered = sorted(kinds, key=str)
    schemas, components = msgspec.json.schema_components(ordered, ref_template="#/components/schemas/{name}")
    writer = _Writer(dict(zip(ordered, schemas, strict=True)), Counter(row.name for row in (*signed_in, *for_anybody)))
    paths: dict[str, Json] = {}
    for rows, security in ((signed_in, _SIGNED_IN), (for_anybody, [])):
        for row in rows:
            paths.setdefault(row.path, {})[row.method.lower()] = writer.operation(row) | {"security": security}
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Assay",
            "version": version("assay"),
            "description": "A container registry that scans, re-scans, signs and admits, and speaks OCI's APIs.",
        },
        "servers": [{"url": "/"}],
        "paths": paths | openapi_doors.PATHS,
        "components": {
            "responses": _refusals(),
            "schemas": {**components, "Error": _ERROR, **openapi_doors.SCHEMAS},
            "securitySchemes": {**_SECURITY, **openapi_doors.SECURITY},
        },
    }


_SIGNED_IN: list[Json] = [{"session": []}, {"signature": []}]
_SECURITY: Json = {
    "session": {"type": "http", "scheme": "bearer", "description": "The token that POST /20260901/sessions gives."},
    "signature": {
        "type": "http",
        "scheme": "signature",
        "description": "A request signature of a user's API key, version 1, as OCI's clients make it.",
    },
}
_ERROR: Json = {
    "type": "object",
    "properties": {
        "code": {"enum": sorted({answer.oci_code for answer in ANSWERS.values()})},
        "message": {"type": "string"},
    },
    "required": ["code", "message"],
    "additionalProperties": False,
}


class _Writer:
    """Writes operations, with the schemas of all types and how often each operation's name stands in the table."""

    def __init__(self, schemas: Mapping[Any, Json], named: Mapping[str, int]) -> None:
        self._schemas = schemas
        self._named = named

    def operation(self, row: Row) -> Json:
        """An Operation Object, but for its security."""
        contract = row.run.contract
        told: Json = {
            "operationId": row.name if self._named[row.name] == 1 else f"{row.name} {row.method} {row.path}",
            "tags": [_SERVICES[row.path.split("/")[1] if not row.path.startswith("/vaults/") else "20180608"]],
            "parameters": [*self._parameters(row), *_headers(row)],
            "responses": _responses(row),
        }
        if row.is_opaque:
            told["requestBody"] = {"content": {"application/octet-stream": {}}}
        elif contract.body:
            told["requestBody"] = self._body(contract.body)
        return told

    def _parameters(self, row: Row) -> Iterable[Json]:
        for name in re.findall(r"\{(\w+)", row.path):
            yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name, declared in row.run.contract.query.items():
            is_needed = isinstance(declared, Need)
            yield {"name": name, "in": "query", "required": is_needed, "schema": self._schemas[kind_of(declared)]}

    def _body(self, members: Members) -> Json:
        schema: Json = {
            "type": "object",
            "properties": {name: self._schemas[kind_of(declared)] for name, declared in members.items()},
        }
        needed = [name for name, declared in members.items() if isinstance(declared, Need)]
        if needed:
            schema["required"] = needed
        return {"required": bool(needed), "content": {"application/json": {"schema": schema}}}


def _kinds(contract: Contract) -> Iterable[Any]:
    return (kind_of(declared) for members in (contract.query, contract.body) for declared in members.values())


def _headers(row: Row) -> Iterable[Json]:
    names = ("opc-request-id",) if row.method == "GET" else ("opc-request-id", "opc-retry-token", "if-match")
    return ({"name": name, "in": "header", "schema": {"type": "string"}} for name in names)


def _responses(row: Row) -> Json:
    contract = row.run.contract
    reasons = (*_ALWAYS, *(() if row.method == "GET" else _CHANGES), *contract.refuses)
    statuses = {ANSWERS[reason].status for reason in reasons}
    told: Json = {}
    if contract.gives is Gives.REFUSAL:
        statuses.add(contract.success)
    else:
        told[str(contract.success)] = _success(contract)
    return told | {str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(statuses)}


def _refusals() -> Json:
    """The answers of the API that are errors, by status."""
    codes: dict[int, set[str]] = {}
    for answer in ANSWERS.values():
        codes.setdefault(answer.status, set()).add(answer.oci_code)
    return {
        str(status): {
            "description": ", ".join(sorted(found)),
            "headers": _REPLY_HEADERS,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        }
        for status, found in sorted(codes.items())
    }


def _success(contract: Contract) -> Json:
    done: Json = {"description": "Done.", "headers": _REPLY_HEADERS}
    if contract.gives is Gives.NOTHING:
        return done
    media_type = "text/plain" if contract.gives is Gives.TEXT else "application/json"
    return {**done, "content": {media_type: {"schema": _GIVEN[contract.gives]}}}
