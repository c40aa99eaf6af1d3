//! One round: build, deploy what has changed, try the event. What fails is told, and the revision
//! that is active goes on.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};

use super::Args;
use crate::client::Client;
use crate::client::types::Deployed;
use crate::client::{self};
use crate::commands::deployment::{self, Deployment};
use crate::commands::{outgoing, test};
use crate::error::{Error, chain};
use crate::output::{Output, bytes, elapsed_ms, note, print_error};
use crate::project::{self, Built, Messages};

pub(super) struct Round<'a> {
    pub(super) args: &'a Args,
    pub(super) client: &'a Client,
    /// The function's.
    pub(super) name: String,
    pub(super) config: Option<BTreeMap<String, String>>,
}

/// What serves: the component that was deployed last, and its revision.
pub(super) struct Serving {
    wasm: Bytes,
    revision: String,
}

impl Round<'_> {
    /// Ends with an error only when nothing can be told any more.
    pub(super) fn go(
        &self,
        serving: &mut Option<Serving>,
        output: &mut Output,
        is_stopped: impl Fn() -> bool,
    ) -> Result<(), Error> {
        match self.build_and_deploy(serving, output) {
            Ok(()) => {}
            Err(error @ Error::Output(_)) => return Err(error),
            // Ctrl-C ends the compiler as well, which is no failure of its own.
            Err(_) if is_stopped() => {}
            Err(error) => tell(&error, serving.as_ref(), output)?,
        }
        Ok(())
    }

    fn build_and_deploy(
        &self,
        serving: &mut Option<Serving>,
        output: &mut Output,
    ) -> Result<(), Error> {
        let args = self.args;
        let built = project::build(&args.dir, args.target_dir.as_deref(), Messages::Shown)?;
        let wasm = Bytes::from(outgoing::read(&built.wasm)?);
        tell_built(&built, &wasm, output)?;
        match serving {
            Some(serving) if serving.wasm == wasm => {
                note(format_args!("the component is the same: {} stays", serving.revision));
            }
            _ => *serving = Some(self.deploy(wasm, output)?),
        }
        self.try_event(output)
    }

    fn deploy(&self, wasm: Bytes, output: &mut Output) -> Result<Serving, Error> {
        let before = deployment::function(self.client, &self.name)?;
        let mut deployment = Deployment::new(&self.name, wasm.clone());
        deployment.config = self.config.clone();
        let answer = deployment.upload(self.client)?;
        let deployed: Deployed =
            serde_json::from_value(answer.clone()).map_err(client::Error::Shape)?;
        if output.is_json() {
            output.json_line(&json!({"step": "deployed", "answer": answer}))?;
        } else if let Some(after) = deployment::function(self.client, &self.name)? {
            output.text(&deployment::report(&deployed, before.as_ref(), &after))?;
        }
        Ok(Serving { wasm, revision: deployed.revision })
    }

    fn try_event(&self, output: &mut Output) -> Result<(), Error> {
        let Some(file) = &self.args.event else { return Ok(()) };
        let event = test::event(file)?;
        let answer = test::run_deployed(self.client, &self.name, &event)?;
        if output.is_json() {
            return output.json_line(&json!({"step": "tried", "answer": answer}));
        }
        let run = serde_json::from_value(answer).map_err(client::Error::Shape)?;
        output.text(&test::shown(&self.name, &run))
    }
}

fn tell_built(built: &Built, wasm: &Bytes, output: &mut Output) -> Result<(), Error> {
    let Built { name, elapsed, .. } = built;
    if output.is_json() {
        let elapsed_ms = elapsed.as_millis() as u64;
        let told =
            json!({"step": "built", "name": name, "bytes": wasm.len(), "elapsedMs": elapsed_ms});
        return output.json_line(&told);
    }
    let size = bytes(wasm.len() as u64);
    note(format_args!("built {name} · {size} · {}", elapsed_ms(*elapsed)));
    Ok(())
}

fn tell(error: &Error, serving: Option<&Serving>, output: &mut Output) -> Result<(), Error> {
    let revision = serving.map(|serving| serving.revision.as_str());
    if output.is_json() {
        let code = error.code().map_or(Value::Null, Value::from);
        let told =
            json!({"step": "failed", "error": chain(error), "code": code, "serving": revision});
        return output.json_line(&told);
    }
    print_error(error);
    match revision {
        Some(revision) => note(format_args!("{revision} goes on; waiting for the next change")),
        None => note("waiting for the next change"),
    }
    Ok(())
}
