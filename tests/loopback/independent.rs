//! The real program against a cloud that is not ours, with real servers behind it.
//!
//! `independent/cloud.py` knows two actions and refuses the rest, which is how a narrower key, an
//! older endpoint or another vendor's gateway looks. What can still be told must be told, with the
//! right first cause and exit status; the rest is unknown, never a finding.

use crate::support::foreign;
use crate::support::netns;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::time::Duration;

use foreign::{Cloud, ID, everyone, instance, place, reading, rules, state, world};
use netns::probe as support;
use serde_json::{Value, json};
use support::{sshd, sshd_in, xrdp};

#[test]
fn a_healthy_host_is_healthy_though_most_of_the_cloud_is_missing() {
    let (login, private) = place(1);
    let Some(mut server) = sshd(login.ip(), Some(login.port()), "") else {
        return;
    };
    let cloud = Cloud::of(&world(
        instance(login, private, &json!({})),
        everyone(),
        &json!({}),
    ));
    let ran = cloud.diagnose(&[]);
    let report = ran.expect(0, "no-fault-found");
    assert_eq!(report["verdict"], "healthy");
    assert_eq!(report["instance"]["login_port"], login.port());
    assert_eq!(ran.stderr(), "");
    for group in [
        "cpu",
        "memory",
        "agent",
        "ddos-block",
        "network-acl",
        "recent-change",
    ] {
        assert_eq!(state(&report, group, None), "probe-failed", "{group}");
    }
    // What could not be read weighs nothing, in no cause.
    for cause in report["causes"].as_array().unwrap() {
        for term in cause["contributions"].as_array().unwrap() {
            let id = term["evidence"].as_str().unwrap();
            assert!(
                !["cpu", "agent", "ddos-block", "route"].contains(&id),
                "{cause:#}"
            );
        }
    }
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    let report = cloud.diagnose(&[]).expect(1, "login-service-down");
    assert_eq!(report["verdict"], "faulty");
    assert_eq!(state(&report, "reach", Some("public")), "refused");
}

#[test]
fn a_machine_that_the_cloud_has_stopped_is_stopped_whatever_loopback_says() {
    let (login, private) = place(2);
    let stopped = instance(login, private, &json!({"InstanceState": "STOPPED"}));
    let cloud = Cloud::of(&world(stopped, everyone(), &json!({})));
    let report = cloud.diagnose(&[]).expect(1, "instance-not-running");
    assert_eq!(state(&report, "reach", Some("public")), "not-applicable");
    assert_eq!(state(&report, "cpu", None), "not-applicable");
}

#[test]
fn a_moved_login_port_is_found_by_rule_tag_config_and_flag() {
    let (login, private) = place(3);
    let Some(_server) = sshd(login.ip(), Some(login.port()), "") else {
        return;
    };
    let port = login.port().to_string();
    let unknown = json!({"DefaultLoginPort": "absent"});
    let both = rules(&[
        ("ACCEPT", "22", "0.0.0.0/0"),
        ("ACCEPT", &port, "0.0.0.0/0"),
    ]);
    let cloud = Cloud::of(&world(
        instance(login, private, &unknown),
        both.clone(),
        &json!({}),
    ));
    let report = cloud.diagnose(&[]).expect(1, "login-port-changed");
    let found = reading(&report, "other-login-port", Some("public"));
    assert!(found["detail"].as_str().unwrap().contains(&port), "{found}");
    // Whoever states the port is believed.
    let report = cloud
        .diagnose(&["--port", &port])
        .expect(0, "no-fault-found");
    assert_eq!(report["instance"]["login_port"], login.port());
    let config = format!("[probe]\nports = [{port}]\n");
    let ran = cloud.run_with(&config, &["diagnose", ID, "--format", "json"]);
    ran.expect(0, "no-fault-found");
    let tagged =
        json!({"DefaultLoginPort": "absent", "Tags": [{"Key": "ssh_port", "Value": port}]});
    let cloud = Cloud::of(&world(instance(login, private, &tagged), both, &json!({})));
    cloud.diagnose(&[]).expect(0, "no-fault-found");
    let listed = cloud.run(&["list", "--format", "json"]).report();
    assert_eq!(listed["login_port"], login.port());
    assert_eq!(listed["login"]["public"]["result"], "greets");
}

