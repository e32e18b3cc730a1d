"""Files that clients bring and fetch themselves: a place is promised by a signed form, the file is posted to it, and
whoever may read it gets a signed address for a few minutes.

Two stores with one interface: an S3 bucket (`common.s3.BucketStore`) or a folder of ours, for which our own endpoints
check what S3 would check. A store knows keys and bytes; whose file it is and what is in it is the apps' business.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, NamedTuple, NoReturn
from urllib.parse import quote

from django.conf import settings
from django.core import signing
from django.core.files.uploadhandler import FileUploadHandler, StopUpload
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from django.utils.module_loading import import_string

from common.errors import BadRequest, Conflict, DomainError, Forbidden

KEY_PATTERN = re.compile(r"[a-z0-9][a-z0-9_-]*(?:/[a-z0-9][a-z0-9_-]*)*(?:\.[a-z0-9]{1,8})?\Z")
_POST_SALT, _READ_SALT = "common.uploads.post", "common.uploads.read"
_INCOMING = ".incoming"
_CHUNK = 64 * 1024
_LEFT_BEHIND_AFTER = timedelta(hours=1)


class FileMissing(Exception):
    """There is no such file, or it is another one than before."""


class PolicyRefused(Forbidden):
    """403, as S3 answers a form that breaks its policy."""

    code = "policy_refused"
    detail = "The form is not what was signed."


class PolicyExpired(Forbidden):
    code = "policy_expired"
    detail = "The time for this upload is over. Ask for a new one."


class FileTooLarge(DomainError):
    """413."""

    status, code, detail = 413, "file_too_large", "The file is larger than the policy allows."


class FileTooSmall(BadRequest):
    code = "file_too_small"
    detail = "The file is empty."


class AlreadyUploaded(Conflict):
    """A place takes one file."""

    code = "already_uploaded"
    detail = "There is a file in this place already."


class Form(NamedTuple):
    """Where and with which fields a client posts its file; the part `file` comes last."""

    url: str
    fields: dict[str, str]


class Head(NamedTuple):
    """How a file begins; `tag` names this version of it to `Store.copy`."""

    size: int
    start: bytes
    tag: str


class Reading(NamedTuple):
    """What a signed address of ours shows."""

    key: str
    filename: str
    content_type: str
    disposition: str


class Stored(NamedTuple):
    """A file that is there, and when it was last written."""

    key: str
    changed_at: datetime


class Store(ABC):
    """Keys are made by the server. All methods but `presign_post` and `signed_url` may raise ServiceUnavailable."""

    is_local: ClassVar[bool] = False  # Whether clients post to and read from this service.

    @abstractmethod
    def presign_post(self, *, key: str, content_type: str, max_size: int, expires_at: datetime, now: datetime) -> Form:
        """A form for one file of 1 to `max_size` bytes. Asks nobody."""

    @abstractmethod
    def head(self, key: str, length: int) -> Head:
        """The size and the first `length` bytes, in one call. Raises FileMissing."""

    @abstractmethod
    def read(self, key: str, limit: int) -> bytes:
        """The first `limit` bytes at most. Raises FileMissing."""

    @abstractmethod
    def save(self, key: str, data: bytes, content_type: str) -> None:
        """Write a file of the server's own, over an older one."""

    @abstractmethod
    def copy(self, source: str, target: str, *, tag: str) -> None:
        """Copy the version that `tag` names. Raises FileMissing when it is gone or another one."""

    @abstractmethod
    def delete(self, *keys: str) -> None:
        """Keys that are not there do not matter."""

    @abstractmethod
    def signed_url(
        self, key: str, *, expires_at: datetime, now: datetime, filename: str, content_type: str, disposition: str
    ) -> str:
        """An address at which anybody can read the file until then. Asks nobody."""

    @abstractmethod
    def walk(self, prefix: str) -> Iterator[Stored]:
        """All files whose keys begin with `prefix/`, in any order."""

    def open(self, key: str) -> BinaryIO | None:
        """The file, to be streamed and closed by the caller; None where readers are sent to `signed_url` instead.
        Raises FileMissing."""
        return None

    def clean(self, *, now: datetime) -> int:
        """Removes what broken uploads left behind, and says how many."""
        return 0


def store() -> Store:
    """The store of this deployment."""
    chosen: type[Store] = import_string(settings.UPLOAD_STORE)
    return chosen()


def disposition_of(kind: str, filename: str) -> str:
    """The Content-Disposition, for any name (RFC 6266)."""
    name = quote(filename, safe="")
    return f"{kind}; filename=\"{name}\"; filename*=UTF-8''{name}"


