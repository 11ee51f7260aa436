//! The knowledge inside the program: its files, and what they make, read once.
//!
//! Must not live here: what the files mean (`file`).

use std::sync::{Arc, LazyLock};

use super::{Knowledge, Text};

/// In the order in which they are laid over each other.
pub(super) const SHIPPED: &[Text<'static>] = &[
    Text {
        name: "causes.toml",
        body: include_str!("../../../assets/knowledge/causes.toml"),
    },
    Text {
        name: "evidence.toml",
        body: include_str!("../../../assets/knowledge/evidence.toml"),
    },
    Text {
        name: "network.toml",
        body: include_str!("../../../assets/knowledge/network.toml"),
    },
    Text {
        name: "platform.toml",
        body: include_str!("../../../assets/knowledge/platform.toml"),
    },
    Text {
        name: "guest.toml",
        body: include_str!("../../../assets/knowledge/guest.toml"),
    },
    Text {
        name: "service.toml",
        body: include_str!("../../../assets/knowledge/service.toml"),
    },
    Text {
        name: "sign-in.toml",
        body: include_str!("../../../assets/knowledge/sign-in.toml"),
    },
    Text {
        name: "access.toml",
        body: include_str!("../../../assets/knowledge/access.toml"),
    },
    Text {
        name: "client.toml",
        body: include_str!("../../../assets/knowledge/client.toml"),
    },
    Text {
        name: "rdp.toml",
        body: include_str!("../../../assets/knowledge/rdp.toml"),
    },
    Text {
        name: "actions.toml",
        body: include_str!("../../../assets/knowledge/actions.toml"),
    },
    Text {
        name: "advice.toml",
        body: include_str!("../../../assets/knowledge/advice.toml"),
    },
];

pub(super) static SHIPPED_KNOWLEDGE: LazyLock<Arc<Knowledge>> = LazyLock::new(|| {
    let knowledge = Knowledge::from_texts(SHIPPED);
    Arc::new(knowledge.expect("a unit test lints the embedded files"))
});
