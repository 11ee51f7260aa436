//! Hosts of an OpenSSH client config (`ssh_config(5)`): `Host`, `HostName`, `Port`, `User`.
//!
//! Names with wildcards are patterns, not hosts, and are left out. As in OpenSSH the first value
//! obtained for a host wins. Must not live here: `Match` conditions, `Include`, proxies.

use std::collections::HashMap;
use std::path::Path;

use super::hosts::StaticHost;
use crate::domain::instance::Os;
use crate::domain::text::sanitise;

/// Longest file that is read.
const MAX_FILE: u64 = 1024 * 1024;

#[derive(Debug, Default, Clone)]
struct Block {
    names: Vec<String>,
    host_name: Option<String>,
    port: Option<u16>,
    user: Option<String>,
    proxied: bool,
}

/// Hosts of a file, and what is worth saying about it.
///
/// # Errors
/// One sentence if the file cannot be read.
pub fn read(path: &Path) -> Result<(Vec<StaticHost>, Vec<String>), String> {
    let fail = |reason: String| {
        format!(
            "OpenSSH config {}: {reason}; check ssh_config",
            path.display()
        )
    };
    let length = std::fs::metadata(path)
        .map_err(|e| fail(e.to_string()))?
        .len();
    if length > MAX_FILE {
        return Err(fail("is longer than 1 MiB".to_owned()));
    }
    let bytes = std::fs::read(path).map_err(|e| fail(e.to_string()))?;
    let (hosts, notes) = parse(&String::from_utf8_lossy(&bytes));
    let notes = notes
        .into_iter()
        .map(|note| format!("{}: {note}", path.display()))
        .collect();
    Ok((hosts, notes))
}

/// Hosts of a text.
pub fn parse(text: &str) -> (Vec<StaticHost>, Vec<String>) {
    let mut blocks: Vec<Block> = Vec::new();
    let mut in_host = false;
    for line in text.lines() {
        let Some((keyword, value)) = split(line) else {
            continue;
        };
        match keyword.as_str() {
            "host" => {
                in_host = true;
                blocks.push(Block {
                    names: value.split_whitespace().map(unquote).collect(),
                    ..Block::default()
                });
            }
            "match" => in_host = false,
            _ => {
                let Some(block) = blocks.last_mut().filter(|_| in_host) else {
                    continue;
                };
                match keyword.as_str() {
                    "hostname" if block.host_name.is_none() => {
                        block.host_name = Some(unquote(value));
                    }
                    "port" if block.port.is_none() => block.port = unquote(value).parse().ok(),
                    "user" if block.user.is_none() => block.user = Some(unquote(value)),
                    "proxyjump" | "proxycommand" => block.proxied = value.to_lowercase() != "none",
                    _ => {}
                }
            }
        }
    }
    collect(&blocks)
}

/// Merges blocks that name the same host, first value first.
fn collect(blocks: &[Block]) -> (Vec<StaticHost>, Vec<String>) {
    let mut merged: Vec<(String, Block)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for block in blocks {
        for name in &block.names {
            if name.contains(['*', '?', '!']) {
                continue;
            }
            let place = *places.entry(name.clone()).or_insert(merged.len());
            if let Some((_, known)) = merged.get_mut(place) {
                known.host_name = known.host_name.take().or_else(|| block.host_name.clone());
                known.port = known.port.or(block.port);
                known.user = known.user.take().or_else(|| block.user.clone());
                known.proxied |= block.proxied;
            } else {
                merged.push((name.clone(), block.clone()));
            }
        }
    }
    let mut notes = Vec::new();
    let hosts = merged
        .into_iter()
        .map(|(name, block)| (sanitise(&name, 128), block))
        .map(|(name, block)| {
            if block.proxied {
                notes.push(format!(
                    "host {name} is reached through a proxy; probes go to it directly"
                ));
            }
            let address = block
                .host_name
                .map_or_else(|| name.clone(), |pattern| pattern.replace("%h", &name));
            StaticHost::new(
                &name,
                &address,
                Os::Linux,
                block.port,
                block.user.as_deref().unwrap_or_default(),
            )
        })
        .collect();
    (hosts, notes)
}

/// Keyword in lower case and the rest; `Keyword value`, `Keyword=value`.
fn split(line: &str) -> Option<(String, &str)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let end = line.find(|c: char| c.is_whitespace() || c == '=')?;
    let rest = line[end..].trim_start();
    let value = rest.strip_prefix('=').unwrap_or(rest).trim();
    (!value.is_empty()).then(|| (line[..end].to_ascii_lowercase(), value))
}

fn unquote(text: &str) -> String {
    text.trim().trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_as_openssh_reads_them() {
        let (hosts, notes) = parse(
            "Port 2000\n# comment\nHost web db\n  HostName 198.51.100.9\n  Port=2222\n  Port 23\n  User \"ops\"\n\
             Host *.example !x\n User nobody\nHost inner\n HostName %h.corp.example\n ProxyJump web\n\
             Match user root\n HostName 203.0.113.1\nHost web\n HostName 203.0.113.9\n",
        );
        let names: Vec<_> = hosts.iter().map(|h| h.instance.name.as_str()).collect();
        assert_eq!(names, ["web", "db", "inner"]);
        let web = &hosts[0].instance;
        assert_eq!(web.login_port(), 2222);
        assert_eq!(web.default_login_user, "ops");
        assert_eq!(
            web.public_addresses,
            ["198.51.100.9".parse::<std::net::IpAddr>().unwrap()]
        );
        assert!(web.is_static && web.os == Os::Linux);
        assert_eq!(hosts[2].host_name.as_deref(), Some("inner.corp.example"));
        assert_eq!(hosts[2].instance.login_port(), 22);
        assert_eq!(notes.len(), 1);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(?s).{0,300}") {
            parse(&text);
        }
    }
}
