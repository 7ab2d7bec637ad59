//! The tables of `docs/scale.md`.

use std::fmt::Write as _;

use crate::assumed;
use crate::fanout::{self, Plan};
use crate::ours;
use crate::published;
use crate::usage::{self, Model, Usage};

/// Numbers of open pages that are told of.
const PAGES: [u32; 3] = [1, 1_000, 1_000_000];

/// A table's name in the document, and how it is made.
type Named = (&'static str, fn(&Model) -> String);

const TABLES: [Named; 10] = [
    ("counts", counts),
    ("jobs", jobs),
    ("article", |_| article()),
    ("scanned", |_| scanned()),
    ("shards", |_| shards()),
    ("latency", |_| latency()),
    ("progress", progress),
    ("costs", costs),
    ("staying", staying),
    ("measured", measured),
];

/// All tables, by the names that the document has for them.
pub(crate) fn all(model: &Model) -> Vec<(&'static str, String)> {
    let tables = TABLES.iter();
    tables.map(|(name, table)| (*name, table(model))).collect()
}

/// Puts each table between its marks.
pub(crate) fn put(text: &str, tables: &[(&'static str, String)]) -> Result<String, String> {
    let mut text = text.to_owned();
    for (name, table) in tables {
        let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
        let missing = || format!("the document has no {begin}…{end}");
        let from = text.find(&begin).ok_or_else(missing)? + begin.len();
        let to = from + text[from..].find(&end).ok_or_else(missing)?;
        text.replace_range(from..to, table);
    }
    Ok(text)
}

struct Table(String);

impl Table {
    fn new(heads: &[&str]) -> Self {
        let mut table = Self(String::new());
        table.row(heads);
        let lines: Vec<_> = heads
            .iter()
            .enumerate()
            .map(|(index, _)| if index == 0 { "---" } else { "---:" })
            .collect();
        table.0.push('|');
        for line in lines {
            table.0.push_str(line);
            table.0.push('|');
        }
        table.0.push('\n');
        table
    }

    fn row<T: AsRef<str>>(&mut self, cells: &[T]) {
        self.0.push('|');
        for cell in cells {
            let _infallible = write!(self.0, " {} |", cell.as_ref());
        }
        self.0.push('\n');
    }
}

/// A number with thousands set apart, and as many digits as say something.
fn number(value: f64) -> String {
    // A sum of nothing is a negative zero.
    let value = value + 0.0;
    if value >= 99.5 {
        grouped(value.round())
    } else if value >= 9.95 || value.fract().abs() < 1e-9 {
        format!("{value:.0}")
    } else if value >= 0.995 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn dollars(value: f64) -> String {
    if value >= 100.0 {
        format!("${}", grouped(value))
    } else if value >= 0.01 || value.to_bits() == 0 {
        format!("${value:.2}")
    } else if value >= 0.0001 {
        format!("${value:.4}")
    } else {
        format!("${value:.6}")
    }
}

fn seconds(value: f64) -> String {
    if value >= 7200.0 {
        format!("{:.1} h", value / 3600.0)
    } else if value >= 120.0 {
        format!("{} min", number(value / 60.0))
    } else if value >= 1.0 {
        format!("{value:.1} s")
    } else {
        format!("{:.0} ms", value * 1e3)
    }
}

fn counts(model: &Model) -> String {
    let mut table = Table::new(&[
        "file",
        "segments",
        "took",
        "snapshots",
        "object events",
        "segment frames",
        "actions sent",
        "REST requests",
        "bytes of answers",
    ]);
    for file in &model.measured.counts.files {
        for (who, traffic) in [
            ("the reader's page", &file.reader),
            ("another page", &file.watcher),
        ] {
            let frames = |kind| {
                let of = traffic.received.get(kind);
                number(of.map_or(0.0, |of| of.count))
            };
            let rest = traffic
                .requests
                .iter()
                .filter(|(route, _)| *route != "PUT object");
            let (count, bytes) = rest.fold((0.0, 0.0), |(count, bytes), (_, of)| {
                (count + of.count, bytes + of.answer_bytes)
            });
            table.row(&[
                format!("{}: {who}", file.name),
                number(file.segments),
                seconds(file.seconds),
                frames("translation"),
                frames("object"),
                frames("segments"),
                number(traffic.sent.values().map(|of| of.count).sum()),
                number(count),
                number(bytes),
            ]);
        }
    }
    table.0
}

fn jobs(model: &Model) -> String {
    let mut table = Table::new(&[
        "file",
        "calls of Translate",
        "until done",
        "translators, one after the other",
        "news",
        "frames of progress",
        "write units",
        "read units",
        "Lambda",
        "Translate",
        "all else",
        "kept for a month",
    ]);
    for file in files(model) {
        let job = model.job(file);
        let usage = model.translating(file);
        table.row(&[
            file.name.clone(),
            number(file.segments),
            seconds(job.seconds),
            number(job.translators),
            number(job.news),
            number(job.progress),
            number(usage.write_units),
            number(usage.read_units),
            seconds(usage.function_ms / 1e3),
            dollars(usage.translate_dollars()),
            dollars(usage.other_dollars()),
            dollars(Model::storing(file)),
        ]);
    }
    table.0
}

fn files(model: &Model) -> impl Iterator<Item = &crate::measured::File> {
    model
        .measured
        .counts
        .files
        .iter()
        .filter(|file| !file.name.contains("slowly"))
}

fn article() -> String {
    let mut table = Table::new(&[
        "one function scans and posts; its time limit",
        "one by one: pages that all hear",
        "50 at once: pages that all hear",
    ]);
    for (limit_s, whose) in [
        (3.0, "3 s, Lambda's default"),
        (6.0, "6 s, the Serverless Framework's default"),
        (
            published::ROUTE_S,
            "29 s, what the gateway waits for `echomessage`",
        ),
        (
            published::LONGEST_FUNCTION_S,
            "15 min, the longest that there is",
        ),
    ] {
        let most = |at_once: u32| {
            let pages = usage::most_pages(|pages| Plan {
                limit_s,
                ..usage::scan_and_post(pages, at_once)
            });
            number(f64::from(pages))
        };
        table.row(&[whose.to_owned(), most(1), most(50)]);
    }
    table.0
}

const FATE: [&str; 8] = [
    "",
    "heard",
    "more than once",
    "never",
    "of those, disconnected",
    "half after",
    "the last after",
    "Lambda, in runs",
];

fn fate(name: &str, plan: &Plan) -> [String; 8] {
    let outcome = fanout::run(plan);
    let count = |count: u32| number(f64::from(count));
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let runs = outcome.invocations as f64;
    [
        name.to_owned(),
        count(outcome.heard),
        count(outcome.twice),
        count(outcome.missed),
        count(outcome.closed),
        seconds(outcome.half_s),
        seconds(outcome.last_s),
        format!("{} in {}", seconds(outcome.function_ms / 1e3), number(runs)),
    ]
}

fn scanned() -> String {
    let mut table = Table::new(&FATE);
    for (pages, at_once) in [
        (1_000, 1),
        (1_000, 50),
        (100_000, 1),
        (100_000, 50),
        (1_000_000, 1),
        (1_000_000, 50),
    ] {
        let how = if at_once == 1 {
            "one by one"
        } else {
            "50 at once"
        };
        let name = format!("{} pages, {how}", number(f64::from(pages)));
        table.row(&fate(&name, &usage::scan_and_post(pages, at_once)));
    }
    table.0
}

fn shards() -> String {
    let mut table = Table::new(&FATE);
    for pages in [1, 1_000, 10_000, 100_000, 1_000_000] {
        let plan = usage::right_plan(pages);
        let name = format!(
            "{} pages in {}, at most 2 functions",
            number(f64::from(pages)),
            number(f64::from(plan.shards))
        );
        table.row(&fate(&name, &plan));
    }
    let raised = Plan {
        pollers: 5,
        most_pollers: 20,
        rate: 10.0 * published::REQUESTS_A_SECOND,
        burst: 10.0 * published::REQUESTS_AT_ONCE,
        ..usage::right_plan(1_000_000)
    };
    let name = "1,000,000 pages in 200, at most 20 functions, ten times the quota";
    table.row(&fate(name, &raised));
    for (pages, shards) in [(100_000, 1), (1_000_000, 1), (1_000_000, 200)] {
        let name = format!(
            "{} pages in {}, as many functions as there may be",
            number(f64::from(pages)),
            number(f64::from(shards))
        );
        table.row(&fate(&name, &usage::our_plan(pages, shards)));
    }
    table.0
}

fn latency() -> String {
    let mut table = Table::new(&[
        "a post takes",
        "the article's, 10,000 pages, one by one",
        "the article's, 100,000 pages, 50 at once",
        "ours, 10,000 pages",
        "ours, 100,000 pages",
        "ours, 1,000,000 pages",
    ]);
    for post_ms in [5.0, 15.0, 50.0] {
        let last = |plan: Plan| {
            let outcome = fanout::run(&Plan { post_ms, ..plan });
            let missed = if outcome.missed > 0 {
                format!(", {} never", number(f64::from(outcome.missed)))
            } else {
                String::new()
            };
            format!("{}{missed}", seconds(outcome.last_s))
        };
        table.row(&[
            format!("{post_ms} ms"),
            last(usage::scan_and_post(10_000, 1)),
            last(usage::scan_and_post(100_000, 50)),
            last(usage::right_plan(10_000)),
            last(usage::right_plan(100_000)),
            last(usage::right_plan(1_000_000)),
        ]);
    }
    table.0
}

/// How long one broadcast keeps the functions busy, against how often progress is told.
fn progress(model: &Model) -> String {
    let mut table = Table::new(&[
        "open pages that hear of a file",
        "progress is told every",
        "posts a second for it",
        "of the account's requests",
        "a frame of progress takes",
        "waiting when a file of 1 MB is done",
    ]);
    let megabyte = files(model).find(|file| file.name == "1 MB");
    let megabyte_s = megabyte.map_or(0.0, |file| model.job(file).seconds);
    for pages in [1, 100, 1_000, 2_500, 10_000, 100_000, 1_000_000] {
        let (plan, outcome) = usage::tell(pages);
        let every = ours::progress_told_every_s(plan.shards);
        let posts = f64::from(pages) / every;
        let each =
            f64::from(pages) / (f64::from(published::FEWEST_POLLERS) * usage::posts_a_second());
        let behind = megabyte_s * (each / every - 1.0).max(0.0);
        table.row(&[
            number(f64::from(pages)),
            seconds(every),
            number(posts),
            format!("{} %", number(posts / published::REQUESTS_A_SECOND * 100.0)),
            seconds(outcome.last_s),
            if behind > 0.0 {
                seconds(behind)
            } else {
                "none".to_owned()
            },
        ]);
    }
    table.0
}

fn costs(model: &Model) -> String {
    let mut table = Table::new(&[
        "file, open pages that hear of it",
        "messages",
        "HTTP requests",
        "Lambda",
        "write units",
        "read units",
        "Translate",
        "done and other news",
        "progress",
        "reading and keeping",
        "all",
    ]);
    for pages in PAGES {
        let (plan, outcome) = usage::tell(pages);
        let telling = model.telling(&plan, &outcome);
        for file in files(model) {
            let job = model.job(file);
            let news = telling * job.news;
            let every = ours::progress_told_every_s(plan.shards);
            let progress = telling * (job.seconds / every).floor();
            let pages_own = model.reading(file) + model.keeping(file) * f64::from(pages - 1);
            let all: Usage = model.translating(file) + news + progress + pages_own;
            table.row(&[
                format!("{}, {}", file.name, number(f64::from(pages))),
                number(all.messages),
                number(all.http_requests),
                seconds(all.function_ms / 1e3),
                number(all.write_units),
                number(all.read_units),
                dollars(all.translate_dollars()),
                dollars(news.dollars()),
                dollars(progress.dollars()),
                dollars(pages_own.dollars()),
                dollars(all.dollars()),
            ]);
        }
    }
    table.0
}

fn staying(model: &Model) -> String {
    let mut table = Table::new(&[
        "open pages",
        "first visits cost",
        "until all have connected",
        "pings a second",
        "of the account's requests",
        "connection minutes an hour",
        "messages an hour",
        "an hour costs",
    ]);
    for pages in [1.0, 1_000.0, 100_000.0, 1_000_000.0] {
        let pings = usage::pings_a_second(pages);
        let usage = model.staying(pages);
        table.row(&[
            number(pages),
            dollars(model.visiting(pages).dollars()),
            seconds(pages / published::CONNECTIONS_A_SECOND),
            number(pings),
            format!("{} %", number(pings / published::REQUESTS_A_SECOND * 100.0)),
            number(usage.connection_minutes),
            number(usage.messages),
            dollars(usage.dollars()),
        ]);
    }
    table.0
}

fn measured(model: &Model) -> String {
    let measured = &model.measured;
    let mut table = Table::new(&["what", "figure", "from"]);
    let post = &measured.counts.post;
    let counts = format!(
        "measured by `cargo xtask bench scale-counts` on {}",
        measured.counts.machine
    );
    table.row(&[
        "a post to our gateway: median, slowest of a hundred",
        &format!("{} ms, {} ms", post.median_ms, post.p99_ms),
        &counts,
    ]);
    table.row(&[
        "posts a second to our gateway, 64 at once",
        &number(post.per_second_by64),
        &counts,
    ]);
    let units = &measured.units;
    for (what, of) in [
        ("a connection opens", units.opens),
        ("a connection closes", units.closes),
        ("a file is announced, arrives, is begun", units.begins),
        ("progress is published", units.progress),
        ("a result is put together", units.ends),
        ("somebody subscribes", units.subscribes),
        ("a look moves on", units.looks),
        ("who listens to a text is read 3 times", units.listeners3),
        ("2,000 segments are kept", units.keeps2000),
        (
            "which of 2,000 segments are kept is read",
            units.resumes2000,
        ),
        ("2,000 segments are read", units.reads2000),
        ("a page asks what it missed", units.missed),
    ] {
        let figure = format!(
            "{} read units, {} write units",
            number(of.read),
            number(of.write)
        );
        let from = "crates/aws/tests/tables_units.rs: read units measured on dynalite, write units by DynamoDB's rules";
        table.row(&[what, &figure, from]);
    }
    let functions = &measured.functions;
    for (what, ms) in [
        (
            "a function's start, where it has been fetched before",
            functions.cold_ms,
        ),
        ("a REST request", functions.rest_ms),
        ("an action of the WebSocket", functions.websocket_ms),
    ] {
        table.row(&[what, &format!("{} ms", number(ms)), &functions.source]);
    }
    for (what, figure, from) in figures() {
        table.row(&[what, &figure, from]);
    }
    table.0
}

/// What was not measured.
fn figures() -> Vec<(&'static str, String, &'static str)> {
    let assumed = |what, figure| (what, figure, "assumed");
    vec![
        assumed(
            "a post to `@connections`: median, standard deviation of its logarithm",
            format!("{} ms, {}", assumed::POST_MS, assumed::POST_SIGMA),
        ),
        assumed(
            "a call of Translate, of which a translator makes 8 at once",
            format!("{} s", assumed::TRANSLATE_CALL_S),
        ),
        assumed(
            "a read or write of DynamoDB",
            format!("{} ms", assumed::TABLE_MS),
        ),
        assumed(
            "a scan of 1 MB, and the connections in it",
            format!(
                "{} ms, {}",
                assumed::SCAN_MS,
                number(assumed::CONNECTIONS_IN_A_SCAN)
            ),
        ),
        assumed(
            "a connection in its table",
            format!("{} bytes", assumed::CONNECTION_BYTES),
        ),
        assumed(
            "translations in the list that a page begins with",
            number(assumed::LISTED),
        ),
        assumed(
            "connections in the table that are gone",
            format!("{} %", assumed::GONE * 100.0),
        ),
        assumed(
            "a function's start, where Lambda has to fetch it",
            format!("{} ms", assumed::COLD_MS),
        ),
        assumed(
            "open pages that somebody looks at",
            format!("{} %", assumed::LOOKED_AT * 100.0),
        ),
        (
            "an account's requests a second, and at once beyond",
            format!(
                "{}, {}",
                number(published::REQUESTS_A_SECOND),
                number(published::REQUESTS_AT_ONCE)
            ),
            "AWS, \"Amazon API Gateway quotas\"",
        ),
        (
            "an account's new WebSockets a second",
            number(published::CONNECTIONS_A_SECOND),
            "AWS, \"Quotas for configuring and running a WebSocket API in API Gateway\"",
        ),
        (
            "invocations at once for a queue: first, more a minute",
            format!(
                "{}, {}",
                published::POLLERS_FIRST,
                published::POLLERS_A_MINUTE
            ),
            "AWS, \"Configuring scaling behavior for SQS event source mappings\"",
        ),
        (
            "prices",
            format!("us-east-1, {}", published::PRICES_OF),
            "AWS's pricing pages, each named in bench/scale/src/published.rs",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measured;

    fn model() -> Model {
        let measured = measured::measured().unwrap();
        Model { measured }
    }

    #[test]
    fn the_document_has_a_place_for_each_table() {
        let document = include_str!("../../../docs/scale.md");
        let tables: Vec<_> = TABLES
            .iter()
            .map(|(name, _)| (*name, format!("| {name} |\n")))
            .collect();
        let filled = put(document, &tables).unwrap();
        for (name, table) in &tables {
            let place = format!("<!-- {name} -->\n{table}<!-- /{name} -->");
            assert!(filled.contains(&place), "{name}");
        }
        assert_eq!(put(&filled, &tables).unwrap(), filled);
        assert!(put("nothing", &tables).is_err());
    }

    #[test]
    fn numbers_have_as_many_digits_as_say_something() {
        assert_eq!(number(-0.0), "0");
        assert_eq!(number(0.0123), "0.01");
        assert_eq!(number(1.55), "1.6");
        assert_eq!(number(1_234_567.0), "1,234,567");
        assert_eq!(dollars(0.000_02), "$0.000020");
        assert_eq!(dollars(15.004), "$15.00");
        assert_eq!(dollars(98_516.0), "$98,516");
        assert_eq!(seconds(0.033), "33 ms");
        assert_eq!(seconds(17_300.0), "4.8 h");
    }

    #[test]
    fn translating_a_megabyte_costs_what_translate_takes_for_it() {
        let model = model();
        let megabyte = files(&model).find(|file| file.name == "1 MB").unwrap();
        let usage = model.translating(megabyte);
        assert!((usage.translate_dollars() - 15.0).abs() < 0.01, "{usage:?}");
        assert!(usage.other_dollars() < 0.05, "{usage:?}");
    }

    #[test]
    fn a_file_too_long_for_one_function_takes_several() {
        let model = model();
        for file in files(&model) {
            let job = model.job(file);
            let most = job.translators * ours::TRANSLATOR_S;
            assert!(job.seconds <= most && job.seconds > most - ours::TRANSLATOR_S);
        }
        let largest = files(&model).last().unwrap();
        assert!(model.job(largest).translators > 10.0);
    }

    #[test]
    fn what_is_told_is_billed_once_for_each_page() {
        let model = model();
        for pages in [1, 1_000, 60_000] {
            let (plan, outcome) = usage::tell(pages);
            let usage = model.telling(&plan, &outcome);
            assert_eq!(usage.messages.to_bits(), f64::from(pages).to_bits());
            assert_eq!(outcome.refused, 0, "within the account's quota");
        }
    }
}
