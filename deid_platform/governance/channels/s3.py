"""Object storage that speaks S3: any endpoint the register names."""

from __future__ import annotations

import base64
import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from deid_platform.core.errors import DeclarationError, TransferError
from deid_platform.governance.channels.base import (
    CHUNK,
    Carrier,
    Place,
    channel,
    refusals_of,
    sha256_of_chunks,
)

_SECONDS = 30
_ONE_PUT = 64 << 20
"""Larger files go up in parts of this size or more, and appear when the last is there."""
_MOST_PARTS = 10_000
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@channel("s3")
@contextlib.contextmanager
def open_s3(place: Place) -> Iterator[Carrier]:
    """S3-compatible storage: a bucket of any endpoint.

    Settings: ``endpoint``, an https address, ``bucket``, ``prefix`` and ``region``. Parameters
    name the variables that hold the credentials: ``key_id``, ``key_secret``, and
    ``session_token`` where they are temporary. No profile, file or metadata service is asked.

    Raises:
        DeclarationError: a setting is missing or malformed.
        TransferError: the storage refuses or cannot be reached.
    """
    import boto3
    from boto3.exceptions import Boto3Error
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    bucket = place.setting("bucket", r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
    prefix = place.setting("prefix").strip("/") if "prefix" in place.settings else ""
    endpoint = _endpoint(place)
    token = place.secret("session_token") if "session_token" in place.parameters else None
    with refusals_of(place, BotoCoreError, ClientError, Boto3Error, OSError, ValueError):
        client = boto3.Session(
            aws_access_key_id=place.secret("key_id"),
            aws_secret_access_key=place.secret("key_secret"),
            aws_session_token=token,
            region_name=place.settings.get("region", "us-east-1"),
        ).client(
            "s3",
            endpoint_url=endpoint,
            config=Config(
                signature_version="s3v4",
                connect_timeout=_SECONDS,
                read_timeout=_SECONDS,
                retries={"max_attempts": 3, "mode": "standard"},
                s3={"addressing_style": "path"},
            ),
        )
        with contextlib.closing(client):
            yield _Bucket(client, bucket, prefix, urlsplit(endpoint).scheme, place)


def _endpoint(place: Place) -> str:
    endpoint = urlsplit(place.setting("endpoint"))
    safe = endpoint.scheme == "https" or (
        endpoint.scheme == "http" and endpoint.hostname in _LOOPBACK
    )
    if not safe or endpoint.username or endpoint.password:
        raise DeclarationError(
            f"destination {place.name}",
            "the endpoint is not an https address without a name and password in it",
            "correct it in the register",
        )
    return endpoint.geturl()


class _Bucket:
    def __init__(self, client: Any, bucket: str, prefix: str, scheme: str, place: Place) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._place = place
        self.encryption = "tls" if scheme == "https" else "none (loopback)"

    def digest(self, name: str) -> str | None:
        try:
            body = self._client.get_object(Bucket=self._bucket, Key=self._key(name))["Body"]
        except self._client.exceptions.NoSuchKey:
            return None
        with contextlib.closing(body):
            return sha256_of_chunks(body.iter_chunks(CHUNK))

    def put(self, file: Path, name: str, sha256: str) -> None:
        from botocore.exceptions import ClientError

        whole = file.stat().st_size <= _ONE_PUT
        try:
            if whole:
                self._put_whole(file, self._key(name), sha256)
            else:
                self._put_parts(file, self._key(name))
        except ClientError as error:
            # Another sender was quicker: whether with the same bytes, the caller finds out.
            if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (409, 412):
                raise
        if self.digest(name) is None:
            raise TransferError(
                f"destination {self._place.name}",
                "the file is not there after it was accepted",
                "send it again",
            )

    def _put_whole(self, file: Path, key: str, sha256: str) -> None:
        with file.open("rb") as body:
            self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=body,
                ChecksumSHA256=base64.b64encode(bytes.fromhex(sha256)).decode(),
                IfNoneMatch="*",
            )

    def _put_parts(self, file: Path, key: str) -> None:
        where = {"Bucket": self._bucket, "Key": key}
        self._drop_unfinished(key)
        upload = self._client.create_multipart_upload(**where, ChecksumAlgorithm="SHA256")
        where["UploadId"] = upload["UploadId"]
        size = max(_ONE_PUT, math.ceil(file.stat().st_size / _MOST_PARTS))
        parts = []
        try:
            with file.open("rb") as body:
                for number, part in enumerate(iter(lambda: body.read(size), b""), 1):
                    answer = self._client.upload_part(
                        **where, PartNumber=number, Body=part, ChecksumAlgorithm="SHA256"
                    )
                    parts.append(
                        {
                            "PartNumber": number,
                            "ETag": answer["ETag"],
                            **(
                                {"ChecksumSHA256": answer["ChecksumSHA256"]}
                                if "ChecksumSHA256" in answer
                                else {}
                            ),
                        }
                    )
            self._client.complete_multipart_upload(
                **where, MultipartUpload={"Parts": parts}, IfNoneMatch="*"
            )
        except Exception:
            with contextlib.suppress(Exception):
                self._client.abort_multipart_upload(**where)
            raise

    def _drop_unfinished(self, key: str) -> None:
        """Give up parts that a killed sender left: nobody sees them, but they are kept and paid."""
        found = self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=key)
        for upload in found.get("Uploads", ()):
            if upload["Key"] == key:
                self._client.abort_multipart_upload(
                    Bucket=self._bucket, Key=key, UploadId=upload["UploadId"]
                )

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name
