//! An HTTP server that answers API calls as a test wants, and counts them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use cvmtop::cloud::credentials::{Credentials, Provider};
use cvmtop::cloud::{Client, ClientConfig};
use serde_json::{Value, json};

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Request {
    /// 1 for the first one.
    pub number: usize,
    pub at: Instant,
    pub action: String,
    pub region: String,
    pub headers: HeaderMap,
    pub uri: Uri,
    pub body: Value,
}

impl Request {
    pub fn header(&self, name: &str) -> String {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    }
}

/// A running server; it ends with the test's runtime.
pub struct Server {
    pub endpoint: String,
    count: Arc<AtomicUsize>,
    pub seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub async fn start(
        answer: impl Fn(&Request) -> Response + Clone + Send + Sync + 'static,
    ) -> Self {
        let count = Arc::new(AtomicUsize::new(0));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (counter, log) = (Arc::clone(&count), Arc::clone(&seen));
        let handler = move |uri: Uri, headers: HeaderMap, body: Bytes| {
            let text = |name: &str| {
                let value = headers.get(name).and_then(|value| value.to_str().ok());
                value.unwrap_or_default().to_owned()
            };
            let request = Request {
                number: counter.fetch_add(1, Ordering::SeqCst) + 1,
                at: Instant::now(),
                action: text("x-tc-action"),
                region: text("x-tc-region"),
                body: serde_json::from_slice(&body).unwrap_or_default(),
                uri,
                headers: headers.clone(),
            };
            log.lock().expect("log").push(request.clone());
            let response = answer(&request);
            async move { response }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("port");
        let endpoint = format!("http://{}", listener.local_addr().expect("address"));
        let app = Router::new().fallback(handler);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self {
            endpoint,
            count,
            seen,
        }
    }

    /// Requests so far.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    pub fn client(&self) -> Client {
        Client::new(config(&self.endpoint)).expect("client")
    }
}

/// Keys of a test and short time limits.
pub fn config(endpoint: &str) -> ClientConfig {
    let keys = Provider::Static(Credentials::new("AKIDtest", "test-key"));
    let mut config = ClientConfig::new(endpoint, keys);
    config.timeout = Duration::from_secs(5);
    config
}

pub fn ok(fields: Value) -> Response {
    let mut response = fields;
    response["RequestId"] = json!("r-1");
    json_body(&json!({"Response": response}))
}

pub fn refused(code: &str) -> Response {
    json_body(
        &json!({"Response": {"Error": {"Code": code, "Message": "said so"}, "RequestId": "r-2"}}),
    )
}

pub fn json_body(value: &Value) -> Response {
    (
        [(header::CONTENT_TYPE, "application/json")],
        value.to_string(),
    )
        .into_response()
}

pub fn status(code: u16, text: &'static str) -> Response {
    (StatusCode::from_u16(code).expect("status"), text).into_response()
}
