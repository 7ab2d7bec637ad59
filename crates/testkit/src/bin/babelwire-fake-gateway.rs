//! The fake gateway as a program, for tests in a browser.

#![expect(clippy::doc_markdown, reason = "clap shows these comments as they are")]

use std::{io::Write as _, net::SocketAddr, process::ExitCode};

use babelwire_testkit::{FakeGateway, Options};
use clap::Parser;

/// A WebSocket gateway for tests: it answers as API Gateway would, until rules tell it to refuse,
/// close, cut, delay, drop, double, reorder or go silent.
///
/// It prints the address that it listens on, such as 127.0.0.1:40123, as one line. Clients dial
/// ws://ADDRESS/STAGE, where every stage (any name) is a little world of its own, made when it is
/// first used. Tests steer it over HTTP, from any page:
///
///   POST   /_control/STAGE/rules        a rule or an array of rules, as JSON
///   GET    /_control/STAGE/rules        the rules, and how often each was applied
///   DELETE /_control/STAGE/rules        forget the rules
///   POST   /_control/STAGE/broadcast    the body goes to every client as one frame
///   POST   /_control/STAGE/close        {"code": 1001, "reason": "", "connection": 1}
///   POST   /_control/STAGE/cut          {"connection": 1}: the TCP connection ends
///   POST   /_control/STAGE/silence      {"connection": 1}: it stays open, nothing gets through
///   GET    /_control/STAGE/connections  open now, dials, frames, and each connection's story
///   GET    /_control/STAGE/frames       the frames
///   DELETE /_control/STAGE              cut everything and forget the stage
///
/// All fields and bodies of close, cut and silence may be left out: then it is every connection.
/// Without STAGE/, a call is for the stage of --stage.
#[derive(Debug, Parser)]
#[command(version, about, verbatim_doc_comment, max_term_width = 100)]
struct Arguments {
    /// The address to listen on: a loopback address. Port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDR")]
    listen: SocketAddr,

    /// The gateway to stand before, such as ws://127.0.0.1:8080/live. Without one this gateway
    /// answers by itself.
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,

    /// The stage of control calls that name none.
    #[arg(long, default_value = "live", value_name = "NAME")]
    stage: String,

    /// Where the dice start that decide on probabilities.
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    seed: u64,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("babelwire-fake-gateway: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let mut options = Options::new()
        .listen(arguments.listen)
        .seed(arguments.seed)
        .default_stage(arguments.stage);
    options.upstream = arguments.upstream;
    let gateway = FakeGateway::start_with(options).await?;
    // Whoever started it reads this through a pipe.
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{}", gateway.address())?;
    stdout.flush()?;
    tokio::signal::ctrl_c().await?;
    Ok(())
}