#[test]
fn rules_that_let_the_user_not_in_lead_even_if_this_machine_gets_through() {
    let (login, private) = place(4);
    let Some(_server) = sshd(login.ip(), Some(login.port()), "") else {
        return;
    };
    let port = login.port().to_string();
    let at = |rules: Value| {
        Cloud::of(&world(
            instance(login, private, &json!({})),
            rules,
            &json!({}),
        ))
    };
    let web = at(rules(&[("ACCEPT", "443", "0.0.0.0/0")]));
    let report = web.diagnose(&[]).expect(1, "security-group-blocks-port");
    assert_eq!(state(&report, "security-group", None), "deny-default");
    let office = at(rules(&[("ACCEPT", &port, "203.0.113.0/24")]));
    let user = ["--user-source", "198.51.100.3"];
    let report = office
        .diagnose(&user)
        .expect(1, "security-group-blocks-port");
    assert_eq!(
        state(&report, "security-group", None),
        "allow-other-source-only"
    );
    assert_eq!(report["vantage"]["user_source"], "198.51.100.3");
    office.diagnose(&[]).expect(1, "security-group-blocks-port");
    // A user whom the rules let in, from a machine that they do not: the machine proves nothing.
    let report = office.diagnose(&["--user-source", "203.0.113.9"]).report();
    assert_eq!(state(&report, "security-group", None), "allow");
    let here = at(rules(&[
        ("ACCEPT", &port, "203.0.113.0/24"),
        ("ACCEPT", &port, "127.0.0.0/8"),
    ]));
    here.diagnose(&user).expect(1, "security-group-blocks-port");
    here.diagnose(&[]).expect(0, "no-fault-found");
}

#[test]
fn answers_in_other_shapes_are_read_all_the_same() {
    let (login, private) = place(5);
    let Some(_server) = sshd(login.ip(), Some(login.port()), "") else {
        return;
    };
    let shapes = [
        json!({"DefaultLoginPort": login.port().to_string(), "InternetAccessible": {"InternetMaxBandwidthOut": "5"}}),
        json!({"InstanceName": 42, "Tags": null, "LoginSettings": null, "ExpiredTime": 0, "Placement": []}),
        json!({"InstanceState": "SOMETHING_NEW", "RestrictState": "NEW_TOO", "LatestOperation": 7}),
        json!({"InstanceState": "absent", "RestrictState": "absent", "OsName": "absent", "Placement": "absent",
               "VirtualPrivateCloud": "absent", "SecurityGroupIds": "absent", "InstanceName": "absent"}),
        json!({"IPv6Addresses": "none", "UnknownField": {"deep": [1, {"er": null}]}}),
    ];
    for shape in shapes {
        let cloud = Cloud::of(&world(
            instance(login, private, &shape),
            everyone(),
            &json!({}),
        ));
        cloud.diagnose(&[]).expect(0, "no-fault-found");
    }
    let numbers = json!({"Version": 3, "Ingress": [
        {"PolicyIndex": "0", "Action": "ACCEPT", "Protocol": "TCP", "Port": login.port(), "CidrBlock": "0.0.0.0/0"}]});
    let cloud = Cloud::of(&world(
        instance(login, private, &json!({})),
        numbers,
        &json!({}),
    ));
    let report = cloud.diagnose(&[]).expect(0, "no-fault-found");
    assert_eq!(state(&report, "security-group", None), "allow");
    // A rule that cannot be read leaves the verdict open.
    let odd = json!({"Ingress": [{"Action": "DROP", "Protocol": {"new": 1}}, {"Action": "ACCEPT", "Protocol": "ALL"}]});
    let cloud = Cloud::of(&world(
        instance(login, private, &json!({})),
        odd,
        &json!({}),
    ));
    let report = cloud.diagnose(&[]).report();
    assert_eq!(state(&report, "security-group", None), "probe-failed");
}

#[test]
fn filters_that_are_ignored_or_refused_do_not_lose_the_instance() {
    let (login, private) = place(6);
    let Some(_server) = sshd(login.ip(), Some(login.port()), "") else {
        return;
    };
    let other = json!({"InstanceId": "ins-bbbb2222", "InstanceName": "db", "PrivateIpAddresses": ["127.66.1.250"],
        "PublicIpAddresses": null, "InstanceState": "RUNNING", "SecurityGroupIds": ["sg-1"],
        "VirtualPrivateCloud": {"VpcId": "vpc-1", "SubnetId": "subnet-1"}});
    for mode in ["ignored", "refused"] {
        let mut with_other = world(
            instance(login, private, &json!({})),
            everyone(),
            &json!({"filters": mode}),
        );
        let list = with_other["instances"]["ap-seoul"].as_array_mut().unwrap();
        list.insert(0, other.clone());
        let cloud = Cloud::of(&with_other);
        for target in [ID, "web", &login.ip().to_string()] {
            let ran = cloud.run(&["diagnose", target, "--format", "json"]);
            let report = ran.expect(0, "no-fault-found");
            assert_eq!(report["instance"]["id"], ID, "{mode} {target}");
        }
        let ran = cloud.run(&["diagnose", "ins-cccc3333", "--format", "json"]);
        assert_eq!(ran.status(), 3, "{mode}");
        assert!(ran.stderr().contains("was not found"), "{}", ran.stderr());
    }
}

