"""Adapter for Cloud Storage, the only user of its SDK. Function and job share it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

from google.api_core.exceptions import (
    BadRequest,
    Forbidden,
    GoogleAPICallError,
    NotFound,
    PreconditionFailed,
    RequestRangeNotSatisfiable,
    RetryError,
    Unauthorized,
)
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, RefreshError
from google.cloud import storage
from google.cloud.storage.retry import DEFAULT_RETRY
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException

from spark_jobs.cloud.ports import (
    STORAGE_CALLS_AT_ONCE,
    AccessRefused,
    FileGone,
    FileRefused,
    NoLogin,
    StoredFile,
    TransientError,
)
from spark_jobs.contract.file_ids import FileId

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

RETRY_SECONDS = 45.0
"""How long one call is retried: well inside the function's timeout, even for several calls in sequence."""
TIMEOUT = (5.0, 30.0)  # connect, read; seconds
READ_CHUNK_BYTES = 8 * 1024 * 1024
_RETRY = DEFAULT_RETRY.with_timeout(RETRY_SECONDS)
_CALL: dict[str, Any] = {"retry": _RETRY, "timeout": TIMEOUT}

T = TypeVar("T")


class GcsFileStore:
    """Implements FileStore with google-cloud-storage. The client itself reads ``STORAGE_EMULATOR_HOST``."""

    def __init__(self, client: storage.Client | Callable[[], storage.Client], retry_seconds: float | None = None) -> None:
        self._given = client
        self._options = _CALL if retry_seconds is None else {**_CALL, "retry": DEFAULT_RETRY.with_timeout(retry_seconds)}

    @classmethod
    def connect(cls, credentials: Credentials | None = None, retry_seconds: float | None = None) -> GcsFileStore:
        """Without credentials: with the application default ones. Connects at the first call, whose errors are those of
        the port then. ``retry_seconds``: how long a call is retried, RETRY_SECONDS by default.
        """
        return cls(partial(_connected, credentials), retry_seconds)

    @cached_property
    def _client(self) -> storage.Client:
        return self._call(self._given) if callable(self._given) else self._given

    def stat(self, bucket: str, name: str) -> StoredFile | None:
        blob = self._call(lambda: self._client.bucket(bucket).get_blob(name, **self._options))
        return _stored(bucket, blob) if blob else None

    def list_files(self, bucket: str, prefix: str) -> Iterator[StoredFile]:
        fields = "items(name,generation,metageneration,size,timeCreated,metadata,contentEncoding),nextPageToken"
        blobs = self._call(lambda: iter(self._client.list_blobs(bucket, prefix=prefix, fields=fields, **self._options)))
        while (blob := self._call(lambda: next(blobs, None))) is not None:
            yield _stored(bucket, blob)

    @contextmanager
    def open_file(self, file: FileId) -> Iterator[BinaryIO | None]:
        blob = self._client.bucket(file.bucket).blob(file.name, generation=file.generation)
        # The reader needs the size to find the end; the call also shows whether the generation is still live.
        if self._change(lambda: blob.reload(**self._options)) is None:
            yield None
            return
        # Raw, so that the client doesn't decompress: ranges and the object's size count stored bytes.
        with (
            blob.open("rb", chunk_size=READ_CHUNK_BYTES, raw_download=True, **self._options) as stream,
            ThreadPoolExecutor(1) as pool,
        ):
            yield cast("BinaryIO", _ReadAhead(stream, int(blob.size), pool, self._call))

    def read_range(self, file: FileId, start: int, size: int) -> bytes | None:
        blob = self._client.bucket(file.bucket).blob(file.name, generation=file.generation)

        def read() -> bytes:
            try:
                end = start + size - 1 if start >= 0 else None
                return blob.download_as_bytes(start=start, end=end, raw_download=True, **self._options)
            except RequestRangeNotSatisfiable:  # an empty object has no byte
                return b""

        found = self._change(read)
        return found if isinstance(found, bytes) else None

    def annotate(self, stored: StoredFile, metadata: Mapping[str, str]) -> bool:
        blob = self._blob(stored.file)
        blob.metadata = dict(metadata)  # a patch: other keys keep their values
        conditions = {
            "if_generation_match": stored.file.generation,
            "if_metageneration_match": stored.metageneration,
        }
        if self._change(lambda: blob.patch(**conditions, **self._options)) is not None:
            return True
        # The patch may have succeeded although its response was lost; the client's retry then failed the precondition.
        now = self.stat(stored.file.bucket, stored.file.name)
        return bool(now and now.file == stored.file and dict(metadata).items() <= now.metadata.items())

    def write(self, bucket: str, name: str, content: bytes, content_type: str) -> None:
        blob = self._client.bucket(bucket).blob(name)
        self._call(lambda: blob.upload_from_string(content, content_type=content_type, **self._options))

    def move(self, file: FileId, to: str) -> bool:
        bucket = self._client.bucket(file.bucket)
        # A move replaces its destination unless told not to, and soft delete does not keep what was there.
        conditions = {"if_generation_match": 0, "if_source_generation_match": file.generation}
        if self._change(lambda: bucket.move_blob(self._blob(file), to, **conditions, **self._options)) is not None:
            return True
        if self.stat(file.bucket, to) is None:
            return False  # overwritten or deleted by someone else
        live = self.stat(file.bucket, file.name)
        if live and live.file == file:
            raise FileRefused(f"another object is already at {to}")
        return True  # moved by an earlier attempt

    def copy(self, file: FileId, to: str, metadata: Mapping[str, str]) -> FileId | None:
        bucket = self._client.bucket(file.bucket)
        source = bucket.blob(file.name, generation=file.generation)
        target = bucket.blob(to)
        target.metadata = dict(metadata)
        if self._change(lambda: _rewrite(source, target)) is None:
            return None
        return FileId(file.bucket, to, int(target.generation))

    def _blob(self, file: FileId) -> storage.Blob:
        return self._client.bucket(file.bucket).blob(file.name)

    def _change(self, call: Callable[[], T]) -> T | bool | None:
        """The result of a conditional call (True if it returns nothing); None if the generation is gone or changed."""
        try:
            result = self._call(call)
        except _Gone:
            return None
        return True if result is None else result

    def _call(self, call: Callable[[], T]) -> T:
        """The result of a call, with the SDK's exceptions translated to those of the ports."""
        try:
            return call()
        except (NotFound, PreconditionFailed) as error:
            raise _Gone(error.message) from error
        except BadRequest as error:
            raise FileRefused(error.message) from error
        except (DefaultCredentialsError, RefreshError, Unauthorized) as error:
            raise NoLogin(f"Cloud Storage: {type(error).__name__}: {error}") from error
        except Forbidden as error:
            raise AccessRefused(f"Cloud Storage: {type(error).__name__}: {error}") from error
        except (GoogleAPICallError, GoogleAuthError, RetryError, RequestException, ConnectionError, TimeoutError) as error:
            raise TransientError(f"Cloud Storage: {type(error).__name__}: {error}") from error


