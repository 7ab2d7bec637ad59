//! Objects against S3 peers.