#[test]
fn whatever_an_action_is_refused_with_the_rest_goes_on() {
    let (login, private) = place(7);
    let Some(_server) = sshd(login.ip(), Some(login.port()), "") else {
        return;
    };
    for (code, status) in [
        ("UnsupportedOperation", "probe-failed"),
        ("ResourceNotFound", "probe-failed"),
        ("HTTP 404", "probe-failed"),
        ("HTTP 503", "probe-failed"),
        ("RequestLimitExceeded", "probe-failed"),
        ("UnauthorizedOperation.CamNoAuth", "not-permitted"),
    ] {
        let cloud = Cloud::of(&world(
            instance(login, private, &json!({})),
            everyone(),
            &json!({"missing": code}),
        ));
        let ran = cloud.diagnose(&[]);
        let report = ran.expect(0, "no-fault-found");
        for group in ["cpu", "agent", "public-bandwidth", "platform-event"] {
            assert_eq!(
                reading(&report, group, None)["status"],
                status,
                "{code} {group}"
            );
            assert_eq!(
                reading(&report, group, None)["state"],
                Value::Null,
                "{code} {group}"
            );
        }
        assert!(
            ran.took < Duration::from_secs(9),
            "{code} took {:?}",
            ran.took
        );
    }
    // Empty lists are answers of their own.
    let empty = json!({"answers": {
        "DescribeAddresses": {"AddressSet": []}, "DescribeSubnets": {"SubnetSet": []},
        "GetMonitorData": {"DataPoints": []}, "DescribeAutomationAgentStatus": {"AutomationAgentSet": []},
        "DescribeDisks": {"DiskSet": []}, "DescribeTaskInfo": {"RepairTaskInfoSet": []},
        "DescribeAccidentEventList": {"Alarms": []}, "DescribeEvents": {"Events": []}}});
    let cloud = Cloud::of(&world(
        instance(login, private, &json!({})),
        everyone(),
        &empty,
    ));
    let report = cloud.diagnose(&[]).report();
    assert_eq!(state(&report, "agent", None), "never");
    assert_eq!(state(&report, "cpu", None), "no-data");
    assert_eq!(state(&report, "network-acl", None), "probe-failed");
    assert_eq!(state(&report, "platform-event", None), "none");
    // The subnet is not there, so nobody can say which ACL and route table to ask the log about.
    let change = reading(&report, "recent-change", None);
    assert_eq!(change["status"], "not-attempted", "{change}");
    // Lists that are not there are not empty: nobody said so.
    let absent = json!({"answers": {
        "DescribeAddresses": {}, "DescribeSubnets": {}, "GetMonitorData": {"DataPoints": null},
        "DescribeAutomationAgentStatus": {}, "DescribeTaskInfo": {},
        "DescribeAccidentEventList": {"Alarms": []}, "DescribeEvents": {}}});
    let cloud = Cloud::of(&world(
        instance(login, private, &json!({})),
        everyone(),
        &absent,
    ));
    let report = cloud.diagnose(&[]).report();
    for group in [
        "agent",
        "cpu",
        "network-acl",
        "platform-event",
        "recent-change",
    ] {
        assert_eq!(state(&report, group, None), "probe-failed", "{group}");
    }
}

#[test]
fn a_cloud_that_does_not_answer_holds_nothing_up_for_long() {
    let (login, private) = place(8);
    let Some(_server) = sshd(login.ip(), Some(login.port()), "") else {
        return;
    };
    let slow = json!({"latency": 60, "slow": {"DescribeInstances": 0}});
    let cloud = Cloud::of(&world(
        instance(login, private, &json!({})),
        everyone(),
        &slow,
    ));
    let ran = cloud.diagnose(&[]);
    ran.expect(0, "no-fault-found");
    assert!(ran.took < Duration::from_secs(8), "{:?}", ran.took);
    let ran = cloud.diagnose(&["--timeout", "2s"]);
    let report = ran.expect(0, "no-fault-found");
    assert!(ran.took < Duration::from_secs(5), "{:?}", ran.took);
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("time ran out"), "{warnings}");
    // Nothing at all can be found out where not even the instance is listed.
    let dead = json!({"latency": 60});
    let cloud = Cloud::of(&world(
        instance(login, private, &json!({})),
        everyone(),
        &dead,
    ));
    let ran = cloud.diagnose(&["--timeout", "1s"]);
    assert_eq!((ran.status(), ran.stdout().as_str()), (3, ""));
    assert!(
        ran.stderr().contains("no answer within"),
        "{}",
        ran.stderr()
    );
    assert!(ran.took < Duration::from_secs(5), "{:?}", ran.took);
}

