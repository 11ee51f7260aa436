//! Retry of reads, writes sent once, clock, size and time limits, proxies, TLS, error classes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::response::{IntoResponse, Response};
use cvmtop::action::Parameters;
use cvmtop::cloud::error::NetworkFailure;
use cvmtop::cloud::sign::Authorization;
use cvmtop::cloud::{Client, CloudError, Proxies};
use cvmtop::domain::action::ActionId;
use cvmtop::domain::api_call::ApiCall;
use cvmtop::domain::instance::Instance;
use cvmtop::runtime::execute::{Desk, PrepareOptions, prepare_plan};
use cvmtop::store::journal::Journal;
use jiff::Timestamp;
use serde_json::json;

use super::server::{Request, Server, config, ok, refused, status};

fn read() -> ApiCall {
    ApiCall::new("cvm", "DescribeInstances", "ap-seoul", json!({"Limit": 1}))
}

fn write() -> ApiCall {
    ApiCall::new(
        "cvm",
        "RebootInstances",
        "ap-seoul",
        json!({"InstanceIds": ["ins-1"]}),
    )
}

fn truncated() -> Response {
    "{\"Response\": {\"TotalCount\": 1, \"Insta".into_response()
}

#[tokio::test]
async fn a_read_survives_throttling_server_faults_and_broken_answers() {
    for fault in [
        (|| refused("RequestLimitExceeded")) as fn() -> Response,
        || refused("InternalError"),
        || status(502, "<html>bad gateway</html>"),
        || status(429, "slow down"),
        truncated,
    ] {
        let server = Server::start(move |request: &Request| match request.number {
            1 | 2 => fault(),
            _ => ok(json!({"TotalCount": 7})),
        })
        .await;
        let answer = server.client().call(&read()).await.expect("third time");
        assert_eq!(answer.response["TotalCount"], 7);
        assert_eq!(server.count(), 3);
    }
}

#[tokio::test]
async fn keys_of_the_other_site_are_taken_there_once_and_a_write_is_not() {
    let unknown = |_: &Request| refused("AuthFailure.SecretIdNotFound");
    let (china, abroad) = (
        Server::start(unknown).await,
        Server::start(|_: &Request| ok(json!({"TotalCount": 7}))).await,
    );
    let both = || {
        let mut config = config(&china.endpoint);
        config.other_endpoint = Some(abroad.endpoint.clone());
        Client::new(config).expect("client")
    };
    let client = both();
    client.call(&write()).await.expect_err("sent once");
    assert_eq!((china.count(), abroad.count()), (1, 0));
    for _ in 0..2 {
        client.call(&read()).await.expect("answered abroad");
    }
    // From then on the right one is asked, writes with it.
    client.call(&write()).await.expect("answered abroad");
    assert_eq!((china.count(), abroad.count()), (2, 3));
    assert!(client.moved_to_other_site());
    assert_eq!(client.endpoint(), abroad.endpoint);
    // Where neither knows the keys, the refusal is told.
    let neither = Server::start(unknown).await;
    let mut config = config(&china.endpoint);
    config.other_endpoint = Some(neither.endpoint.clone());
    let error = Client::new(config).expect("client").call(&read()).await;
    let error = error.expect_err("unknown everywhere");
    assert_eq!(error.code(), Some("AuthFailure.SecretIdNotFound"));
    assert_eq!(neither.count(), 1);
}

#[tokio::test]
async fn a_read_gives_up_in_the_end_and_says_why() {
    let server = Server::start(|_: &Request| refused("RequestLimitExceeded")).await;
    let error = server
        .client()
        .call(&read())
        .await
        .expect_err("always throttled");
    assert!(matches!(error, CloudError::Throttled { .. }), "{error}");
    assert!(error.to_string().contains("cvm:DescribeInstances"));
    assert_eq!(server.count(), 4);
    let server = Server::start(|_: &Request| truncated()).await;
    let error = server.client().call(&read()).await.expect_err("always cut");
    assert!(matches!(error, CloudError::BadAnswer { .. }), "{error}");
}

