//! Parameters that several actions take. Must not live here: one that a single action takes.

use super::{Kind, ParameterSpec};
use crate::action::said;

pub(super) const MODE: ParameterSpec = ParameterSpec {
    name: "mode",
    kind: Kind::Choice(&["soft", "soft-first", "hard"]),
    help: said::soft_asks_system,
    required: false,
};
pub(super) const PORT: ParameterSpec = ParameterSpec {
    name: "port",
    kind: Kind::Port,
    help: said::login_port_instance,
    required: false,
};
pub(super) const SOURCE: ParameterSpec = ParameterSpec {
    name: "source",
    kind: Kind::Source,
    help: said::address_or_network,
    required: false,
};
/// Whom the answers have to reach.
pub(super) const PEER: ParameterSpec = ParameterSpec {
    name: "source",
    kind: Kind::Source,
    help: said::whom_answers_reach,
    required: false,
};
pub(super) const MINUTES: ParameterSpec = ParameterSpec {
    name: "minutes",
    kind: Kind::Number(1, 43_200),
    help: said::take_rule_away,
    required: false,
};
pub(super) const ADMIT: ParameterSpec = ParameterSpec {
    help: said::acl_source,
    ..SOURCE
};
pub(super) const GROUP: ParameterSpec = ParameterSpec {
    name: "group",
    kind: Kind::Id(&["sg-"]),
    help: said::security_group_change,
    required: false,
};
pub(super) const USER: ParameterSpec = ParameterSpec {
    name: "user",
    kind: Kind::User,
    help: said::account_default_login,
    required: false,
};
/// Who is let in by a repair in the guest.
pub(super) const ADDRESSED: ParameterSpec = ParameterSpec {
    name: "source",
    kind: Kind::Source,
    help: said::address_or_network_let,
    required: false,
};
