//! What something uses, and what that costs.

use std::ops::{Add, AddAssign, Mul};

use crate::assumed;
use crate::fanout::{self, Outcome, Plan};
use crate::measured::{Both, File, Measured, Traffic};
use crate::ours;
use crate::published;

/// What is paid for.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Usage {
    /// Messages over sockets, either way, in steps of 32 KB.
    pub(crate) messages: f64,
    /// Minutes of sockets.
    pub(crate) connection_minutes: f64,
    /// Requests to the HTTP API.
    pub(crate) http_requests: f64,
    /// Invocations of functions.
    pub(crate) invocations: f64,
    /// Their milliseconds.
    pub(crate) function_ms: f64,
    /// The same in seconds of a gigabyte.
    pub(crate) gb_seconds: f64,
    /// Write request units.
    pub(crate) write_units: f64,
    /// Read request units.
    pub(crate) read_units: f64,
    /// PUTs of S3.
    pub(crate) s3_puts: f64,
    /// GETs of S3.
    pub(crate) s3_gets: f64,
    /// Requests of SQS.
    pub(crate) sqs_requests: f64,
    /// Characters that are translated.
    pub(crate) characters: f64,
    /// Bytes to the internet.
    pub(crate) bytes_out: f64,
    /// Requests to CloudFront.
    pub(crate) page_requests: f64,
    /// Bytes from there.
    pub(crate) page_bytes: f64,
}

impl Usage {
    /// In dollars.
    pub(crate) fn dollars(&self) -> f64 {
        self.translate_dollars() + self.other_dollars()
    }

    /// What Translate takes of it.
    pub(crate) fn translate_dollars(&self) -> f64 {
        self.characters * published::TRANSLATE_CHARACTER
    }

    /// All but Translate.
    pub(crate) fn other_dollars(&self) -> f64 {
        self.messages * published::MESSAGE
            + self.connection_minutes * published::CONNECTION_MINUTE
            + self.http_requests * published::HTTP_REQUEST
            + self.invocations * published::LAMBDA_REQUEST
            + self.gb_seconds * published::LAMBDA_GB_SECOND
            + self.write_units * published::WRITE_UNIT
            + self.read_units * published::READ_UNIT
            + self.s3_puts * published::S3_PUT
            + self.s3_gets * published::S3_GET
            + self.sqs_requests * published::SQS_REQUEST
            + self.bytes_out * published::BYTE_OUT
            + self.page_requests * published::CLOUDFRONT_REQUEST
            + self.page_bytes * published::CLOUDFRONT_BYTE
    }

    fn of_function(invocations: f64, ms: f64, gb: f64) -> Self {
        Self {
            invocations,
            function_ms: ms,
            gb_seconds: ms / 1e3 * gb,
            ..Self::default()
        }
    }

    fn of_units(units: Both) -> Self {
        Self {
            read_units: units.read,
            write_units: units.write,
            ..Self::default()
        }
    }

    /// A message through a queue: sent, received, deleted.
    fn of_queue(messages: f64) -> Self {
        Self {
            sqs_requests: 3.0 * messages,
            ..Self::default()
        }
    }
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            messages: self.messages + other.messages,
            connection_minutes: self.connection_minutes + other.connection_minutes,
            http_requests: self.http_requests + other.http_requests,
            invocations: self.invocations + other.invocations,
            function_ms: self.function_ms + other.function_ms,
            gb_seconds: self.gb_seconds + other.gb_seconds,
            write_units: self.write_units + other.write_units,
            read_units: self.read_units + other.read_units,
            s3_puts: self.s3_puts + other.s3_puts,
            s3_gets: self.s3_gets + other.s3_gets,
            sqs_requests: self.sqs_requests + other.sqs_requests,
            characters: self.characters + other.characters,
            bytes_out: self.bytes_out + other.bytes_out,
            page_requests: self.page_requests + other.page_requests,
            page_bytes: self.page_bytes + other.page_bytes,
        }
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Mul<f64> for Usage {
    type Output = Self;

    fn mul(self, times: f64) -> Self {
        Self {
            messages: self.messages * times,
            connection_minutes: self.connection_minutes * times,
            http_requests: self.http_requests * times,
            invocations: self.invocations * times,
            function_ms: self.function_ms * times,
            gb_seconds: self.gb_seconds * times,
            write_units: self.write_units * times,
            read_units: self.read_units * times,
            s3_puts: self.s3_puts * times,
            s3_gets: self.s3_gets * times,
            sqs_requests: self.sqs_requests * times,
            characters: self.characters * times,
            bytes_out: self.bytes_out * times,
            page_requests: self.page_requests * times,
            page_bytes: self.page_bytes * times,
        }
    }
}

