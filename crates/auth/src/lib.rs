//! Who may do what: tokens (JSON Web Tokens, RFC 7519) verified, and where a WebSocket carries them.
