//! A world in memory for the service, with a clock that a test turns and faults that it chooses.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use babelwire_service::events::{Event, Sequencer};
use babelwire_service::ports::*;
use babelwire_service::translator::TranslateError;
use babelwire_service::{Limits, MemoryLooks, Ports, Service, ServiceError, work_queue};
use babelwire_wire::rest::{CreateTranslation, Languages, Pair};
use babelwire_wire::{Frame, Inbound, Segment, Status, Translation};
use bytes::Bytes;
use futures::channel::oneshot;
use futures::executor::{LocalPool, LocalSpawner};
use futures::future::BoxFuture;
use futures::task::LocalSpawnExt;
use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};

/// Whoever comes.
pub(crate) const EVERYONE: Owner = Owner::everyone();

/// What outlives a process.
#[derive(Default)]
pub(crate) struct Stores {
    records: BTreeMap<String, (u64, Option<Record>, u64)>,
    /// By translation, also of those that were removed.
    owned_by: BTreeMap<String, Owner>,
    order: Vec<String>,
    change: u64,
    remains: BTreeMap<String, String>,
    pub(crate) segments: BTreeMap<(String, u64, u64), Segment>,
    again: BTreeSet<(String, u64, u64)>,
    pub(crate) checkpoints: BTreeMap<(String, u64, u64), u64>,
    pub(crate) connections: BTreeMap<String, Timestamp>,
    /// Of the connections that are not everyone's.
    owners: BTreeMap<String, Owner>,
    subscriptions: BTreeMap<(String, String), u64>,
    sequencers: BTreeMap<(String, String), String>,
    pub(crate) objects: BTreeMap<(Bucket, String), Bytes>,
    sequence: u64,
}

impl Stores {
    fn connection(&self, id: &str) -> Option<Connection> {
        self.connections.get(id).map(|connected_at| Connection {
            id: id.to_owned(),
            owner: self.owners.get(id).cloned().unwrap_or_default(),
            connected_at: *connected_at,
        })
    }
}

/// How a client takes frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    Reads,
    Gone,
    /// Refuses this many posts, then reads.
    BusyFor(usize),
    Broken,
}

/// What a test can see and turn.
pub(crate) struct World {
    pub(crate) stores: Mutex<Stores>,
    pub(crate) clients: Mutex<HashMap<String, (Client, Vec<String>)>>,
    pub(crate) closed: Mutex<BTreeSet<String>>,
    now: Mutex<Timestamp>,
    timers: Mutex<BTreeMap<(Timestamp, u64), oneshot::Sender<()>>>,
    numbers: AtomicU64,
    /// Events that were told and not delivered.
    pub(crate) events: Mutex<Vec<String>>,
    /// Calls of ports until the process dies.
    calls: AtomicUsize,
    dies_at: AtomicUsize,
    pub(crate) translator: Mutex<TranslatorState>,
    pub(crate) keeping_fails: AtomicUsize,
    /// The parts that connections are kept in.
    pub(crate) shards: AtomicU32,
}

#[derive(Default)]
pub(crate) struct TranslatorState {
    pub(crate) concurrency: usize,
    pub(crate) delay: Duration,
    /// Segments that hold this make it fail.
    pub(crate) fails_on: Option<String>,
    /// It is not there at all.
    pub(crate) is_gone: bool,
    /// Segments that were asked for with nothing remembered.
    pub(crate) anew: Vec<String>,
    /// Segments that hold this make it panic.
    pub(crate) panics_on: Option<String>,
    pub(crate) calls: Vec<String>,
    pub(crate) pairs: Vec<Pair>,
    /// The language that it finds every text to be in, where it can tell at all.
    pub(crate) detects: Option<String>,
    /// The sources that it was asked to translate from.
    pub(crate) sources: BTreeSet<String>,
}

