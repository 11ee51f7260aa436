//! `diagnose --from-neighbours` against the demo cloud: who is named, what is sent, and what a
//! neighbour that lies can do.

use serde_json::Value;

