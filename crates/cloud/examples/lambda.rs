//! How soon a function answers and how much memory it takes: the functions' programs under the
//! runtime API, over moto, each with a recorded event.
//!
//! `cargo xtask bench lambda` builds the programs as they are deployed, starts moto and the fake of
//! Translate, and runs this. Times are of this machine, which is no Lambda, and of programs for its
//! own architecture; a cold start here has no microVM and no download of the code in it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use babelwire_cloud::cloud::{Cloud, Options};
use babelwire_cloud::runtime::Function;
use clap::Parser;
use serde_json::{Value, json};

/// Instances that are started for each figure; it is their median.
const STARTS: usize = 9;
/// Invocations of one instance that is warm; the figure is their median.
const WARM: usize = 50;

#[derive(Parser)]
struct Arguments {
    /// The URL of moto's server.
    #[arg(long)]
    moto: String,
    /// The URL of the fake of Translate.
    #[arg(long)]
    translate: String,
    /// The folder of the functions' programs.
    #[arg(long)]
    functions: PathBuf,
    /// The template of the stack.
    #[arg(long)]
    template: PathBuf,
    /// The folder of recorded events.
    #[arg(long)]
    events: PathBuf,
}

/// Each function, and an event that it answers without a trace.
const EVENTS: [(&str, &str); 4] = [
    ("Websocket", "websocket-ping.json"),
    ("Rest", "http-get.json"),
    ("Notifier", "s3-test-event.json"),
    ("Translator", "schedule.json"),
];

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let cloud = Cloud::start(Options {
        listen: ([127, 0, 0, 1], 0).into(),
        peer: arguments.moto,
        translate: arguments.translate,
        functions: arguments.functions,
        template: arguments.template,
        stack: format!("bench{}", std::process::id()),
        ui: None,
        function_timeout: None,
        environment: Vec::new(),
        sources: false,
        auth: None,
    })
    .await?;
    for (name, event) in EVENTS {
        let text = std::fs::read_to_string(arguments.events.join(event))?;
        let event: Value = serde_json::from_str(&text)?;
        let function = cloud
            .function(&format!("{name}Function"))
            .ok_or("the template has no such function")?;
        measure(&name.to_lowercase(), function, &event.to_string()).await?;
    }
    Ok(())
}

async fn measure(
    name: &str,
    function: &Function,
    event: &str,
) -> Result<(), Box<dyn std::error::Error>> {
    let (mut inits, mut firsts, mut memory) = (Vec::new(), Vec::new(), 0);
    for _ in 0..STARTS {
        function.kill_instances();
        while !function.processes().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let began = Instant::now();
        let answer = function.invoke(event.to_owned()).await?;
        firsts.push(began.elapsed());
        inits.extend(answer.init);
    }
    let mut warm = Vec::new();
    for _ in 0..WARM {
        let began = Instant::now();
        let answer = function.invoke(event.to_owned()).await?;
        warm.push(began.elapsed());
        memory = memory.max(Function::peak_memory(answer.process).unwrap_or_default());
    }
    let figures = json!({
        format!("{name}_init_ms"): milliseconds(&mut inits),
        format!("{name}_cold_start_to_answer_ms"): milliseconds(&mut firsts),
        format!("{name}_warm_answer_ms"): milliseconds(&mut warm),
        format!("{name}_peak_memory_mib"): mebibytes(memory),
    });
    println!("{figures}");
    Ok(())
}

/// With one digit after the point.
fn mebibytes(bytes: u64) -> f64 {
    let tenths = u32::try_from(bytes * 10 / (1 << 20)).unwrap_or(u32::MAX);
    f64::from(tenths) / 10.0
}

/// The median, in milliseconds with one digit after the point.
fn milliseconds(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    (median.as_secs_f64() * 10_000.0).round() / 10.0
}
