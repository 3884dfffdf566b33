"""Pictures and documents the bot has uploaded, byte for byte. The real server re-encodes photos; this one does not."""

import hashlib

from msgspec import Struct

from sandbox.telegram.failures import ApiError, bad_request
from sandbox.telegram.images import picture_size
from sandbox.telegram.request import Upload
from sandbox.telegram.settings import NS_PER_S
from sandbox.telegram.wire import Document, PhotoSize

MIB = 1 << 20
MAX_PHOTO_BYTES = 10 * MIB
MAX_DOCUMENT_BYTES = 50 * MIB
MAX_DOWNLOAD_BYTES = 20 * MIB
MAX_PHOTO_SIDES = 10_000  # width + height
MAX_PHOTO_RATIO = 20


class StoredFile(Struct, frozen=True, kw_only=True):
    file_id: str
    file_unique_id: str
    path: str  # below /file/bot<token>/
    name: str
    mime_type: str
    data: bytes
    width: int = 0  # 0 for documents
    height: int = 0

    def as_photo(self) -> PhotoSize:
        return PhotoSize(
            file_id=self.file_id,
            file_unique_id=self.file_unique_id,
            width=self.width,
            height=self.height,
            file_size=len(self.data),
        )

    def as_document(self) -> Document:
        return Document(
            file_id=self.file_id,
            file_unique_id=self.file_unique_id,
            file_name=self.name,
            mime_type=self.mime_type,
            file_size=len(self.data),
        )


class FileStore:
    def __init__(self) -> None:
        self._files: dict[str, StoredFile] = {}
        self._open_until_ns: dict[str, int] = {}

    def add_photo(self, upload: Upload) -> StoredFile:
        """Raises ApiError 400 for the documented limits of size and shape."""
        size = len(upload.data)
        if size > MAX_PHOTO_BYTES:
            limit = f"the maximum size is {MAX_PHOTO_BYTES} bytes"
            raise bad_request(f"file of size {size} bytes is too big for a photo; {limit}")
        if not size:
            raise bad_request("file must be non-empty")
        width, height = picture_size(upload.data)
        longest, shortest = max(width, height), min(width, height)
        if width + height > MAX_PHOTO_SIDES or not shortest or longest > MAX_PHOTO_RATIO * shortest:
            raise bad_request("PHOTO_INVALID_DIMENSIONS")
        is_png = upload.data.startswith(b"\x89PNG")
        extension, mime = ("png", "image/png") if is_png else ("jpg", "image/jpeg")
        return self._add("AgACAgUAAxkBAAI", f"photos/file_{len(self._files)}.{extension}", mime, upload, width, height)

    def add_document(self, upload: Upload) -> StoredFile:
        """Raises ApiError 400 when empty, 413 above 50 MB."""
        if len(upload.data) > MAX_DOCUMENT_BYTES:
            raise ApiError(413, "Request Entity Too Large")
        if not upload.data:
            raise bad_request("file must be non-empty")
        extension = upload.name.rpartition(".")[2] if "." in upload.name else "bin"
        safe = extension if extension.isalnum() and extension.isascii() else "bin"
        return self._add("BQACAgUAAxkBAAI", f"documents/file_{len(self._files)}.{safe}", upload.mime_type, upload)

    def by_id(self, file_id: str) -> StoredFile:
        """Raises ApiError 400."""
        found = self._files.get(file_id)
        if found is None:
            raise bad_request("wrong file identifier/HTTP URL specified")
        return found

    def open_link(self, file_id: str, keep_s: float, now_ns: int) -> StoredFile:
        """getFile: makes the path readable for `keep_s`. Raises ApiError 400."""
        found = self._files.get(file_id)
        if found is None:
            raise bad_request("wrong file_id or the file is temporarily unavailable")
        if len(found.data) > MAX_DOWNLOAD_BYTES:
            raise bad_request("file is too big")
        self._open_until_ns[found.path] = now_ns + int(keep_s * NS_PER_S)
        return found

    def by_link(self, path: str, now_ns: int) -> StoredFile:
        """Raises ApiError 404 for a path getFile has not opened, or opened too long ago."""
        if self._open_until_ns.get(path, now_ns) <= now_ns:
            raise ApiError(404, "Not Found")
        return next(stored for stored in self._files.values() if stored.path == path)

    def _add(self, prefix: str, path: str, mime: str, upload: Upload, width: int = 0, height: int = 0) -> StoredFile:
        stored = StoredFile(
            file_id=f"{prefix}{len(self._files):08d}",
            file_unique_id=hashlib.sha256(upload.data).hexdigest()[:16],
            path=path,
            name=upload.name,
            mime_type=mime,
            data=upload.data,
            width=width,
            height=height,
        )
        self._files[stored.file_id] = stored
        return stored