#[test]
fn a_silent_port_is_told_in_six_seconds_and_its_peers_are_asked() {
    let (_, private) = place(9);
    let address: IpAddr = [127, 66, 1, 9].into();
    // A listener whose queue is full lets every further SYN vanish.
    let listener =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::new(address, 0).into()).unwrap();
    listener.listen(0).unwrap();
    let login = listener.local_addr().unwrap().as_socket().unwrap();
    let mut filler = Vec::new();
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&login, Duration::from_millis(300))
    {
        filler.push(stream);
    }
    let peer = TcpListener::bind((IpAddr::from([127, 66, 1, 10]), 0)).unwrap();
    let peer_login = peer.local_addr().unwrap();
    let mut with_peer = world(
        instance(login, private, &json!({})),
        everyone(),
        &json!({"latency": 0.05}),
    );
    let neighbour = instance(
        peer_login,
        peer_login.ip(),
        &json!({"InstanceId": "ins-bbbb2222", "InstanceName": "db"}),
    );
    with_peer["instances"]["ap-seoul"]
        .as_array_mut()
        .unwrap()
        .push(neighbour);
    let cloud = Cloud::of(&with_peer);
    let ran = cloud.diagnose(&["--vantage", "public"]);
    let report = ran.report();
    // Silence beside living peers is a fault of several kinds: none leads clearly enough.
    assert_eq!(report["verdict"], "inconclusive");
    assert_eq!(ran.status(), 4);
    assert_eq!(state(&report, "reach", Some("public")), "all-silent");
    assert_eq!(state(&report, "peers-subnet", None), "reachable");
    assert_eq!(state(&report, "peers-group", None), "reachable");
    assert!(ran.took < Duration::from_secs(7), "{:?}", ran.took);
}

#[test]
fn a_real_rdp_server_behind_a_foreign_cloud() {
    let Some(mut server) = xrdp([127, 66, 1, 11].into(), "negotiate") else {
        return;
    };
    let windows = json!({"OsName": "Windows Server 2022 DataCenter 64bit EN", "DefaultLoginUser": "Administrator"});
    let cloud = Cloud::of(&world(
        instance(server.login, server.login.ip(), &windows),
        everyone(),
        &json!({}),
    ));
    cloud.diagnose(&[]).expect(0, "no-fault-found");
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    let ran = cloud.diagnose(&[]);
    let first = ran.report()["causes"][0]["id"].as_str().unwrap().to_owned();
    assert!(
        ["login-service-down", "rdp-disabled"].contains(&first.as_str()),
        "{first}"
    );
    assert_eq!(ran.status(), 1);
}

#[test]
fn an_address_of_the_sixth_version_is_judged_by_its_own_rules() {
    let address: IpAddr = std::net::Ipv6Addr::LOCALHOST.into();
    if TcpListener::bind((address, 0)).is_err() {
        assert!(std::env::var_os("CI").is_none(), "this machine has no IPv6");
        return;
    }
    let Some(server) = sshd(address, None, "") else {
        return;
    };
    let only_v6 = json!({"PublicIpAddresses": null, "PrivateIpAddresses": [],
        "IPv6Addresses": ["::1"], "PublicIPv6Addresses": ["::1"]});
    let v6_rule = json!({"Ingress": [{"Action": "ACCEPT", "Protocol": "TCP", "Port": "ALL", "Ipv6CidrBlock": "::/0"}]});
    let cloud = |rules: Value| {
        Cloud::of(&world(
            instance(server.login, address, &only_v6),
            rules,
            &json!({}),
        ))
    };
    let report = cloud(v6_rule).diagnose(&[]).report();
    for id in ["reach", "banner", "security-group-here"] {
        assert_eq!(
            reading(&report, id, Some("public"))["family"],
            "ipv6",
            "{id}"
        );
    }
    assert_eq!(state(&report, "reach", Some("public")), "open");
    assert_eq!(
        state(&report, "security-group-here", Some("public")),
        "allow"
    );
    assert_eq!(report["causes"][0]["id"], "no-fault-found");
    // A rule for everyone of IPv4 lets nobody of IPv6 in.
    let report = cloud(everyone()).diagnose(&[]).report();
    let here = reading(&report, "security-group-here", Some("public"));
    assert_eq!(
        (&here["state"], &here["family"]),
        (&json!("allow-other-source-only"), &json!("ipv6"))
    );
    assert_eq!(report["causes"][0]["id"], "security-group-blocks-port");
}

#[test]
fn regions_that_are_not_there_hide_nothing() {
    let (login, private) = place(12);
    let cloud = Cloud::of(&world(
        instance(login, private, &json!({"InstanceState": "STOPPED"})),
        everyone(),
        &json!({}),
    ));
    for regions in [
        &["--region", "ap-tokyo", "--region", "ap-seoul"][..],
        &["--region", "all"],
    ] {
        let arguments = [regions, &["diagnose", ID, "--format", "json"]].concat();
        cloud.run(&arguments).expect(1, "instance-not-running");
    }
    let ran = cloud.run(&["--region", "all", "list", "--no-probe", "--format", "json"]);
    assert_eq!((ran.status(), ran.stdout().lines().count()), (0, 1));
    assert_eq!(ran.stderr(), "");
    let ran = cloud.run(&["--region", "ap-tokyo", "diagnose", ID]);
    assert_eq!(ran.status(), 3);
    assert!(
        ran.stderr().contains("UnsupportedRegion"),
        "{}",
        ran.stderr()
    );
}

