//! The program's own API client against a demo cloud.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cvmtop::cloud::client::{Client, ClientConfig};
use cvmtop::cloud::credentials::{Credentials, Provider};
use cvmtop::cloud::error::CloudError;
use cvmtop::domain::api_call::ApiCall;
use cvmtop::domain::instance::Os;
use serde_json::{Value, json};
use std::time::Duration;

/// Regions of the demo fleet.
pub const REGIONS: [&str; 3] = ["ap-seoul", "ap-guangzhou", "ap-singapore"];

pub struct Api {
    pub client: Client,
}

#[allow(dead_code, reason = "not every test needs every helper")]
impl Api {
    pub fn new(endpoint: &str, id: &str, key: &str) -> Self {
        let provider = Provider::Static(Credentials::new(id, key));
        let client = Client::new(ClientConfig::new(endpoint, provider)).expect("a client");
        Self { client }
    }

    /// The object under `Response`.
    pub async fn call(
        &self,
        service: &str,
        region: &str,
        action: &str,
        parameters: &Value,
    ) -> Result<Value, CloudError> {
        let call = ApiCall::new(service, action, region, parameters.clone());
        self.client.call(&call).await.map(|answer| answer.response)
    }

    /// The instance with this name, in whatever region it is.
    pub async fn instance(&self, name: &str) -> Value {
        for region in REGIONS {
            let filter = json!({"Filters": [{"Name": "instance-name", "Values": [name]}]});
            let answer = self
                .call("cvm", region, "DescribeInstances", &filter)
                .await
                .expect("instances are listed");
            let found = answer["InstanceSet"].as_array().expect("a list").iter();
            if let Some(instance) = found.into_iter().find(|i| i["InstanceName"] == name) {
                return instance.clone();
            }
        }
        panic!("no instance is named {name}");
    }

    /// What a script printed in the guest, run by the automation agent.
    pub async fn run_in_guest(&self, region: &str, id: &Value, os: Os, text: &str) -> String {
        let kind = if os == Os::Windows {
            "POWERSHELL"
        } else {
            "SHELL"
        };
        let command = json!({
            "InstanceIds": [id], "CommandType": kind, "Content": STANDARD.encode(text), "Timeout": 30,
        });
        let sent = self
            .call("tat", region, "RunCommand", &command)
            .await
            .expect("the command is taken");
        let filter = json!({
            "Filters": [{"Name": "invocation-id", "Values": [sent["InvocationId"]]}],
            "HideOutput": false,
        });
        for _ in 0..200 {
            let tasks = self
                .call("tat", region, "DescribeInvocationTasks", &filter)
                .await
                .expect("tasks are listed");
            let task = &tasks["InvocationTaskSet"][0];
            if task["TaskStatus"] == "SUCCESS" {
                let output = task["TaskResult"]["Output"].as_str().expect("output");
                return String::from_utf8(STANDARD.decode(output).expect("base64")).expect("text");
            }
            assert!(
                task["TaskStatus"] == "PENDING" || task["TaskStatus"] == "RUNNING",
                "{task}"
            );
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the command never ended");
    }
}
