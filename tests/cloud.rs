//! The API client against servers that misbehave in each known way, and the facts of every
//! instance of the demo cloud.

#[path = "cloud/client.rs"]
mod client;
#[path = "cloud/facts.rs"]
mod facts;
#[path = "cloud/inventory.rs"]
mod inventory;
#[path = "cloud/server.rs"]
mod server;