class _Gone(TransientError):
    """404 or 412. Outside a conditional call it is a transient error, for example a missing bucket."""


class _ReadAhead:
    """A stream that fetches the next chunk while the caller processes this one, and that raises the ports' exceptions."""

    def __init__(
        self, stream: BinaryIO, size: int, pool: ThreadPoolExecutor, call: Callable[[Callable[[], Any]], Any]
    ) -> None:
        self._stream = stream
        self._size = size
        self._received = 0
        self._pool = pool
        self._call = call
        self._chunk = b""
        self._at = 0
        self._following = self._fetch()

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            return b"".join(iter(lambda: self.read(READ_CHUNK_BYTES), b""))
        if size and self._at == len(self._chunk):
            self._chunk, self._at = self._fetched(), 0
            if self._received < self._size:
                self._following = self._fetch()
        piece = self._chunk[self._at : self._at + size]
        self._at += len(piece)
        return piece

    def _fetch(self) -> Future[bytes]:
        return self._pool.submit(self._stream.read, READ_CHUNK_BYTES)

    def _fetched(self) -> bytes:
        """The next chunk; empty only at the end of the object. Too few or too many bytes are an error: a stream that
        simply ends early would be a shorter, valid file.
        """
        if self._received == self._size:
            return b""
        try:
            chunk = cast("bytes", self._call(self._following.result))
        except _Gone as gone:
            raise FileGone(str(gone)) from gone
        self._received += len(chunk)
        if not chunk or self._received > self._size:
            raise TransientError(f"Cloud Storage: {self._received:,} bytes were read of an object of {self._size:,} bytes")
        return chunk


def _connected(credentials: Credentials | None) -> storage.Client:
    client = storage.Client(credentials=credentials)
    # urllib3 closes connections beyond its pool's size.
    adapter = HTTPAdapter(pool_maxsize=STORAGE_CALLS_AT_ONCE)
    client._http.mount("https://", adapter)
    client._http.mount("http://", adapter)
    return client


def _rewrite(source: storage.Blob, target: storage.Blob) -> None:
    token: str | None = None
    while True:
        token, _done, _total = target.rewrite(
            source, token=token, if_generation_match=0, if_source_generation_match=source.generation, **_CALL
        )
        if token is None:
            return


def _stored(bucket: str, blob: storage.Blob) -> StoredFile:
    file = FileId(bucket, blob.name, int(blob.generation))
    metadata, encoding = blob.metadata or {}, blob.content_encoding or ""
    return StoredFile(file, int(blob.metageneration), int(blob.size), blob.time_created, metadata, encoding)
