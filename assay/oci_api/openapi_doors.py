"""What the other doors answer, for the OpenAPI document: registry, tokens, health and metrics, admission.

Their operations stand in no table of rows; what is written here follows distribution-spec 1.1 ("Endpoints", "Error
Codes") and the AdmissionReview of admission.k8s.io/v1.
"""

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

#: By each status of success: what comes back, by media type.
Answers = Mapping[int, Mapping[str, Json]]

_TEXT: Json = {"schema": {"type": "string"}}
_JSON: Json = {"schema": {"type": "object"}}
_BYTES: Json = {}
_INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
_MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    _INDEX_TYPE,
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)

SCHEMAS: Json = {
    "RegistryErrors": {
        "type": "object",
        "properties": {
            "errors": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "properties": {"code": {"type": "string"}, "message": {"type": "string"}, "detail": {}},
                    "required": ["code", "message"],
                },
            }
        },
        "required": ["errors"],
    },
    "RegistryToken": {
        "type": "object",
        "properties": {
            "token": {"type": "string"},
            "access_token": {"type": "string"},
            "expires_in": {"type": "integer"},
            "issued_at": {"type": "string", "format": "date-time"},
        },
        "required": ["token", "access_token", "expires_in", "issued_at"],
    },
    # Source: k8s.io/apimachinery, meta/v1, Status: of another body an API server tells its user nothing.
    "KubernetesStatus": {
        "type": "object",
        "properties": {
            "kind": {"const": "Status"},
            "apiVersion": {"const": "v1"},
            "metadata": {"type": "object"},
            "status": {"const": "Failure"},
            "message": {"type": "string"},
            "reason": {"type": "string"},
            "code": {"type": "integer"},
        },
        "required": ["kind", "apiVersion", "status", "message", "code"],
    },
    "AdmissionReview": {
        "type": "object",
        "properties": {
            "apiVersion": {"const": "admission.k8s.io/v1"},
            "kind": {"const": "AdmissionReview"},
            "request": {
                "type": "object",
                "properties": {"uid": {"type": "string"}, "object": {"type": ["object", "null"]}},
            },
        },
        "required": ["apiVersion", "kind", "request"],
    },
}
SECURITY: Json = {
    "registryToken": {"type": "http", "scheme": "bearer", "description": "A token of /20180419/docker/token."},
    "authToken": {"type": "http", "scheme": "basic", "description": "NAMESPACE/USER and an auth token."},
    "cluster": {"type": "http", "scheme": "bearer", "description": "The token of a cluster, or its certificate."},
}
_ANYBODY: list[Json] = [{}]
_REGISTRY_CALLER: list[Json] = [{"registryToken": []}, {"authToken": []}, {}]

#: With what any operation of the registry may refuse.
_REFUSALS = (400, 401, 403, 404, 405, 409, 413, 416, 429, 500, 503)
_ERRORS: Json = {"$ref": "#/components/schemas/RegistryErrors"}


def _parameters(path: str, query: Mapping[str, str]) -> list[Json]:
    named = [part.strip("{}") for part in path.split("/") if part.startswith("{")]
    return [
        *(
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            for name in named
        ),
        *({"name": name, "in": "query", "schema": {"type": kind}} for name, kind in query.items()),
    ]


def _registry(
    path: str,
    method: str,
    done: Answers,
    *,
    query: Mapping[str, str] | None = None,
    body: Mapping[str, Json] | None = None,
) -> Json:
    """An operation; `done` is what success gives."""
    # A HEAD has no body, whatever is answered.
    errors = {} if method == "head" else {"application/json": {"schema": _ERRORS}}
    responses: Json = {str(status): {"description": "Refused.", "content": errors} for status in _REFUSALS}
    responses["408"] = {"description": "The body stopped coming.", "content": {"*/*": _TEXT}}
    for status, content in done.items():
        responses[str(status)] = {"description": "Done.", "content": dict(content)}
    told: Json = {
        "operationId": f"{method} {path}",
        "tags": ["Registry"],
        "security": _REGISTRY_CALLER,
        "parameters": _parameters(path, query or {}),
        "responses": responses,
    }
    if body is not None:
        told["requestBody"] = {"content": dict(body)}
    return told


_BLOB: Answers = {200: {"application/octet-stream": _BYTES}, 206: {"*/*": _BYTES}, 304: {}, 307: {}, 412: {}}
_MANIFEST: Answers = {200: {"*/*": _BYTES}, 304: {}, 412: {}}
_HEADERS: Answers = {200: {}, 304: {}, 412: {}}
_TAGS_PAGE = {"n": "integer", "last": "string"}
_REFERRERS_PAGE = {"artifactType": "string", "last": "string"}
_UPLOADED: Mapping[str, Json] = {"application/octet-stream": _BYTES}
_ONE = "/v2/{name}"

