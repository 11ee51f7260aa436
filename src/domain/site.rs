//! The vendor's two sites: separate accounts, an endpoint each, and actions that only one of them
//! documents.
//!
//! Must not live here: which one is asked (`cloud::client`), where the setting comes from
//! (`config`).

/// A site of the vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    /// `cloud.tencent.com`: accounts of mainland China.
    China,
    /// `www.tencentcloud.com`: accounts of everywhere else.
    International,
}

/// Actions of this program that the international site's SDK (3.1.193) does not have. Whether its
/// gateway refuses them can only be seen there, so they are asked for and a refusal is read.
pub const NOT_ABROAD: [&str; 10] = [
    "cat:CreateProbeTasks",
    "cat:DeleteProbeTask",
    "cat:DescribeDetailedSingleProbeData",
    "cat:DescribeNodes",
    "cat:DescribeProbeNodes",
    "cat:DescribeProbeTasks",
    "cvm:DescribeInstanceVncUrl",
    "cvm:DescribeTaskInfo",
    "cvm:RepairTaskControl",
    "vpc:DescribeNetworkAccountType",
];

impl Site {
    /// As in the settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::China => "china",
            Self::International => "international",
        }
    }

    /// The site of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::China, Self::International]
            .into_iter()
            .find(|site| site.as_str() == name)
    }

    /// The template of its endpoints.
    pub fn endpoint(self) -> &'static str {
        match self {
            Self::China => "https://{service}.tencentcloudapi.com",
            Self::International => "https://{service}.intl.tencentcloudapi.com",
        }
    }

    /// Whose an endpoint is, where its name tells.
    pub fn of_endpoint(endpoint: &str) -> Option<Self> {
        let host = endpoint
            .split_once("://")
            .map_or(endpoint, |(_, host)| host);
        let host = host.split(['/', ':']).next().unwrap_or_default();
        if !host.ends_with(".tencentcloudapi.com") {
            None
        } else if host.ends_with(".intl.tencentcloudapi.com") {
            Some(Self::International)
        } else {
            Some(Self::China)
        }
    }

    /// What its prices are in (ISO 4217).
    pub fn currency(self) -> &'static str {
        match self {
            Self::China => "CNY",
            Self::International => "USD",
        }
    }

    /// True if the site's documentation does not know the action (`cvm:DescribeTaskInfo`).
    pub fn lacks(self, permission: &str) -> bool {
        self == Self::International && NOT_ABROAD.contains(&permission)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_tells_its_site_or_nothing() {
        for site in [Site::China, Site::International] {
            assert_eq!(Site::of_endpoint(site.endpoint()), Some(site));
            assert_eq!(Site::parse(site.as_str()), Some(site));
        }
        let of = |endpoint| Site::of_endpoint(endpoint).map(Site::as_str);
        assert_eq!(
            of("https://cvm.ap-seoul.tencentcloudapi.com"),
            Some("china")
        );
        assert_eq!(of("cvm.intl.tencentcloudapi.com"), Some("international"));
        assert_eq!(of("http://127.0.0.1:8080"), None);
        assert_eq!(of("https://tencentcloudapi.com.example.net"), None);
    }
}
