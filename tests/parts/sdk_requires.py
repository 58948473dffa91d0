"""What the OCI SDK's own sources say that requests must hold: run by the Python of the SDK's environment.

stdin: a JSON object of base paths by client, `{"identity.IdentityClient": "/20160918"}`. stdout: by method and path,
with `{}` for every parameter of it, the names of the query's members that must be there, those that may, and of the
body's, dotted where one lies in another: it must be there when what holds it is.
"""

import importlib
import inspect
import json
import re
import sys

_WANTED = re.compile(r"required_arguments = (\[.*?\])", re.DOTALL)
_PATH = re.compile(r'resource_path = "(.*?)"')
_METHOD = re.compile(r'method = "(.*?)"')
_BODY = re.compile(r"\bbody=(\w+)")
_QUERY = re.compile(r"query_params = \{(.*?)\}", re.DOTALL)
_PARAMETER = re.compile(r"\{\w+\}")
_NAMED = re.compile(r'"(\w+)":')


def members(models: object, kind: str, before: str = "") -> dict[str, bool]:
    """Whether each member of a model must be there, by dotted name; of polymorphic ones, those that all have."""
    inner = re.search(r"(\w+)\]?$", kind)
    model = getattr(models, inner[1], None) if inner else None
    if model is None or not hasattr(model, "__init__") or not inspect.isclass(model):
        return {}
    made = model()
    found = {}
    for attribute, name in made.attribute_map.items():
        told = getattr(model, attribute).fget.__doc__ or ""
        found[f"{before}{name}"] = "**[Required]**" in told
        found |= members(models, made.swagger_types[attribute], f"{before}{name}.")
    return found


def operations(client: type, models: object, base: str) -> dict[str, object]:
    """The operations of a client."""
    found = {}
    for name, method in inspect.getmembers(client, inspect.isfunction):
        source = inspect.getsource(method)
        path, verb = _PATH.search(source), _METHOD.search(source)
        if name.startswith("_") or path is None or verb is None:
            continue
        wanted = _WANTED.search(source)
        needed = re.findall(r"[\"'](\w+)[\"']", wanted[1]) if wanted else []
        query = _QUERY.search(source)
        queried = _NAMED.findall(query[1]) if query else []
        argument = _BODY.search(source)
        body: dict[str, bool] = {}
        if argument and (told := re.search(rf":param oci\.[\w.]+\.(\w+) {argument[1]}:", method.__doc__ or "")):
            body = members(models, told[1])
        found[f"{verb[1]} {base}{_PARAMETER.sub('{}', path[1])}"] = {
            "name": name,
            "query": {each: each in needed for each in queried},
            "body": body,
        }
    return found


def main() -> None:
    """Read the clients, say their operations."""
    found: dict[str, object] = {}
    for client_name, base in json.load(sys.stdin).items():
        module_name, _, name = client_name.rpartition(".")
        module = importlib.import_module(f"oci.{module_name}")
        found |= operations(getattr(module, name), module.models, base)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