impl World {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            stores: Mutex::default(),
            clients: Mutex::default(),
            closed: Mutex::default(),
            now: Mutex::new("2030-01-01T00:00:00Z".parse().unwrap()),
            timers: Mutex::default(),
            numbers: AtomicU64::new(1),
            events: Mutex::default(),
            calls: AtomicUsize::new(0),
            dies_at: AtomicUsize::new(usize::MAX),
            translator: Mutex::new(TranslatorState {
                concurrency: 2,
                delay: Duration::from_millis(10),
                pairs: vec![Pair {
                    source: "en".to_owned(),
                    target: "es".to_owned(),
                    via: Vec::new(),
                }],
                ..TranslatorState::default()
            }),
            keeping_fails: AtomicUsize::new(0),
            shards: AtomicU32::new(1),
        })
    }

    pub(crate) fn stores(&self) -> MutexGuard<'_, Stores> {
        self.stores.lock().unwrap()
    }

    /// The process dies at this call of a port from now on, and never comes back from it.
    pub(crate) fn die_after(&self, calls: usize) {
        self.calls.store(0, Ordering::SeqCst);
        self.dies_at.store(calls, Ordering::SeqCst);
    }

    fn is_dead(&self) -> bool {
        self.calls.load(Ordering::SeqCst) > self.dies_at.load(Ordering::SeqCst)
    }

    /// Every call of a port passes here: it lets others run, and it may be the last.
    async fn call(&self) {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        if call >= self.dies_at.load(Ordering::SeqCst) {
            futures::future::pending::<()>().await;
        }
        let mut is_first = true;
        futures::future::poll_fn(|context| {
            if std::mem::take(&mut is_first) {
                context.waker().wake_by_ref();
                std::task::Poll::Pending
            } else {
                std::task::Poll::Ready(())
            }
        })
        .await;
    }

    fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::SeqCst)
    }

    pub(crate) fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    /// Turns the clock to the next timer. False when there is none.
    fn turn_clock(&self) -> bool {
        let Some(((time, _), timer)) = self.timers.lock().unwrap().pop_first() else {
            return false;
        };
        let mut now = self.now.lock().unwrap();
        *now = time.max(*now);
        let _ = timer.send(());
        true
    }

    fn tell(&self, name: &str, bucket: Bucket, key: &str, written: Option<(u64, String)>) {
        let sequence = {
            let mut stores = self.stores();
            stores.sequence += 1;
            stores.sequence
        };
        let (size, etag) = written.unzip();
        let event = Event {
            name: name.to_owned(),
            bucket: bucket.as_str().to_owned(),
            key: key.to_owned(),
            sequencer: Sequencer::new(&format!("{sequence:08X}")),
            size,
            etag,
        };
        self.events
            .lock()
            .unwrap()
            .push(event.to_notification(self.now()));
    }

    /// What a client of the object store does.
    pub(crate) fn put(&self, bucket: Bucket, key: &str, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        let written = (bytes.len() as u64, format!("{:x}", checksum(&bytes)));
        self.stores()
            .objects
            .insert((bucket, key.to_owned()), bytes);
        self.tell("ObjectCreated:Put", bucket, key, Some(written));
    }

    pub(crate) fn connect(&self, connection: &str, client: Client) {
        let long_ago = self
            .now()
            .saturating_sub(SignedDuration::from_mins(5))
            .unwrap();
        self.stores()
            .connections
            .insert(connection.to_owned(), long_ago);
        self.clients
            .lock()
            .unwrap()
            .insert(connection.to_owned(), (client, Vec::new()));
    }

    pub(crate) fn set_client(&self, connection: &str, client: Client) {
        self.clients.lock().unwrap().get_mut(connection).unwrap().0 = client;
    }

    fn offer(&self, connection: &str, text: &[u8]) -> Result<(), PostError> {
        let mut clients = self.clients.lock().unwrap();
        let Some((client, frames)) = clients.get_mut(connection) else {
            return Err(PostError::Gone);
        };
        match client {
            Client::Reads | Client::BusyFor(0) => {
                frames.push(String::from_utf8(text.to_vec()).unwrap());
                Ok(())
            }
            Client::Gone => Err(PostError::Gone),
            Client::BusyFor(posts) => {
                *posts -= 1;
                Err(PostError::Busy)
            }
            Client::Broken => Err(PostError::Other(PortError("no way".to_owned()))),
        }
    }

    pub(crate) fn frames(&self, connection: &str) -> Vec<String> {
        self.clients.lock().unwrap()[connection].1.clone()
    }

    pub(crate) fn understood(&self, connection: &str) -> Vec<Frame> {
        let frames = self.frames(connection).into_iter();
        frames.map(|frame| Inbound::parse(frame).frame).collect()
    }

    pub(crate) fn segments_received(&self, connection: &str) -> BTreeMap<u64, Segment> {
        let frames = self.understood(connection).into_iter();
        frames
            .filter_map(|frame| match frame {
                Frame::Segments { segments, .. } => Some(segments),
                _ => None,
            })
            .flatten()
            .map(|segment| (segment.index, segment))
            .collect()
    }

    pub(crate) fn translation(&self, id: &str) -> Option<Translation> {
        let stores = self.stores();
        let (_, record, _) = stores.records.get(id)?;
        record.as_ref().map(|record| record.translation.clone())
    }

    pub(crate) fn object_key(&self, id: &str) -> String {
        let stores = self.stores();
        stores.records[id].1.as_ref().unwrap().object_key.clone()
    }

    pub(crate) fn result(&self, id: &str) -> String {
        let key = self.object_key(id);
        let bytes = self.stores().objects[&(Bucket::Results, key)].clone();
        String::from_utf8(bytes.to_vec()).unwrap()
    }
}

fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// A process that runs the service in a world.
pub(crate) struct Process {
    pub(crate) world: Arc<World>,
    pub(crate) service: Arc<Service>,
    pool: LocalPool,
    spawner: LocalSpawner,
}

/// How told events come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    Once,
    TwiceAndBackwards,
    Never,
}

impl Process {
    pub(crate) fn start(world: &Arc<World>) -> Self {
        Self::start_with(world, Limits::default())
    }

    pub(crate) fn start_with(world: &Arc<World>, limits: Limits) -> Self {
        let (queue, worker) = work_queue();
        let service = Self::service(world, limits, Arc::new(queue));
        let pool = LocalPool::new();
        let spawner = pool.spawner();
        spawner
            .spawn_local(worker.run(Arc::clone(&service)))
            .unwrap();
        Self {
            world: Arc::clone(world),
            service,
            pool,
            spawner,
        }
    }

    /// A process without a worker: its work goes where `queue` says.
    pub(crate) fn of_functions(world: &Arc<World>, queue: Arc<dyn Queue>) -> Self {
        let pool = LocalPool::new();
        Self {
            world: Arc::clone(world),
            service: Self::service(world, Limits::default(), queue),
            spawner: pool.spawner(),
            pool,
        }
    }

    fn service(world: &Arc<World>, limits: Limits, queue: Arc<dyn Queue>) -> Arc<Service> {
        let port = Arc::new(Port(Arc::clone(world)));
        let ports = Ports {
            translator: Arc::<Port>::clone(&port),
            objects: Arc::<Port>::clone(&port),
            records: Arc::<Port>::clone(&port),
            notifier: Arc::<Port>::clone(&port),
            clock: Arc::<Port>::clone(&port),
            random: Arc::<Port>::clone(&port),
            compute: port,
            looks: Arc::new(MemoryLooks::default()),
            queue,
        };
        Arc::new(Service::new(ports, limits))
    }

    /// The same stores under a new process, which takes up what the old one left. Clients and
    /// undelivered events went with the old one.
    pub(crate) fn restart(self) -> Self {
        let world = Arc::clone(&self.world);
        drop(self);
        world.die_after(usize::MAX - 1);
        world.timers.lock().unwrap().clear();
        world.events.lock().unwrap().clear();
        {
            let mut stores = world.stores();
            stores.connections.clear();
            stores.subscriptions.clear();
        }
        let mut process = Self::start(&world);
        let service = Arc::clone(&process.service);
        process
            .call(async move { service.recover().await })
            .unwrap();
        process
    }