impl Add for Both {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            read: self.read + other.read,
            write: self.write + other.write,
        }
    }
}

impl Mul<f64> for Both {
    type Output = Self;

    fn mul(self, times: f64) -> Self {
        Self {
            read: self.read * times,
            write: self.write * times,
        }
    }
}

/// The model.
#[derive(Debug)]
pub(crate) struct Model {
    /// What it is made of.
    pub(crate) measured: Measured,
}

/// A file in numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job {
    /// Until all is translated, in seconds.
    pub(crate) seconds: f64,
    /// Invocations of the translator, each of which goes on where the last one stopped.
    pub(crate) translators: f64,
    /// Frames that every page of the owner gets, without those of progress.
    pub(crate) news: f64,
    /// Frames of progress.
    pub(crate) progress: f64,
}

impl Model {
    /// How a file's translation goes on AWS.
    pub(crate) fn job(&self, file: &File) -> Job {
        let a_second = ours::TRANSLATE_AT_ONCE / assumed::TRANSLATE_CALL_S;
        let seconds = file.segments / a_second;
        // The smallest file's: it was done before any progress was told.
        let news = self.measured.counts.files.first().map_or(0.0, |smallest| {
            frames(&smallest.watcher, "translation") + frames(&smallest.watcher, "object")
        });
        Job {
            seconds,
            translators: (seconds / ours::TRANSLATOR_S).ceil(),
            news,
            progress: (seconds / ours::PROGRESS_EVERY_S).floor(),
        }
    }

    /// A file without anybody who hears of it: it is stored, translated and put together.
    pub(crate) fn translating(&self, file: &File) -> Usage {
        let units = &self.measured.units;
        let job = self.job(file);
        let thousands2 = file.segments / 2000.0;
        let objects = frames(&file.watcher, "object");
        let mut usage = Usage {
            characters: file.bytes,
            // Source, text and result; large ones in parts of 8 MB.
            s3_puts: 3.0 + 2.0 * (file.bytes / 8e6).floor(),
            // The source for its charset and for its text, the text for its segments and for the
            // result; each translator after the first reads the text anew.
            s3_gets: 4.0 + job.translators - 1.0,
            ..Usage::default()
        };
        usage += Usage::of_units(units.begins) + Usage::of_units(units.ends);
        usage += Usage::of_units(units.progress * job.progress);
        usage += Usage::of_units((units.keeps2000 + units.reads2000) * thousands2);
        // Each translator after the first reads what there is, half of all on average.
        let again = (job.translators - 1.0) / 2.0;
        usage += Usage::of_units(units.resumes2000 * (thousands2 * again));
        // Who listens is looked up for each batch of segments, five times a second.
        let batches = (job.seconds * 5.0).min(file.segments);
        usage += Usage::of_units(units.listeners3 * (batches / 3.0));
        // Work for the translators, events of the bucket.
        usage += Usage::of_queue(job.translators + objects);
        let cold = self.measured.functions.cold_ms;
        let ms = job.seconds * 1e3 + job.translators * cold;
        usage += Usage::of_function(job.translators, ms, ours::TRANSLATOR_GB);
        usage += Usage::of_function(
            objects,
            objects * 5.0 * assumed::TABLE_MS,
            ours::NOTIFIER_GB,
        );
        usage
    }

    /// The page that sends a file and reads it as it comes.
    pub(crate) fn reading(&self, file: &File) -> Usage {
        let units = &self.measured.units;
        let traffic = &file.reader;
        let follows = frames(traffic, "segments") > 10.0;
        let batches = (self.job(file).seconds * 5.0).min(file.segments);
        let segments = if follows {
            batches.max(metered(traffic, "segments"))
        } else {
            metered(traffic, "segments")
        };
        let sent: f64 = traffic.sent.values().map(|frames| frames.metered).sum();
        let bytes = traffic.received.get("segments").map_or(0.0, |of| of.bytes);
        let mut usage = Usage {
            messages: segments + sent,
            bytes_out: bytes,
            ..Usage::default()
        };
        let ms = sent * self.measured.functions.websocket_ms;
        usage += Usage::of_function(sent, ms, ours::WEBSOCKET_GB);
        usage += Usage::of_units(units.subscribes);
        usage += Usage::of_units(units.looks);
        usage + self.requests(file, traffic)
    }

    /// A page that only hears of a file, and keeps its text on the device when it is done.
    pub(crate) fn keeping(&self, file: &File) -> Usage {
        self.requests(file, &file.watcher)
    }

