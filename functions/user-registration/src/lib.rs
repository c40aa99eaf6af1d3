//! Stores a new user and asks for a welcome mail, once for each user.

use serde::{Deserialize, Serialize};
use triphammer_sdk::{Context, Event, Fault, NewEvent, function};

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct User {
    email: String,
    name: Option<String>,
}

#[derive(Serialize)]
struct Mail<'a> {
    template: &'static str,
    to: &'a User,
}

#[function(on = "user.registered", key = "subject", timeout = "2s")]
fn user_registration(event: Event<User>, ctx: &mut Context) -> Result<(), Fault> {
    let user = &event.data;
    let known = ctx.state().get::<User>("user")?.is_some();
    ctx.state().set("user", user)?;
    if !known {
        let mail = Mail { template: "welcome", to: user };
        ctx.emit(NewEvent::new("email.requested").subject(&user.email).json(&mail)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use triphammer_sdk::testing::{Host, TestEvent, event};

    use super::*;

    const ADA: &str = r#"{"email": "ada@example.com", "name": "Ada"}"#;

    fn registered(data: &str) -> TestEvent {
        event("user.registered").subject("user-1").data(data)
    }

    #[test]
    fn a_new_user_is_stored_and_greeted() {
        let mut host = Host::new().keyed_by("subject");
        let done = host.call(user_registration, registered(ADA)).unwrap();

        let mail = done.only_emitted();
        assert_eq!(
            (mail.ty.as_str(), mail.subject.as_deref()),
            ("email.requested", Some("ada@example.com"))
        );
        let user = User { email: "ada@example.com".into(), name: Some("Ada".into()) };
        assert_eq!(host.state_of(Some("user-1"), "user"), Some(user));
    }

    #[test]
    fn a_user_is_greeted_once() {
        let mut host = Host::new().keyed_by("subject");
        host.call(user_registration, registered(ADA)).unwrap();
        let again = host.call(user_registration, registered(r#"{"email": "ada@example.org"}"#));

        assert!(again.unwrap().emitted.is_empty());
        let user = User { email: "ada@example.org".into(), name: None };
        assert_eq!(host.state_of(Some("user-1"), "user"), Some(user));
    }

    #[test]
    fn a_user_without_an_address_is_refused() {
        let mut host = Host::new().keyed_by("subject");
        let fault = host.call(user_registration, registered(r#"{"name": "Ada"}"#)).unwrap_err();

        assert!(matches!(&fault, Fault::Reject { .. }), "{fault:?}");
        assert!(fault.message().contains("missing field `email`"), "{fault:?}");
    }
}