    /// Runs one call to its end, and whatever else wants to run meanwhile.
    pub(crate) fn call<T: 'static>(&mut self, call: impl Future<Output = T> + 'static) -> T {
        let (sender, mut receiver) = oneshot::channel();
        self.spawner
            .spawn_local(async move {
                let _ = sender.send(call.await);
            })
            .unwrap();
        loop {
            self.pool.run_until_stalled();
            if let Ok(Some(answer)) = receiver.try_recv() {
                return answer;
            }
            assert!(self.world.turn_clock(), "the call stands still");
        }
    }

    /// Begins a call that may be cut short, and says whether it ended before `is` held.
    pub(crate) fn cut_when(
        &mut self,
        call: impl Future<Output = ()> + 'static,
        is: impl Fn(&World) -> bool,
    ) -> bool {
        let (call, cut) = futures::future::abortable(call);
        let (sender, mut receiver) = oneshot::channel();
        self.spawner
            .spawn_local(async move {
                let _ = sender.send(call.await.is_ok());
            })
            .unwrap();
        self.run(Delivery::Never, is);
        cut.abort();
        self.pool.run_until_stalled();
        matches!(receiver.try_recv(), Ok(Some(true)))
    }

    /// Runs until `is` holds, nothing is left to do, or the process dies. Says whether `is` holds.
    pub(crate) fn run(&mut self, delivery: Delivery, is: impl Fn(&World) -> bool) -> bool {
        loop {
            self.pool.run_until_stalled();
            if self.world.is_dead() {
                return false;
            }
            if is(&self.world) {
                return true;
            }
            if !self.deliver(delivery) && !self.world.turn_clock() {
                return false;
            }
        }
    }

    /// Runs until nothing is left to do before the next timer.
    pub(crate) fn settle_but_for_the_clock(&mut self) {
        self.pool.run_until_stalled();
    }

    /// Runs until nothing is left to do.
    pub(crate) fn settle(&mut self) {
        self.run(Delivery::Once, |_| false);
    }

    fn deliver(&self, delivery: Delivery) -> bool {
        let mut events = match delivery {
            Delivery::Never => Vec::new(),
            _ => std::mem::take(&mut *self.world.events.lock().unwrap()),
        };
        if delivery == Delivery::TwiceAndBackwards {
            events.extend(events.clone());
            events.reverse();
        }
        let any = !events.is_empty();
        for event in events {
            let service = Arc::clone(&self.service);
            self.spawner
                .spawn_local(async move { service.object_events(&event).await.unwrap() })
                .unwrap();
        }
        any
    }

    pub(crate) fn announce(&mut self, text: &str) -> String {
        self.announce_from(text, "en")
    }

    fn announce_from(&mut self, text: &str, source: &str) -> String {
        let request = CreateTranslation {
            name: "a.txt".to_owned(),
            size: text.len() as u64,
            source: source.to_owned(),
            target: "es".to_owned(),
            charset: None,
        };
        let service = Arc::clone(&self.service);
        let created = self.call(async move { service.create(&EVERYONE, request).await });
        created.unwrap().0.id
    }

    /// Someone connects by way of the service.
    pub(crate) fn connect(&mut self, connection: &str, owner: &Owner) {
        self.world.connect(connection, Client::Reads);
        let (service, connection) = (Arc::clone(&self.service), connection.to_owned());
        let owner = owner.clone();
        self.call(async move { service.connected(&connection, &owner).await })
            .unwrap();
    }

    /// Announces and uploads a text whose language is to be found out.
    pub(crate) fn upload_in_any_language(&mut self, text: &str) -> String {
        let id = self.announce_from(text, "auto");
        let key = self.world.object_key(&id);
        self.world.put(Bucket::Sources, &key, text.to_owned());
        id
    }

    /// Announces a text and uploads it; its event is told, not delivered.
    pub(crate) fn upload(&mut self, text: &str) -> String {
        let id = self.announce(text);
        let key = self.world.object_key(&id);
        self.world.put(Bucket::Sources, &key, text.to_owned());
        id
    }

    pub(crate) fn action(&mut self, connection: &str, body: &str) -> Option<String> {
        let (service, connection, body) = (
            Arc::clone(&self.service),
            connection.to_owned(),
            body.to_owned(),
        );
        self.call(async move { service.action(&connection, &body).await })
            .unwrap()
    }

    pub(crate) fn cancel(&mut self, id: &str) {
        let (service, id) = (Arc::clone(&self.service), id.to_owned());
        self.call(async move { service.cancel(&EVERYONE, &id).await })
            .unwrap();
    }

    pub(crate) fn retry(&mut self, id: &str) {
        let (service, id) = (Arc::clone(&self.service), id.to_owned());
        self.call(async move { service.retry(&EVERYONE, &id).await })
            .unwrap();
    }

    pub(crate) fn retry_segment(&mut self, id: &str, index: u64) -> Result<(), ServiceError> {
        let (service, id) = (Arc::clone(&self.service), id.to_owned());
        let retried = self.call(async move { service.retry_segment(&EVERYONE, &id, index).await });
        retried.map(|_| ())
    }

    pub(crate) fn delete(&mut self, id: &str) {
        let (service, id) = (Arc::clone(&self.service), id.to_owned());
        self.call(async move { service.delete(&EVERYONE, &id).await })
            .unwrap();
    }

    /// Asks for a deletion and does not wait for it.
    pub(crate) fn begin_to_delete(&mut self, id: &str) {
        let (service, id) = (Arc::clone(&self.service), id.to_owned());
        self.spawner
            .spawn_local(async move { service.delete(&EVERYONE, &id).await.unwrap() })
            .unwrap();
    }

    /// Runs until a translation is done, and gives its result.
    pub(crate) fn finish(&mut self, id: &str) -> String {
        let is_done = self.run(Delivery::Once, |world| is(world, id, Status::Done));
        assert!(is_done, "{:?}", self.world.translation(id));
        self.world.result(id)
    }
}

pub(crate) fn is(world: &World, id: &str, status: Status) -> bool {
    world
        .translation(id)
        .is_some_and(|translation| translation.status == status)
}

/// All ports of a world.
struct Port(Arc<World>);

