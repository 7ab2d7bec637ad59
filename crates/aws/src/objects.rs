//! Objects in S3.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use babelwire_service::ports::{
    Bucket, Clock, ObjectStream, ObjectWriter, Objects, ObjectsError, PortError, SignedUpload,
};
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream};
use jiff::Timestamp;

use crate::config::Buckets;
use crate::failure::in_words;

/// The least that a part of a multipart upload may have, the last one aside: 5 MiB ("Amazon S3
/// multipart upload limits"). Its 10,000 parts are 48 GiB, far above the largest file.
pub const PART_BYTES: usize = 5 << 20;

/// The longest that a signed URL may work: a week ("Authenticating requests: using query
/// parameters", `X-Amz-Expires`).
pub const MOST_EXPIRY: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The type of an upload. What a file is, is found by reading it; a browser's guess from its name
/// tells nothing, and a type that anybody can choose would be one to attack with.
pub const UPLOAD_TYPE: &str = "application/octet-stream";

/// How often in a row reading goes on after a broken connection without a byte in between.
const RESUMES: u32 = 3;

/// Objects in three buckets of S3.
///
/// Its role needs `s3:GetObject`, `s3:PutObject` (with it, multipart uploads),
/// `s3:AbortMultipartUpload` and `s3:DeleteObject` on the objects it works with, and
/// `s3:ListBucket` on their buckets: without the last, S3 answers 403 where it would answer 404
/// (`GetObject`, "Permissions").
///
/// A signed URL dies with the credentials that signed it: those of a function's role work for some
/// hours.
pub struct S3Objects {
    client: Client,
    buckets: Buckets,
    clock: Arc<dyn Clock>,
}

impl S3Objects {
    /// Objects in these buckets, by a client of [`client`].
    pub fn new(client: Client, buckets: Buckets, clock: Arc<dyn Clock>) -> Self {
        Self {
            client,
            buckets,
            clock,
        }
    }

    fn name(&self, bucket: Bucket) -> &str {
        match bucket {
            Bucket::Sources => &self.buckets.sources,
            Bucket::Texts => &self.buckets.texts,
            Bucket::Results => &self.buckets.results,
        }
    }

    /// From now until `expires`, in whole seconds, as a signature has both.
    fn presigning(&self, expires: Timestamp) -> Result<PresigningConfig, PortError> {
        let now = self.clock.now();
        let expires_in = u64::try_from(expires.as_second() - now.as_second())
            .ok()
            .filter(|expires_in| *expires_in > 0)
            .ok_or_else(|| {
                PortError(format!(
                    "a URL cannot be signed until {expires}: it is {now}"
                ))
            })?;
        PresigningConfig::builder()
            .start_time(SystemTime::from(now))
            .expires_in(Duration::from_secs(expires_in).min(MOST_EXPIRY))
            .build()
            .map_err(PortError::new)
    }
}

/// A client of S3. No checksums beside those that S3 asks for: a browser would not send them with
/// a signed URL.
pub fn client(sdk: &SdkConfig, path_style: bool) -> Client {
    let config = aws_sdk_s3::config::Builder::from(sdk)
        .force_path_style(path_style)
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .build();
    Client::from_conf(config)
}

/// What a bucket's objects are.
fn content_type(bucket: Bucket) -> &'static str {
    match bucket {
        Bucket::Sources => UPLOAD_TYPE,
        Bucket::Texts | Bucket::Results => "text/plain; charset=utf-8",
    }
}

fn failed<E>(error: &SdkError<E>) -> ObjectsError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    if is_missing(error) {
        ObjectsError::NotFound
    } else {
        ObjectsError::Other(PortError(format!("S3: {}", in_words(error))))
    }
}

/// Whether there is no such object. (A bucket that is missing is another matter.)
fn is_missing<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    match error
        .as_service_error()
        .and_then(ProvideErrorMetadata::code)
    {
        // An answer to HEAD has no body and so no code; the SDK takes the status for one.
        Some("NoSuchKey" | "NotFound") => true,
        Some(_) => false,
        None => error
            .raw_response()
            .is_some_and(|response| response.status().as_u16() == 404),
    }
}

