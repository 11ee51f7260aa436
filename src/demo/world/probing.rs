//! Cloud Automated Testing: its nodes, tasks, and what the nodes meet in this world.
//!
//! Must not live here: the API's wire format (`server::cat`).

use std::net::{Ipv4Addr, SocketAddrV4};

use jiff::{SignedDuration, Timestamp};

use super::{Face, World};

/// A node.
#[derive(Debug)]
pub(crate) struct Node {
    pub code: &'static str,
    /// 1 in a data centre, 2 the last mile, 3 in a phone.
    pub kind: u64,
    pub carrier: &'static str,
    pub district: &'static str,
    pub city: &'static str,
    /// 1 the mainland, 2 around it, 3 abroad.
    pub location: u64,
    /// 1 IPv4, 2 IPv6.
    pub ip_type: u64,
    pub task_types: &'static [u64],
    pub runs: bool,
    pub trial: bool,
    pub address: Ipv4Addr,
}

const ALL: &[u64] = &[1, 2, 3, 4, 5, 6];

const fn node(code: &'static str, kind: u64, place: [&'static str; 3], last: u8) -> Node {
    let [carrier, district, city] = place;
    Node {
        code,
        kind,
        carrier,
        district,
        city,
        location: 1,
        ip_type: 1,
        task_types: ALL,
        runs: true,
        trial: false,
        address: Ipv4Addr::new(203, 0, 113, last),
    }
}

/// Every node of the demo, by the names that the service uses.
pub(crate) const NODES: &[Node] = &[
    Node {
        trial: true,
        ..node("10001", 1, ["中国电信", "北京", "北京市"], 1)
    },
    Node {
        trial: true,
        ..node("10103", 2, ["中国电信", "北京", "北京市"], 2)
    },
    node("10215", 2, ["中国联通", "广东", "深圳市"], 3),
    Node {
        trial: true,
        ..node("12058", 1, ["中国移动", "广东", "广州市"], 4)
    },
    node("10218", 2, ["中国移动", "广东", "广州市"], 5),
    node("11537", 2, ["广电宽带", "黑龙江", "哈尔滨市"], 6),
    Node {
        location: 2,
        ..node("12181", 1, ["其他", "中国香港", "中国香港"], 7)
    },
    Node {
        location: 3,
        ..node("12170", 1, ["其他", "美国", "弗吉尼亚州"], 8)
    },
    Node {
        location: 3,
        ..node("12305", 1, ["其他", "韩国", "首尔"], 9)
    },
    Node {
        runs: false,
        ..node("10310", 2, ["中国联通", "上海", "上海市"], 10)
    },
    Node {
        task_types: &[1, 3, 5],
        ..node("10411", 2, ["中国联通", "湖北", "武汉市"], 11)
    },
    Node {
        ip_type: 2,
        ..node("10512", 1, ["中国电信", "浙江", "杭州市"], 12)
    },
    node("13001", 3, ["中国移动", "上海", "上海市"], 13),
];

/// A task.
#[derive(Debug, Clone)]
pub(crate) struct ProbeTask {
    pub id: String,
    pub name: String,
    pub target: String,
    pub kind: u64,
    pub nodes: Vec<&'static Node>,
    pub interval: u64,
    pub parameters: String,
    pub category: u64,
    pub trial: bool,
    pub created: Timestamp,
}

/// The first round begins so long after the creation.
const FIRST: SignedDuration = SignedDuration::from_secs(1);
/// Codes of a port task: connected, and not in time.
const CONNECTED: u64 = 0;
const NOT_CONNECTED: u64 = 601;

/// What one node found in one round.
#[derive(Debug)]
pub(crate) struct Probed {
    pub node: &'static Node,
    pub at: Timestamp,
    pub error: u64,
    pub ms: f64,
}

/// The node of a code.
pub(crate) fn node_of(code: &str) -> Option<&'static Node> {
    NODES.iter().find(|node| node.code == code)
}

impl World {
    /// What the nodes of a task have found by now.
    pub fn probed(&self, task: &ProbeTask, now: Timestamp) -> Vec<Probed> {
        let target = task.target.parse::<SocketAddrV4>().ok();
        let every = SignedDuration::from_mins(task.interval.max(1) as i64);
        let mut at = task.created + FIRST;
        let mut found = Vec::new();
        while at <= now {
            for (place, node) in task.nodes.iter().enumerate() {
                let face = target.map_or(Face::Silent, |to| {
                    self.face_of_stranger(node.address, *to.ip(), to.port())
                });
                let connected = !matches!(face, Face::Silent | Face::Refused);
                let (error, ms) = if connected {
                    (CONNECTED, 18.0 + 11.0 * place as f64)
                } else {
                    (NOT_CONNECTED, 0.0)
                };
                found.push(Probed {
                    node,
                    at,
                    error,
                    ms,
                });
            }
            at += every;
        }
        found
    }
}