#[async_trait]
impl Translator for Port {
    fn name(&self) -> &'static str {
        "shout"
    }

    fn languages(&self) -> Languages {
        let state = self.0.translator.lock().unwrap();
        Languages {
            translator: "shout".to_owned(),
            detect: state.detects.is_some(),
            pairs: state.pairs.clone(),
        }
    }

    fn concurrency(&self) -> usize {
        self.0.translator.lock().unwrap().concurrency
    }

    async fn translate(&self, pair: &Pair, text: &str) -> Result<String, TranslateError> {
        self.0.call().await;
        let (delay, fails, panics) = {
            let mut state = self.0.translator.lock().unwrap();
            if state.is_gone {
                let reason = "it was carried away".to_owned();
                return Err(TranslateError::Unavailable(reason));
            }
            state.calls.push(text.to_owned());
            state.sources.insert(pair.source.clone());
            let holds = |part: &Option<String>| part.as_ref().is_some_and(|p| text.contains(p));
            (state.delay, holds(&state.fails_on), holds(&state.panics_on))
        };
        self.sleep(delay).await;
        assert!(!panics, "the engine is broken");
        if fails {
            return Err(TranslateError::Engine("it coughed".to_owned()));
        }
        Ok(text.to_uppercase())
    }

    async fn detect(&self, text: &str) -> Result<Option<String>, TranslateError> {
        self.0.call().await;
        assert!(!text.contains(char::REPLACEMENT_CHARACTER), "{text:?}");
        Ok(self.0.translator.lock().unwrap().detects.clone())
    }

    async fn translate_anew(&self, pair: &Pair, text: &str) -> Result<String, TranslateError> {
        let translated = self.translate(pair, text).await?;
        self.0.translator.lock().unwrap().anew.push(text.to_owned());
        Ok(format!("{translated} (anew)"))
    }
}

#[async_trait]
impl Clock for Port {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    async fn sleep(&self, duration: Duration) {
        let (sender, receiver) = oneshot::channel();
        let time = self.0.now() + duration;
        let number = self.0.number();
        self.0.timers.lock().unwrap().insert((time, number), sender);
        let _ = receiver.await;
    }
}

#[async_trait]
impl Compute for Port {
    async fn apart(&self, work: BoxFuture<'static, ()>) {
        work.await;
    }
}

impl Random for Port {
    fn bytes(&self) -> [u8; 16] {
        u128::from(self.0.number()).to_be_bytes()
    }
}

#[async_trait]
impl Notifier for Port {
    async fn post(&self, connection: &str, text: Bytes) -> Result<(), PostError> {
        self.0.call().await;
        let taken = self.0.offer(connection, &text);
        if taken == Err(PostError::Busy) {
            // As the gateway does: it waits for room before it says that there is none.
            self.sleep(Duration::from_secs(1)).await;
        }
        taken
    }

    async fn close(&self, connection: &str) -> Result<(), PortError> {
        self.0.call().await;
        self.0.closed.lock().unwrap().insert(connection.to_owned());
        self.0.clients.lock().unwrap().remove(connection);
        Ok(())
    }
}

struct Writer {
    world: Arc<World>,
    bucket: Bucket,
    key: String,
    bytes: Vec<u8>,
}

#[async_trait]
impl ObjectWriter for Writer {
    async fn write(&mut self, bytes: Bytes) -> Result<(), ObjectsError> {
        self.world.call().await;
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<(), ObjectsError> {
        self.world.call().await;
        self.world.put(self.bucket, &self.key, self.bytes);
        Ok(())
    }
}

#[async_trait]
impl Objects for Port {
    async fn size(&self, bucket: Bucket, key: &str) -> Result<Option<u64>, ObjectsError> {
        self.0.call().await;
        let stores = self.0.stores();
        let object = stores.objects.get(&(bucket, key.to_owned()));
        Ok(object.map(|bytes| bytes.len() as u64))
    }

    async fn get(
        &self,
        bucket: Bucket,
        key: &str,
        range: Option<Range<u64>>,
    ) -> Result<ObjectStream, ObjectsError> {
        self.0.call().await;
        let bytes = self
            .0
            .stores()
            .objects
            .get(&(bucket, key.to_owned()))
            .cloned()
            .ok_or(ObjectsError::NotFound)?;
        let size = bytes.len() as u64;
        let range = range.unwrap_or(0..size);
        assert!(range.start < size || size == 0, "it begins within");
        let place = |at: u64| usize::try_from(at.min(size)).unwrap();
        let bytes = bytes.slice(place(range.start)..place(range.end));
        // Small pieces, so that characters and lines are cut anywhere.
        let pieces: Vec<_> = bytes.chunks(7).map(Bytes::copy_from_slice).collect();
        Ok(ObjectStream {
            size,
            bytes: stream::iter(pieces.into_iter().map(Ok)).boxed(),
        })
    }

    async fn put(&self, bucket: Bucket, key: &str) -> Result<Box<dyn ObjectWriter>, ObjectsError> {
        self.0.call().await;
        Ok(Box::new(Writer {
            world: Arc::clone(&self.0),
            bucket,
            key: key.to_owned(),
            bytes: Vec::new(),
        }))
    }