#[test]
fn hostile_bytes_of_the_cloud_reach_no_output() {
    let (login, private) = place(13);
    let nasty = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}evil\r\n\u{0}";
    let changes = json!({
        "InstanceName": nasty, "InstanceState": format!("STOPPED{nasty}"), "OsName": format!("Debian {nasty}"),
        "Tags": [{"Key": nasty, "Value": nasty}], "LatestOperation": nasty, "LatestOperationState": "FAILED",
        "LatestOperationErrorMsg": nasty, "Placement": {"Zone": nasty}, "RestrictState": nasty,
        "IsolatedSource": nasty, "DefaultLoginUser": nasty, "SecurityGroupIds": [nasty, "sg-1"],
    });
    let rules = json!({"Version": nasty, "Ingress": [{"Action": "ACCEPT", "Protocol": nasty, "Port": nasty,
        "CidrBlock": nasty, "PolicyDescription": nasty}]});
    let answers = json!({"answers": {
        "DescribeAddresses": {"AddressSet": [{"AddressIp": login.ip(), "AddressId": nasty, "InstanceId": ID,
            "AddressStatus": nasty, "IsArrears": true}]},
        "DescribeTaskInfo": {"RepairTaskInfoSet": [{"TaskId": nasty, "TaskStatus": 2, "TaskTypeName": nasty,
            "CreateTime": nasty}]},
        "DescribeEvents": {"Events": [{"EventName": "ResetInstancesPassword", "EventTime": 1, "Username": nasty,
            "SourceIPAddress": nasty}]},
        "DescribeAutomationAgentStatus": {"AutomationAgentSet": [{"InstanceId": ID, "AgentStatus": nasty}]},
        "DescribeIpBlockList": {"List": [{"Ip": login.ip(), "Status": nasty, "UnBlockTime": nasty}]}},
        "refuse": {"DescribeSubnets": nasty}});
    let cloud = Cloud::of(&world(instance(login, private, &changes), rules, &answers));
    for arguments in [
        &["diagnose", ID, "--format", "json"][..],
        &["diagnose", ID, "--format", "text"],
        &["list", "--format", "table"],
        &["list", "--format", "json"],
    ] {
        let ran = cloud.run(arguments);
        for text in [ran.stdout(), ran.stderr()] {
            let bad =
                |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
            assert!(!text.contains(bad), "{arguments:?}: {text:?}");
            for escaped in ["\\u001b", "\\u0007", "\\u0000", "independent-key"] {
                assert!(!text.contains(escaped), "{arguments:?}: {text:?}");
            }
        }
        assert!(ran.stdout().contains(ID), "{arguments:?}: {}", ran.stderr());
    }
}

#[test]
fn a_wrong_key_and_a_cloud_without_instances_are_one_sentence_each() {
    let (login, private) = place(14);
    let mut locked = world(instance(login, private, &json!({})), everyone(), &json!({}));
    locked["secret_key"] = json!("another");
    for (world, words) in [
        (locked, "the secret key does not belong to the secret id"),
        (
            world(
                instance(login, private, &json!({})),
                everyone(),
                &json!({"refuse": {"DescribeInstances": "InvalidAction"}}),
            ),
            "InvalidAction",
        ),
        (
            world(
                instance(login, private, &json!({})),
                everyone(),
                &json!({"refuse": {"DescribeInstances": "UnauthorizedOperation"}}),
            ),
            "no permission for cvm:DescribeInstances",
        ),
    ] {
        let ran = Cloud::of(&world).diagnose(&[]);
        assert_eq!((ran.status(), ran.stdout().as_str()), (3, ""), "{words}");
        assert!(ran.stderr().contains(words), "{}", ran.stderr());
        assert_eq!(ran.stderr().lines().count(), 1, "{}", ran.stderr());
    }
}

/// An operator whose own machine has no route: the login service was not heard on either way, and
/// nothing that the cloud says of the instance makes up for that.
#[test]
fn nothing_heard_is_not_healthy_whatever_the_cloud_says() {
    let Some(lab) = netns::Lab::linked() else {
        return;
    };
    let (login, private) = (
        SocketAddr::from(([198, 51, 100, 7], 22)),
        IpAddr::from([10, 66, 0, 5]),
    );
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            netns::enter(&lab.client);
            let machine = instance(login, private, &json!({}));
            let cloud = Cloud::of(&world(machine, everyone(), &json!({})));
            for more in [&[][..], &["--deep"]] {
                let ran = cloud.diagnose(more);
                let report = ran.report();
                for path in ["public", "private"] {
                    let reach = reading(&report, "reach", Some(path));
                    assert_eq!(reach["status"], "probe-failed", "{reach}");
                }
                assert_eq!(state(&report, "instance-state", None), "running");
                assert_ne!(report["verdict"], "healthy", "{}", report["causes"][0]);
                assert_ne!(ran.status(), 0);
            }
        });
        inside.join().unwrap();
    });
}

