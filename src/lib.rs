//! The page: a single-page app in Yew over `babelwire-client`.