# --- A folder of ours ---------------------------------------------------------------------------------------------


class FolderStore(Store):
    """Files under MEDIA_ROOT. Every step of a path is opened below the one before and links are not followed."""

    is_local = True

    def presign_post(self, *, key: str, content_type: str, max_size: int, expires_at: datetime, now: datetime) -> Form:
        _parts(key)
        policy = {"key": key, "type": content_type, "max": max_size, "until": expires_at.timestamp()}
        fields = {"key": key, "Content-Type": content_type, "policy": signing.dumps(policy, salt=_POST_SALT)}
        return Form(f"{settings.BACKEND_URL}/api/uploads", fields)

    def head(self, key: str, length: int) -> Head:
        with self.open(key) as file:
            return Head(os.fstat(file.fileno()).st_size, file.read(length), _tag_of(file))

    def read(self, key: str, limit: int) -> bytes:
        with self.open(key) as file:
            return file.read(limit)

    def save(self, key: str, data: bytes, content_type: str) -> None:
        with self.receiving() as incoming:
            incoming.write(data)
            incoming.replace(key)

    def copy(self, source: str, target: str, *, tag: str) -> None:
        with self.open(source) as file, self.receiving() as incoming:
            if _tag_of(file) != tag:
                raise FileMissing
            while chunk := file.read(_CHUNK):
                incoming.write(chunk)
            incoming.replace(target)

    def delete(self, *keys: str) -> None:
        for key in keys:
            *folders, name = _parts(key)
            with suppress(FileNotFoundError), _folder(folders) as folder:
                os.unlink(name, dir_fd=folder)

    def signed_url(
        self, key: str, *, expires_at: datetime, now: datetime, filename: str, content_type: str, disposition: str
    ) -> str:
        _parts(key)
        values = [key, filename, content_type, disposition, expires_at.timestamp()]
        return f"{settings.BACKEND_URL}/api/files/{signing.dumps(values, salt=_READ_SALT, compress=True)}"

    def open(self, key: str) -> BinaryIO:
        *folders, name = _parts(key)
        try:
            with _folder(folders) as folder:
                descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                raise
            raise FileMissing from None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise FileMissing
        return os.fdopen(descriptor, "rb")

    def walk(self, prefix: str) -> Iterator[Stored]:
        root = Path(settings.MEDIA_ROOT)
        for folder, _, names, descriptor in os.fwalk(root / prefix):  # Follows no links.
            for name in names:
                with suppress(FileNotFoundError):
                    facts = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                    key = (Path(folder) / name).relative_to(root).as_posix()
                    if stat.S_ISREG(facts.st_mode) and KEY_PATTERN.match(key):  # Else it is none of ours.
                        yield Stored(key, datetime.fromtimestamp(facts.st_mtime, UTC))

    def clean(self, *, now: datetime) -> int:
        removed = 0
        with _folder([_INCOMING], create=True) as folder:
            for name in os.listdir(folder):  # noqa: PTH208 - below the open folder
                with suppress(FileNotFoundError):
                    changed = datetime.fromtimestamp(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime, UTC)
                    if now - changed > _LEFT_BEHIND_AFTER:
                        os.unlink(name, dir_fd=folder)
                        removed += 1
        return removed

    @contextmanager
    def receiving(self) -> Iterator[Incoming]:
        """A temporary file on the same disk, gone afterwards unless it was given its place."""
        with _folder([_INCOMING], create=True) as folder:
            incoming = Incoming(folder)
            try:
                yield incoming
            finally:
                incoming.discard()


class Incoming:
    """A file on its way in."""

    def __init__(self, folder: int) -> None:
        self.size = 0
        self._folder, self._name = folder, secrets.token_hex(16)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.fdopen(os.open(self._name, flags, 0o600, dir_fd=folder), "wb")

    def write(self, data: bytes) -> None:
        self.size += self._file.write(data)

    def place(self, key: str) -> None:
        """Give it its place if that is free: a link, unlike a rename, never goes over a file. Raises
        AlreadyUploaded."""
        with self._target(key) as (folder, name):
            try:
                os.link(self._name, name, src_dir_fd=self._folder, dst_dir_fd=folder, follow_symlinks=False)
            except FileExistsError:
                raise AlreadyUploaded from None

    def replace(self, key: str) -> None:
        with self._target(key) as (folder, name):
            os.replace(self._name, name, src_dir_fd=self._folder, dst_dir_fd=folder)

    @contextmanager
    def _target(self, key: str) -> Iterator[tuple[int, str]]:
        """On the disk are first the bytes, then the name."""
        self._file.flush()
        os.fsync(self._file.fileno())
        *folders, name = _parts(key)
        with _folder(folders, create=True) as folder:
            yield folder, name
            os.fsync(folder)

    def discard(self) -> None:
        self._file.close()
        with suppress(FileNotFoundError):
            os.unlink(self._name, dir_fd=self._folder)