/// A jump host elsewhere: its default route gives it a source for the private address, and nothing
/// ever answers there.
#[test]
fn a_healthy_instance_is_healthy_from_a_host_outside_its_network() {
    let Some(lab) = netns::Lab::linked() else {
        return;
    };
    let login = SocketAddr::new(lab.host(2).into(), 22);
    let Some(_server) = sshd_in(Some(&lab.server), login, "") else {
        return;
    };
    netns::must(&format!(
        "-n {} route add default via {}",
        lab.client,
        lab.host(2)
    ));
    let routes = |more: Value| {
        let mut set = vec![
            json!({"DestinationCidrBlock": "10.66.0.0/16", "GatewayType": "LOCAL_GATEWAY", "GatewayId": "Local", "Enabled": true}),
        ];
        set.extend(more.as_array().unwrap().iter().cloned());
        json!({"TotalCount": 1, "RouteTableSet": [
            {"VpcId": "vpc-1", "RouteTableId": "rtb-1", "Main": true, "RouteSet": set},
        ]})
    };
    let of = |routes: Value| {
        let answers = json!({
            "DescribeVpcs": {"TotalCount": 1, "VpcSet": [
                {"VpcId": "vpc-1", "CidrBlock": "10.66.0.0/16", "Ipv6CidrBlock": "", "AssistantCidrSet": []},
            ]},
            "DescribeSubnets": {"TotalCount": 1, "SubnetSet": [
                {"VpcId": "vpc-1", "SubnetId": "subnet-1", "CidrBlock": "10.66.0.0/24", "RouteTableId": "rtb-1", "NetworkAclId": ""},
            ]},
            "DescribeRouteTables": routes,
        });
        let instance = instance(login, [10, 66, 0, 5].into(), &json!({}));
        world(instance, everyone(), &json!({"answers": answers}))
    };
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            // The cloud and the program are started from here, and live in the same namespace.
            netns::enter(&lab.client);
            let cloud = Cloud::of(&of(routes(json!([]))));
            // A deep look waits for the private path; another does not.
            for more in [&[][..], &["--deep"]] {
                let report = cloud.diagnose(more).expect(0, "no-fault-found");
                assert_eq!(report["verdict"], "healthy");
                assert_eq!(state(&report, "reach", Some("public")), "open");
                let silent = reading(&report, "reach", Some("private"));
                assert_eq!(silent["status"], "not-attempted");
                let detail = silent["detail"].as_str().unwrap();
                let left = detail.contains("not waited for any longer");
                assert_eq!(left, more.is_empty(), "{detail}");
                assert_eq!(state(&report, "route", None), "not-attempted");
            }
            // A route that covers this host makes the same silence count.
            let peered = json!([
                {"DestinationCidrBlock": "10.213.0.0/16", "GatewayType": "CCN", "GatewayId": "ccn-1", "Enabled": true},
            ]);
            let cloud = Cloud::of(&of(routes(peered)));
            let report = cloud.diagnose(&["--deep"]).report();
            assert_eq!(state(&report, "route", None), "ok");
            assert_eq!(state(&report, "reach", Some("private")), "all-silent");
        });
        inside.join().unwrap();
    });
}