#: Path, method, what success gives, query, body.
_OPERATIONS: tuple[tuple[str, str, Answers, Mapping[str, str], Mapping[str, Json] | None], ...] = (
    ("/v2/", "get", {200: {"application/json": _JSON}}, {}, None),
    ("/v2/_catalog", "get", {200: {"application/json": _JSON}}, {"n": "integer", "last": "string"}, None),
    (
        f"{_ONE}/blobs/uploads/",
        "post",
        {201: {}, 202: {}},
        {"digest": "string", "digest-algorithm": "string", "mount": "string", "from": "string"},
        _UPLOADED,
    ),
    (f"{_ONE}/blobs/uploads/{{upload}}", "get", {204: {}}, {}, None),
    (f"{_ONE}/blobs/uploads/{{upload}}", "patch", {202: {}}, {}, _UPLOADED),
    (f"{_ONE}/blobs/uploads/{{upload}}", "put", {201: {}}, {"digest": "string"}, _UPLOADED),
    (f"{_ONE}/blobs/uploads/{{upload}}", "delete", {204: {}}, {}, None),
    (f"{_ONE}/blobs/{{digest}}", "get", _BLOB, {}, None),
    (f"{_ONE}/blobs/{{digest}}", "head", _HEADERS, {}, None),
    (f"{_ONE}/blobs/{{digest}}", "delete", {202: {}}, {}, None),
    (f"{_ONE}/manifests/{{reference}}", "get", _MANIFEST, {}, None),
    (f"{_ONE}/manifests/{{reference}}", "head", _HEADERS, {}, None),
    (
        f"{_ONE}/manifests/{{reference}}",
        "put",
        {201: {}, 412: {}, 415: {}},
        {"tag": "string"},
        dict.fromkeys(_MANIFEST_TYPES, _JSON),
    ),
    (f"{_ONE}/manifests/{{reference}}", "delete", {202: {}, 412: {}}, {}, None),
    (f"{_ONE}/tags/list", "get", {200: {"application/json": _JSON}}, _TAGS_PAGE, None),
    (f"{_ONE}/tags/list", "head", {200: {}}, _TAGS_PAGE, None),
    (f"{_ONE}/referrers/{{digest}}", "get", {200: {_INDEX_TYPE: _JSON}}, _REFERRERS_PAGE, None),
    (f"{_ONE}/referrers/{{digest}}", "head", {200: {}}, _REFERRERS_PAGE, None),
)


def _token(method: str) -> Json:
    told = _registry("/20180419/docker/token", method, {200: {"application/json": {"schema": _TOKEN}}})
    told["security"] = [{"authToken": []}, {}]
    if method == "get":
        told["security"].insert(1, {"signature": []})
        told["parameters"] = _parameters("", {"service": "string", "scope": "string"})
    else:
        told["requestBody"] = {"content": {"application/x-www-form-urlencoded": {"schema": _FORM}}}
    return told


_TOKEN: Json = {"$ref": "#/components/schemas/RegistryToken"}
_FORM: Json = {
    "type": "object",
    "properties": {
        "grant_type": {"const": "password"},
        "username": {"type": "string"},
        "password": {"type": "string"},
        "scope": {"type": "string"},
    },
    "required": ["grant_type", "username", "password"],
}


def _open(name: str, answers: Answers) -> Json:
    return {
        "get": {
            "operationId": name,
            "tags": ["Health"],
            "security": _ANYBODY,
            "responses": {
                str(status): {"description": "As it stands.", "content": dict(content)}
                for status, content in answers.items()
            },
        }
    }


def _review(phase: str) -> Json:
    """A webhook: 200 with a decision whatever was asked; another status for what is no review, which denies too."""
    review: Json = {"application/json": {"schema": {"$ref": "#/components/schemas/AdmissionReview"}}}
    error: Json = {"application/json": {"schema": {"$ref": "#/components/schemas/KubernetesStatus"}}}
    decided: Json = {"application/json": {"schema": _DECIDED}}
    return {
        "servers": [{"url": "https://127.0.0.1:5443", "description": "The admission port."}],
        "post": {
            "operationId": f"{phase} a workload",
            "tags": ["Admission"],
            "security": [{"cluster": []}],
            "parameters": _parameters("/{cluster}", {"timeout": "string"}),
            "requestBody": {"required": True, "content": review},
            "responses": {
                "200": {"description": "The decision.", "content": decided},
                **{str(status): {"description": "Refused.", "content": error} for status in _REVIEW_REFUSALS},
            },
        },
    }


_REVIEW_REFUSALS = (400, 401, 403, 404, 408, 413, 415, 429, 500, 503)
_DECIDED: Json = {
    "type": "object",
    "properties": {
        "response": {
            "type": "object",
            "properties": {"uid": {"type": "string"}, "allowed": {"type": "boolean"}},
            "required": ["uid", "allowed"],
        }
    },
    "required": ["apiVersion", "kind", "response"],
}


def _paths() -> dict[str, Json]:
    found: dict[str, Json] = {}
    for path, method, done, query, body in _OPERATIONS:
        found.setdefault(path, {})[method] = _registry(path, method, done, query=query, body=body)
    found["/20180419/docker/token"] = {method: _token(method) for method in ("get", "post")}
    found["/healthz"] = _open("IsAlive", {200: {"text/plain": _TEXT}})
    found["/readyz"] = _open("IsReady", {200: {"application/json": _JSON}, 503: {"application/json": _JSON}})
    found["/metrics"] = _open("Metrics", {200: {"text/plain": _TEXT}})
    for phase in ("mutate", "validate"):
        found[f"/v1/clusters/{{cluster}}/{phase}"] = _review(phase)
    return found


#: Every path of the other doors.
PATHS: dict[str, Json] = _paths()
