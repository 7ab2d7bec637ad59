//! The fake gateway, over real sockets and on virtual time.
