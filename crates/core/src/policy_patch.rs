//! Changes of a policy: what is left out stays as it is.

use crate::policy::{Policy, PolicyFields, RobotsPolicy};
use serde::{Deserialize, Serialize};

macro_rules! policy_patch {
    ($($field:ident: $type:ty $(, $least:tt..=$most:tt)?;)+) => {
        /// Changes of a policy.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub struct PolicyPatch {
            $(
                /// As in the policy.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                $(#[cfg_attr(feature = "openapi", schema(minimum = $least, maximum = $most))])?
                pub $field: Option<$type>,
            )+
            /// As in the policy; null takes the deadline away.
            #[serde(default, skip_serializing_if = "Option::is_none", with = "told")]
            #[cfg_attr(feature = "openapi", schema(value_type = Option<u32>, minimum = 1, maximum = 315_360_000))]
            pub job_deadline_s: Option<Option<u32>>,
        }

        impl PolicyPatch {
            /// The policy with these changes.
            #[must_use]
            pub fn apply(self, mut policy: PolicyFields) -> PolicyFields {
                $(policy.$field = self.$field.unwrap_or(policy.$field);)+
                policy.job_deadline_s = self.job_deadline_s.unwrap_or(policy.job_deadline_s);
                policy
            }
        }

        impl From<Policy> for PolicyPatch {
            /// All of another policy.
            fn from(policy: Policy) -> Self {
                Self { $($field: Some(policy.$field),)+ job_deadline_s: Some(policy.job_deadline_s) }
            }
        }
    };
}

policy_patch! {
    heartbeat_interval_s: u32, 1..=3600;
    lease_duration_s: u32, 2..=86_400;
    chunk_timeout_s: u32, 1..=2_592_000;
    max_retries: u32, 0..=1000;
    backoff_initial_s: u32, 0..=86_400;
    backoff_max_s: u32, 0..=86_400;
    redispatch_after_s: u32, 1..=2_592_000;
    robots: RobotsPolicy;
}

/// A field that may be null, or not be there at all, which is something else.
mod told {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Option<Option<u32>>, to: S) -> Result<S::Ok, S::Error> {
        value.flatten().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<u32>>, D::Error> {
        Option::deserialize(from).map(Some)
    }
}
