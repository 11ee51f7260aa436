//! The program's own API client against a demo cloud.

use cvmtop::cloud::client::{Client, ClientConfig};
use cvmtop::cloud::credentials::{Credentials, Provider};
use cvmtop::cloud::error::CloudError;
use cvmtop::domain::api_call::ApiCall;
use serde_json::{Value, json};

/// Regions of the demo fleet.
pub const REGIONS: [&str; 3] = ["ap-seoul", "ap-guangzhou", "ap-singapore"];

pub struct Api {
    client: Client,
}

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
}
