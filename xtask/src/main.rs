//! The project's commands: `cargo xtask --help` lists them.

mod bench;
mod check;
mod cloud;
mod debian;
mod deploy;
mod package;
mod page;
mod paths;
mod process;
mod python;
mod screenshots;
mod serve;
mod server;
mod steps;
mod tally;
mod test;
mod tools;

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use lexopt::prelude::*;

/// Where `serve` listens unless told otherwise.
const SERVE_PORT: u16 = 8080;
/// Where `trunk serve` listens, as `Trunk.toml` has it.
const DEV_PORT: u16 = 8081;

const HELP: &str = "\
Babelwire's commands

  cargo xtask serve    install what is missing, build all, and run it on this machine
  cargo xtask dev      the same behind `trunk serve`, which reloads the page as it changes
  cargo xtask cloud    the functions that run on AWS, with a small AWS around them on this machine
  cargo xtask test     every test: native, in a browser, with foreign clients, end to end
  cargo xtask check    format, lints, layout rules, docs and packages, size of the page
  cargo xtask bench    the measurements
  cargo xtask screenshots   pictures of the page in every state, for docs/screenshots
  cargo xtask package  all that a deployment to AWS takes, made without an account
  cargo xtask deploy   a deployment to AWS, with your account

`cargo xtask COMMAND --help` says more. Tools and compiled dependencies are kept in
~/.cache/babelwire (BABELWIRE_CACHE names another place; CARGO_TARGET_DIR is respected).";

const SERVE_HELP: &str = "\
Usage: cargo xtask serve [--port PORT] [--data DIR] [--open]

Installs what is missing, builds the page and the server, runs both on one origin, and prints
`Babelwire is ready: http://127.0.0.1:PORT` when it can be used. Ctrl-C ends it.

  --port PORT   where to listen on 127.0.0.1; 0 takes any free one   [default: 8080]
  --data DIR    where texts and translations are kept                 [default: data]
  --open        show the page in the browser";

const DEV_HELP: &str = "\
Usage: cargo xtask dev [--data DIR] [--open]

Runs the server on 127.0.0.1:8080, and before it `trunk serve` on 127.0.0.1:8081, which builds the
page anew and reloads it whenever its sources change. Ctrl-C ends both. Trunk.toml has the ports.

  --data DIR    where texts and translations are kept   [default: data]
  --open        show the page in the browser";

const CLOUD_HELP: &str = "\
Usage: cargo xtask cloud [--port PORT] [-- ARGUMENTS]

Runs the functions that run on AWS, on this machine: their own programs behind API Gateway's, Lambda's
and SQS's side of them (babelwire-cloud), with tables, queues and buckets of deploy/template.yaml in
moto and a fake of Translate. Prints `Babelwire is ready: http://127.0.0.1:PORT` when it can be used.
Ctrl-C ends it, and nothing is kept. The first time it compiles the AWS SDK, which takes some minutes,
and installs moto (Python, in a virtual environment) and dynalite (npm).

  --port PORT   where to listen on 127.0.0.1; 0 takes any free one   [default: 8080]

ARGUMENTS go to babelwire-cloud: `cargo xtask cloud -- --help` lists them, such as
`-- --function-timeout-ms 5000 --env BABELWIRE_TRANSLATE_MARGIN_MS=2000` for short functions.";

const TEST_HELP: &str = "\
Usage: cargo xtask test [native] [peers] [deploy] [wasm] [others] [aws] [e2e] [-- ARGUMENTS]

Runs every test, or the parts that are named, and ends with the line `N passed, N failed`. What is
missing is installed first.

  native   cargo test of the whole workspace, without what compiles the AWS SDK
  peers    the gateway against clients that nobody here wrote: websockets, boto3, wscat
  deploy   what deploy/template.yaml would make on AWS, and `cargo xtask deploy` without AWS
  wasm     the page and its library in headless Chromium, then in Firefox
  others   the page in Chromium with a backend on serverless-offline, beside wscat and a React page
  aws      the functions of AWS: against moto and dynalite, with recorded events, and with the page
           in Chromium
  e2e      the page in Chromium against the real server with real Apertium

ARGUMENTS go to the runner, such as `cargo xtask test e2e -- --grep keyboard`.";

const CHECK_HELP: &str = "\
Usage: cargo xtask check

Format, clippy with warnings denied, the layout's rules (who may depend on whom; cores know no
platform and no clock; views never see JSON), the libraries' documentation and packages, and the
size of the page: at most 90,000 bytes after Brotli for all that a first visit transfers.";

const BENCH_HELP: &str = "\
Usage: cargo xtask bench [--write] [lighthouse] [frames] [throughput] [one-megabyte] [large-upload]
                         [large-text] [idle] [lambda] [power-cuts]