#[async_trait]
impl Objects for S3Objects {
    fn bucket(&self, name: &str) -> Option<Bucket> {
        Bucket::ALL
            .into_iter()
            .find(|bucket| self.name(*bucket) == name)
    }

    async fn size(&self, bucket: Bucket, key: &str) -> Result<Option<u64>, ObjectsError> {
        let head = self.client.head_object().bucket(self.name(bucket)).key(key);
        match head.send().await {
            Ok(head) => Ok(Some(to_u64(head.content_length))),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(failed(&error)),
        }
    }

    async fn get(
        &self,
        bucket: Bucket,
        key: &str,
        range: Option<Range<u64>>,
    ) -> Result<ObjectStream, ObjectsError> {
        let mut reading = Reading {
            client: self.client.clone(),
            bucket: self.name(bucket).to_owned(),
            key: key.to_owned(),
            etag: None,
            next: range.as_ref().map_or(0, |range| range.start),
            end: range.as_ref().map(|range| range.end),
            body: ByteStream::default(),
            resumes: 0,
        };
        // S3 has no words for an empty range, nor for one that begins where the object ends.
        let is_empty = range.as_ref().is_some_and(|range| range.end <= range.start);
        let opened = if is_empty {
            Err(Refused::Range)
        } else {
            reading.open().await
        };
        let size = match opened {
            Ok(size) => size,
            Err(Refused::Other(error)) => return Err(error),
            Err(Refused::Range) => {
                let size = self
                    .size(bucket, key)
                    .await?
                    .ok_or(ObjectsError::NotFound)?;
                if reading.next > size {
                    return Err(ObjectsError::Other(PortError(format!(
                        "a range from byte {} on was asked for, and {key} has {size}",
                        reading.next
                    ))));
                }
                let bytes = stream::empty().boxed();
                return Ok(ObjectStream { size, bytes });
            }
        };
        let bytes = stream::try_unfold(reading, |mut reading| async move {
            let bytes = reading.read().await?;
            Ok(bytes.map(|bytes| (bytes, reading)))
        });
        Ok(ObjectStream {
            size,
            bytes: bytes.boxed(),
        })
    }

    async fn put(&self, bucket: Bucket, key: &str) -> Result<Box<dyn ObjectWriter>, ObjectsError> {
        Ok(Box::new(Writer {
            upload: Upload {
                client: self.client.clone(),
                bucket: self.name(bucket).to_owned(),
                key: key.to_owned(),
                id: None,
            },
            content_type: content_type(bucket),
            gathered: BytesMut::new(),
            parts: Vec::new(),
        }))
    }

    async fn delete(&self, bucket: Bucket, key: &str) -> Result<(), ObjectsError> {
        let delete = self.client.delete_object();
        match delete.bucket(self.name(bucket)).key(key).send().await {
            Ok(_) => Ok(()),
            Err(error) if is_missing(&error) => Ok(()),
            Err(error) => Err(failed(&error)),
        }
    }

    /// A PUT that S3 takes for this key, with this type and of this length alone, because all three
    /// are signed.
    async fn sign_upload(
        &self,
        bucket: Bucket,
        key: &str,
        size: u64,
        expires: Timestamp,
    ) -> Result<SignedUpload, PortError> {
        let length = i64::try_from(size)
            .map_err(|_| PortError(format!("S3 takes no object of {size} bytes")))?;
        let signed = self
            .client
            .put_object()
            .bucket(self.name(bucket))
            .key(key)
            .content_type(UPLOAD_TYPE)
            .content_length(length)
            .presigned(self.presigning(expires)?)
            .await
            .map_err(|error| PortError(format!("S3: {}", in_words(&error))))?;
        // `Content-Length` is signed too, and not listed: a browser sets it from what it sends, and
        // forbids a page to (Fetch standard, "forbidden request-header").
        let headers = [("Content-Type".to_owned(), UPLOAD_TYPE.to_owned())];
        Ok(SignedUpload {
            url: signed.uri().to_owned(),
            headers: BTreeMap::from(headers),
        })
    }

