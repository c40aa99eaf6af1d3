//! What an operator should know of: told as an event of the host's own, so that a function, or a
//! subscription with a sink, can take it. Decides nothing: whoever watches says what there is to tell.

use serde_json::{Value, json};
use triphammer_journal::{Accepted, Definition, Disk};
use triphammer_model::{FunctionName, Hops, Seq};

use crate::core::{Core, Inner};
use crate::error::QueryError;
use crate::history::read_error;
use crate::notice::Notice;

const PAUSED: &str = "triphammer.function.paused";
const RESUMED: &str = "triphammer.function.resumed";
const JOURNAL_FAILED: &str = "triphammer.journal.failed";

/// Something to be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Begins with `triphammer.`.
    pub ty: &'static str,
    /// The function that it is about; none for the host.
    pub function: Option<FunctionName>,
    pub data: Value,
}

impl Core {
    /// Raises an event. None when the journal takes none.
    pub(crate) async fn alert(&self, alert: Alert) -> Result<Option<Seq>, QueryError> {
        let raised = {
            let mut inner = self.lock();
            let due_before = inner.catch_up(self.clock.now());
            let notice = self.notice_of(&inner, alert);
            inner.notices.push(notice);
            let raised = self.raise(&mut inner);
            self.wake(inner, due_before);
            raised
        };
        if let Some(raised) = raised {
            self.durable.wait(raised).await.map_err(read_error)?;
        }
        Ok(raised)
    }

    fn notice_of(&self, inner: &Inner, alert: Alert) -> Notice {
        let Alert { ty, function, data } = alert;
        let about = function.as_ref().map_or("host", FunctionName::as_str);
        let kind = ty.strip_prefix("triphammer.").unwrap_or(ty);
        Notice {
            ty,
            subject: about.to_owned(),
            // The number of the record that it is in, if no other is raised before it.
            id: format!("{}-{about}-{kind}-{}", inner.log.next_seq(), self.clock.now().ms()),
            function,
            at: self.clock.now(),
            data,
            hops: Hops(0),
            cause: None,
        }
    }

    /// What a definition changes of a function's pause, to be told in the same record.
    pub(crate) fn tell_paused(
        &self,
        inner: &Inner,
        name: &FunctionName,
        definition: &Definition,
    ) -> Option<Accepted> {
        let before = &inner.functions.get(name)?.definition;
        let (ty, pause) = match (&before.paused, &definition.paused) {
            _ if before.deleted || definition.deleted => return None,
            (None, Some(pause)) => (PAUSED, pause),
            (Some(pause), None) => (RESUMED, pause),
            _ => return None,
        };
        let data = json!({
            "function": name.as_str(),
            "since": pause.at.to_rfc3339(),
            "reason": pause.reason,
        });
        let alert = Alert { ty, function: Some(name.clone()), data };
        self.announce(self.notice_of(inner, alert))
    }
}

/// Where a host whose journal failed says so to the next one.
const LAST_WORDS: &str = "journal-failure";
/// Bytes of them.
const LAST_WORDS_MAX: usize = 4096;

/// Leaves word for the next start. Best effort: the disk may take nothing any more.
pub(crate) fn leave_word(disk: &dyn Disk, reason: &str) {
    let end = reason.floor_char_boundary(LAST_WORDS_MAX);
    let written = disk.open_or_create(LAST_WORDS).and_then(|file| {
        file.set_len(0)?;
        file.write_at(0, &reason.as_bytes()[..end])?;
        file.sync_data()?;
        disk.sync_dir()
    });
    if let Err(error) = written {
        tracing::warn!(%error, "why the journal failed could not be left for the next start");
    }
}

/// Tells of the failure that ended the host before, if one did; then forgets it.
pub(crate) async fn pass_on_word(core: &Core) {
    let Some(reason) = word(&*core.disk) else { return };
    tracing::warn!(reason, "the host before ended because its journal failed");
    let data = json!({ "reason": reason });
    let told = core.alert(Alert { ty: JOURNAL_FAILED, function: None, data }).await;
    // Else it is told at the next start.
    if matches!(told, Ok(Some(_))) {
        let _ = core.disk.remove(LAST_WORDS).and_then(|()| core.disk.sync_dir());
    }
}

fn word(disk: &dyn Disk) -> Option<String> {
    let file = disk.open(LAST_WORDS).ok()?;
    let mut buffer = vec![0; LAST_WORDS_MAX];
    let len = file.read_at(0, &mut buffer).ok()?;
    buffer.truncate(len);
    Some(String::from_utf8_lossy(&buffer).into_owned())
}

#[cfg(test)]
mod tests {
    use triphammer_journal::FsDisk;

    use super::*;

    #[test]
    fn last_words_are_found_and_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let disk = FsDisk::open(folder.path()).unwrap();
        assert_eq!(word(&*disk), None);
        leave_word(&*disk, &"ä".repeat(LAST_WORDS_MAX));
        leave_word(&*disk, "can't sync");
        assert_eq!(word(&*disk).as_deref(), Some("can't sync"));
        leave_word(&*disk, &"ä".repeat(LAST_WORDS_MAX));
        assert_eq!(word(&*disk), Some("ä".repeat(LAST_WORDS_MAX / 2)));
    }
}
