//! One piece of news on its way to every open page: a discrete-event simulation.
//!
//! Time is in microseconds and moves from event to event. What happens by chance (how long a post
//! takes, who is gone) comes from a generator with a seed, so that a run can be repeated.
//!
//! What is in it: a queue whose messages are connections' shards; functions that take some of them,
//! as many functions at once as Lambda's pollers allow; posts, as many at once as a function has
//! under way; the account's token bucket, which refuses posts with 429; retries with growing waits;
//! a function's time limit, after which its messages come back. What is not in it: how API Gateway
//! and DynamoDB behave under load beyond their quotas.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// A microsecond's number in the simulated time.
type Micros = u64;

/// How news is told.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Open pages.
    pub(crate) pages: u32,
    /// Connections in the table that no longer exist, as a part of the open ones.
    pub(crate) gone: f64,
    /// In how many messages the connections are given to functions.
    pub(crate) shards: u32,
    /// How many messages one invocation takes at most.
    pub(crate) batch: usize,
    /// Posts that an invocation has under way at once.
    pub(crate) posts: u32,
    /// Connections that an invocation deals with at once for each message, those that wait for
    /// another try among them.
    pub(crate) window: u32,
    /// How long until an invocation knows its first connections, in ms: a query, or a whole scan.
    pub(crate) first_read_ms: f64,
    /// How long it takes to make messages of the shards, in ms, before any is told.
    pub(crate) split_ms: f64,
    /// An invocation's time limit in seconds.
    pub(crate) limit_s: f64,
    /// After how many seconds the messages of an invocation that did not finish are there again.
    pub(crate) comes_back_s: f64,
    /// How often a message is given to a function at most.
    pub(crate) deliveries: u32,
    /// For how long a post that is refused is tried again, in seconds; `None`: not at all.
    pub(crate) patience_s: Option<f64>,
    /// Invocations at once in the beginning.
    pub(crate) pollers: u32,
    /// How many more there may be after a minute.
    pub(crate) pollers_a_minute: f64,
    /// The most at once.
    pub(crate) most_pollers: u32,
    /// How long a function takes to start for the first time, in ms.
    pub(crate) cold_ms: f64,
    /// A post's median time in ms.
    pub(crate) post_ms: f64,
    /// How much that varies: the standard deviation of its logarithm.
    pub(crate) post_sigma: f64,
    /// Posts a second that the account may make.
    pub(crate) rate: f64,
    /// Posts that may exceed that at once.
    pub(crate) burst: f64,
    /// What chance begins with.
    pub(crate) seed: u64,
}

/// What became of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Outcome {
    /// Open pages that heard it.
    pub(crate) heard: u32,
    /// Of those, how many heard it more than once.
    pub(crate) twice: u32,
    /// Open pages that never did.
    pub(crate) missed: u32,
    /// Of those, how many were disconnected because posts to them were refused for too long.
    pub(crate) closed: u32,
    /// When half of those who heard it had, in seconds.
    pub(crate) half_s: f64,
    /// When the last of them had.
    pub(crate) last_s: f64,
    /// Posts, refused ones too.
    pub(crate) posts: u64,
    /// Posts that were refused with 429.
    pub(crate) refused: u64,
    /// Invocations of the function that posts.
    pub(crate) invocations: u64,
    /// Of those, how many ran into their time limit.
    pub(crate) cut_off: u64,
    /// Milliseconds of that function together.
    pub(crate) function_ms: f64,
    /// The most that ran at once.
    pub(crate) at_once: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A message can be taken.
    Visible { shard: u32, delivery: u32 },
    /// More functions may run.
    Grown,
    /// An invocation knows its connections.
    Read { run: u32 },
    /// A post was answered.
    Answered { run: u32, post: Post, taken: bool },
    /// A refused post is due again.
    Due { run: u32, post: Post },
    /// An invocation's time is over.
    Over { run: u32 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Post {
    connection: u32,
    /// When it was first tried.
    began: Micros,
    tries: u32,
}

/// An invocation.
struct Run {
    began: Micros,
    messages: Vec<(u32, u32)>,
    /// Connections not begun yet.
    left: VecDeque<std::ops::Range<u32>>,
    /// Refused posts that are due again.
    again: VecDeque<Post>,
    under_way: u32,
    /// Connections that are begun and not done.
    open: u32,
    has_read: bool,
    is_over: bool,
}

/// A source of chance: `SplitMix64`.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Between 0 and 1, neither included.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are kept")]
    fn fraction(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    /// From a log-normal distribution.
    fn around(&mut self, median: f64, sigma: f64) -> f64 {
        let radius = (-2.0 * self.fraction().ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * self.fraction()).cos();
        median * (sigma * normal).exp()
    }
}

/// Tokens for requests.
struct Bucket {
    tokens: f64,
    at: Micros,
    rate: f64,
    most: f64,
}

impl Bucket {
    #[expect(clippy::cast_precision_loss, reason = "some hours in microseconds")]
    fn take(&mut self, now: Micros) -> bool {
        let since = (now - self.at) as f64 / 1e6;
        self.tokens = (self.tokens + since * self.rate).min(self.most);
        self.at = now;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            true
        } else {
            false
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "times are positive, and hours fit"
)]
fn micros(ms: f64) -> Micros {
    (ms * 1e3) as Micros
}

struct Simulation<'a> {
    plan: &'a Plan,
    now: Micros,
    events: BinaryHeap<Reverse<(Micros, u64, Event)>>,
    made: u64,
    waiting: VecDeque<(u32, u32)>,
    runs: Vec<Run>,
    running: u32,
    warm: u32,
    is_growing: bool,
    dice: Dice,
    bucket: Bucket,
    /// How often each connection was told, and when first.
    told: Vec<(u8, Micros)>,
    closed: Vec<bool>,
    outcome: Outcome,
}