    async fn sign_download(
        &self,
        bucket: Bucket,
        key: &str,
        file_name: &str,
        content_type: &str,
        expires: Timestamp,
    ) -> Result<Option<String>, PortError> {
        let disposition = babelwire_rest::attachment(file_name);
        let disposition = disposition.to_str().unwrap_or("attachment");
        let signed = self
            .client
            .get_object()
            .bucket(self.name(bucket))
            .key(key)
            .response_content_disposition(disposition)
            .response_content_type(content_type)
            .response_cache_control("no-store")
            .presigned(self.presigning(expires)?)
            .await
            .map_err(|error| PortError(format!("S3: {}", in_words(&error))))?;
        Ok(Some(signed.uri().to_owned()))
    }
}

fn to_u64(length: Option<i64>) -> u64 {
    length
        .and_then(|length| u64::try_from(length).ok())
        .unwrap_or(0)
}

/// An object being read. S3 ends connections that are read slowly, and a text is read as slowly as
/// it is translated; so reading goes on where it broke off, of the same bytes.
struct Reading {
    client: Client,
    bucket: String,
    key: String,
    /// Tells these bytes from others under the same key, once the first answer is there.
    etag: Option<String>,
    /// The next byte.
    next: u64,
    /// Where to end, exclusive; at the object's end without.
    end: Option<u64>,
    body: ByteStream,
    /// How often it was gone on with since the last byte came.
    resumes: u32,
}

/// Why an object cannot be read.
enum Refused {
    /// The range begins at or behind the object's end.
    Range,
    Other(ObjectsError),
}

impl Reading {
    /// Asks for what is missing, and says how large the whole object is.
    async fn open(&mut self) -> Result<u64, Refused> {
        let range = match self.end {
            // Both ends belong to it (RFC 9110, section 14.1.2).
            Some(end) => Some(format!("bytes={}-{}", self.next, end.saturating_sub(1))),
            None if self.next > 0 => Some(format!("bytes={}-", self.next)),
            None => None,
        };
        let object = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(&self.key)
            .set_range(range)
            .set_if_match(self.etag.clone())
            .send()
            .await
            .map_err(|error| {
                let is_range = error
                    .raw_response()
                    .is_some_and(|response| response.status().as_u16() == 416);
                if is_range {
                    Refused::Range
                } else {
                    Refused::Other(failed(&error))
                }
            })?;
        let size = whole_size(&object);
        self.etag = object.e_tag.or(self.etag.take());
        self.end = Some(self.end.map_or(size, |end| end.min(size)));
        self.body = object.body;
        Ok(size)
    }

    async fn read(&mut self) -> Result<Option<Bytes>, ObjectsError> {
        loop {
            let broken = match self.body.next().await {
                Some(Ok(bytes)) => {
                    self.next += bytes.len() as u64;
                    self.resumes = 0;
                    return Ok(Some(bytes));
                }
                None if self.end.is_none_or(|end| self.next >= end) => return Ok(None),
                None => "the answer ended before the object did".to_owned(),
                Some(Err(error)) => in_words(&error),
            };
            if self.resumes >= RESUMES {
                return Err(ObjectsError::Other(PortError(format!(
                    "S3: {} broke off at byte {}: {broken}",
                    self.key, self.next
                ))));
            }
            self.resumes += 1;
            tracing::debug!(key = self.key, at = self.next, broken, "reading on");
            match self.open().await {
                Ok(_) => {}
                Err(Refused::Other(error)) => return Err(error),
                Err(Refused::Range) => {
                    return Err(ObjectsError::Other(PortError(format!(
                        "S3: {} became shorter while it was read",
                        self.key
                    ))));
                }
            }
        }
    }
}

