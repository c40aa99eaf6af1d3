//! Counts events by subject. What it emits and answers shows whether an event was lost, repeated
//! or overtaken: the counts of a subject are 1, 2, 3, … without gap or repeat.

use serde::Serialize;
use triphammer_sdk::{Context, Event, Fault, Json, NewEvent, function};

/// The payload of `counter.counted`, and the reply.
#[derive(Serialize)]
struct Counted {
    /// How many events of this subject there have been.
    n: u64,
    /// The id of the event that was counted.
    event: String,
}

#[function(on = "counter.add", key = "subject")]
fn counter(event: Event<()>, ctx: &mut Context) -> Result<Json<Counted>, Fault> {
    let n = ctx.state().get::<u64>("n")?.unwrap_or(0) + 1;
    ctx.state().set("n", &n)?;
    let counted = Counted { n, event: event.id().to_owned() };
    let subject = event.subject().unwrap_or_default();
    ctx.emit(NewEvent::new("counter.counted").subject(subject).json(&counted)?)?;
    Ok(Json(counted))
}

#[cfg(test)]
mod tests {
    use triphammer_sdk::testing::{Host, event};

    use super::*;

    #[test]
    fn each_subject_counts_for_itself() {
        let mut host = Host::new().keyed_by("subject");
        let mut add = |subject: &str, id: &str| {
            let done = host.call(counter, event("counter.add").subject(subject).id(id)).unwrap();
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let emitted = text(done.only_emitted().data.as_deref().unwrap());
            assert_eq!(done.reply.map(|reply| text(&reply.data)).as_ref(), Some(&emitted));
            emitted
        };
        assert_eq!(add("a", "e-1"), r#"{"n":1,"event":"e-1"}"#);
        assert_eq!(add("b", "e-2"), r#"{"n":1,"event":"e-2"}"#);
        assert_eq!(add("a", "e-3"), r#"{"n":2,"event":"e-3"}"#);
    }
}