    async fn delete(&self, bucket: Bucket, key: &str) -> Result<(), ObjectsError> {
        self.0.call().await;
        let deleted = self.0.stores().objects.remove(&(bucket, key.to_owned()));
        if deleted.is_some() {
            self.0.tell("ObjectRemoved:Delete", bucket, key, None);
        }
        Ok(())
    }

    async fn sign_upload(
        &self,
        _bucket: Bucket,
        key: &str,
        _size: u64,
        _expires: Timestamp,
    ) -> Result<SignedUpload, PortError> {
        self.0.call().await;
        Ok(SignedUpload {
            url: format!("/{key}"),
            headers: BTreeMap::new(),
        })
    }
}

fn page<T: Clone>(
    items: impl Iterator<Item = (String, T)>,
    after: Option<&str>,
    limit: usize,
) -> Page<T> {
    let rest: Vec<_> = items
        .filter(|(key, _)| after.is_none_or(|after| key.as_str() > after))
        .collect();
    let next = (rest.len() > limit).then(|| rest[limit - 1].0.clone());
    let items = rest.into_iter().take(limit).map(|(_, item)| item).collect();
    Page { items, next }
}

#[async_trait]
impl Records for Port {
    async fn insert(&self, record: &Record) -> Result<(), PortError> {
        self.0.call().await;
        let mut stores = self.0.stores();
        stores.change += 1;
        let id = record.translation.id.clone();
        let row = (stores.change, Some(record.clone()), 0);
        stores.order.push(id.clone());
        stores.owned_by.insert(id.clone(), record.owner.clone());
        stores.records.insert(id, row);
        Ok(())
    }

    async fn count(&self, _owner: &Owner) -> Result<u64, PortError> {
        self.0.call().await;
        let stores = self.0.stores();
        let live = stores.records.values().filter(|row| row.1.is_some());
        Ok(live.count() as u64)
    }

    async fn get(&self, id: &str) -> Result<Option<Record>, PortError> {
        self.0.call().await;
        let stores = self.0.stores();
        Ok(stores.records.get(id).and_then(|row| row.1.clone()))
    }

    async fn owner(&self, id: &str) -> Result<Option<Owner>, PortError> {
        self.0.call().await;
        Ok(self.0.stores().owned_by.get(id).cloned())
    }

    async fn update(&self, record: &Record, expected: u64) -> Result<Written, PortError> {
        self.0.call().await;
        let mut stores = self.0.stores();
        stores.change += 1;
        let change = stores.change;
        match stores.records.get_mut(&record.translation.id) {
            Some((at, Some(row), _)) if row.translation.revision == expected => {
                assert!(
                    record.translation.revision > expected,
                    "revisions only grow"
                );
                assert!(row.generation <= record.generation);
                *row = record.clone();
                *at = change;
                Ok(Written::Yes)
            }
            _ => Ok(Written::Conflict),
        }
    }

    async fn remove(&self, id: &str, expected: u64) -> Result<Written, PortError> {
        self.0.call().await;
        let mut stores = self.0.stores();
        stores.change += 1;
        let change = stores.change;
        match stores.records.get_mut(id) {
            Some((at, row, revision))
                if row
                    .as_ref()
                    .is_some_and(|row| row.translation.revision == expected) =>
            {
                let key = row.take().map(|row| row.object_key);
                (*at, *revision) = (change, expected + 1);
                stores.remains.insert(id.to_owned(), key.unwrap());
                Ok(Written::Yes)
            }
            _ => Ok(Written::Conflict),
        }
    }

    async fn remains(&self, after: Option<&str>, limit: usize) -> Result<Page<Remains>, PortError> {
        self.0.call().await;
        let stores = self.0.stores();
        let remains = stores.remains.iter().map(|(id, object_key)| {
            let (id, object_key) = (id.clone(), object_key.clone());
            (id.clone(), Remains { id, object_key })
        });
        Ok(page(remains, after, limit))
    }

    async fn swept(&self, id: &str) -> Result<(), PortError> {
        self.0.call().await;
        self.0.stores().remains.remove(id);
        Ok(())
    }

    async fn list(
        &self,
        _owner: &Owner,
        _after: Option<&str>,
        _limit: usize,
    ) -> Result<Page<Translation>, CursorError> {
        unimplemented!("no scenario lists")
    }

    async fn cursor(&self, _owner: &Owner) -> Result<String, PortError> {
        unimplemented!("no scenario lists")
    }

    async fn changes(
        &self,
        _owner: &Owner,
        _cursor: &str,
        _limit: usize,
    ) -> Result<Changes, CursorError> {
        unimplemented!("no scenario lists")
    }