    fn requests(&self, file: &File, traffic: &Traffic) -> Usage {
        let whole = self.measured.units.reads2000 * (file.segments / 2000.0);
        // Rows have both texts of each segment: what they come to for a whole file.
        let rows_of_all = 3.1 * file.bytes;
        let mut usage = Usage::default();
        for (route, of) in &traffic.requests {
            if route == "PUT object" {
                // To S3 itself, and counted there.
                continue;
            }
            usage.http_requests += of.count;
            usage.bytes_out += of.answer_bytes;
            usage.read_units += of.count;
            let ms = of.count * self.measured.functions.rest_ms;
            usage += Usage::of_function(of.count, ms, ours::REST_GB);
            match route.rsplit('/').next().unwrap_or_default() {
                "source" | "result" => usage.s3_gets += of.count,
                "proof" | "segments" => usage += Usage::of_units(whole * of.count),
                "rows" => {
                    let part = (of.answer_bytes / rows_of_all).min(1.0);
                    usage += Usage::of_units(whole * part);
                    usage.s3_gets += of.count;
                }
                _ => {}
            }
        }
        usage
    }

    /// One piece of news to `plan.pages` pages, of which this became.
    pub(crate) fn telling(&self, plan: &Plan, outcome: &Outcome) -> Usage {
        let shards = f64::from(plan.shards);
        let split = if plan.shards > 1 { shards } else { 0.0 };
        let pages = f64::from(plan.pages) * (1.0 + plan.gone);
        let gone = f64::from(plan.pages) * plan.gone;
        let queries = (pages / shards / 500.0).ceil() * shards;
        let mut usage = Usage {
            messages: f64::from(outcome.heard) + f64::from(outcome.twice),
            bytes_out: f64::from(outcome.heard) * (self.news_bytes() + assumed::FRAME_BYTES),
            ..Usage::default()
        };
        usage += Usage::of_queue(1.0 + split);
        // Not consistently: half of a unit for 4 KB, and for what is begun of them by each query.
        usage.read_units += pages * assumed::CONNECTION_BYTES / 8192.0 + 0.5 * queries;
        usage += Usage::of_units(self.measured.units.closes * gone);
        #[expect(clippy::cast_precision_loss, reason = "some thousand")]
        let invocations = outcome.invocations as f64 + split.min(1.0);
        usage
            + Usage::of_function(
                invocations,
                outcome.function_ms + split.min(1.0) * plan.split_ms,
                ours::NOTIFIER_GB,
            )
    }

    /// A frame of news, in bytes.
    fn news_bytes(&self) -> f64 {
        let smallest = self.measured.counts.files.first();
        let snapshots = smallest.and_then(|file| file.watcher.received.get("translation"));
        snapshots.map_or(0.0, |of| of.bytes / of.count)
    }

    /// This many first visits: the page, the list, a connection.
    pub(crate) fn visiting(&self, pages: f64) -> Usage {
        let opening = self.measured.counts.files.first().map(|file| &file.opening);
        let requests: f64 = opening.map_or(0.0, |of| of.requests.values().map(|of| of.count).sum());
        let usage = Usage {
            http_requests: requests,
            page_requests: ours::FIRST_VISIT_FILES,
            page_bytes: ours::FIRST_VISIT_BYTES,
            messages: 2.0,
            ..Usage::default()
        };
        let functions = &self.measured.functions;
        let rest = Usage::of_function(requests, requests * functions.rest_ms, ours::REST_GB);
        let action = Usage::of_function(2.0, 2.0 * functions.websocket_ms, ours::WEBSOCKET_GB);
        let units = &self.measured.units;
        let list = Usage {
            read_units: assumed::LISTED,
            ..Usage::of_units(units.missed)
        };
        (usage + rest + action + list + Usage::of_units(units.opens)) * pages
    }

    /// What a file's texts take for a month, in dollars.
    pub(crate) fn storing(file: &File) -> f64 {
        let texts = 3.0 * file.bytes;
        let items = file.bytes + file.segments * assumed::SEGMENT_BYTES;
        (texts * published::S3_GB_MONTH + items * published::TABLE_GB_MONTH) / 1e9
    }

    /// An hour of this many open pages in which nothing happens.
    pub(crate) fn staying(&self, pages: f64) -> Usage {
        let pings = pings_a_second(pages) * 3600.0;
        let connects = pages * 60.0 / ours::CONNECTION_MINUTES;
        let mut usage = Usage {
            messages: 2.0 * pings,
            connection_minutes: pages * 60.0,
            ..Usage::default()
        };
        let actions = pings + 2.0 * connects;
        let ms = actions * self.measured.functions.websocket_ms;
        usage += Usage::of_function(actions, ms, ours::WEBSOCKET_GB);
        let units = &self.measured.units;
        usage + Usage::of_units((units.opens + units.closes) * connects)
    }
}

/// How many pings come from this many open pages in a second.
pub(crate) fn pings_a_second(pages: f64) -> f64 {
    let each = assumed::LOOKED_AT / ours::PING_S + (1.0 - assumed::LOOKED_AT) / ours::HIDDEN_PING_S;
    pages * each
}

