//! Objects in S3, by AWS's own SDK: on moto, and on s3s-fs, which verifies signatures.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in test functions, and this is what they call"
)]

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use babelwire_aws::config::Buckets;
use babelwire_aws::objects::{PART_BYTES, S3Objects, client};
use babelwire_service::ports::{Bucket, Clock, Objects as _, ObjectsError, SignedUpload};
use bytes::Bytes;
use futures::TryStreamExt as _;
use jiff::Timestamp;
use reqwest::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

mod peers;
mod sdk;

use peers::{Peer, own_name};

/// A clock that stands.
struct At(Timestamp);

#[async_trait]
impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }

    async fn sleep(&self, _duration: Duration) {}
}

struct World {
    client: Client,
    buckets: Buckets,
    /// Nothing else holds the program, or the folder that it works in.
    _peer: Option<(Peer, tempfile::TempDir)>,
}

const HOUR: Duration = Duration::from_secs(60 * 60);
const KEY: &str = "0123/report.txt";

impl World {
    async fn on_moto() -> Self {
        Self::of(&Peer::moto().url, None).await
    }

    async fn on_s3s() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let peer = Peer::s3s(folder.path(), sdk::ACCESS_KEY, sdk::SECRET_KEY);
        let url = peer.url.clone();
        Self::of(&url, Some((peer, folder))).await
    }

    async fn of(url: &str, peer: Option<(Peer, tempfile::TempDir)>) -> Self {
        let sdk: SdkConfig = sdk::sdk(url).await;
        let client = client(&sdk, true);
        let bucket = async |name: &str| {
            let name = own_name(name);
            client.create_bucket().bucket(&name).send().await.unwrap();
            name
        };
        let buckets = Buckets {
            sources: bucket("their-sources").await,
            texts: bucket("their-texts").await,
            results: bucket("their-results").await,
        };
        Self {
            client,
            buckets,
            _peer: peer,
        }
    }

    fn objects(&self) -> S3Objects {
        self.objects_at(Timestamp::now())
    }

    fn objects_at(&self, now: Timestamp) -> S3Objects {
        S3Objects::new(self.client.clone(), self.buckets.clone(), Arc::new(At(now)))
    }

    async fn put(&self, bucket: Bucket, key: &str, bytes: &[u8]) {
        let mut writer = self.objects().put(bucket, key).await.unwrap();
        writer.write(Bytes::copy_from_slice(bytes)).await.unwrap();
        writer.finish().await.unwrap();
    }

    /// The bytes, and the whole object's size.
    async fn get(
        &self,
        key: &str,
        range: Option<Range<u64>>,
    ) -> Result<(Vec<u8>, u64), ObjectsError> {
        let object = self.objects().get(Bucket::Results, key, range).await?;
        let bytes = object.bytes.try_collect::<Vec<_>>().await?.concat();
        Ok((bytes, object.size))
    }

    /// The ids of multipart uploads that are neither complete nor aborted.
    async fn unfinished(&self) -> usize {
        let uploads = self.client.list_multipart_uploads();
        let uploads = uploads.bucket(&self.buckets.results).send().await.unwrap();
        uploads.uploads().len()
    }
}

/// Bytes of which no two neighbouring stretches are the same.
fn bytes(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0])
        .collect()
}