#[tokio::test]
async fn a_write_is_sent_once_whatever_happens() {
    for (fault, unknown) in [
        (
            (|| refused("RequestLimitExceeded")) as fn() -> Response,
            false,
        ),
        (|| refused("InternalError"), true),
        (|| status(503, "down"), true),
        (truncated, true),
        (|| refused("AuthFailure.SignatureExpire"), false),
        (|| refused("UnauthorizedOperation"), false),
    ] {
        let server = Server::start(move |_: &Request| fault()).await;
        let client = server.client();
        let error = client.call(&write()).await.expect_err("refused");
        assert_eq!(server.count(), 1, "{error}");
        assert_eq!(error.outcome_unknown(), unknown, "{error}");
    }
}

/// Reads one request and drops the connection without an answer.
#[tokio::test]
async fn a_write_on_a_connection_that_breaks_is_sent_once() {
    use tokio::io::AsyncReadExt;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("port");
    let endpoint = format!("http://{}", listener.local_addr().expect("address"));
    let connections = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let _ = socket.read(&mut [0; 4096]).await;
        }
    });
    let client = Client::new(config(&endpoint)).expect("client");
    let error = client.call(&write()).await.expect_err("broken");
    assert!(error.outcome_unknown(), "{error}");
    assert_eq!(connections.load(std::sync::atomic::Ordering::SeqCst), 1);
}

/// A cloud whose clock is an hour ahead, and that checks the time stamp as the real one does.
async fn an_hour_ahead() -> Server {
    Server::start(|request: &Request| {
        let there = Timestamp::now().as_second() + 3600;
        let sent: i64 = request
            .header("x-tc-timestamp")
            .parse()
            .expect("time stamp");
        let mut response = if (there - sent).abs() > 300 {
            refused("AuthFailure.SignatureExpire")
        } else {
            ok(json!({}))
        };
        let date = Timestamp::from_second(there).expect("time");
        let date = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        response
            .headers_mut()
            .insert("date", date.parse().expect("header"));
        response
    })
    .await
}

#[tokio::test]
async fn a_wrong_clock_is_corrected_from_the_servers_date() {
    let server = an_hour_ahead().await;
    let client = server.client();
    client.call(&read()).await.expect("corrected");
    assert_eq!(server.count(), 2);
    client.call(&read()).await.expect("still corrected");
    client.call(&write()).await.expect("a write profits too");
    assert_eq!(server.count(), 4);
    let offset = client.clock_offset().expect("measured");
    assert!((3595..=3605).contains(&offset), "{offset}");
}

#[tokio::test]
async fn a_wrong_clock_is_named_with_its_size() {
    let server = an_hour_ahead().await;
    let error = server
        .client()
        .call(&write())
        .await
        .expect_err("not repeated");
    assert_eq!(server.count(), 1);
    let text = error.to_string();
    assert!(
        text.contains("s behind the cloud's") && text.contains("clock"),
        "{text}"
    );
}

#[tokio::test]
async fn a_missing_permission_names_its_action_and_stops_nothing_else() {
    let server = Server::start(|request: &Request| match request.action.as_str() {
        "DescribeNetworkAcls" => refused("UnauthorizedOperation.CamNoAuth"),
        _ => ok(json!({})),
    })
    .await;
    let client = server.client();
    let call = ApiCall::new("vpc", "DescribeNetworkAcls", "ap-seoul", json!({}));
    let error = client.call(&call).await.expect_err("not permitted");
    assert_eq!(
        error.missing_permission().as_deref(),
        Some("vpc:DescribeNetworkAcls")
    );
    assert_eq!(server.count(), 1, "a refusal is not repeated");
    client.call(&read()).await.expect("permitted");
}