#[test]
fn ports_are_verified_by_the_rules_that_are_there_and_the_rest_is_not_known() {
    let (login, private) = place(91);
    let group = json!({"Version": "1",
        "Ingress": [
            {"PolicyIndex": 0, "Action": "ACCEPT", "Protocol": "TCP", "Port": "22", "CidrBlock": "198.51.100.0/24"},
            {"PolicyIndex": 1, "Action": "ACCEPT", "Protocol": "ICMP", "Port": "ALL", "CidrBlock": "0.0.0.0/0"},
        ],
        "Egress": [{"PolicyIndex": 0, "Action": "ACCEPT", "Protocol": "TCP", "Port": "443", "CidrBlock": "0.0.0.0/0"}],
    });
    let none = json!({"TotalCount": 0, "NetworkAclSet": []});
    let subnet = json!({"TotalCount": 1, "SubnetSet": [{"SubnetId": "subnet-1", "VpcId": "vpc-1",
        "CidrBlock": "127.66.1.0/24", "NetworkAclId": "", "RouteTableId": "rtb-1"}]});
    let vpcs = json!({"TotalCount": 1, "VpcSet": [
        {"VpcId": "vpc-1", "CidrBlock": "127.0.0.0/8", "Ipv6CidrBlock": "", "AssistantCidrSet": []}]});
    let routes = json!({"TotalCount": 1, "RouteTableSet": [
        {"VpcId": "vpc-1", "RouteTableId": "rtb-1", "Main": true, "RouteSet": []}]});
    let answers = json!({"answers": {"DescribeSubnets": subnet, "DescribeNetworkAcls": none,
        "DescribeVpcs": vpcs, "DescribeRouteTables": routes}});
    let with_subnet = Cloud::of(&world(
        instance(login, private, &json!({})),
        group.clone(),
        &answers,
    ));
    let without = Cloud::of(&world(
        instance(login, private, &json!({})),
        group,
        &json!({}),
    ));
    let tuples = [
        "--tuple",
        "in tcp 22 198.51.100.7",
        "--tuple",
        "out tcp 443",
        "--tuple",
        "out tcp 25",
    ];
    let of = |cloud: &Cloud| -> Vec<(String, String, String)> {
        let words = [&["ports", ID, "--format", "json"], &tuples[..]].concat();
        let ran = cloud.run(&words);
        assert_eq!(ran.status(), 1, "{}", ran.stderr());
        let report = ran.report();
        let rows = report["rows"].as_array().unwrap().iter();
        rows.map(|row| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let groups = text(&row["security_groups"]["answer"]);
            (text(&row["tuple"]), groups, text(&row["answer"]))
        })
        .collect()
    };
    let answer = |rows: &[(String, String, String)], tuple: &str| {
        let row = rows.iter().find(|row| row.0 == tuple).unwrap();
        (row.1.clone(), row.2.clone())
    };
    let both = |one: &str, other: &str| (one.to_owned(), other.to_owned());
    let rows = of(&with_subnet);
    for (tuple, want) in [
        ("in icmp", "open"),
        ("in tcp 22", "partly"),
        ("in tcp 22 198.51.100.7", "open"),
        ("in tcp 80", "closed"),
        ("out tcp 443", "open"),
        ("out tcp 25", "closed"),
        ("out all", "partly"),
    ] {
        assert_eq!(answer(&rows, tuple), both(want, want), "{tuple}: {rows:#?}");
    }
    // Answers stay within the VPC, or no entry leads them to a colleague's network; without the
    // subnet the way back is not known.
    let route = |cloud: &Cloud, more: &[&str]| {
        let ran = cloud.run(&[&["ports", ID, "--format", "json"], more].concat());
        ran.report()["route"]["state"].clone()
    };
    assert_eq!(route(&with_subnet, &[]), "ok");
    assert_eq!(route(&with_subnet, &["--source", "10.9.8.7"]), "missing");
    assert_eq!(route(&without, &["--source", "10.9.8.7"]), Value::Null);
    // A subnet that could not be read may have an ACL: what the groups let in is not known to get
    // through, and what they refuse is refused.
    let rows = of(&without);
    for (tuple, groups, want) in [
        ("in tcp 22 198.51.100.7", "open", "untold"),
        ("in tcp 80", "closed", "closed"),
        ("out tcp 25", "closed", "closed"),
    ] {
        assert_eq!(
            answer(&rows, tuple),
            both(groups, want),
            "{tuple}: {rows:#?}"
        );
    }
}

