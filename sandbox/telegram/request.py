"""The arguments of one Bot API call, from whichever of the four places a client may put them."""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from aiohttp import web
from msgspec import Struct

from sandbox.telegram.failures import bad_request

ATTACHED = "attach://"
TRUE_WORDS = frozenset({"true", "yes", "1"})
T = TypeVar("T")


class Upload(Struct, frozen=True):
    """A file that came with the request."""

    name: str
    mime_type: str
    data: bytes


class Arguments(Struct, frozen=True):
    """Every value as text, the way the real server sees it: structures are JSON inside a string."""

    values: Mapping[str, str]
    uploads: Mapping[str, Upload]

    def text(self, name: str) -> str:
        return self.values.get(name, "")

    def integer(self, name: str, default: int = 0) -> int:
        """A text that is no number counts as the default, as on the real server."""
        value = self.values.get(name, "").strip()
        try:
            return int(value)
        except ValueError:
            return default

    def flag(self, name: str) -> bool:
        return self.values.get(name, "").strip().lower() in TRUE_WORDS

    def json(self, name: str, kind: type[T], what: str) -> T | None:
        """None when absent. Raises ApiError 400 `can't parse …`."""
        value = self.values.get(name, "")
        if not value:
            return None
        try:
            return msgspec.json.decode(value, type=kind)
        except msgspec.MsgspecError as error:
            raise bad_request(f"can't parse {what} JSON object: {error}") from error

    def upload(self, name: str, value: str) -> Upload | None:
        """The file meant by field `name`: sent under that name, or under the one `attach://` points at."""
        if value.startswith(ATTACHED):
            return self.uploads.get(value.removeprefix(ATTACHED))
        return self.uploads.get(name) if not value else None

    def printable(self) -> dict[str, str]:
        """Everything but the bytes of files."""
        uploads = {name: f"<{upload.name}: {len(upload.data)} bytes>" for name, upload in self.uploads.items()}
        return {**self.values, **uploads}


async def read_arguments(request: web.Request) -> Arguments:
    """Query string first, then the body, which wins. Raises ApiError 400 on a body that is no JSON object."""
    values = dict(request.query)
    uploads: dict[str, Upload] = {}
    if request.content_type == "application/json":
        values.update(_json_values(await request.read()))
    elif request.method == "POST":
        for name, field in (await request.post()).items():
            if isinstance(field, web.FileField):
                uploads[name] = Upload(field.filename, field.content_type, field.file.read())
            else:
                values[name] = field if isinstance(field, str) else bytes(field).decode("utf-8", "replace")
    return Arguments(values, uploads)


def _json_values(body: bytes) -> dict[str, str]:
    if not body.strip():
        return {}
    try:
        fields: Any = json.loads(body)
    except ValueError as error:
        raise bad_request("can't parse JSON object") from error
    if not isinstance(fields, dict):
        raise bad_request("request must be a JSON object")
    given = {name: value for name, value in fields.items() if value is not None}
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in given.items()}
