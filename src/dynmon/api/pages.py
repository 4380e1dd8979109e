"""The OpenAPI document and a page that shows it; both come from the package, so they work without the Internet."""

from __future__ import annotations

from importlib.resources import files

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from dynmon.api.operations import Operations
from dynmon.api.responses import JsonResponse

# Swagger UI, vendored with its licence; it needs these two files and nothing else.
ASSETS = {
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
}
START = 'SwaggerUIBundle({url: "openapi.json", dom_id: "#api", deepLinking: true, validatorUrl: null});\n'
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Dynmon API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="api"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
# The page talks to its own daemon only; the UI brings images and styles along in itself.
POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"


def add_pages(operations: Operations) -> None:
    """Serve `/openapi.json` and `/docs`."""
    router = operations.app.router

    def openapi(request: Request) -> Response:
        return JsonResponse(operations.document())

    router.add_route("/openapi.json", openapi, methods=["GET"])
    router.add_route("/docs", _page, methods=["GET"])
    router.add_route("/docs/{name}", _asset, methods=["GET"])


def _page(request: Request) -> Response:
    return HTMLResponse(PAGE, headers={"Content-Security-Policy": POLICY})


def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name == "start.js":
        return Response(START, media_type="text/javascript")
    if name not in ASSETS:
        raise HTTPException(404)
    content = files("dynmon.api").joinpath("assets", name).read_bytes()
    return Response(content, media_type=ASSETS[name], headers={"Cache-Control": "max-age=86400"})