/// The size of the whole object: what stands after the slash of `bytes 0-9/99`, where a range was
/// asked for.
fn whole_size(object: &GetObjectOutput) -> u64 {
    object
        .content_range()
        .and_then(|range| range.rsplit_once('/'))
        .and_then(|(_, size)| size.parse().ok())
        .unwrap_or_else(|| to_u64(object.content_length))
}

/// An object on its way into a bucket: one request as long as it fits a part, else a multipart
/// upload, of which one part is in memory at a time.
struct Writer {
    upload: Upload,
    content_type: &'static str,
    gathered: BytesMut,
    parts: Vec<CompletedPart>,
}

impl Writer {
    /// Sends what was gathered as a part.
    async fn send_part(&mut self) -> Result<(), ObjectsError> {
        let Upload {
            client,
            bucket,
            key,
            id,
        } = &mut self.upload;
        let id = if let Some(id) = id {
            id
        } else {
            let begun = client
                .create_multipart_upload()
                .bucket(&*bucket)
                .key(&*key)
                .content_type(self.content_type)
                .send()
                .await
                .map_err(|error| failed(&error))?;
            let begun = begun.upload_id.ok_or_else(|| {
                ObjectsError::Other(PortError("S3 gave no id for an upload".to_owned()))
            })?;
            id.insert(begun)
        };
        // A text of at most 5 GiB has a thousand parts.
        let number = i32::try_from(self.parts.len() + 1).map_err(PortError::new)?;
        let part = client
            .upload_part()
            .bucket(&*bucket)
            .key(&*key)
            .upload_id(&*id)
            .part_number(number)
            .body(self.gathered.split().freeze().into())
            .send()
            .await
            .map_err(|error| failed(&error))?;
        let part = CompletedPart::builder()
            .part_number(number)
            .set_e_tag(part.e_tag)
            .build();
        self.parts.push(part);
        Ok(())
    }
}

#[async_trait]
impl ObjectWriter for Writer {
    async fn write(&mut self, mut bytes: Bytes) -> Result<(), ObjectsError> {
        while !bytes.is_empty() {
            let room = PART_BYTES.saturating_sub(self.gathered.len());
            let fits = bytes.split_to(room.min(bytes.len()));
            self.gathered.extend_from_slice(&fits);
            // A part is sent when more follows, so an object of one part is one request.
            if self.gathered.len() >= PART_BYTES && !bytes.is_empty() {
                self.send_part().await?;
            }
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<(), ObjectsError> {
        if self.upload.id.is_none() {
            let Upload {
                client,
                bucket,
                key,
                ..
            } = &self.upload;
            let body = self.gathered.split().freeze();
            client
                .put_object()
                .bucket(bucket)
                .key(key)
                .content_type(self.content_type)
                .body(body.into())
                .send()
                .await
                .map_err(|error| failed(&error))?;
            return Ok(());
        }
        self.send_part().await?;
        let Upload {
            client,
            bucket,
            key,
            id,
        } = &mut self.upload;
        let parts = CompletedMultipartUpload::builder()
            .set_parts(Some(std::mem::take(&mut self.parts)))
            .build();
        client
            .complete_multipart_upload()
            .bucket(&*bucket)
            .key(&*key)
            .set_upload_id(id.clone())
            .multipart_upload(parts)
            .send()
            .await
            .map_err(|error| failed(&error))?;
        // Nothing is left to abort.
        *id = None;
        Ok(())
    }
}

/// A multipart upload, aborted when it is dropped before it is complete.
struct Upload {
    client: Client,
    bucket: String,
    key: String,
    /// Its id, once it is begun and until it is complete.
    id: Option<String>,
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else {
            return;
        };
        // A function may be frozen before this has run: the bucket's own rule
        // (AbortIncompleteMultipartUpload) clears away what it leaves.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let key = self.key.clone();
        let abort = self
            .client
            .abort_multipart_upload()
            .bucket(&self.bucket)
            .key(&self.key)
            .upload_id(id)
            .send();
        runtime.spawn(async move {
            if let Err(error) = abort.await {
                let error = in_words(&error);
                tracing::warn!(key, error, "could not abort an upload");
            }
        });
    }
}
