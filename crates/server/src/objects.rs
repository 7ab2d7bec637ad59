//! Objects as files in a folder, with S3's events and signed uploads.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use babelwire_service::events::{Event, Sequencer};
use babelwire_service::ports::{
    Bucket, ObjectStream, ObjectWriter, Objects, ObjectsError, PortError, SignedUpload,
};
use bytes::Bytes;
use futures::channel::mpsc;
use futures::{StreamExt, TryStreamExt};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    Error, GetOptions, GetRange, MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

/// Bytes gathered before they are written.
const PART_BYTES: usize = 256 * 1024;

/// Objects as files in a folder.
pub(crate) struct FolderObjects {
    store: Arc<LocalFileSystem>,
    events: Arc<Events>,
    key: [u8; 32],
}

/// Where events are told, in S3's form.
struct Events {
    sequence: AtomicU64,
    sender: mpsc::UnboundedSender<String>,
}

/// Why an upload was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsigned {
    #[error(
        "The signature does not fit this URL: use the upload URL exactly as it was given, for its \
         file alone."
    )]
    Wrong,
    #[error("The upload URL has expired: retry the translation to get a new one.")]
    Expired,
}

impl FolderObjects {
    /// Opens or makes the folder. What uploads that were cut short left there is deleted.
    /// `newest` is the newest sequencer that was ever told, and the receiver gets the events.
    pub(crate) fn open(
        folder: &FilePath,
        key: [u8; 32],
        newest: Option<&str>,
    ) -> std::io::Result<(Self, mpsc::UnboundedReceiver<String>)> {
        std::fs::create_dir_all(folder)?;
        sweep_partial_uploads(folder)?;
        let store = LocalFileSystem::new_with_prefix(folder)?.with_automatic_cleanup(true);
        let newest = newest
            .and_then(|newest| u64::from_str_radix(&format!("{newest:0<16}"), 16).ok())
            .unwrap_or(0);
        let (sender, events) = mpsc::unbounded();
        let objects = Self {
            store: Arc::new(store),
            events: Arc::new(Events {
                sequence: AtomicU64::new(newest),
                sender,
            }),
            key,
        };
        Ok((objects, events))
    }

    fn mac(&self, bucket: Bucket, key: &str, size: u64, expires: i64) -> Hmac<Sha256> {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("any key fits");
        // The key is last: it is the only part that could hold a line feed.
        let signed = format!("PUT\n{expires}\n{size}\n{}\n{key}", bucket.as_str());
        mac.update(signed.as_bytes());
        mac
    }

    /// Whether a URL was made by [`Objects::sign_upload`] and works still.
    pub(crate) fn check_upload(
        &self,
        bucket: Bucket,
        key: &str,
        size: u64,
        expires: i64,
        signature: &str,
    ) -> Result<(), Unsigned> {
        let signature = unhex(signature).ok_or(Unsigned::Wrong)?;
        self.mac(bucket, key, size, expires)
            .verify_slice(&signature)
            .map_err(|_| Unsigned::Wrong)?;
        if Timestamp::now().as_second() >= expires {
            return Err(Unsigned::Expired);
        }
        Ok(())
    }
}

impl Events {
    fn tell(&self, name: &str, bucket: Bucket, key: &str, written: Option<(u64, String)>) {
        let now = Timestamp::now();
        let nanoseconds = u64::try_from(now.as_nanosecond()).unwrap_or(0);
        let next = |last: u64| nanoseconds.max(last + 1);
        let last = self
            .sequence
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |last| Some(next(last)));
        let sequence = next(last.unwrap_or_else(|last| last));
        let (size, etag) = written.unzip();
        let event = Event {
            name: name.to_owned(),
            bucket: bucket.as_str().to_owned(),
            key: key.to_owned(),
            sequencer: Sequencer::new(&format!("{sequence:016X}")),
            size,
            etag,
        };
        // Nobody listens while the process ends; the next start looks for itself.
        let _ = self.sender.unbounded_send(event.to_notification(now));
    }
}

/// The path of an object in the store, which writes what a file's name cannot hold as `%XX`.
fn path_of(bucket: Bucket, key: &str) -> Path {
    std::iter::once(bucket.as_str())
        .chain(key.split('/'))
        .collect()
}

