//! Sentences about the guest's firewall; `domain::said` tells how they are made.

use crate::domain::said::said;

said! { "firewall":
    profile_is_off(profile: Name) = "the {profile} profile of the firewall is off";
    profile_lets_nothing_in(profile: Name) =
        "the {profile} profile lets no connection in, whatever the rules say";
    rule_blocks(rule: Raw, port: Number) = "the rule `{rule}` blocks TCP port {port}";
    rule_lets_in(rule: Raw, port: Number) = "the rule `{rule}` lets TCP port {port} in";
    profile_lets_in(profile: Name, port: Number) =
        "the {profile} profile lets TCP port {port} in where no rule says otherwise";
    no_rule_lets_in(profile: Name, port: Number) =
        "no rule of the {profile} profile lets TCP port {port} in";
    rule_not_understood(rule: Raw, token: Said) =
        "the rule `{rule}` may decide and cannot be judged: `{token}`";
    rule_was_cut(rule: Raw) = "the rule `{rule}` is too long and was not read";
    setting_not_understood(setting: Raw) = "the setting `{setting}` of the firewall is not known";
    networks_differ(profiles: List) =
        "networks of several profiles are connected ({profiles}), and which the login meets is not known";
    profile_unread() = "the active firewall profile was not read";
    rule_of(table: Name, rule: Raw) = "{table}: {rule}";
    policy_of(table: Name, policy: Name, chain: Name) = "{table}: policy {policy} of chain {chain}";
    nothing_in_the_way() = "no rule stands in the way";
    a_rule() = "a rule";
    way_back(route: Raw) = "the way back: {route}";
    answer_stopped(rule: Said) = "the answer is stopped: {rule}";
    may_be_rewritten(what: Said) = "the destination may be rewritten: {what}";
    refused_from_outside(address: Name) =
        "the connection is sent on to {address}, which the kernel refuses from outside";
    does_not_forward(address: Name) =
        "the connection is sent on to {address}, and this system does not forward";
    sent_on(address: Name) = "the connection is sent on to {address}, which was not asked";
    redirected(port: Number, to: Number) =
        "port {port} is redirected to port {to}, where nothing listens";
    part(text: Raw) = "`{text}`";
    part_because(text: Raw, what: Said) = "`{text}` ({what})";
    the_port(text: Raw) = "the port {text}";
    one_of_ports(text: Raw) = "one of the ports {text}";
    the_address(text: Raw) = "the address {text}";
    the_mark(text: Raw) = "the mark {text}";
    mark_of(target: Raw) = "the mark that {target} sets";
    as_set(field: Raw) = "{field} as a rule sets it";
    address_type(name: Raw) = "the address type {name}";
    the_state(name: Raw) = "the state {name}";
    connection_status(name: Raw) = "the connection's status {name}";
    recent_list(list: Raw) = "the list {list} of recent sources holds the user's";
    time_in_guest() = "the time in the guest";
    rough_number() = "a part of a number that is only roughly known";
    number_between(low: Name, high: Name) = "a number between {low} and {high}";
    field_unknown() = "a field that is not known from here";
    bits_unknown() = "bits that are not known from here";
    field_of_packet(name: Raw) = "{name} of the packet";
    the_name(name: Raw) = "the name {name}";
    the_interface(name: Raw) = "the interface {name}";
    arrival() = "the interface of arrival";
    own_address() = "which own address the login meets";
    sent_where() = "where the packet is sent on to";
    gateway_hardware() = "the hardware address of the gateway";
    source_unnamed() = "a source that no rule names";
    the_target(name: Raw) = "the target {name}";
    a_mask() = "a mask of the listing of nft";
    a_quota() = "a quota";
    a_constant() = "a constant";
    map_shape() = "a map of another shape";
    member_shape() = "a member of another shape";
    member_rate() = "a member with a rate of its own";
    set_by(part: Raw) = "a set by {part}";
    set_not_listed(name: Raw) = "the set {name} was not listed";
    set_absent(name: Raw) = "the set {name} is not in the listing";
    set_too_long(name: Raw) = "the set {name} is too long to be sent";
    sets_loop(name: Raw) = "the sets lead through each other at {name}";
    chain_absent(name: Raw) = "the chain {name} is not in the listing";
    chains_deep(name: Raw) = "the chains lead too deep at {name}";
    rules_loop() = "the rules lead through each other too often";
    rule_unread(rule: Raw, program: Name) = "the rule `{rule}` of {program}";
    end_of_listing(program: Name) = "the end of the listing of {program}";
    nft_holds(word: Raw) = "the listing of nft holds `{word}`";
    nft_cut() = "the listing of nft is cut off";
    nft_cut_set() = "the listing of nft is cut off in a set";
    nft_cut_chain(name: Raw) = "the listing of nft is cut off in chain {name}";
    listing_cut() = "the listing of the firewall came cut off";
    no_rules() = "the guest's answer does not hold the host firewall's rules";
    rules_too_long(length: Name) =
        "the firewall's rules are too long to be sent ({length} characters when packed)";
    legacy_unlisted(program: Name, tables: Raw) =
        "tables of {program} are loaded ({tables}) and no tool is there that lists them";
    firewalld_unlisted() = "firewalld runs, and its rules cannot be listed without `nft`";
    no_lister() = "neither `nft` nor `iptables-save` is there to list the rules";
    not_listed(part: Raw, why: Raw) = "the rules of {part} could not be listed: {why}";
    not_listed_in_time(part: Raw) = "the rules of {part} could not be listed: not done in time";
}