#[tokio::test]
async fn answers_are_bounded_in_size_and_time() {
    let server = Server::start(|_: &Request| ok(json!({"Padding": "x".repeat(200_000)}))).await;
    let mut small = config(&server.endpoint);
    small.max_answer_bytes = 100_000;
    small.attempts = 1;
    let error = Client::new(small)
        .expect("client")
        .call(&read())
        .await
        .expect_err("too long");
    assert!(
        error.to_string().contains("longer than 100000 bytes"),
        "{error}"
    );

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("port");
    let mut silent = config(&format!(
        "http://{}",
        listener.local_addr().expect("address")
    ));
    silent.timeout = Duration::from_millis(200);
    silent.attempts = 2;
    let started = Instant::now();
    let error = Client::new(silent)
        .expect("client")
        .call(&read())
        .await
        .expect_err("silent");
    assert!(
        matches!(
            error,
            CloudError::Network {
                failure: NetworkFailure::Timeout,
                ..
            }
        ),
        "{error}"
    );
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn no_network_at_all_is_one_clear_sentence() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("port");
    let address = free.local_addr().expect("address");
    drop(free);
    let mut closed = config(&format!("http://{address}"));
    closed.attempts = 1;
    let error = Client::new(closed)
        .expect("client")
        .call(&write())
        .await
        .expect_err("closed");
    assert!(
        matches!(
            error,
            CloudError::Network {
                failure: NetworkFailure::Connect,
                ..
            }
        ),
        "{error}"
    );
    assert!(!error.outcome_unknown(), "nothing was sent");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server = Server::start(|_: &Request| {
        (
            axum::http::StatusCode::FOUND,
            [("location", "http://127.0.0.1:1/")],
            "",
        )
            .into_response()
    })
    .await;
    let mut once = config(&server.endpoint);
    once.attempts = 1;
    let error = Client::new(once)
        .expect("client")
        .call(&read())
        .await
        .expect_err("redirect");
    assert!(error.to_string().contains("302"), "{error}");
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn a_request_carries_all_that_api_3_0_demands() {
    let server = Server::start(|_: &Request| ok(json!({}))).await;
    server.client().call(&read()).await.expect("answered");
    let request = server.seen.lock().expect("log")[0].clone();
    let parts = Authorization::parse(&request.header("authorization")).expect("signed");
    assert_eq!(
        (parts.secret_id.as_str(), parts.service.as_str()),
        ("AKIDtest", "cvm")
    );
    assert_eq!(parts.signed_headers, ["content-type", "host"]);
    assert_eq!(request.header("x-tc-version"), "2017-03-12");
    assert_eq!(request.header("x-tc-region"), "ap-seoul");
    assert_eq!(request.header("content-type"), "application/json");
    assert_eq!(
        format!("http://{}", request.header("host")),
        server.endpoint
    );
    assert_eq!(request.body, json!({"Limit": 1}));
}

#[tokio::test]
async fn a_proxy_of_the_environment_is_used_but_never_for_loopback() {
    let proxy = Server::start(|_: &Request| ok(json!({}))).await;
    let mut beyond = config("http://{service}.api.invalid");
    beyond.insecure_endpoint = true;
    beyond.proxies = Proxies {
        http: Some(proxy.endpoint.clone()),
        ..Proxies::default()
    };
    let client = Client::new(beyond).expect("client");
    client.call(&read()).await.expect("through the proxy");
    let request = proxy.seen.lock().expect("log")[0].clone();
    assert_eq!(request.uri.host(), Some("cvm.api.invalid"));

    let direct = Server::start(|_: &Request| ok(json!({}))).await;
    let mut local = config(&direct.endpoint);
    local.proxies.http = Some(proxy.endpoint.clone());
    Client::new(local)
        .expect("client")
        .call(&read())
        .await
        .expect("direct");
    assert_eq!((proxy.count(), direct.count()), (1, 1));
}

/// A TLS server with a certificate of its own making; each connection gets the same answer.
async fn tls_server(certified: &rcgen::CertifiedKey<rcgen::KeyPair>) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    cvmtop::cloud::install_crypto();
    let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der())
        .expect("key");
    let server = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .expect("certificate");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("port");
    let endpoint = format!(
        "https://localhost:{}",
        listener.local_addr().expect("address").port()
    );
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(socket).await else {
                    return;
                };
                let _ = stream.read(&mut [0; 8192]).await;
                let body = r#"{"Response":{"RequestId":"r-tls"}}"#;
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    endpoint
}

fn pem(certified: &rcgen::CertifiedKey<rcgen::KeyPair>) -> String {
    use base64::Engine;
    let body = base64::engine::general_purpose::STANDARD.encode(certified.cert.der());
    format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
}