fn frames(traffic: &Traffic, kind: &str) -> f64 {
    traffic.received.get(kind).map_or(0.0, |of| of.count)
}

fn metered(traffic: &Traffic, kind: &str) -> f64 {
    traffic.received.get(kind).map_or(0.0, |of| of.metered)
}

/// News by way of the template's queue and notifiers.
pub(crate) fn our_plan(pages: u32, shards: u32) -> Plan {
    Plan {
        pages,
        gone: assumed::GONE,
        shards,
        batch: ours::NEWS_BATCH,
        posts: ours::POSTS,
        window: ours::WINDOW,
        first_read_ms: assumed::TABLE_MS,
        split_ms: if shards > 1 {
            // All at once, as far as the SDK's connections go.
            assumed::PUSH_MS * (f64::from(shards) / 64.0).ceil() + assumed::PUSH_MS
        } else {
            assumed::PUSH_MS
        },
        limit_s: ours::NOTIFIER_LIMIT_S,
        comes_back_s: ours::NEWS_VISIBLE_S,
        deliveries: ours::NEWS_DELIVERIES,
        patience_s: Some(ours::PATIENCE_S),
        pollers: published::POLLERS_FIRST,
        pollers_a_minute: published::POLLERS_A_MINUTE,
        most_pollers: published::FUNCTIONS_AT_ONCE,
        cold_ms: assumed::COLD_MS,
        post_ms: assumed::POST_MS,
        post_sigma: assumed::POST_SIGMA,
        rate: published::REQUESTS_A_SECOND,
        burst: published::REQUESTS_AT_ONCE,
        seed: 1,
    }
}

/// The article's: one function scans the table and posts, `at_once` at a time.
pub(crate) fn scan_and_post(pages: u32, at_once: u32) -> Plan {
    let connections = f64::from(pages) * (1.0 + assumed::GONE);
    let scans = (connections / assumed::CONNECTIONS_IN_A_SCAN).ceil();
    Plan {
        shards: 1,
        batch: 1,
        posts: at_once,
        window: u32::MAX,
        first_read_ms: scans * assumed::SCAN_MS,
        split_ms: 0.0,
        limit_s: published::LONGEST_FUNCTION_S,
        // S3 has it called again a minute after it failed.
        comes_back_s: published::LONGEST_FUNCTION_S + 60.0,
        deliveries: published::ASYNC_TRIES,
        pollers: 1,
        pollers_a_minute: 0.0,
        most_pollers: 1,
        ..our_plan(pages, 1)
    }
}

/// How many shards are right for so many pages.
pub(crate) fn shards_for(pages: u32) -> u32 {
    pages.div_ceil(PAGES_A_SHARD).max(1)
}

/// How many pages a shard has at most. An invocation takes ten shards, and tells these in 12 s where
/// a post takes 15 ms, in 40 s where it takes 50 ms: before its time is over.
pub(crate) const PAGES_A_SHARD: u32 = 5_000;

/// News as it should be told at an account's default quotas: in shards, by two functions at once,
/// which make about as many posts as the account may.
pub(crate) fn right_plan(pages: u32) -> Plan {
    Plan {
        pollers: published::FEWEST_POLLERS,
        most_pollers: published::FEWEST_POLLERS,
        ..our_plan(pages, shards_for(pages))
    }
}

/// Tells everyone that way, by functions that have run a moment ago, so that who is gone is forgotten.
pub(crate) fn tell(pages: u32) -> (Plan, Outcome) {
    let plan = Plan {
        cold_ms: 0.0,
        gone: 0.0,
        ..right_plan(pages)
    };
    let outcome = fanout::run(&plan);
    (plan, outcome)
}

/// For how many pages it is at most that all of them hear, the first time that they are told.
pub(crate) fn most_pages(plan: impl Fn(u32) -> Plan) -> u32 {
    let all_hear = |pages: u32| {
        let once = Plan {
            deliveries: 1,
            ..plan(pages)
        };
        fanout::run(&once).missed == 0
    };
    let (mut right, mut wrong) = (0, 4_000_000);
    // To within one in two hundred.
    while wrong - right > (right / 200).max(1) {
        let between = right + (wrong - right) / 2;
        if all_hear(between) {
            right = between;
        } else {
            wrong = between;
        }
    }
    right
}

/// How many posts one function makes in a second.
pub(crate) fn posts_a_second() -> f64 {
    // What a post takes on average: more than the median, which few long ones make no difference to.
    let mean = assumed::POST_MS * (assumed::POST_SIGMA.powi(2) / 2.0).exp();
    f64::from(ours::POSTS) * 1e3 / mean
}
