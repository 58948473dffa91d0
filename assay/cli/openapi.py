"""`assay openapi`: what there is to call, for programs that make clients or tests of it. No server is needed."""

from assay.cli import show
from assay.cli.options import Out
from assay.cli.show import Output


def openapi(output: Out = Output.JSON) -> None:
    """Print the OpenAPI 3.1 document of the whole service; as a table, its operations."""
    from assay.oci_api import openapi_document

    document = openapi_document()
    if output is Output.JSON:
        show.as_json(document)
        return
    found = [
        {"method": method.upper(), "path": path, "name": operation["operationId"].partition(" ")[0]}
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method != "servers"
    ]
    show.rows(output, {"METHOD": "method", "PATH": "path", "OPERATION": "name"}, found, empty="There is nothing.")
