//! Sentences of the kit: what the user's machine saw, what is wrong with an answer, and the words of
//! the scripts; `domain::said` tells how they are made.

use crate::domain::said::said;

said! { "kit":
    no_beginning() = "the kit's answer was pasted without its beginning: ask for all of it, from `cvmtop-kit 1` on";
    no_end() = "the kit's answer was pasted without its end: ask for all of it, up to the line `cvmtop-kit end`";
    sum_differs() = "the kit's answer was changed or cut on the way: ask for it again, as it was printed";
    other_instance(address: Name) = "the kit's answer is about {address}, which is not an address of this instance";
    no_address() = "the kit's answer does not name the address that it looked at";
    the_user() = "the user's machine";
    of_subnet(name: Name) = "{name} in the same subnet";
    of_vpc(name: Name) = "{name} in another subnet of the VPC";
    to_public(name: Name) = "{name}, to the public address";
    not_itself(name: Name) = "{name} is the instance itself";
    not_linux(name: Name) = "{name} is not known to run Linux; only such an instance can be asked to look";
    not_running(name: Name, state: Name) = "{name} is not running ({state})";
    restricted(name: Name, state: Name) = "{name} is restricted ({state}), so what it sees says little";
    no_way(name: Name) = "{name} is in another VPC, and not both have a public address";
    nothing_answered(who: Said) = "{who} printed no whole answer";
    no_tool(who: Said) = "{who} has nothing that could open a connection";
    from_there(who: Said, by: Name, ports: List, ping: Said, clock: Name) = "from {who} ({by}): {ports}; {ping}; its clock said {clock}";
    port_seen(port: Name, state: Word) = "port {port} {state}";
    port_unknown(port: Name) = "port {port} not known";
    pings(answered: Number, sent: Number) = "{answered} of {sent} pings answered";
    pings_unknown() = "no pings";
    greeted(who: Said, greeting: Name, time: Figure) = "{who} was greeted with {greeting} after {time}";
    not_greeted(who: Said, time: Figure) = "{who} waited {time} for the greeting";
    exchanged() = "the user's client came through the key exchange";
    not_exchanged() = "the user's client did not come through the key exchange";
    negotiated(who: Said, answer: Name, time: Figure) = "{who} got the answer {answer} after {time}";
    large_pass() = "large packets pass from the user's machine";
    large_pass_exchange() = "large pings get no answer, but the key exchange, which is large, came through";
    large_vanish(size: Number) = "packets of {size} bytes and more vanish on the user's way, small ones arrive";
    lost(lost: Figure, sent: Number) = "from the user's machine {lost} of {sent} pings were lost";
    name_failed(time: Figure) = "the user's machine found no address for the name, after {time}";
    name_stands_for(addresses: List) = "for the user's machine the name stands for {addresses}";
    types_address(address: Name) = "the user's client talks to {address}";
    types_port(port: Number, wanted: Number) = "the user's client talks to port {port}, not {wanted}";
    setup(facts: List) = "the user's client: {facts}";
    not_asked() = "what the user types was not given to the kit";
    jump_host() = "the user's client goes through a jump host, which the kit does not try";
    fact_version(version: Name) = "{version}";
    fact_user(user: Name) = "user {user}";
    fact_keys(keys: Number) = "{keys:key file}";
    fact_only() = "no other keys";
    fact_rsa() = "still offers `ssh-rsa`";
    fact_no_rsa() = "no longer offers `ssh-rsa`";
    fact_proxy_works() = "through its proxy command the service greets";
    fact_proxy_fails() = "through its proxy command the service does not greet";
    fact_direct() = "no proxy command";
    fact_proxy(name: Name, host: Name) = "a proxy is set for {name}: {host}";
    what() = "Tells an operator how the login port looks from your machine. About a minute; it changes nothing.";
    safe() = "It needs no password and no key, and prints none: read it before you run it.";
    how_sh(command: Name) = "Run: {command}  (the last word is what you type after `ssh`, or the name or address you connect to)";
    ask() = "What do you type after `ssh`, or which computer do you connect to? (Enter: nothing)";
    say_way() = "Which way out, and the proxies that are set (host only)";
    say_name() = "What your client makes of the name";
    say_port() = "The login port, twice, and what answers there";
    say_size() = "Loss, and how large a packet may be";
    say_sum() = "A sum, so that a mangled copy is noticed";
    copy() = "Please send everything from `cvmtop-kit 1` to `cvmtop-kit end` back, as text:";
}
