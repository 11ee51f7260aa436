//! An embedded cloud (API 3.0 over HTTP) and loopback hosts behind it.
