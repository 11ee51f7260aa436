//! Sentences of `cvmtop doctor`; `domain::said` tells how they are made.

use crate::domain::said::said;

said! { "doctor":
    summary(failed: Number, warned: Number, untested: Number) = "{failed} failed, {warned} warned, {untested} not tested";
    no_policy(what: Raw, known: List) = "there is no policy for `{what}`; give read, deep or one of {known}";
    correct_entry() = "correct the entry that is named";
    knowledge_file(path: Name, why: Raw) = "{path}: {why}";
    give_knowledge() = "give the path of a knowledge file";
    knowledge_sound(path: Name, hash: Name) = "{path} is sound, hash {hash}";
    region_first() = "cvmtop --region ap-guangzhou doctor";
    see_message() = "see the message; `cvmtop --demo` works without an account";
    from_origin(origin: Said) = "from {origin}";
    identity(kind: Name, account: Name) = "{kind} of account {account}";
    check_endpoint() = "check cloud.endpoint, the network and HTTPS_PROXY";
    set_clock() = "set this machine's clock";
    check_keys() = "check the secret id and key in the CAM console";
    set_clock_how() = "set the clock, for example with chrony or `timedatectl set-ntp true`";
    no_time() = "the cloud gave no time";
    clock_far(offset: Number) = "{offset} s off the cloud's; corrected while running, but other tools are refused";
    clock_off(offset: Number) = "{offset} s off the cloud's";
    permitted() = "permitted";
    refused(code: Name, purpose: Said) = "refused ({code}); cannot be told: {purpose}";
    smallest_policy() = "cvmtop doctor --policy read prints the smallest policy";
    not_tested(why: Said) = "not tested: {why}";
    monitor_quota() = "the cloud does not tell what is left: GetMonitorData is free 1,000,000 times a month and account, then it stops unless paid for (FailedOperation.ErrOwed); a diagnosis asks about 6 times and twice a disk, several at once share calls";
    actions_untested() = "not tested, since that would change something; `doctor --policy ACTION` prints what each needs";
    not_on_site(code: Name, purpose: Said) = "not on this site ({code}); cannot be told: {purpose}";
    not_served(code: Name, purpose: Said) = "not tested: the endpoint does not serve it ({code}); cannot be told: {purpose}";
    site_at(site: Name, endpoint: Name) = "{site}, at {endpoint}";
    site_like_abroad(endpoint: Name) = "{endpoint} does not tell whose it is; it lacks what the international site lacks";
    site_untold(endpoint: Name) = "{endpoint} does not tell whose it is";
    site_moved(site: Said) = "{site}; the other site does not know the secret id";
    set_international() = "set cloud.site = \"international\" (CVMTOP_SITE), so that the right one is asked first";
    set_site() = "set cloud.site (CVMTOP_SITE) to china or international";
    correct_line() = "correct the line; `cvmtop config default` shows every key";
    config_fine(file: Name) = "{file}: no mistakes";
    config_absent(file: Name) = "{file}: not there, defaults are in force";
    read_only() = "no action is available; that is set on purpose";
    writable(path: Name) = "{path} can be written";
    not_writable(path: Name) = "{path} cannot be written, so nothing can be journalled";
    set_state_dir() = "set CVMTOP_STATE_DIR to a directory of your own, or correct its permissions";
    echo_permitted() = "echo requests are permitted";
    echo_not_permitted(why: Raw) = "echo requests are not permitted ({why}); those readings stay unknown";
    allow_echo() = "sysctl -w net.ipv4.ping_group_range=\"0 2147483647\", as root";
    no_terminal() = "standard output is not a terminal";
    term_dumb(term: Raw) = "TERM is `{term}`, which cannot show a screen";
    set_term() = "set TERM, for example to xterm-256color";
    term_size(term: Raw, columns: Number, rows: Number) = "{term}, {columns}x{rows}";
    make_larger() = "make it at least 60x16; 120 columns show three panes";
    locale_without_utf8(locale: Raw) = "`{locale}` does not name UTF-8";
    set_lang() = "set LANG to a UTF-8 locale, or ui.glyphs = \"ascii\"";
}
