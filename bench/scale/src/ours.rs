//! What our own code and template say.

/// Calls to Translate that a translator has under way (`Translate::CONCURRENCY` in crates/aws).
pub(crate) const TRANSLATE_AT_ONCE: f64 = 8.0;
/// How often progress is told, in seconds (`PROGRESS_EVERY` in crates/service).
pub(crate) const PROGRESS_EVERY_S: f64 = 0.333;
/// The same for each shard of several, in seconds (`PROGRESS_TOLD_EVERY` in crates/service).
pub(crate) const PROGRESS_TOLD_EVERY_S: f64 = 2.0;
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

/// How often connections that are kept in so many shards are told of progress, in seconds.
pub(crate) fn progress_told_every_s(shards: u32) -> f64 {
    if shards > 1 {
        PROGRESS_TOLD_EVERY_S * f64::from(shards)
    } else {
        PROGRESS_EVERY_S
    }
}

#[cfg(test)]
mod tests {
    /// A file's text, and what these numbers take for granted in it.
    const SOURCES: [(&str, &[&str]); 6] = [
        (
            include_str!("../../../crates/aws/src/config.rs"),
            &["const CONCURRENCY: usize = 8;", "const POSTS: usize = 64;"],
        ),
        (
            include_str!("../../../crates/service/src/job.rs"),
            &[
                "const PROGRESS_EVERY: Duration = Duration::from_millis(333);",
                "const PROGRESS_TOLD_EVERY: Duration = Duration::from_secs(2);",
            ],
        ),
        (
            include_str!("../../../crates/service/src/broadcast.rs"),
            &[
                "const SIDE_BY_SIDE: usize = 1024;",
                "const PATIENCE: Duration = Duration::from_secs(15);",
            ],
        ),
        (
            include_str!("../../../deploy/template.yaml"),
            &[
                "NewsQueue:\n    Type: AWS::SQS::Queue\n    DeletionPolicy: Delete\n    \
                 UpdateReplacePolicy: Delete\n    Properties:\n      VisibilityTimeout: 90",
                "notifier.zip\n      Timeout: 60\n      MemorySize: 512",
                "translator.zip\n      Timeout: 900\n      MemorySize: 512",
                "rest.zip\n      Timeout: 29\n      MemorySize: 512",
                "websocket.zip\n      Timeout: 29\n      MemorySize: 256",
                "deadLetterTargetArn: !GetAtt NewsDeadLetters.Arn, maxReceiveCount: 5",
                "FunctionName: !Ref NotifierFunction\n      BatchSize: 10\n      ScalingConfig",
            ],
        ),
        (
            include_str!("../../../crates/client-core/src/heartbeat.rs"),
            &[
                "            interval: Duration::from_secs(5),",
                "idle_interval: Duration::from_secs(60),",
            ],
        ),
        (
            include_str!("../../../docs/connection.md"),
            &["at an age of 100 to 115 minutes, by lot"],
        ),
    ];

    #[test]
    fn these_numbers_are_still_those_of_the_code() {
        for (text, all) in SOURCES {
            for taken_for_granted in all {
                assert!(
                    text.contains(taken_for_granted),
                    "{taken_for_granted:?} has changed: mend ours.rs, then run \
                     `cargo xtask bench scale --write`"
                );
            }
        }
    }
}
