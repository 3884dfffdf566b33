"""Serving the phone page: plain files, no build, nothing from elsewhere."""

from pathlib import Path

from aiohttp import web

PAGE = Path(__file__).parent / "page"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
# Nothing inline and nothing foreign: a message that slipped through the escaping could still do nothing.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
HEADERS = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


def add_page(app: web.Application) -> None:
    app.router.add_get("/phone", _index)
    app.router.add_get("/phone/", _index)
    app.router.add_get("/phone/page/{name:[a-z_]+\\.(?:css|js|svg)}", _asset)


async def _index(request: web.Request) -> web.Response:
    return _file(PAGE / "index.html")


async def _asset(request: web.Request) -> web.Response:
    path = PAGE / request.match_info["name"]
    if not path.is_file():
        raise web.HTTPNotFound
    return _file(path)


def _file(path: Path) -> web.Response:
    return web.Response(text=path.read_text("utf-8"), content_type=TYPES[path.suffix], charset="utf-8", headers=HEADERS)