#[tokio::test]
async fn a_ca_bundle_makes_a_private_endpoint_trusted() {
    let certified =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("certificate");
    let endpoint = tls_server(&certified).await;
    let dir = tempfile::tempdir().expect("directory");
    let bundle = dir.path().join("ca.pem");
    std::fs::write(&bundle, pem(&certified)).expect("bundle");
    let mut trusted = config(&endpoint);
    trusted.ca_bundle = Some(bundle.clone());
    let answer = Client::new(trusted)
        .expect("client")
        .call(&read())
        .await
        .expect("trusted");
    assert_eq!(answer.request_id, "r-tls");

    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("certificate");
    std::fs::write(&bundle, pem(&other)).expect("bundle");
    let mut distrusted = config(&endpoint);
    distrusted.ca_bundle = Some(bundle.clone());
    distrusted.attempts = 1;
    let error = Client::new(distrusted)
        .expect("client")
        .call(&read())
        .await
        .expect_err("distrusted");
    assert!(matches!(error, CloudError::Network { .. }), "{error}");

    std::fs::write(&bundle, "nothing").expect("bundle");
    let mut empty = config(&endpoint);
    empty.ca_bundle = Some(bundle);
    let text = Client::new(empty).expect_err("no certificate").to_string();
    assert!(text.contains("ca.pem"), "{text}");
}

/// Two hundred and one free addresses, all but the last one blocked.
fn many_addresses(request: &Request) -> Response {
    let row = |n: u64| {
        json!({
            "AddressId": format!("eip-{n:08}"), "AddressIp": "203.0.113.9", "AddressType": "EIP",
            "AddressStatus": "UNBIND", "IsBlocked": n < 200, "IsArrears": false,
        })
    };
    match request.action.as_str() {
        "DescribeAddresses" => {
            let ids = request.body["AddressIds"].as_array();
            let rows: Vec<_> = match ids {
                Some(ids) => {
                    let text = ids[0].as_str().expect("an id").trim_start_matches("eip-");
                    text.parse().ok().map(row).into_iter().collect()
                }
                None => {
                    let from = request.body["Offset"].as_u64().expect("a place");
                    (from..201).take(100).map(row).collect()
                }
            };
            ok(json!({"TotalCount": 201, "AddressSet": rows}))
        }
        "DescribeNetworkAccountType" => ok(json!({"NetworkAccountType": "STANDARD"})),
        _ => refused("InvalidAction"),
    }
}

#[tokio::test]
async fn a_free_address_is_found_on_a_later_page_and_a_named_one_by_its_id() {
    let server = Server::start(many_addresses).await;
    let folder = tempfile::tempdir().expect("a folder");
    let desk = Desk::new(server.client(), Journal::in_directory(folder.path()));
    let instance = Instance {
        id: "ins-1".to_owned(),
        region: "ap-seoul".to_owned(),
        state: "STOPPED".to_owned(),
        ..Instance::default()
    };
    let options = PrepareOptions {
        instance_is_fresh: true,
        ..PrepareOptions::default()
    };
    let planned = async |words: &[&str]| {
        let parameters = Parameters::from_words(ActionId::AssociateAddress, words).expect("words");
        prepare_plan(
            &desk,
            &instance,
            ActionId::AssociateAddress,
            &parameters,
            &options,
        )
        .await
    };
    let first = planned(&[]).await.expect("a plan").plan;
    assert_eq!(first.steps[0].call.parameters["AddressId"], "eip-00000200");
    let asked = server.seen.lock().expect("log").len();
    let named = planned(&["address=eip-00000200"])
        .await
        .expect("a plan")
        .plan;
    assert_eq!(named.steps[0].call.parameters["AddressId"], "eip-00000200");
    let later = server.seen.lock().expect("log")[asked..].to_vec();
    let pages = later
        .iter()
        .filter(|r| r.action == "DescribeAddresses")
        .count();
    assert_eq!(pages, 1, "a named address is asked for by its id");
    let blocked = planned(&["address=eip-00000007"])
        .await
        .expect_err("blocked");
    assert!(
        blocked.to_string().contains("blocked because of an attack"),
        "{blocked}"
    );
}
