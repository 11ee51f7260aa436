//! The API client against servers that misbehave in each known way, and the facts of every
//! instance of the demo cloud.

#[path = "cloud/calls.rs"]
mod calls;
#[path = "cloud/client.rs"]
mod client;
#[path = "cloud/facts.rs"]
mod facts;
#[path = "cloud/inventory.rs"]
mod inventory;
#[path = "cloud/published_rules.rs"]
mod published_rules;
#[path = "cloud/server.rs"]
mod server;
#[path = "cloud/shapes.rs"]
mod shapes;
#[path = "cloud/states.rs"]
mod states;