async fn objects_are_what_was_written(world: World) {
    // One request, two whole parts and a byte, and nothing at all.
    for length in [0, 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES + 7] {
        let key = format!("0123/of {length} bytes+%41?é😀.txt");
        let whole = bytes(length);
        let mut writer = world.objects().put(Bucket::Results, &key).await.unwrap();
        for piece in whole.chunks(64 * 1024) {
            writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        assert_eq!(world.objects().size(Bucket::Results, &key).await, Ok(None));
        assert_eq!(world.get(&key, None).await, Err(ObjectsError::NotFound));
        writer.finish().await.unwrap();
        let size = length as u64;
        assert_eq!(
            world.objects().size(Bucket::Results, &key).await,
            Ok(Some(size))
        );
        assert_eq!(world.objects().size(Bucket::Texts, &key).await, Ok(None));
        let (read, said) = world.get(&key, None).await.unwrap();
        assert!(read == whole, "{length} bytes came back as others");
        assert_eq!(said, size);
    }
}

#[tokio::test]
async fn objects_are_what_was_written_on_moto() {
    objects_are_what_was_written(World::on_moto().await).await;
}

#[tokio::test]
async fn objects_are_what_was_written_on_s3s() {
    objects_are_what_was_written(World::on_s3s().await).await;
}

async fn ranges_may_reach_beyond_the_end(world: World) {
    world.put(Bucket::Results, KEY, b"0123456789").await;
    let read = async |range| world.get(KEY, Some(range)).await.unwrap();
    assert_eq!(read(0..10).await, (b"0123456789".to_vec(), 10));
    assert_eq!(read(3..5).await, (b"34".to_vec(), 10));
    assert_eq!(read(8..1_000).await, (b"89".to_vec(), 10));
    // Nothing, which S3 has no words for.
    assert_eq!(read(4..4).await, (Vec::new(), 10));
    assert_eq!(read(10..20).await, (Vec::new(), 10));
    let error = world.get(KEY, Some(11..20)).await.unwrap_err();
    assert!(error.to_string().contains("byte 11"), "{error}");
    world.put(Bucket::Results, "empty", b"").await;
    assert_eq!(world.get("empty", Some(0..4)).await, Ok((Vec::new(), 0)));
    let missing = world.get("missing", Some(0..4)).await;
    assert_eq!(missing, Err(ObjectsError::NotFound));
}

#[tokio::test]
async fn ranges_may_reach_beyond_the_end_on_moto() {
    ranges_may_reach_beyond_the_end(World::on_moto().await).await;
}

#[tokio::test]
async fn ranges_may_reach_beyond_the_end_on_s3s() {
    ranges_may_reach_beyond_the_end(World::on_s3s().await).await;
}

#[tokio::test]
async fn a_new_object_takes_the_place_of_an_older_one_when_it_is_whole() {
    let world = World::on_moto().await;
    world.put(Bucket::Results, KEY, b"old").await;
    let mut writer = world.objects().put(Bucket::Results, KEY).await.unwrap();
    writer.write(bytes(PART_BYTES + 9).into()).await.unwrap();
    assert_eq!(world.get(KEY, None).await.unwrap().0, b"old");
    writer.finish().await.unwrap();
    assert_eq!(world.get(KEY, None).await.unwrap().1, PART_BYTES as u64 + 9);
    assert_eq!(world.unfinished().await, 0);
}

#[tokio::test]
async fn deleting_twice_is_no_error() {
    for world in [World::on_moto().await, World::on_s3s().await] {
        world.put(Bucket::Results, KEY, b"x").await;
        for _ in 0..2 {
            world.objects().delete(Bucket::Results, KEY).await.unwrap();
            assert_eq!(world.objects().size(Bucket::Results, KEY).await, Ok(None));
        }
    }
}

#[tokio::test]
async fn what_is_dropped_before_its_end_leaves_nothing() {
    let world = World::on_moto().await;
    let mut writer = world.objects().put(Bucket::Results, KEY).await.unwrap();
    writer.write(bytes(PART_BYTES + 1).into()).await.unwrap();
    assert_eq!(world.unfinished().await, 1);
    drop(writer);
    while world.unfinished().await > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.objects().size(Bucket::Results, KEY).await, Ok(None));
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_an_error_and_no_missing_object() {
    let world = World::on_moto().await;
    let mut buckets = world.buckets.clone();
    buckets.results = "nowhere".to_owned();
    let clock = Arc::new(At(Timestamp::now()));
    let objects = S3Objects::new(world.client.clone(), buckets, clock);
    let Err(ObjectsError::Other(error)) = objects.get(Bucket::Results, KEY, None).await.map(|_| ())
    else {
        panic!("there is something");
    };
    assert!(error.0.contains("NoSuchBucket"), "{error}");
}

#[tokio::test]
async fn the_names_of_buckets_say_what_they_are_for() {
    let world = World::on_moto().await;
    let objects = world.objects();
    assert_eq!(
        objects.bucket(&world.buckets.sources),
        Some(Bucket::Sources)
    );
    assert_eq!(objects.bucket(&world.buckets.texts), Some(Bucket::Texts));
    assert_eq!(
        objects.bucket(&world.buckets.results),
        Some(Bucket::Results)
    );
    assert_eq!(objects.bucket("sources"), None);
}

/// A network that breaks the first connections after so many bytes of an answer.
struct Breaks {
    address: SocketAddr,
    broken: Arc<AtomicUsize>,
}

impl Breaks {
    async fn before(peer: &str, connections: usize, after: u64) -> Self {
        let peer = peer.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let broken = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&broken);
        tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let far = TcpStream::connect(&peer).await.unwrap();
                let breaks = count.load(Ordering::SeqCst) < connections;
                let count = Arc::clone(&count);
                tokio::spawn(async move {
                    let (mut near_reads, mut near_writes) = near.into_split();
                    let (far_reads, mut far_writes) = far.into_split();
                    let there = tokio::io::copy(&mut near_reads, &mut far_writes);
                    let back = async {
                        let most = if breaks { after } else { u64::MAX };
                        let mut some = far_reads.take(most);
                        let _ = tokio::io::copy(&mut some, &mut near_writes).await;
                        if some.limit() == 0 {
                            count.fetch_add(1, Ordering::SeqCst);
                        }
                        let _ = near_writes.shutdown().await;
                    };
                    tokio::select! {
                        _ = there => {}
                        () = back => {}
                    }
                });
            }
        });
        Self { address, broken }
    }

    async fn objects(&self, world: &World) -> S3Objects {
        let sdk = sdk::sdk(&format!("http://{}", self.address)).await;
        let clock = Arc::new(At(Timestamp::now()));
        S3Objects::new(client(&sdk, true), world.buckets.clone(), clock)
    }

    fn count(&self) -> usize {
        self.broken.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn reading_goes_on_where_the_connection_broke() {
    let world = World::on_moto().await;
    let whole = bytes(300_000);
    world.put(Bucket::Results, KEY, &whole).await;
    let breaks = Breaks::before(&Peer::moto().url, 2, 100_000).await;
    let objects = breaks.objects(&world).await;
    for range in [None, Some(0..300_000), Some(1..300_000)] {
        let object = objects
            .get(Bucket::Results, KEY, range.clone())
            .await
            .unwrap();
        assert_eq!(object.size, 300_000);
        let read = object.bytes.try_collect::<Vec<_>>().await.unwrap().concat();
        let begin = range.map_or(0, |range| usize::try_from(range.start).unwrap());
        assert!(read == whole[begin..], "{} bytes came back", read.len());
    }
    assert_eq!(breaks.count(), 2);
}

#[tokio::test]
async fn a_connection_that_always_breaks_without_a_byte_is_an_error() {
    let world = World::on_moto().await;
    world.put(Bucket::Results, KEY, &bytes(300_000)).await;
    // The headers of an answer have more bytes than this.
    let breaks = Breaks::before(&Peer::moto().url, usize::MAX, 20).await;
    let objects = breaks.objects(&world).await;
    let read = objects.get(Bucket::Results, KEY, None).await.map(|_| ());
    let Err(ObjectsError::Other(error)) = read else {
        panic!("{read:?}");
    };
    assert!(error.0.starts_with("S3: "), "{error}");
}

#[tokio::test]
async fn an_object_that_is_replaced_while_it_is_read_is_an_error_and_no_mixture() {
    let world = World::on_moto().await;
    world.put(Bucket::Results, KEY, &bytes(300_000)).await;
    let breaks = Breaks::before(&Peer::moto().url, 1, 100_000).await;
    let objects = breaks.objects(&world).await;
    let object = objects.get(Bucket::Results, KEY, None).await.unwrap();
    world.put(Bucket::Results, KEY, &vec![b'x'; 300_000]).await;
    let read = object.bytes.try_collect::<Vec<_>>().await;
    assert!(
        matches!(read, Err(ObjectsError::Other(_))),
        "{:?}",
        read.map(|_| ())
    );
}

async fn send(upload: &SignedUpload, body: &[u8]) -> (StatusCode, String) {
    let mut request = reqwest::Client::new().put(&upload.url).body(body.to_vec());
    for (name, value) in &upload.headers {
        request = request.header(name, value);
    }
    let response = request.send().await.unwrap();
    (response.status(), response.text().await.unwrap())
}

#[tokio::test]
async fn an_upload_url_takes_its_file_from_a_browser_any_number_of_times() {
    for world in [World::on_moto().await, World::on_s3s().await] {
        let expires = Timestamp::now() + HOUR;
        let key = "0123/été +100%.txt";
        let objects = world.objects();
        let upload = objects
            .sign_upload(Bucket::Sources, key, 5, expires)
            .await
            .unwrap();
        // A browser sends `Content-Length` by itself, and nothing that is not listed or its own.
        assert_eq!(upload.headers.keys().collect::<Vec<_>>(), ["Content-Type"]);
        let signed = "X-Amz-SignedHeaders=content-length%3Bcontent-type%3Bhost&";
        assert!(upload.url.contains(signed), "{}", upload.url);
        assert!(!upload.url.contains("checksum"), "{}", upload.url);
        for text in [b"first", b"again"] {
            let (status, words) = send(&upload, text).await;
            assert_eq!(status, StatusCode::OK, "{words}");
            let object = objects.get(Bucket::Sources, key, None).await.unwrap();
            let read = object.bytes.try_collect::<Vec<_>>().await.unwrap().concat();
            assert_eq!(read, text);
        }
    }
}

#[tokio::test]
async fn an_upload_url_takes_nothing_else() {
    let world = World::on_s3s().await;
    let expires = Timestamp::now() + HOUR;
    let objects = world.objects();
    let upload = objects
        .sign_upload(Bucket::Sources, KEY, 5, expires)
        .await
        .unwrap();
    let changed = |change: fn(&mut SignedUpload)| {
        let mut upload = upload.clone();
        change(&mut upload);
        upload
    };
    let other_key = changed(|upload| upload.url = upload.url.replace("/report", "/reporT"));
    let other_type = changed(|upload| {
        let text = "text/html".to_owned();
        upload.headers.insert("Content-Type".to_owned(), text);
    });
    let no_type = changed(|upload| upload.headers.clear());
    let longer = changed(|upload| upload.url = upload.url.replace("Expires=3600", "Expires=9999"));
    assert_ne!(longer, upload);
    for (refused, body) in [
        (&other_key, b"12345".as_slice()),
        (&other_type, b"12345"),
        (&no_type, b"12345"),
        (&longer, b"12345"),
        (&upload, b"1234"),
        (&upload, b"123456"),
        (&upload, b""),
    ] {
        let (status, words) = send(refused, body).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{refused:?}: {words}");
        assert!(words.contains("SignatureDoesNotMatch"), "{words}");
    }
    // Nor does it read or delete.
    let http = reqwest::Client::new();
    for request in [http.get(&upload.url), http.delete(&upload.url)] {
        assert_eq!(
            request.send().await.unwrap().status(),
            StatusCode::FORBIDDEN
        );
    }
    assert_eq!(objects.size(Bucket::Sources, KEY).await, Ok(None));
    let (status, words) = send(&upload, b"12345").await;
    assert_eq!(status, StatusCode::OK, "{words}");
}

#[tokio::test]
async fn an_upload_url_that_has_expired_takes_nothing() {
    let world = World::on_s3s().await;
    let yesterday = Timestamp::now() - 24 * HOUR;
    let objects = world.objects_at(yesterday);
    let upload = objects
        .sign_upload(Bucket::Sources, KEY, 5, yesterday + HOUR)
        .await
        .unwrap();
    let (status, words) = send(&upload, b"12345").await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{words}");
    assert!(words.contains("expired"), "{words}");
    let error = world
        .objects()
        .sign_upload(Bucket::Sources, KEY, 5, yesterday)
        .await
        .unwrap_err();
    assert!(error.0.contains("cannot be signed until"), "{error}");
}

#[tokio::test]
async fn no_url_works_longer_than_s3_lets_it() {
    let world = World::on_moto().await;
    let expires = Timestamp::now() + 30 * 24 * HOUR;
    let objects = world.objects();
    let upload = objects
        .sign_upload(Bucket::Sources, KEY, 5, expires)
        .await
        .unwrap();
    assert!(
        upload.url.contains("X-Amz-Expires=604800&"),
        "{}",
        upload.url
    );
}

#[tokio::test]
async fn a_download_url_gives_a_file_with_its_name_and_type() {
    let world = World::on_moto().await;
    world.put(Bucket::Results, KEY, "été".as_bytes()).await;
    let url = world
        .objects()
        .sign_download(
            Bucket::Results,
            KEY,
            "l'été.es.txt",
            "text/plain; charset=utf-8",
            Timestamp::now() + HOUR,
        )
        .await
        .unwrap()
        .unwrap();
    let response = reqwest::get(url).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(
        response.headers()["content-type"],
        "text/plain; charset=utf-8"
    );
    assert_eq!(
        response.headers()["content-disposition"],
        "attachment; filename=\"l'_t_.es.txt\"; filename*=UTF-8''l%27%C3%A9t%C3%A9.es.txt"
    );
    assert_eq!(response.text().await.unwrap(), "été");
}

#[tokio::test]
async fn a_download_url_is_for_one_object_and_one_name() {
    let world = World::on_s3s().await;
    world.put(Bucket::Results, KEY, b"mine").await;
    world
        .put(Bucket::Results, "0123/reporT.txt", b"another's")
        .await;
    let signed = async |objects: S3Objects, expires| {
        let url = objects
            .sign_download(Bucket::Results, KEY, "a.txt", "text/plain", expires)
            .await;
        url.unwrap().unwrap()
    };
    let status = async |url: &str| reqwest::get(url).await.unwrap().status();
    let now = Timestamp::now();
    let url = signed(world.objects(), now + HOUR).await;
    assert_eq!(status(&url).await, StatusCode::OK);
    for (from, to) in [
        ("/report.txt", "/reporT.txt"),
        ("a.txt", "a.html"),
        ("text%2Fplain", "text%2Fhtml"),
    ] {
        let other = url.replace(from, to);
        assert_ne!(other, url);
        assert_eq!(status(&other).await, StatusCode::FORBIDDEN, "{other}");
    }
    let yesterday = now - 24 * HOUR;
    let old = signed(world.objects_at(yesterday), yesterday + HOUR).await;
    assert_eq!(status(&old).await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn whoever_has_another_secret_signs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let peer = Peer::s3s(folder.path(), sdk::ACCESS_KEY, sdk::SECRET_KEY);
    let credentials =
        aws_sdk_s3::config::Credentials::new(sdk::ACCESS_KEY, "guessed", None, None, "tests");
    let sdk = sdk::sdk(&peer.url).await.into_builder();
    let sdk = sdk
        .credentials_provider(aws_sdk_s3::config::SharedCredentialsProvider::new(
            credentials,
        ))
        .build();
    let refused = client(&sdk, true)
        .create_bucket()
        .bucket("mine")
        .send()
        .await;
    let status = refused.unwrap_err().raw_response().unwrap().status();
    assert_eq!(status.as_u16(), 403);
}
