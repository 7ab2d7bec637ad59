//! The limits of what crosses the network.
//!
//! The WebSocket numbers are API Gateway's own, from "Quotas for configuring and running a
//! WebSocket API in API Gateway" in the API Gateway developer guide.

/// The largest WebSocket frame that API Gateway takes, in bytes of UTF-8: 32 KiB. A larger one
/// closes the connection with code 1009. A browser cannot choose how its messages are cut into
/// frames, so this is also the largest message that a page may send.
pub const MAX_FRAME_BYTES: usize = 32 * 1024;

/// The largest WebSocket message that API Gateway carries in either direction, in bytes: 128 KiB.
/// `@connections` answers 413 to a larger one.
pub const MAX_MESSAGE_BYTES: usize = 128 * 1024;

/// The size up to which a message to a page is billed as one, in bytes: 32 KB ("API Gateway
/// pricing": WebSocket messages are metered in 32 KB increments). Pushes are batched to stay
/// under it.
pub const METERED_MESSAGE_BYTES: usize = 32 * 1024;

/// The most segments that one look covers: several screens full. More is cut.
pub const LOOK_SEGMENTS: u64 = 1000;

/// The longest name of a view, in bytes of UTF-8: a UUID fits, with something before it.
pub const VIEW_BYTES: usize = 64;