fn failed(error: Error) -> ObjectsError {
    match error {
        Error::NotFound { .. } => ObjectsError::NotFound,
        error => ObjectsError::Other(PortError::new(error)),
    }
}

#[async_trait]
impl Objects for FolderObjects {
    async fn size(&self, bucket: Bucket, key: &str) -> Result<Option<u64>, ObjectsError> {
        match self.store.head(&path_of(bucket, key)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    async fn get(
        &self,
        bucket: Bucket,
        key: &str,
        range: Option<Range<u64>>,
    ) -> Result<ObjectStream, ObjectsError> {
        let options = GetOptions {
            range: range.map(GetRange::Bounded),
            ..GetOptions::default()
        };
        let object = self
            .store
            .get_opts(&path_of(bucket, key), options)
            .await
            .map_err(failed)?;
        Ok(ObjectStream {
            size: object.meta.size,
            bytes: object.into_stream().map_err(failed).boxed(),
        })
    }

    async fn put(&self, bucket: Bucket, key: &str) -> Result<Box<dyn ObjectWriter>, ObjectsError> {
        let upload = self
            .store
            .put_multipart(&path_of(bucket, key))
            .await
            .map_err(failed)?;
        Ok(Box::new(FileWriter {
            upload,
            gathered: Vec::new(),
            gathered_bytes: 0,
            size: 0,
            hash: Sha256::new(),
            bucket,
            key: key.to_owned(),
            events: Arc::clone(&self.events),
        }))
    }

    async fn delete(&self, bucket: Bucket, key: &str) -> Result<(), ObjectsError> {
        match self.store.delete(&path_of(bucket, key)).await {
            Ok(()) => {
                self.events.tell("ObjectRemoved:Delete", bucket, key, None);
                Ok(())
            }
            Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    async fn sign_upload(
        &self,
        bucket: Bucket,
        key: &str,
        size: u64,
        expires: Timestamp,
    ) -> Result<SignedUpload, PortError> {
        let expires = expires.as_second();
        let mac = self.mac(bucket, key, size, expires).finalize();
        let signature = hex(&mac.into_bytes());
        let path: Vec<_> = key
            .split('/')
            .map(|part| utf8_percent_encode(part, NON_ALPHANUMERIC).to_string())
            .collect();
        Ok(SignedUpload {
            url: format!(
                "/api/objects/{}/{}?expires={expires}&size={size}&signature={signature}",
                bucket.as_str(),
                path.join("/")
            ),
            headers: BTreeMap::new(),
        })
    }
}

/// An object on its way to the disk.
struct FileWriter {
    upload: Box<dyn MultipartUpload>,
    gathered: Vec<Bytes>,
    gathered_bytes: usize,
    size: u64,
    hash: Sha256,
    bucket: Bucket,
    key: String,
    events: Arc<Events>,
}

impl FileWriter {
    async fn flush(&mut self) -> Result<(), ObjectsError> {
        if self.gathered_bytes == 0 {
            return Ok(());
        }
        self.gathered_bytes = 0;
        let part: PutPayload = std::mem::take(&mut self.gathered).into_iter().collect();
        self.upload.put_part(part).await.map_err(failed)
    }
}

#[async_trait]
impl ObjectWriter for FileWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), ObjectsError> {
        self.size += bytes.len() as u64;
        self.hash.update(&bytes);
        self.gathered_bytes += bytes.len();
        self.gathered.push(bytes);
        if self.gathered_bytes >= PART_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<(), ObjectsError> {
        self.flush().await?;
        self.upload.complete().await.map_err(failed)?;
        let digest = self.hash.finalize();
        let etag = hex(digest.get(..16).unwrap_or_default());
        self.events.tell(
            "ObjectCreated:Put",
            self.bucket,
            &self.key,
            Some((self.size, etag)),
        );
        Ok(())
    }
}

/// Deletes the files that writes of a process that died have left: `NAME#N`, which no object's
/// name can be, because `#` is written as `%23` there.
fn sweep_partial_uploads(folder: &FilePath) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sweep_partial_uploads(&entry.path())?;
            continue;
        }
        let name = entry.file_name();
        let is_partial = name
            .to_string_lossy()
            .rsplit_once('#')
            .is_some_and(|(_, number)| number.bytes().all(|byte| byte.is_ascii_digit()));
        if is_partial {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [_, _] => u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok(),
            _ => None,
        })
        .collect()
}
