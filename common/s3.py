"""The bucket as a store of uploads, through the client that django-storages is set up with.

What botocore says never leaves the process: its texts hold addresses, and those of a refused signature the request
itself. Logged are the operation and the code.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

import structlog
from botocore.exceptions import BotoCoreError, ClientError
from django.core.files.storage import storages
from storages.backends.s3 import S3Storage  # type: ignore[import-untyped]

from common.errors import ServiceUnavailable
from common.uploads import FileMissing, Form, Head, Store, Stored, disposition_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

log = structlog.get_logger(__name__)

_ABSENT = {"NoSuchKey", "404", "NotFound", "PreconditionFailed", "412"}
_EMPTY = {"InvalidRange", "416"}
_MOST_AT_ONCE = 1000


class BucketStore(Store):
    """Objects of a private bucket, without ACLs."""

    def __init__(self) -> None:
        storage = storages["default"]
        if not isinstance(storage, S3Storage):
            raise TypeError("STORAGES names no S3 storage.")
        self.client: S3Client = storage.connection.meta.client
        self.bucket: str = storage.bucket_name

    def presign_post(self, *, key: str, content_type: str, max_size: int, expires_at: datetime, now: datetime) -> Form:
        with _answers("presign_post"):
            form = self.client.generate_presigned_post(
                self.bucket,
                key,
                Fields={"Content-Type": content_type},
                Conditions=[{"Content-Type": content_type}, ["content-length-range", 1, max_size]],
                ExpiresIn=int((expires_at - now).total_seconds()),
            )
        return Form(form["url"], form["fields"])

    def head(self, key: str, length: int) -> Head:
        try:
            with _answers("head"):
                answer = self.client.get_object(Bucket=self.bucket, Key=key, Range=f"bytes=0-{max(length, 1) - 1}")
                start = answer["Body"].read()
        except _EmptyObject:
            return Head(0, b"", "")
        return Head(int(answer["ContentRange"].rpartition("/")[2]), start[:length], answer["ETag"])

    def read(self, key: str, limit: int) -> bytes:
        with _answers("read"):
            return self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read(limit)

    def save(self, key: str, data: bytes, content_type: str) -> None:
        with _answers("save"):
            self.client.put_object(Bucket=self.bucket, Key=key, Body=data, ContentType=content_type)

    def copy(self, source: str, target: str, *, tag: str) -> None:
        with _answers("copy"):
            self.client.copy_object(
                Bucket=self.bucket, Key=target, CopySource={"Bucket": self.bucket, "Key": source}, CopySourceIfMatch=tag
            )

    def delete(self, *keys: str) -> None:
        for first in range(0, len(keys), _MOST_AT_ONCE):
            objects = [{"Key": key} for key in keys[first : first + _MOST_AT_ONCE]]
            with _answers("delete"):
                answer = self.client.delete_objects(Bucket=self.bucket, Delete={"Objects": objects, "Quiet": True})  # type: ignore[typeddict-item]
            for error in answer.get("Errors", [])[:1]:
                log.error("storage_refused", operation="delete", code=error.get("Code"))
                raise ServiceUnavailable

    def walk(self, prefix: str) -> Iterator[Stored]:
        with _answers("walk"):
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=f"{prefix}/"):
                for entry in page.get("Contents", []):
                    yield Stored(entry["Key"], entry["LastModified"])

    def signed_url(
        self, key: str, *, expires_at: datetime, now: datetime, filename: str, content_type: str, disposition: str
    ) -> str:
        with _answers("signed_url"):
            return self.client.generate_presigned_url(
                "get_object",
                Params={
                    "Bucket": self.bucket,
                    "Key": key,
                    "ResponseContentType": content_type,
                    "ResponseContentDisposition": disposition_of(disposition, filename),
                },
                ExpiresIn=int((expires_at - now).total_seconds()),
            )


class _EmptyObject(Exception):
    """An object without bytes has no first byte to ask for."""


@contextmanager
def _answers(operation: str) -> Iterator[None]:
    """Raises FileMissing, or ServiceUnavailable for whatever else the bucket or the way to it refuses."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in _EMPTY:
            raise _EmptyObject from None
        if code in _ABSENT:
            raise FileMissing from None
        log.error("storage_refused", operation=operation, code=code)
        raise ServiceUnavailable from None
    except BotoCoreError as error:
        log.error("storage_away", operation=operation, error=type(error).__name__)
        raise ServiceUnavailable from None