/// Tells everyone, and says what became of it.
pub(crate) fn run(plan: &Plan) -> Outcome {
    let connections = connections(plan);
    let mut simulation = Simulation {
        plan,
        now: 0,
        events: BinaryHeap::new(),
        made: 0,
        waiting: VecDeque::new(),
        runs: Vec::new(),
        running: 0,
        warm: 0,
        is_growing: false,
        dice: Dice(plan.seed),
        bucket: Bucket {
            tokens: plan.burst,
            at: 0,
            rate: plan.rate,
            most: plan.burst,
        },
        told: vec![(0, 0); connections as usize],
        closed: vec![false; connections as usize],
        outcome: Outcome::default(),
    };
    for shard in 0..plan.shards {
        let visible = Event::Visible { shard, delivery: 1 };
        simulation.at(micros(plan.split_ms), visible);
    }
    simulation.go();
    simulation.sum_up()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a small part of a number of pages"
)]
fn connections(plan: &Plan) -> u32 {
    plan.pages + (f64::from(plan.pages) * plan.gone) as u32
}

impl Simulation<'_> {
    fn at(&mut self, time: Micros, event: Event) {
        self.made += 1;
        self.events.push(Reverse((time, self.made, event)));
    }

    fn after(&mut self, ms: f64, event: Event) {
        self.at(self.now + micros(ms), event);
    }

    fn go(&mut self) {
        while let Some(Reverse((time, _, event))) = self.events.pop() {
            self.now = time;
            match event {
                Event::Visible { shard, delivery } => {
                    self.waiting.push_back((shard, delivery));
                    self.take_messages();
                }
                Event::Grown => {
                    self.is_growing = false;
                    self.take_messages();
                }
                Event::Read { run } => {
                    self.runs[run as usize].has_read = true;
                    self.post_on(run);
                }
                Event::Answered { run, post, taken } => self.answered(run, post, taken),
                Event::Due { run, post } => {
                    if !self.runs[run as usize].is_over {
                        self.runs[run as usize].again.push_back(post);
                        self.post_on(run);
                    }
                }
                Event::Over { run } => self.cut_off(run),
            }
        }
    }

    /// How many invocations there may be at once by now.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "minutes, times some hundred"
    )]
    fn allowed(&self) -> u32 {
        let minutes = self.now.saturating_sub(micros(self.plan.split_ms)) as f64 / 60e6;
        let more = (minutes * self.plan.pollers_a_minute) as u32;
        (self.plan.pollers + more).min(self.plan.most_pollers)
    }

    fn take_messages(&mut self) {
        while !self.waiting.is_empty() && self.running < self.allowed() {
            let some = self.plan.batch.min(self.waiting.len());
            let messages: Vec<_> = self.waiting.drain(..some).collect();
            self.invoke(messages);
        }
        let may_grow = self.plan.pollers_a_minute > 0.0 && self.allowed() < self.plan.most_pollers;
        if !self.waiting.is_empty() && may_grow && !self.is_growing {
            self.is_growing = true;
            self.after(60e3 / self.plan.pollers_a_minute, Event::Grown);
        }
    }

    fn invoke(&mut self, messages: Vec<(u32, u32)>) {
        let all = u64::from(connections(self.plan));
        let shards = u64::from(self.plan.shards);
        let edge = |shard: u32| u32::try_from(all * u64::from(shard) / shards).unwrap_or(u32::MAX);
        let left = messages
            .iter()
            .map(|(shard, _)| edge(*shard)..edge(shard + 1))
            .collect();
        let run = u32::try_from(self.runs.len()).unwrap_or(u32::MAX);
        self.runs.push(Run {
            began: self.now,
            messages,
            left,
            again: VecDeque::new(),
            under_way: 0,
            open: 0,
            has_read: false,
            is_over: false,
        });
        self.running += 1;
        self.outcome.at_once = self.outcome.at_once.max(self.running);
        self.outcome.invocations += 1;
        let start = if self.warm > 0 {
            self.warm -= 1;
            0.0
        } else {
            self.plan.cold_ms
        };
        self.outcome.function_ms += start;
        self.after(start + self.plan.first_read_ms, Event::Read { run });
        self.after(start + self.plan.limit_s * 1e3, Event::Over { run });
        // The time limit does not count the start, so the run does not either.
        self.runs[run as usize].began += micros(start);
    }

    /// Posts as much as may be under way.
    fn post_on(&mut self, run: u32) {
        loop {
            let now = self.now;
            let it = &mut self.runs[run as usize];
            if it.is_over || !it.has_read || it.under_way >= self.plan.posts {
                return;
            }
            let window = self.plan.window * u32::try_from(it.messages.len()).unwrap_or(1);
            let post = if let Some(post) = it.again.pop_front() {
                post
            } else if it.open < window
                && let Some(connection) = next_of(&mut it.left)
            {
                it.open += 1;
                Post {
                    connection,
                    began: now,
                    tries: 0,
                }
            } else {
                if it.open == 0 {
                    self.finish(run);
                }
                return;
            };
            it.under_way += 1;
            let taken = self.bucket.take(now);
            self.outcome.posts += 1;
            self.outcome.refused += u64::from(!taken);
            let ms = self.dice.around(self.plan.post_ms, self.plan.post_sigma);
            self.after(ms, Event::Answered { run, post, taken });
        }
    }

    fn answered(&mut self, run: u32, mut post: Post, taken: bool) {
        let connection = post.connection as usize;
        if taken && !self.closed[connection] {
            let (times, first) = &mut self.told[connection];
            if *times == 0 {
                *first = self.now;
            }
            *times = times.saturating_add(1);
        }
        let it = &mut self.runs[run as usize];
        if it.is_over {
            return;
        }
        it.under_way -= 1;
        if taken {
            it.open -= 1;
        } else {
            post.tries += 1;
            let is_patient = self
                .plan
                .patience_s
                .is_some_and(|patience| self.now - post.began < micros(patience * 1e3));
            if is_patient {
                let wait =
                    (20.0 * 2f64.powi(i32::try_from(post.tries).unwrap_or(i32::MAX) - 1)).min(1e3);
                self.after(wait, Event::Due { run, post });
            } else {
                it.open -= 1;
                if self.plan.patience_s.is_some() && self.told[connection].0 == 0 {
                    self.closed[connection] = true;
                }
            }
        }
        self.post_on(run);
    }

    fn finish(&mut self, run: u32) {
        let it = &mut self.runs[run as usize];
        if it.is_over {
            return;
        }
        it.is_over = true;
        self.ended(run);
    }

    #[expect(clippy::cast_precision_loss, reason = "some hours in microseconds")]
    fn ended(&mut self, run: u32) {
        let it = &self.runs[run as usize];
        self.outcome.function_ms += (self.now - it.began) as f64 / 1e3;
        self.running -= 1;
        self.warm += 1;
        self.take_messages();
    }

    fn cut_off(&mut self, run: u32) {
        let it = &mut self.runs[run as usize];
        if it.is_over {
            return;
        }
        it.is_over = true;
        let back = it.began + micros(self.plan.comes_back_s * 1e3);
        let messages = std::mem::take(&mut it.messages);
        self.outcome.cut_off += 1;
        for (shard, delivery) in messages {
            if delivery < self.plan.deliveries {
                let delivery = delivery + 1;
                self.at(back.max(self.now), Event::Visible { shard, delivery });
            }
        }
        self.ended(run);
    }

    #[expect(clippy::cast_precision_loss, reason = "some hours in microseconds")]
    fn sum_up(mut self) -> Outcome {
        // Who is gone is anywhere among the others; which ones they are makes no difference.
        let pages = self.plan.pages;
        let all = self.told.len();
        let is_page = |index: usize| {
            let pages_to = |index: usize| index as u64 * u64::from(pages) / all.max(1) as u64;
            pages_to(index + 1) > pages_to(index)
        };
        let mut times = Vec::new();
        for (index, (count, first)) in self.told.iter().enumerate() {
            if !is_page(index) {
                continue;
            }
            if *count > 0 {
                times.push(*first);
                self.outcome.heard += 1;
                self.outcome.twice += u32::from(*count > 1);
            } else {
                self.outcome.missed += 1;
                self.outcome.closed += u32::from(self.closed[index]);
            }
        }
        times.sort_unstable();
        let seconds = |time: Option<&Micros>| time.map_or(0.0, |time| *time as f64 / 1e6);
        self.outcome.half_s = seconds(times.get(times.len() / 2));
        self.outcome.last_s = seconds(times.last());
        self.outcome
    }
}

