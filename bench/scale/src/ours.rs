//! What our own code and template say.

/// Calls to Translate that a translator has under way (`Translate::CONCURRENCY` in crates/aws).
pub(crate) const TRANSLATE_AT_ONCE: f64 = 8.0;
/// How often progress is told, in seconds (`PROGRESS_EVERY` in crates/service).
pub(crate) const PROGRESS_EVERY_S: f64 = 0.333;
/// Posts that a notifier has under way (`Settings::POSTS` in crates/aws).
pub(crate) const POSTS: u32 = 64;
/// Connections that a broadcast deals with at once (`SIDE_BY_SIDE` in crates/service).
pub(crate) const WINDOW: u32 = 1024;
/// How long a refused post is tried again, in seconds (`PATIENCE` in crates/service).
pub(crate) const PATIENCE_S: f64 = 15.0;
/// The notifier's time limit in seconds (deploy/template.yaml).
pub(crate) const NOTIFIER_LIMIT_S: f64 = 60.0;
/// When its messages come back, in seconds (the same).
pub(crate) const NEWS_VISIBLE_S: f64 = 90.0;
/// How often news is given to a notifier (the same).
pub(crate) const NEWS_DELIVERIES: u32 = 5;
/// Messages in one invocation (the same).
pub(crate) const NEWS_BATCH: usize = 10;
/// The translator's time limit in seconds, less the margin that it keeps (the same).
pub(crate) const TRANSLATOR_S: f64 = 880.0;
/// Memory of the functions in GB (the same).
pub(crate) const NOTIFIER_GB: f64 = 0.5;
/// Memory of the translator.
pub(crate) const TRANSLATOR_GB: f64 = 0.5;
/// Memory of the REST function.
pub(crate) const REST_GB: f64 = 0.5;
/// Memory of the WebSocket function.
pub(crate) const WEBSOCKET_GB: f64 = 0.25;
/// A ping of a page that is looked at, in seconds (`Heartbeat::interval` in crates/client-core).
pub(crate) const PING_S: f64 = 5.0;
/// The same while it is hidden (`Heartbeat::idle_interval`).
pub(crate) const HIDDEN_PING_S: f64 = 60.0;
/// How long a connection lasts until another takes over, in minutes (`Rollover`, its middle).
pub(crate) const CONNECTION_MINUTES: f64 = 107.5;
/// What a first visit downloads at most, in bytes (`cargo xtask check`).
pub(crate) const FIRST_VISIT_BYTES: f64 = 90_000.0;
/// Files of a first visit: the page, its styles, its icon, what starts it, its code in two parts, the
/// code's JavaScript, config.json.
pub(crate) const FIRST_VISIT_FILES: f64 = 8.0;
