//! The providers that come with the host: data, as anyone can write them. Knows no code of theirs.

use crate::error::InvalidHook;
use crate::raw::RawProvider;

/// Each provider's name, and how it is described.
const BUILTIN: [(&str, &str); 14] = [
    ("api-key", include_str!("builtin/api-key.toml")),
    ("basic", include_str!("builtin/basic.toml")),
    ("discord", include_str!("builtin/discord.toml")),
    ("github", include_str!("builtin/github.toml")),
    ("gitlab", include_str!("builtin/gitlab.toml")),
    ("gitlab-signed", include_str!("builtin/gitlab-signed.toml")),
    ("hmac", include_str!("builtin/hmac.toml")),
    ("paddle", include_str!("builtin/paddle.toml")),
    ("shopify", include_str!("builtin/shopify.toml")),
    ("slack", include_str!("builtin/slack.toml")),
    ("standard-webhooks", include_str!("builtin/standard-webhooks.toml")),
    ("stripe", include_str!("builtin/stripe.toml")),
    ("svix", include_str!("builtin/svix.toml")),
    ("twilio", include_str!("builtin/twilio.toml")),
];

/// The names of the providers that are built in.
pub fn builtin_providers() -> impl Iterator<Item = &'static str> {
    BUILTIN.iter().map(|(name, _)| *name)
}

pub(crate) fn find(name: &str) -> Result<RawProvider, InvalidHook> {
    let Some((_, text)) = BUILTIN.iter().find(|(builtin, _)| *builtin == name) else {
        let known = builtin_providers().collect::<Vec<_>>().join(", ");
        return Err(InvalidHook::ProviderUnknown { name: name.chars().take(64).collect(), known });
    };
    // They are all read in a test, so this is no error that a user sees.
    toml::from_str(text).map_err(|error| InvalidHook::setting("provider", error.message()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_can_be_read_and_others_are_named() {
        for name in builtin_providers() {
            find(name).unwrap();
        }
        let error = find("githib").unwrap_err();
        assert_eq!(error.code(), "hook.provider_unknown");
        assert!(error.to_string().contains("`githib`") && error.to_string().contains("github"));
    }
}