/// The self-diagnosis where most of the cloud is missing: what could be read is judged, what could not is
/// not seen and decides nothing, and a figure in a foreign answer is held against its own ceiling.
#[test]
fn the_self_diagnosis_says_what_it_could_not_see() {
    let (login, private) = place(89);
    let item = |report: &Value, id: &str| {
        let items = report["items"].as_array().unwrap();
        let item = items.iter().find(|item| item["id"] == id);
        item.cloned().unwrap_or_else(|| panic!("{id}: {report:#}"))
    };
    let plain = world(instance(login, private, &json!({})), everyone(), &json!({}));
    let cloud = Cloud::of(&plain);
    let ran = cloud.run(&["check", ID, "--format", "json"]);
    let report = ran.report();
    assert_eq!(ran.status(), 4, "{report:#}");
    assert_eq!(report["verdict"], "not-seen");
    for (id, verdict) in [
        ("login-port", "normal"),
        ("running", "normal"),
        ("isolation", "normal"),
        ("ddos-block", "not-seen"),
        ("base-cpu", "not-seen"),
        ("disk-expired", "not-seen"),
        ("private-out", "not-seen"),
        ("restarted", "not-seen"),
    ] {
        assert_eq!(item(&report, id)["verdict"], verdict, "{id}");
    }
    // Odd figures, as another hand writes them: texts, gaps, a ceiling in Gbit/s as text.
    let now = jiff::Timestamp::now().as_second();
    let stamps: Vec<i64> = (0..140).map(|n| now - 300 * (140 - n)).collect();
    let mut values: Vec<Value> = stamps.iter().map(|_| json!("12.5")).collect();
    values[70] = json!(null);
    values[71] = json!("480.0");
    let series =
        json!({"DataPoints": [{"Dimensions": [], "Timestamps": stamps, "Values": values}]});
    let types = json!({"InstanceTypeQuotaSet": [
        {"InstanceType": "S9.OTHER", "InstanceBandwidth": 99},
        {"InstanceType": "S6.MEDIUM4", "InstanceBandwidth": "0.5"},
    ]});
    let disks = json!({"TotalCount": 1, "DiskSet": [{"DiskId": "disk-1", "DiskState": "ATTACHED",
        "InstanceId": ID, "DiskChargeType": "PREPAID", "DifferDaysOfDeadline": "2",
        "RenewFlag": "NOTIFY_AND_MANUAL_RENEW", "DeadlineError": null}]});
    let answers = json!({"answers": {"GetMonitorData": series,
        "DescribeZoneInstanceConfigInfos": types, "DescribeDisks": disks}});
    let typed = json!({"InstanceType": "S6.MEDIUM4"});
    let cloud = Cloud::of(&world(
        instance(login, private, &typed),
        everyone(),
        &answers,
    ));
    let report = cloud.run(&["check", ID, "--format", "json"]).report();
    let out = item(&report, "private-out");
    assert_eq!(out["verdict"], "risk", "{out:#}");
    assert_eq!(out["measured"]["limit"], 500.0);
    assert_eq!(out["measured"]["peak"], 480.0);
    assert_eq!(item(&report, "disk-renewal")["verdict"], "risk");
    assert_eq!(item(&report, "disk-expired")["verdict"], "normal");
    // A type that is not in the list has no ceiling that anybody knows.
    let sold_out = json!({"InstanceType": "S1.GONE"});
    let cloud = Cloud::of(&world(
        instance(login, private, &sold_out),
        everyone(),
        &answers,
    ));
    let report = cloud.run(&["check", ID, "--format", "json"]).report();
    let out = item(&report, "private-out");
    assert_eq!(out["verdict"], "not-seen", "{out:#}");
    assert!(out["detail"].as_str().unwrap().contains("S1.GONE"));
}

#[test]
fn the_fleets_causes_are_counted_with_what_their_instances_share() {
    let fleet: Vec<Value> = (0..4)
        .map(|n| {
            let (login, private) = place(92 + n);
            let mut one = instance(login, private, &json!({}));
            one["InstanceId"] = json!(format!("ins-bbbb000{n}"));
            one["InstanceName"] = json!(format!("web-{n}"));
            if n == 3 {
                one["InstanceState"] = json!("STOPPED");
            }
            one
        })
        .collect();
    let shut = rules(&[("ACCEPT", "443", "0.0.0.0/0")]);
    let changed = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(10);
    let log = json!({"answers": {"DescribeEvents": {"ListOver": true, "Events": [{
        "EventId": "e-1", "EventName": "DeleteSecurityGroupPolicies",
        "EventTime": changed.as_second().to_string(), "Username": "ops",
        "SourceIPAddress": "203.0.113.9", "CloudAuditEvent": "{\"apiErrorCode\":\"0\"}",
        "Resources": {"ResourceType": "sg", "ResourceName": "sg-1"}}]}}});
    let mut world = world(fleet[0].clone(), shut, &log);
    world["instances"]["ap-seoul"] = json!(fleet);
    let cloud = Cloud::of(&world);
    let ran = cloud.run(&["overview", "--format", "json"]);
    assert_eq!(ran.status(), 1, "{}", ran.stderr());
    let overview = ran.report();
    assert_eq!(
        (&overview["instances"], &overview["weighed"]),
        (&json!(4), &json!(4))
    );
    let causes = overview["causes"].as_array().unwrap();
    assert_eq!(
        causes[0]["id"], "security-group-blocks-port",
        "{overview:#}"
    );
    assert_eq!(
        causes[0]["instances"],
        json!(["ins-bbbb0000", "ins-bbbb0001", "ins-bbbb0002"])
    );
    let incident = &causes[0]["incidents"][0];
    assert_eq!(incident["instances"], causes[0]["instances"]);
    assert_eq!(
        incident["shared"],
        json!([{"what": "security-group", "id": "sg-1"}])
    );
    // Who changed the rules of all three is named with them.
    let change = &incident["change"];
    assert_eq!(change["action"], "DeleteSecurityGroupPolicies");
    assert_eq!(
        (&change["by"], &change["from"]),
        (&json!("ops"), &json!("203.0.113.9"))
    );
    assert_eq!(causes[1]["incidents"], json!([]));
    let told = cloud.run(&["overview"]).stdout();
    let said = "3 instances share the security group sg-1; the change DeleteSecurityGroupPolicies by ops from 203.0.113.9";
    assert!(told.contains(said), "{told}");
    let repair = "cvmtop act ins-bbbb0000 ins-bbbb0001 ins-bbbb0002 open-port";
    assert!(told.contains(repair), "{told}");
    assert_eq!(causes[1]["id"], "instance-not-running");
    assert_eq!(causes[1]["instances"], json!(["ins-bbbb0003"]));
}