def _tag_of(file: BinaryIO) -> str:
    facts = os.fstat(file.fileno())
    return f"{facts.st_ino}-{facts.st_size}-{facts.st_mtime_ns}"


def _parts(key: str) -> list[str]:
    """Raises ValueError for what the server would not make: then it is a mistake of ours."""
    if not KEY_PATTERN.match(key):
        raise ValueError("not a key")
    return key.split("/")


@contextmanager
def _folder(parts: list[str], *, create: bool = False) -> Iterator[int]:
    """The descriptor of a folder below MEDIA_ROOT. Raises OSError."""
    root = Path(settings.MEDIA_ROOT)
    if create:
        root.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts:
            if create:
                with suppress(FileExistsError):
                    os.mkdir(part, 0o700, dir_fd=descriptor)
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            below = os.open(part, flags, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def read_address(token: str, *, now: datetime) -> Reading:
    """What a signed address of ours stands for. Raises FileMissing when it is not ours or its time is over."""
    try:
        *values, until = signing.loads(token, salt=_READ_SALT)
    except signing.BadSignature:
        raise FileMissing from None
    if now.timestamp() >= until:
        raise FileMissing
    return Reading(*values)


# --- Our own end of a signed form -----------------------------------------------------------------------------------


def receive(meta: Mapping[str, Any], body: Any, *, now: datetime) -> None:
    """Take in a posted form as S3 does: key, type, size and time are those of its policy, which is looked at before the
    first byte is written. `meta` is the request's, `body` its stream.

    Raises PolicyRefused, PolicyExpired, FileTooLarge, FileTooSmall, AlreadyUploaded, BadRequest.
    """
    with ExitStack() as stack:
        handler = FormHandler(stack, now)
        try:
            handler.parser = MultiPartParser(meta, body, [handler], "utf-8")
            handler.parser.parse()
        except MultiPartParserError:
            raise BadRequest("The body is not a multipart form.") from None
        handler.finish()


class FormHandler(FileUploadHandler):
    """Writes the part `file`. A refusal waits until the rest of the body is read, so that the client hears it."""

    chunk_size = _CHUNK
    parser: MultiPartParser
    _incoming: Incoming

    def __init__(self, stack: ExitStack, now: datetime) -> None:
        super().__init__()
        self._stack, self._now = stack, now
        self._refusal: DomainError | None = None
        self._key, self._max_size = "", 0  # No key: no file has begun.

    def new_file(self, field_name: str, *args: Any, **kwargs: Any) -> None:
        if field_name != "file" or self._key:
            self._refuse(BadRequest("The form holds one file, in the part `file`."))
        fields = self.parser._post.dict()  # type: ignore[attr-defined]  # What came before the file, as with S3.
        try:
            self._key, self._max_size = check_policy(fields, now=self._now)
        except DomainError as error:
            self._refuse(error)
        self._incoming = self._stack.enter_context(FolderStore().receiving())

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if self._incoming.size + len(raw_data) > self._max_size:
            self._refuse(FileTooLarge(meta={"max_size": self._max_size}))
        self._incoming.write(raw_data)

    def file_complete(self, file_size: int) -> None:
        """The form's end decides."""

    def finish(self) -> None:
        if self._refusal is not None:
            raise self._refusal
        if not self._key:
            raise BadRequest("The form lacks the part `file`, which comes last.")
        if not self._incoming.size:
            raise FileTooSmall
        self._incoming.place(self._key)

    def _refuse(self, error: DomainError) -> NoReturn:
        self._refusal = error
        raise StopUpload(connection_reset=False)


def check_policy(fields: Mapping[str, str], *, now: datetime) -> tuple[str, int]:
    """The key and the largest size that the form's policy allows. Raises PolicyRefused, PolicyExpired."""
    try:
        policy = signing.loads(fields.get("policy", ""), salt=_POST_SALT)
    except signing.BadSignature:
        raise PolicyRefused from None
    given = {name: value for name, value in fields.items() if not name.startswith("x-ignore-")}
    if given != {"key": policy["key"], "Content-Type": policy["type"], "policy": fields["policy"]}:
        raise PolicyRefused
    if now.timestamp() >= policy["until"]:
        raise PolicyExpired
    return policy["key"], policy["max"]