    async fn unfinished(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<String>, PortError> {
        self.0.call().await;
        let stores = self.0.stores();
        let unfinished = stores
            .records
            .iter()
            .filter(|(_, (_, record, _))| {
                let status = record.as_ref().map(|record| record.translation.status);
                status.is_some_and(|status| !status.is_final())
            })
            .map(|(id, _)| (id.clone(), id.clone()));
        Ok(page(unfinished, after, limit))
    }

    async fn keep_segments(
        &self,
        id: &str,
        generation: u64,
        segments: &[Segment],
    ) -> Result<Written, PortError> {
        self.0.call().await;
        if self.0.keeping_fails.load(Ordering::SeqCst) > 0 {
            self.0.keeping_fails.fetch_sub(1, Ordering::SeqCst);
            return Err(PortError("the disk is full".to_owned()));
        }
        let mut stores = self.0.stores();
        let is_current = stores
            .records
            .get(id)
            .and_then(|row| row.1.as_ref())
            .is_some_and(|record| record.generation == generation);
        if !is_current {
            return Ok(Written::Conflict);
        }
        for segment in segments {
            let key = (id.to_owned(), generation, segment.index);
            stores.again.remove(&key);
            if !segment.failed || !stores.segments.contains_key(&key) {
                stores.segments.insert(key, segment.clone());
            }
        }
        Ok(Written::Yes)
    }

    async fn given_up(&self, id: &str, generation: u64) -> Result<u64, PortError> {
        self.0.call().await;
        let stores = self.0.stores();
        let given_up = stores.segments.iter().filter(|(key, segment)| {
            segment.failed
                && (key.0.as_str(), key.1) == (id, generation)
                && !stores.again.contains(key)
        });
        Ok(given_up.count() as u64)
    }

    async fn mark_again(
        &self,
        id: &str,
        generation: u64,
        which: Option<Which>,
    ) -> Result<u64, PortError> {
        self.0.call().await;
        let mut stores = self.0.stores();
        stores.again.retain(|(of, _, _)| of != id);
        let marked: Vec<_> = stores
            .segments
            .iter()
            .filter(|((of, in_generation, index), segment)| {
                (of.as_str(), *in_generation) == (id, generation)
                    && match which {
                        None => false,
                        Some(Which::Failed) => segment.failed,
                        Some(Which::One(one)) => one == *index,
                    }
            })
            .map(|(key, _)| key.clone())
            .collect();
        let count = marked.len() as u64;
        stores.again.extend(marked);
        Ok(count)
    }

    async fn again(&self, id: &str, generation: u64) -> Result<Vec<Range<u64>>, PortError> {
        self.0.call().await;
        let stores = self.0.stores();
        let again = stores.again.iter();
        Ok(again
            .filter(|(of, in_generation, _)| (of.as_str(), *in_generation) == (id, generation))
            .map(|(_, _, index)| *index..*index + 1)
            .collect())
    }

    async fn keep_checkpoints(
        &self,
        id: &str,
        generation: u64,
        checkpoints: &[Checkpoint],
    ) -> Result<(), PortError> {
        self.0.call().await;
        let mut stores = self.0.stores();
        for Checkpoint { index, offset } in checkpoints {
            let key = (id.to_owned(), generation, *index);
            stores.checkpoints.insert(key, *offset);
        }
        Ok(())
    }

    async fn checkpoint(
        &self,
        id: &str,
        generation: u64,
        index: u64,
    ) -> Result<Option<Checkpoint>, PortError> {
        self.0.call().await;
        let stores = self.0.stores();
        let range = (id.to_owned(), generation, 0)..=(id.to_owned(), generation, index);
        let last = stores.checkpoints.range(range).next_back();
        Ok(last.map(|((_, _, index), offset)| Checkpoint {
            index: *index,
            offset: *offset,
        }))
    }

    async fn segments(
        &self,
        id: &str,
        generation: u64,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Segment>, PortError> {
        self.0.call().await;
        let stores = self.0.stores();
        let range = (id.to_owned(), generation, from)..=(id.to_owned(), generation, u64::MAX);
        let segments = stores.segments.range(range).take(limit);
        Ok(segments.map(|(_, segment)| segment.clone()).collect())
    }

    async fn kept(&self, id: &str, generation: u64) -> Result<Vec<Range<u64>>, PortError> {
        self.0.call().await;
        let mut ranges: Vec<Range<u64>> = Vec::new();
        let stores = self.0.stores();
        for key in stores.segments.keys() {
            let (of, in_generation, index) = key;
            if (of.as_str(), *in_generation) != (id, generation) || stores.again.contains(key) {
                continue;
            }
            match ranges.last_mut() {
                Some(range) if range.end == *index => range.end += 1,
                _ => ranges.push(*index..*index + 1),
            }
        }
        Ok(ranges)
    }

    async fn forget_segments(&self, id: &str, below: Option<u64>) -> Result<(), PortError> {
        self.0.call().await;
        let mut stores = self.0.stores();
        let stays = |of: &str, generation: u64| of != id || below.is_some_and(|b| generation >= b);
        stores
            .segments
            .retain(|(of, generation, _), _| stays(of, *generation));
        stores
            .checkpoints
            .retain(|(of, generation, _), _| stays(of, *generation));
        Ok(())
    }

    async fn connect(&self, connection: &Connection) -> Result<(), PortError> {
        self.0.call().await;
        let mut stores = self.0.stores();
        let id = &connection.id;
        stores
            .connections
            .insert(id.clone(), connection.connected_at);
        stores.owners.insert(id.clone(), connection.owner.clone());
        Ok(())
    }

    async fn disconnect(&self, connection: &str) -> Result<(), PortError> {
        self.0.call().await;
        let mut stores = self.0.stores();
        stores.connections.remove(connection);
        stores.subscriptions.retain(|(_, of), _| of != connection);
        Ok(())
    }

    async fn connection(&self, connection: &str) -> Result<Option<Connection>, PortError> {
        self.0.call().await;
        Ok(self.0.stores().connection(connection))
    }

    fn shards(&self, _owner: &Owner) -> u32 {
        self.0.shards.load(Ordering::SeqCst)
    }

    async fn connections(
        &self,
        owner: &Owner,
        shard: u32,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Connection>, PortError> {
        self.0.call().await;
        let stores = self.0.stores();
        let connections = stores
            .connections
            .keys()
            .filter_map(|id| stores.connection(id))
            .filter(|connection| connection.owner == *owner)
            .filter(|connection| {
                let sum: u32 = connection.id.bytes().map(u32::from).sum();
                sum % self.shards(owner) == shard
            })
            .map(|connection| (connection.id.clone(), connection));
        Ok(page(connections, after, limit))
    }

    async fn subscribe(
        &self,
        id: &str,
        subscriber: &Subscriber,
        most: usize,
    ) -> Result<Written, PortError> {
        self.0.call().await;
        let mut stores = self.0.stores();
        let connection = &subscriber.connection;
        let others = stores
            .subscriptions
            .keys()
            .filter(|(of, by)| by == connection && of != id)
            .count();
        if others >= most || !stores.connections.contains_key(connection) {
            return Ok(Written::Conflict);
        }
        let key = (id.to_owned(), connection.clone());
        stores.subscriptions.insert(key, subscriber.from);
        Ok(Written::Yes)
    }

    async fn unsubscribe(&self, id: &str, connection: &str) -> Result<(), PortError> {
        self.0.call().await;
        let key = (id.to_owned(), connection.to_owned());
        self.0.stores().subscriptions.remove(&key);
        Ok(())
    }

    async fn subscription(
        &self,
        id: &str,
        connection: &str,
    ) -> Result<Option<Subscriber>, PortError> {
        self.0.call().await;
        let key = (id.to_owned(), connection.to_owned());
        let from = self.0.stores().subscriptions.get(&key).copied();
        Ok(from.map(|from| Subscriber {
            connection: connection.to_owned(),
            from,
        }))
    }

    async fn subscribers(
        &self,
        id: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Subscriber>, PortError> {
        self.0.call().await;
        let stores = self.0.stores();
        let subscribers = stores
            .subscriptions
            .iter()
            .filter(|((of, _), _)| of == id)
            .map(|((_, connection), from)| {
                let subscriber = Subscriber {
                    connection: connection.clone(),
                    from: *from,
                };
                (connection.clone(), subscriber)
            });
        Ok(page(subscribers, after, limit))
    }

    async fn sequencer(&self, bucket: &str, key: &str) -> Result<Option<String>, PortError> {
        self.0.call().await;
        let key = (bucket.to_owned(), key.to_owned());
        Ok(self.0.stores().sequencers.get(&key).cloned())
    }

    async fn advance_sequencer(
        &self,
        bucket: &str,
        key: &str,
        sequencer: &str,
    ) -> Result<Written, PortError> {
        self.0.call().await;
        let key = (bucket.to_owned(), key.to_owned());
        let mut stores = self.0.stores();
        let known = stores.sequencers.entry(key).or_default();
        if known.as_str() >= sequencer {
            return Ok(Written::Conflict);
        }
        sequencer.clone_into(known);
        Ok(Written::Yes)
    }
}