Measures, or takes the measurements that are named, and prints a table.

  lighthouse     the built page on a phone of the middle class: Lighthouse's scores, layout shift
  frames         5,000 frames a second for 10 s on 1,000 rows: none lost, the page goes on moving
  throughput     the engine's pool against one `apertium` process on the same text
  one-megabyte   a megabyte of English into Spanish, in a browser
  large-upload   memory of page and server while 100 MB are uploaded
  large-text     50 MB in the reader: how soon, from any place, with how much memory
  idle           memory of 1,000 idle connections; an echo to all of them
  lambda         the functions of AWS as they are deployed, on this machine: cold start, warm answer,
                 memory
  power-cuts     ten times kill -9 in one job: the same bytes

  --write        put the table into docs/measurements.md

Usage: cargo xtask bench [--write] scale | scale-counts

  scale          what AWS costs and how far it goes: the tables of docs/scale.md (--write puts them
                 there), by a model and a simulation
  scale-counts   what these come from: frames, requests and bytes for a file (--write puts them into
                 bench/scale/measured.json)";

const SCREENSHOTS_HELP: &str = "\
Usage: cargo xtask screenshots [STATE]…

Takes pictures of the page in every state of e2e/states.ts, light and dark, 320 and 1280 pixels
wide, and puts them into docs/screenshots. With names of states, of those alone.";

const PACKAGE_HELP: &str = "\
Usage: cargo xtask package [--out DIR] [--try]

Makes all that a deployment to AWS takes, without an account, and lists it with sizes and SHA-256:
five functions for arm64, the page with compressed copies, the template as it is written and as
plain CloudFormation. The first time it compiles the AWS SDK for another machine; give it half an
hour.

  --out DIR   where to; a package that is there is replaced   [default: target/package]
  --try       run each function, under an emulator where this is no arm64 machine, against a small
              runtime interface of Lambda that hands it one event";

const DEPLOY_HELP: &str = "\
Usage: cargo xtask deploy [--stack NAME] [--region REGION] [--sign-in | --no-sign-in]
                          [--set PARAMETER=VALUE]… [--package DIR]

Makes a package, and of it a stack on AWS with the page in it: or brings one up to date. It takes
the AWS CLI, and credentials that it finds. What is not said stays as it was at the last deployment.
It costs money: deploy/README.md says what for, and how to be rid of it.

  --stack NAME       the stack's name, part of all names in it   [default: babelwire]
  --region REGION    where   [default: the AWS CLI's]
  --sign-in          people sign in with Cognito, and see their own translations only
  --no-sign-in       whoever knows the address sees and makes translations, at your cost
  --set NAME=VALUE   a parameter of deploy/template.yaml, such as AlarmEmail=you@example.org
  --package DIR      deploy this package, and make none";

fn main() -> ExitCode {
    match run() {
        Ok(code) => {
            wait_if_stopping();
            ExitCode::from(code)
        }
        Err(error) => {
            wait_if_stopping();
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Leaves the end to the signal handler, when it is at work.
fn wait_if_stopping() {
    while process::is_stopping() {
        std::thread::park();
    }
}

fn run() -> Result<u8> {
    process::handle_signals()?;
    if env::args_os()
        .next()
        .is_some_and(|name| Path::new(&name).file_stem() == Some("wasm-bindgen".as_ref()))
    {
        return page::cut();
    }
    let mut arguments = lexopt::Parser::from_env();
    let command = match arguments.next()? {
        Some(Value(name)) => name.string()?,
        None | Some(Long("help") | Short('h')) => {
            println!("{HELP}");
            return Ok(0);
        }
        Some(other) => bail!("{}\n\n{HELP}", other.unexpected()),
    };
    match command.as_str() {
        "serve" => match serve_options(&mut arguments, SERVE_PORT, SERVE_HELP)? {
            Some(options) => serve::serve(&options),
            None => Ok(0),
        },
        "dev" => match serve_options(&mut arguments, DEV_PORT, DEV_HELP)? {
            Some(options) if options.port != DEV_PORT => {
                bail!("the port of `dev` is in Trunk.toml\n\n{DEV_HELP}")
            }
            Some(options) => serve::dev(&options),
            None => Ok(0),
        },
        "test" => test_command(&mut arguments),
        "check" => {
            if let Some(argument) = arguments.next()? {
                if matches!(argument, Long("help") | Short('h')) {
                    println!("{CHECK_HELP}");
                    return Ok(0);
                }
                bail!("{}\n\n{CHECK_HELP}", argument.unexpected());
            }
            check::run()?;
            Ok(0)
        }
        "bench" => bench_command(&mut arguments),
        "screenshots" => screenshots_command(&mut arguments),
        "cloud" => cloud_command(&mut arguments),
        "package" => package_command(&mut arguments),
        "deploy" => deploy_command(&mut arguments),
        "help" => {
            println!("{HELP}");
            Ok(0)
        }
        other => bail!("there is no command `{other}`\n\n{HELP}"),
    }
}

fn serve_options(
    arguments: &mut lexopt::Parser,
    port: u16,
    help: &str,
) -> Result<Option<serve::Options>> {
    let mut options = serve::Options {
        port,
        data: paths::root().join("data"),
        open: false,
    };
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("port") => {
                options.port = arguments
                    .value()?
                    .parse()
                    .context("--port takes a number")?;
            }
            Long("data") => options.data = PathBuf::from(arguments.value()?),
            Long("open") => options.open = true,
            Long("help") | Short('h') => {
                println!("{help}");
                return Ok(None);
            }
            other => bail!("{}\n\n{help}", other.unexpected()),
        }
    }
    Ok(Some(options))
}

fn package_command(arguments: &mut lexopt::Parser) -> Result<u8> {
    let mut options = package::Options {
        out: package::default_out(),
        try_out: false,
    };
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("out") => options.out = env::current_dir()?.join(arguments.value()?),
            Long("try") => options.try_out = true,
            Long("help") | Short('h') => {
                println!("{PACKAGE_HELP}");
                return Ok(0);
            }
            other => bail!("{}\n\n{PACKAGE_HELP}", other.unexpected()),
        }
    }
    package::run(&options)
}

