//! Babelwire in one process: gateway, REST, SQLite, files and Apertium.
