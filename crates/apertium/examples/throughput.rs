//! How much faster the pool translates a file than one `apertium` process does.
//!
//! ```text
//! cargo run --release -p babelwire-apertium --example throughput -- FILE [PAIR]
//! ```
//!
//! `PAIR` is two BCP 47 tags, `en-es` by default. The file is segmented and sent through the pool as
//! a job would; then `apertium -u` gets the same file. Prints one line of JSON:
//! `{"bytes":…,"segments":…,"pool_seconds":…,"apertium_seconds":…,"ratio":…}`, where the ratio is
//! how many times faster the pool was. Both times are wall-clock and include the start of the
//! processes.

use std::error::Error;
use std::process::{Command, Stdio};
use std::time::Instant;

use babelwire_apertium::{Apertium, Options};
use babelwire_service::text::{Piece, Segmenter, assemble};
use babelwire_service::translator::Translator;
use babelwire_wire::rest::Pair;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments
        .next()
        .ok_or("usage: throughput FILE [PAIR, such as en-es]")?;
    let name = arguments.next().unwrap_or_else(|| "en-es".to_owned());
    let (source, target) = name
        .split_once('-')
        .ok_or("a pair is two tags, such as en-es")?;
    let text = std::fs::read_to_string(&file)?;

    let started = Instant::now();
    let engine = Apertium::discover(Options::default());
    let pair = engine
        .languages()
        .pairs
        .into_iter()
        .find(|pair| pair.source == source && pair.target == target && pair.via.is_empty())
        .ok_or_else(|| format!("{name} is not installed as a direct pair"))?;
    let (result, segments) = translate(&engine, &pair, &text).await?;
    let pool_seconds = started.elapsed().as_secs_f64();
    if result.lines().count() != text.lines().count() {
        return Err("the result has not as many lines as the source".into());
    }
    drop(engine);

    let started = Instant::now();
    let status = Command::new("apertium")
        .args(["-u", &mode(source, target)?])
        .arg(&file)
        .env("LC_ALL", "C.UTF-8")
        .stdout(Stdio::null())
        .status()?;
    if !status.success() {
        return Err(format!("apertium ended ({status})").into());
    }
    let apertium_seconds = started.elapsed().as_secs_f64();

    println!(
        "{{\"bytes\":{},\"segments\":{segments},\"pool_seconds\":{pool_seconds:.3},\
         \"apertium_seconds\":{apertium_seconds:.3},\"ratio\":{:.3}}}",
        text.len(),
        apertium_seconds / pool_seconds
    );
    Ok(())
}

async fn translate(
    engine: &Apertium,
    pair: &Pair,
    text: &str,
) -> Result<(String, usize), Box<dyn Error>> {
    let mut segmenter = Segmenter::new();
    let mut pieces = segmenter.push(text);
    pieces.extend(segmenter.finish());
    let segments = pieces
        .iter()
        .filter(|piece| matches!(piece, Piece::Segment(_)))
        .count();
    let result = stream::iter(&pieces)
        .map(|piece| async move {
            Ok::<_, babelwire_service::translator::TranslateError>(match piece {
                Piece::Gap(gap) => gap.clone(),
                Piece::Segment(segment) => {
                    let translation = engine.translate(pair, &segment.text).await?;
                    assemble(piece, Some(&translation)).into_owned()
                }
            })
        })
        .buffered(engine.concurrency())
        .try_collect()
        .await?;
    Ok((result, segments))
}

/// The mode that Apertium has for a pair, whose name may have two or three letters a language.
fn mode(source: &str, target: &str) -> Result<String, Box<dyn Error>> {
    let listed = Command::new("apertium").arg("-l").output()?;
    let three = |tag: &str| match tag {
        "en" => "eng".to_owned(),
        "es" => "spa".to_owned(),
        "fr" => "fra".to_owned(),
        "it" => "ita".to_owned(),
        "pt" => "por".to_owned(),
        other => other.to_owned(),
    };
    let names = [
        format!("{}-{}", three(source), three(target)),
        format!("{source}-{target}"),
    ];
    String::from_utf8(listed.stdout)?
        .split_whitespace()
        .find(|mode| names.iter().any(|name| name == mode))
        .map(str::to_owned)
        .ok_or_else(|| format!("apertium has no mode for {source}-{target}").into())
}