fn next_of(left: &mut VecDeque<std::ops::Range<u32>>) -> Option<u32> {
    // One of each message in turn: they are told side by side.
    let mut range = left.pop_front()?;
    let next = range.next();
    if !range.is_empty() {
        left.push_back(range);
    }
    next.or_else(|| next_of(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the template has it, with posts that all take 15 ms.
    fn plan(pages: u32, shards: u32) -> Plan {
        Plan {
            pages,
            gone: 0.0,
            shards,
            batch: 10,
            posts: 64,
            window: 1024,
            first_read_ms: 10.0,
            split_ms: 0.0,
            limit_s: 60.0,
            comes_back_s: 90.0,
            deliveries: 5,
            patience_s: Some(15.0),
            pollers: 5,
            pollers_a_minute: 300.0,
            most_pollers: 1000,
            cold_ms: 0.0,
            post_ms: 15.0,
            post_sigma: 0.0,
            rate: 1e9,
            burst: 1e9,
            seed: 1,
        }
    }

    #[test]
    fn everyone_hears_once_however_they_are_parted() {
        for pages in [0, 1, 9, 1_000, 4_321] {
            for shards in [1, 3, 50] {
                for gone in [0.0, 0.3] {
                    let told = Plan {
                        gone,
                        post_sigma: 0.5,
                        ..plan(pages, shards)
                    };
                    let outcome = run(&told);
                    assert_eq!(outcome.heard, pages, "{told:?}");
                    assert_eq!((outcome.missed, outcome.twice), (0, 0), "{told:?}");
                    assert_eq!(outcome.posts, u64::from(connections(&told)));
                }
            }
        }
    }

    #[test]
    fn one_function_takes_as_long_as_its_posts_one_after_the_other() {
        let outcome = run(&plan(6_400, 1));
        // A hundred rounds of 64 posts.
        assert!((outcome.last_s - 1.51).abs() < 0.001, "{outcome:?}");
        assert!((outcome.function_ms - 1510.0).abs() < 1.0, "{outcome:?}");
        let double = run(&plan(12_800, 1));
        assert!((double.last_s - 3.01).abs() < 0.001, "{double:?}");
    }

    #[test]
    fn shards_divide_the_time_as_far_as_there_are_functions() {
        let one_a_batch = |shards| Plan {
            batch: 1,
            ..plan(64_000, shards)
        };
        let alone = run(&one_a_batch(1)).last_s;
        let five = run(&one_a_batch(5)).last_s;
        assert!((alone / five - 5.0).abs() < 0.1, "{alone} {five}");
    }

    #[test]
    fn a_function_that_is_cut_off_begins_again_and_never_comes_to_the_end() {
        let told = Plan {
            posts: 1,
            limit_s: 15.0,
            deliveries: 3,
            ..plan(2_000, 1)
        };
        let outcome = run(&told);
        assert_eq!(outcome.cut_off, 3);
        // 15 s, less 10 ms, of posts of 15 ms; the one under way at the end arrives.
        assert!((999..=1000).contains(&outcome.heard), "{outcome:?}");
        assert!(outcome.twice >= outcome.heard - 1);
        assert_eq!(outcome.heard + outcome.missed, 2_000);
    }

    #[test]
    fn the_accounts_rate_is_the_floor_of_the_time() {
        let told = Plan {
            rate: 1_000.0,
            burst: 500.0,
            ..plan(10_000, 20)
        };
        let outcome = run(&told);
        assert_eq!(outcome.heard, 10_000);
        assert!(outcome.refused > 0);
        assert!(outcome.last_s >= 9.5, "{outcome:?}");
        assert!(outcome.last_s < 12.0, "{outcome:?}");
    }

    #[test]
    fn progress_is_not_tried_again_and_nobody_is_disconnected_for_it() {
        let told = Plan {
            rate: 1_000.0,
            burst: 500.0,
            patience_s: None,
            ..plan(10_000, 20)
        };
        let outcome = run(&told);
        assert_eq!(outcome.posts, 10_000);
        assert_eq!(u64::from(outcome.missed), outcome.refused);
        assert_eq!(outcome.closed, 0);
        assert!(outcome.missed > 5_000);
    }

    #[test]
    fn a_run_can_be_repeated() {
        let told = Plan {
            post_sigma: 0.5,
            gone: 0.1,
            rate: 5_000.0,
            burst: 100.0,
            ..plan(5_000, 7)
        };
        assert_eq!(run(&told), run(&told));
        let otherwise = Plan { seed: 2, ..told };
        assert_ne!(
            run(&otherwise).last_s.to_bits(),
            run(&plan(5_000, 7)).last_s.to_bits()
        );
    }
}
