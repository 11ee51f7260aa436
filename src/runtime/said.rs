//! Sentences of what is carried out: progress, ends, verification, settling; `domain::said` tells
//! how they are made.

use crate::domain::said::said;

said! { "runtime":
    no_address_to_enter() = "the instance has no address to open a session at";
    desktop_file(path: Name) = "{path} is written; open it where a Remote Desktop client is";
    desktop_file_unwritten(folder: Name, why: Raw) = "the file for the Remote Desktop client could not be written to {folder}: {why}";
    visit_begins(command: Name) = "cvmtop opens {command}; when it ends, you are back";
    visit_failed(program: Name, status: Number) = "{program} ended with status {status}. Press Enter to go back to cvmtop.";
    visit_ended(program: Name, after: Figure) = "the session is over ({program}, {after}); it is in the journal";
    visit_ended_badly(program: Name, after: Figure, status: Number) = "{program} ended with status {status} after {after}; it is in the journal";
    visit_not_begun(program: Name, why: Raw) = "{program} could not be started: {why}";
    screen_kept(path: Name) = "the screen is written to {path}";
    screen_not_kept(folder: Name, why: Said) = "the screen could not be written to {folder}: {why}";
    lines_left_out(n: Number) = "{n:more line} left out";
    // Ends of calls.
    answered() = "answered";
    accepted_untracked() = "accepted, without a task to follow";
    accepted_in_state(state: Name) = "accepted; the state is {state}";
    state_is(state: Name) = "the state is {state}";
    state_is_untracked(state: Name) = "the state is {state}; the cloud does not name its last operation";
    operation_failed(action: Name, why: Raw, state: Name) = "{action} failed: {why} (state {state})";
    instance_gone() = "the instance does not exist any more";
    rules_in_force(n: Number, group: Name, index: Number) = "{n:rule} of {group} in force at index {index}";
    rules_gone(group: Name) = "the rules are gone from {group}";
    groups_bound(groups: List) = "bound are {groups}";
    cap_is(mbps: Number) = "the cap is {mbps} Mbit/s";
    task_succeeded(id: Name) = "task {id} succeeded";
    task_failed(id: Name) = "task {id} failed on the cloud's side";
    address_shows_it() = "the address itself shows it";
    no_invocation() = "the cloud named no invocation";
    script_ended_well() = "the script ended well";
    script_ended(code: Number) = "the script ended with status {code}";
    script_did_not_run(status: Name, why: Raw) = "the script did not run ({status}): {why}";
    script_not_in_time(status: Name) = "the agent did not finish the script in time ({status})";
    repair_authorised(task: Name, status: Number) = "{task} is authorised (status {status})";
    repair_not_waiting(task: Name) = "{task} no longer waits";
    // Still under way.
    rule_not_yet(group: Name) = "the rule is not seen in {group} yet";
    rule_still(group: Name) = "the rule is still seen in {group}";
    cap_still(mbps: Number) = "the cap is {mbps}";
    acl_is_so(acl: Name) = "the entries of {acl} are in force";
    acl_not_yet(acl: Name) = "the entries of {acl} are not seen yet";
    route_is_so(table: Name, target: Name) = "the route to {target} stands so in {table}";
    route_not_yet(table: Name, target: Name) = "the route to {target} does not stand so in {table} yet";
    address_unblocked(address: Name) = "{address} is blocked no longer";
    still_blocked(address: Name) = "{address} is still blocked";
    changed_since_shown() = "somebody changed it since it was shown, so nothing was sent; plan again to see it as it is now";
    not_read_before(why: Raw) = "it could not be read again just before, so nothing was sent: {why}";
    as_before_already() = "it stands as it did before already";
    changed_since_done() = "somebody has changed it since, so it is not taken back over their change; look at it in the console";
    task_pending(id: Name, state: Name) = "task {id} {state}";
    address_not_yet() = "the address does not show it yet";
    script_is(status: Name) = "the script is {status}";
    repair_waits(task: Name) = "{task} still waits for authorisation";
    operation_pending(state: Name, action: Name, progress: Name) = "{state}, {action} {progress}";
    not_left_yet(state: Name) = "{state}, not left yet";
    not_readable(why: Raw) = "not readable: {why}";
    // What could not be seen.
    end_unseen(why: Raw) = "the call was accepted, but its end cannot be seen: {why}";
    not_ended(after: Figure, state: Said) =
        "the call was accepted, but after {after} it has not ended ({state}); look again later, do not send it twice";
    nothing_sent() = "nothing was sent";
    left_unsent(detail: Said, n: Number) = "{detail}; not sent: {n:further call}";
    input_missing(step: Number, what: Name, action: Name) =
        "the answer of call {step} lacks {what}, so {action} was not sent";
    answer_lacks(field: Name) = "the cloud answered without {field}, so there is nothing to open";
    rules_changed(why: Raw) =
        "somebody changed the rules since they were shown, so the cloud refused and nothing changed; plan again to see the new difference ({why})";
    no_trace(why: Raw) = "{why}; no trace of the call was found, look again before you repeat it";
    fate_unread(why: Raw, second: Raw) =
        "{why}; whether it took effect could not be read either ({second})";
    found_in_state() = "found in the cloud's own state";
    no_trace_in_state() = "no trace in the cloud's own state";
    // Login before and after.
    look(path: Word, address: Name, health: Word, detail: Said) = "{path} {address} {health}: {detail}";
    look_short(path: Word, health: Word) = "{path} {health}";
    not_probed(detail: Said) = "{detail}; login could not be probed from this host";
    promptly_again(detail: Said, after: Figure) =
        "{detail}; login answers promptly again from this host, {after} after the start";
    as_slow(detail: Said, after: Figure) =
        "{detail}; login answers from this host as slowly as before, {after} after the start";
    more_slowly(detail: Said, after: Figure) =
        "{detail}; login answers from this host, but more slowly than before, {after} after the start";
    as_before(detail: Said, after: Figure) =
        "{detail}; login answers from this host as before, {after} after the start";
    as_before_unseen(detail: Said, after: Figure) =
        "{detail}; login answers from this host as before, {after} after the start; what failed does not show from here, so try it from where it failed";
    slow_again(detail: Said, after: Figure) =
        "{detail}; login answers again from this host, if slowly, {after} after the start";
    answers_again(detail: Said, after: Figure) =
        "{detail}; login answers again from this host, {after} after the start";
    mended_inside(detail: Said) =
        "{detail}; what stopped login was read again and is in order";
    answers_here(detail: Said, after: Figure) =
        "{detail}; login answers from this host, {after} after the start";
    answers_but(detail: Said, after: Figure, unread: List) =
        "{detail}; login answers from this host, {after} after the start, but {unread}, so whether login works is not known";
    still_broken(detail: Said, broken: List) =
        "{detail}; login is not back: {broken}; diagnose again";
    further_but(detail: Said, further: Said, now: Said) =
        "{detail}; {further}: login is not back ({now}); diagnose again";
    rules_let_in(source: Name) = "the rules let {source} in";
    groups_let_in(source: Name, why: Said) =
        "the security groups let {source} in; the network ACL was not read: {why}";
    rules_keep_out(source: Name, why: Said) = "the rules do not let {source} in: {why}";
    rules_untold(source: Name, why: Said) = "whether the rules let {source} in is not known: {why}";
    host_kept_out(detail: Said, source: Name) =
        "{detail}; the rules let {source} in but not this host, which therefore cannot try it: ask the user to try";
    on_the_path(path: Word, what: Said) = "on the {path} path {what}";
    open_not_served() = "the port is open now, the service does not run";
    open_not_greeting() = "the port answers now, but the service does not greet";
    open_turned_away() = "the port answers now, but the service turns clients away";
    open_odd_answer() = "the port answers now, but not as a login service does";
    greets_no_exchange() = "the service greets now, but the key exchange fails";
    negotiates_no_tls() = "the service negotiates now, but TLS fails";
    gets_further() = "a client gets further than before";
    reach_broken() = "the port still does not answer";
    greeting_broken() = "the service still does not greet as it should";
    exchange_broken() = "the key exchange still fails";
    negotiation_broken() = "the negotiation still fails";
    tls_broken() = "TLS still fails";
    methods_broken() = "the server still offers no way to sign in";
    inside_broken(group: Word, state: Word) = "inside the guest: {group}: {state}";
    login_broken() = "a login is still refused";
    reach_unread() = "the port was not looked at again";
    greeting_unread() = "the greeting was not looked at again";
    exchange_unread() = "the key exchange was not looked at again";
    negotiation_unread() = "the negotiation was not looked at again";
    tls_unread() = "TLS was not looked at again";
    methods_unread() = "the ways to sign in were not looked at again";
    inside_unread(group: Word) = "inside the guest {group} was not read again";
    login_unread() = "no login was tried again";
    effect_undone(detail: Said, now: Said) =
        "{detail}; the action's effect on login was undone with it: {now}";
    not_from_here(detail: Said, source: Name) =
        "{detail}; the rules let {source} in now, which cannot be tried from this host: ask the user to try";
    got_worse(detail: Said, now: Said) = "{detail}; {now}; undo it, or look again";
    not_the_cause(detail: Said, now: Said) =
        "{detail}; {now}; this was not the cause, or not the only one: diagnose again";
    // Progress.
    journalled(entry: Name) = "journalled as {entry}";
    sending(step: Number, of: Number, purpose: Said) = "{step}/{of} {purpose}";
    accepted(request: Name) = "accepted (request {request})";
    waiting(state: Said, after: Figure) = "{state} ({after})";
    ended(detail: Said) = "ended: {detail}";
    ended_badly(detail: Said) = "ended without success: {detail}";
    login_after(after: Figure, looks: List) = "login after {after}: {looks}";
    // Settling.
    other_place(place: Name) = "left as it is: it belongs to {place}, and this start works on another";
    ended_before_sending() = "the program ended before anything was sent; nothing changed";
    no_such_call() = "the journal names a call that its plan does not have";
    lost_in_sending(action: Name) =
        "the program ended while sending {action}; the cloud shows no trace of it, so it did not take effect";
    not_settled_yet(why: Raw) = "cannot be settled yet: {why}";
    never_sent(n: Number) = "never sent: {n:further call} of the plan";
    lost_or_undone(action: Name) =
        "the program ended while sending {action}; the cloud shows no trace of it: it never took effect, or somebody has undone it since";
    anyones(action: Name) =
        "the program ended while sending {action}; one was carried out since, by this call or by somebody else, which the cloud does not tell: look at the instance before you repeat it";
    covered(action: Name) =
        "the program ended while sending {action}; somebody did something else on the instance since, which hides whether it arrived: look at the instance before you repeat it";
    looked_for_again(action: Name) =
        "the program ended while sending {action}; it was not found yet, is looked for at every start, and is taken back when its time is over";
    password_lost(user: Said, target: Name) =
        "the new password of {user} was shown to nobody and is lost, and the old one may no longer work: make another with `cvmtop act {target} reset-password`";
    due_of_another(user: Name, host: Name, entry: Name) =
        "its time is over, but it is an entry of {user}@{host}, and only their own start takes it back unasked: `cvmtop journal --undo {entry}` shows it and asks";
    due_beyond(most: Number, entry: Name) =
        "its time is over, but a start takes back {most} changes at most unasked: start again, or `cvmtop journal --undo {entry}`";
    not_taken_back(title: Said, entry: Name, again: Name, since: Name) =
        "STILL IN FORCE: the time of {title} was over at {since} and it could not be taken back (entry {entry}): take it back by hand, then `cvmtop journal --close {again} --why TEXT`";
    nothing_to_close(entry: Name) = "entry {entry} has ended, and nothing of it waits to be taken back";
    closed_now(title: Said, entry: Name) = "{title} is closed (entry {entry})";
    under_way(state: Said) = "still under way: {state}";
    settled(detail: Said) = "settled after an interruption: {detail}";
    time_over(detail: Said) = "its time is over; {detail}";
    time_over_but(why: Said) = "its time is over, but {why}";
    of_entry(title: Said, entry: Name, detail: Said) = "{title} (entry {entry}): {detail}";
    of_instance(name: Name, detail: Said) = "{name}: {detail}";
    no_figure() = "no figure was named";
    others_unknown(why: Raw) = "what others do on this instance is not known: {why}";
    not_listed_any_more(instance: Name) = "{instance} is not listed by the cloud any more";
    shown_as_listed(why: Raw) = "the instance is shown as it was listed; it could not be read again ({why})";
    ask_permission(permission: Name) = "ask for the permission {permission}";
    try_again() = "try again";
    this_console() = "this console";
    author(user: Name, host: Name, process: Number) = "{user} on {host} (process {process})";
    action_on(action: Word, target: Name) = "`{action}` on {target}";
    under_way_by(who: Said, what: Said, entry: Name) = "{who} is carrying out {what} right now (entry {entry})";
    interrupted_of(what: Said, who: Said, entry: Name) = "{what} of {who} was interrupted and is not settled yet (entry {entry})";
    did_ago(who: Said, what: Said, minutes: Number, outcome: Said, entry: Name) = "{who} did {what} {minutes} min ago: {outcome} (entry {entry})";
    detail_of_entry(detail: Said, entry: Name) = "{detail} (entry {entry})";
    done_by_rule_of(by: Name) = "done by the same rule as {by}";
    no_plan() = "there is no plan";
    rules_changed_meanwhile() = "somebody else changed the rules since they were shown; plan again to see the new difference";
    batch_had_stopped() = "nothing was sent: the batch had stopped before";
    not_listed() = "the instance is not listed any more; r lists again";
    already_taken_back(entry: Name, by: Name) = "entry {entry} was already taken back by {by}";
    no_time_limit(entry: Name) = "entry {entry} has no time limit (or was kept before)";
    stays(title: Said, entry: Name) = "{title} stays until it is taken back (entry {entry})";
    not_documented(call: Name) = "the documentation of the international site does not know {call}, so it may be refused here";
    not_found(target: Raw, place: Said) = "`{target}` was not found in {place}; check id, name or address and --region";
    not_found_surely(target: Raw, failures: List) = "`{target}` was not found, but not every region could be asked: {failures}; try again";
    ambiguous_target(target: Raw, candidates: Name) = "`{target}` fits several instances: {candidates}; give an id";
    no_cloud_for(target: Raw, why: Said) = "`{target}` was not found in the hosts of the config, and the cloud cannot be asked: {why}";
    region_failed(region: Name, why: Said) = "{region}: {why}";
    demo_failed(why: Raw) = "the demo cloud did not start: {why}";
    knowledge_file(path: Name, why: Raw) = "knowledge file {path}: {why}";
    no_region() = "no region is set; give --region (repeatable, or `all`), or cloud.regions in the config";
    no_credentials() = "there are no credentials, so the cloud cannot be asked for anything";
    no_desk() = "there is no cloud to send it to: no credentials were found; see `cvmtop doctor`";
    entry_elsewhere(entry: Name, place: Name) = "entry {entry} belongs to {place}; only its credentials can say what became of it (`--profile`, `--endpoint`)";
    ticket_unwritable(path: Name, why: Raw) = "cannot write the ticket bundle to {path}: {why}; choose another --output";
    hosts_of_config() = "the hosts of the config";
    the_cloud() = "the cloud";
    already_undone(entry: Name, by: Name) = "entry {entry} was already taken back by {by}";
    being_carried_out(entry: Name, user: Name, host: Name) = "entry {entry} is still being carried out by {user} on {host}; wait for its end";
    held_elsewhere(entry: Name) = "entry {entry} is being carried out or taken back by another program";
    held_on_host(target: Name, who: Raw, entry: Name) = "{target}: {who} is at work on it from another host (entry {entry}); nothing was sent, try again when that has ended (`cvmtop journal`)";
    hold_lost(target: Name, who: Raw, entry: Name) = "{target}: {who} holds it from another host (entry {entry}): both of you were at work on it while the shared store was away; nothing more is sent from here, and what is seen of it may be the other's work (`cvmtop journal`)";
    shared_down(store: Name, why: Said) = "the shared store {store} cannot be used: {why}; work goes on here, but what is done on other hosts is not seen, and they are told later";
    shared_again(store: Name) = "the shared store {store} answers again; what was done here in between follows now";
    shared_slow() = "it does not answer within 2 s";
    shared_newer(version: Number) = "its tables were made by a newer version of cvmtop (schema {version})";
    evidence_unwritable(why: Raw) = "the evidence cannot be written: {why}";
    hosts_only(why: Said) = "only the hosts of the config can be seen: {why}";
    addresses_only(why: Said) = "only addresses can be looked at: {why}";
    guides_unread(folder: Name, why: Raw) = "cannot read guides in {folder}: {why}";
    guides_cut(most: Number) = "more than {most} guides; the rest is left out";
    guide_unread(path: Name, why: Raw) = "cannot read {path}: {why}";
    keep_read_only(because: Said, entry: Name) = "read-only ({because}): entry {entry} is not kept, since that would let a change stay for good; run it without read-only";
    console_read_only() = "the console is read-only";
    too_long_to_copy() = "the text is too long for the terminal's clipboard; copy a part of it";
    price_per(price: Raw, unit: Said) = "{price} per {unit}";
    price_per_listed(price: Raw, unit: Said, list: Raw) = "{price} per {unit} (list price {list})";
    price_once(price: Raw) = "{price} once";
    price_once_listed(price: Raw, list: Raw) = "{price} once (list price {list})";
    an_hour() = "hour";
    a_day() = "day";
    a_month() = "month";
    a_gigabyte() = "GB";
    referring_groups(count: Number) = "{count} SG (rules that refer to it)";
    origin_and_regions(origin: Said, regions: Name) = "{origin} {regions}";
    password_of(user: Said) = "password of {user}";
    vnc_address() = "VNC address (15 s, once)";
    journal_by_itself(time: Name, user: Name, host: Name, outcome: Said) = "{time} by cvmtop itself, as its time was over, while it ran for {user} on {host}: {outcome}";
    journal_by(time: Name, user: Name, host: Name, outcome: Said) = "{time} by {user} on {host}: {outcome}";
    journal_before(look: Said) = "before: {look}";
    journal_after(look: Said) = "after: {look}";
    journal_timed(at: Name, minutes: Number, entry: Name) = "taken back at {at} (in {minutes} min) unless it is kept: :keep, or cvmtop journal --keep {entry}";
    journal_taken_back(by: Name) = "taken back by {by}: what is said above holds no longer";
    journal_undo(entry: Name) = "to take it back: cvmtop journal --undo {entry}";
    journal_before_these(n: Number) = "{n:entry:entries} before these: `cvmtop journal` shows them";
    journal_damaged(n: Number) = "left out as damaged: {n:line} of the journal";
    task_is_there(id: Name, name: Name) = "the probe task {id} ({name}) is there";
    task_is_gone(name: Name) = "there is no probe task named {name}";
    providers_read_only() = "read-only: no probe task is created";
    providers_no_address() = "it has no public IPv4 address, and the provider's nodes come from outside";
    no_provider_node() = "the service names no node that runs and takes a port task";
    no_node_near(words: Raw) = "no node stands near {words}: neither a carrier nor a district nor a city is named so";
    providers_shut_out() = "the security groups do not let everybody in, so these strangers will hardly be connected, which is no fault and will not count";
    providers_unnoted(why: Said) = "the task was not created: {why}";
    providers_late(time: Figure) = "no node told anything within {time}";
    providers_stopped() = "the reading was broken off by a signal";
    providers_unread(why: Said) = "the results could not be read: {why}";
    task_stays(why: Said, entry: Name) = "the probe task could not be deleted ({why}); the next start of cvmtop tries again once its time is over, or now: `cvmtop journal --undo {entry}`";
    task_deleted(entry: Name) = "the probe task of entry {entry} is deleted";
    task_trial(entry: Name) = "the probe task of entry {entry} counts to the trial version";
    task_paid(entry: Name) = "the probe task of entry {entry} counts to the paid version";
    task_arrears(entry: Name) = "the order behind the probe task of entry {entry} is in arrears, so it may not run";
    providers_price(nodes: Number, every: Number, most: Number, minutes: Number) = "{nodes:node}, one round every {every} min, {most:single probe} at most in {minutes} min, fewer where they answer soon; the API names no price in money";
    providers_trial_all() = "the trial version has all of them";
    providers_trial_some(n: Number, all: Number) = "the trial version has {n} of {all}, so it may be charged";
    providers_trial_none() = "the trial version has none of them, so it may be charged";
    look_first() = "its look has not ended, or is of more than ten minutes ago: ask again when it has ended (`Enter` begins one)";
    task_must_go(entry: Name) = "a probe task costs while it is there, so it cannot stay; `cvmtop journal --undo {entry}` deletes it now";
    providers_question(who: List, target: Name, price: Said) = "One probe task of `Cloud Automated Testing` would be created (`cat` CreateProbeTasks), read and deleted. Its nodes connect to the login port of {target} and send nothing: {who}. {price}. It is in the journal before it is sent; if this program ends before it is deleted, the first start after its time deletes it.";
    providers_asked() = "The probe task is being created; results take a round, some minutes at most. They come by themselves.";
    neighbours_read_only() = "read-only: no command is run on another instance (`read_only_deep` would allow it)";
    no_neighbour() = "no running Linux instance was found in its subnet, its VPC or with one of its groups";
    no_neighbour_online() = "no instance around it has an automation agent that is online";
    neighbour_offline(name: Name) = "the automation agent of {name} is not online";
    neighbour_repeats(name: Name) = "{name} would see what another of them sees, or is one too many";
    neighbour_not_run(status: Name, why: Raw) = "the command did not run ({status}): {why}";
    neighbour_late(status: Name) = "the command did not end in time ({status})";
    neighbours_question(who: List, target: Name, price: Said) = "One script would run on {who}, through the automation agent (`tat` RunCommand, as root). It only looks from there at the login port of {target}: connections, the first line of the server, pings. {price}. It leaves a line in the journal, in the agent's log and in the cloud's audit log.";
    neighbours_looked(who: List) = "looked: {who}";
    neighbours_price(n: Number, calls: Number, seconds: Number, most: Number) = "{n:command}, nothing is changed or installed; about {calls} calls of the API and {seconds} s, {most} s at most";
}