fn deploy_command(arguments: &mut lexopt::Parser) -> Result<u8> {
    let mut options = deploy::Options {
        stack: "babelwire".to_owned(),
        region: None,
        sign_in: None,
        parameters: Vec::new(),
        package: None,
    };
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("stack") => options.stack = arguments.value()?.string()?,
            Long("region") => options.region = Some(arguments.value()?.string()?),
            Long("sign-in") => options.sign_in = Some(true),
            Long("no-sign-in") => options.sign_in = Some(false),
            Long("set") => {
                let set = arguments.value()?.string()?;
                let (name, value) = set
                    .split_once('=')
                    .with_context(|| format!("--set takes NAME=VALUE, and not `{set}`"))?;
                options.parameters.push((name.to_owned(), value.to_owned()));
            }
            Long("package") => {
                options.package = Some(env::current_dir()?.join(arguments.value()?));
            }
            Long("help") | Short('h') => {
                println!("{DEPLOY_HELP}");
                return Ok(0);
            }
            other => bail!("{}\n\n{DEPLOY_HELP}", other.unexpected()),
        }
    }
    deploy::run(&options)
}

fn screenshots_command(arguments: &mut lexopt::Parser) -> Result<u8> {
    let mut only = Vec::new();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("help") | Short('h') => {
                println!("{SCREENSHOTS_HELP}");
                return Ok(0);
            }
            Value(name) => only.push(name.string()?),
            other => bail!("{}\n\n{SCREENSHOTS_HELP}", other.unexpected()),
        }
    }
    screenshots::run(&only)
}

fn cloud_command(arguments: &mut lexopt::Parser) -> Result<u8> {
    let mut port = SERVE_PORT;
    let mut more = Vec::new();
    // What is not known here is for babelwire-cloud.
    let mut rest = arguments.raw_args()?;
    while let Some(argument) = rest.next() {
        if argument == "--help" || argument == "-h" {
            println!("{CLOUD_HELP}");
            return Ok(0);
        } else if argument == "--port" {
            port = rest
                .next()
                .and_then(|value| value.to_str()?.parse().ok())
                .context("--port takes a number")?;
        } else if argument == "--" {
            more.extend(rest.by_ref());
        } else {
            bail!(
                "`{}` is not known\n\n{CLOUD_HELP}",
                argument.to_string_lossy()
            );
        }
    }
    cloud::run(port, &more)
}

fn bench_command(arguments: &mut lexopt::Parser) -> Result<u8> {
    const NAMES: [&str; 9] = [
        "lighthouse",
        "lambda",
        "frames",
        "throughput",
        "one-megabyte",
        "large-upload",
        "large-text",
        "idle",
        "power-cuts",
    ];
    let mut write = false;
    let mut only = Vec::new();
    let mut scale = None;
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("write") => write = true,
            Long("help") | Short('h') => {
                println!("{BENCH_HELP}");
                return Ok(0);
            }
            Value(name) if bench::SCALE.iter().any(|known| name == *known) => {
                scale = Some(name.string()?);
            }
            Value(name) if NAMES.iter().any(|known| name == *known) => only.push(name.string()?),
            other => bail!("{}\n\n{BENCH_HELP}", other.unexpected()),
        }
    }
    match scale {
        Some(what) if only.is_empty() => bench::scale(write, &what),
        Some(what) => bail!("`{what}` goes alone\n\n{BENCH_HELP}"),
        None => bench::run(write, &only),
    }
}

fn test_command(arguments: &mut lexopt::Parser) -> Result<u8> {
    let mut suites = Vec::new();
    let mut more = Vec::new();
    // lexopt gives what follows `--` as plain values, and so would not tell them from suites.
    let mut rest = arguments.raw_args()?;
    while let Some(argument) = rest.next() {
        if argument == "--" {
            more.extend(rest.by_ref());
            break;
        }
        if argument == "--help" || argument == "-h" {
            println!("{TEST_HELP}");
            return Ok(0);
        }
        let suite = test::Suite::ALL
            .into_iter()
            .find(|suite| argument == suite.name());
        let Some(suite) = suite else {
            bail!(
                "there is no part `{}`\n\n{TEST_HELP}",
                argument.to_string_lossy()
            );
        };
        suites.push(suite);
    }
    if suites.is_empty() {
        suites.extend(test::Suite::ALL);
    }
    Ok(test::run(&suites, &more))
}
