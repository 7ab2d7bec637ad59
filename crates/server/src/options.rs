//! What the command line and the environment say.

#![expect(clippy::doc_markdown, reason = "clap shows these comments as they are")]

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Runs Babelwire: the page, its REST interface and its WebSocket, in one process.
#[derive(Debug, Clone, Parser)]
#[command(version, about, max_term_width = 100)]
pub struct Options {
    /// The address to listen on, such as 127.0.0.1:8080 or localhost:8080. Port 0 takes a free one; the line that is printed says which.
    #[arg(
        long,
        env = "BABELWIRE_LISTEN",
        default_value = "127.0.0.1:8080",
        value_parser = address,
        value_name = "ADDR"
    )]
    pub listen: SocketAddr,

    /// The folder for the database, the files and their translations. It is made if there is
    /// none. One server uses it at a time.
    #[arg(
        long,
        env = "BABELWIRE_DATA",
        default_value = "data",
        value_name = "DIR"
    )]
    pub data: PathBuf,

    /// The folder of the built page. Without it there is only the backend.
    #[arg(long, env = "BABELWIRE_UI", value_name = "DIR")]
    pub ui: Option<PathBuf>,

    /// What translates.
    #[arg(
        long,
        env = "BABELWIRE_TRANSLATOR",
        default_value = "auto",
        value_name = "NAME"
    )]
    pub translator: TranslatorChoice,

    /// Where Apertium's `*.mode` files are, if not where Debian puts them.
    #[arg(long, env = "BABELWIRE_APERTIUM_MODES", value_name = "DIR")]
    pub apertium_modes: Option<PathBuf>,

    /// How long the pseudo translator takes for a segment, so that progress can be seen.
    #[arg(
        long,
        env = "BABELWIRE_PSEUDO_DELAY_MS",
        default_value_t = 0,
        value_name = "MILLISECONDS"
    )]
    pub pseudo_delay_ms: u64,

    /// What the pseudo translator refuses to translate until it is asked again: segments that hold
    /// this text, so that it can be seen what becomes of a file then.
    #[arg(long, env = "BABELWIRE_PSEUDO_REFUSES", value_name = "TEXT")]
    pub pseudo_refuses: Option<String>,

    /// An origin whose pages may use this backend too, such as http://localhost:3000. Can be
    /// given more than once, or as a list with commas.
    #[arg(
        long = "allow-origin",
        env = "BABELWIRE_ALLOW_ORIGIN",
        value_delimiter = ',',
        value_name = "ORIGIN"
    )]
    pub allow_origins: Vec<String>,

    /// A name under which this backend may be asked, beside loopback names and the listening
    /// address. Can be given more than once, or as a list with commas.
    #[arg(
        long = "allow-host",
        env = "BABELWIRE_ALLOW_HOST",
        value_delimiter = ',',
        value_name = "HOST"
    )]
    pub allow_hosts: Vec<String>,

    /// The URL under which the outside reaches this server, where a proxy stands before it. Its
    /// host is allowed as if by --allow-host.
    #[arg(long, env = "BABELWIRE_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,

    /// Has everybody sign in, and gives everybody translations of their own: the file with the
    /// issuer's public keys, a JSON Web Key Set (RFC 7517). It is read again when it changes.
    #[arg(long, env = "BABELWIRE_AUTH", value_name = "JWKS_FILE")]
    pub auth: Option<PathBuf>,

    /// The issuer (`iss`) that tokens must be of.
    #[arg(
        long,
        env = "BABELWIRE_AUTH_ISSUER",
        requires = "auth",
        value_name = "ISSUER"
    )]
    pub auth_issuer: Option<String>,

    /// The application (`aud`, or `client_id` where there is none) that tokens must be for.
    #[arg(
        long,
        env = "BABELWIRE_AUTH_AUDIENCE",
        requires = "auth",
        value_name = "AUDIENCE"
    )]
    pub auth_audience: Option<String>,

    /// Where the page has people sign in, as JSON or as a file with it: `authorizeUrl`,
    /// `tokenUrl` and `clientId` of an OAuth 2.0 server that knows PKCE (RFC 7636), and `scope`
    /// and `logoutUrl` where needed.
    #[arg(long, env = "BABELWIRE_SIGN_IN", value_name = "JSON|FILE")]
    pub sign_in: Option<String>,

    /// The largest file, in bytes.
    #[arg(
        long,
        env = "BABELWIRE_MAX_FILE_BYTES",
        default_value_t = 1 << 30,
        value_name = "BYTES"
    )]
    pub max_file_bytes: u64,

    /// How many translations are kept.
    #[arg(
        long,
        env = "BABELWIRE_MAX_TRANSLATIONS",
        default_value_t = 10_000,
        value_name = "COUNT"
    )]
    pub max_translations: u64,

    /// The longest file name, in characters.
    #[arg(
        long,
        env = "BABELWIRE_MAX_NAME_CHARS",
        default_value_t = 512,
        value_name = "COUNT"
    )]
    pub max_name_chars: usize,

    /// How many translations are worked on side by side.
    #[arg(
        long,
        env = "BABELWIRE_MAX_JOBS",
        default_value_t = 32,
        value_name = "COUNT"
    )]
    pub max_jobs: usize,

    /// How long an upload URL works, in seconds.
    #[arg(
        long,
        env = "BABELWIRE_UPLOAD_EXPIRY_S",
        default_value_t = 3600,
        value_name = "SECONDS"
    )]
    pub upload_expiry_s: u64,

    /// How long a WebSocket may be idle, in milliseconds; API Gateway's 10 minutes by default.
    #[arg(
        long,
        env = "BABELWIRE_SOCKET_IDLE_MS",
        default_value_t = 600_000,
        value_name = "MILLISECONDS"
    )]
    pub socket_idle_ms: u64,

    /// How long a WebSocket may last, in milliseconds; API Gateway's 2 hours by default.
    #[arg(
        long,
        env = "BABELWIRE_SOCKET_MAX_MS",
        default_value_t = 7_200_000,
        value_name = "MILLISECONDS"
    )]
    pub socket_max_ms: u64,

    /// What is logged, to standard error: a level (error, warn, info, debug, trace), or filters
    /// such as info,babelwire_service=debug.
    #[arg(
        long,
        env = "BABELWIRE_LOG",
        default_value = "info",
        value_name = "FILTER"
    )]
    pub log: String,
}

/// What translates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TranslatorChoice {
    /// Apertium where any of its language pairs is installed, else pseudo.
    Auto,
    /// Apertium; without an installed pair the server does not start.
    Apertium,
    /// No translation at all: accents on letters, brackets around lines.
    Pseudo,
}

/// Reads an address; a name gives its IPv4 address where it has one.
fn address(text: &str) -> Result<SocketAddr, String> {
    let found: Vec<SocketAddr> = text
        .to_socket_addrs()
        .map_err(|error| format!("write it as 127.0.0.1:8080 ({error})"))?
        .collect();
    found
        .iter()
        .find(|address| address.is_ipv4())
        .or(found.first())
        .copied()
        .ok_or_else(|| "this name has no address".to_owned())
}
