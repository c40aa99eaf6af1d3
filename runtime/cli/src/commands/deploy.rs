//! `trip deploy PATH`: a component or a source directory as a function's new revision.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::activate::Share;
use super::deployment::{self, Deployment};
use super::{API, key, outgoing};
use crate::client::types::{Deployed, Function};
use crate::client::{self, Client};
use crate::error::Error;
use crate::output::{Output, spinner};
use crate::project::{self, Messages};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// A component (.wasm) or a function's source directory, which is built first
    path: PathBuf,
    /// The function's name, instead of the package's or the file's
    #[arg(long)]
    name: Option<String>,
    /// Settings for the function; left out, the active revision's stay. A file has a JSON object or
    /// a TOML table
    #[arg(long, value_name = "K=V|@FILE")]
    config: Vec<String>,
    /// A manifest to use instead of the component's own, as JSON
    #[arg(long, value_name = "JSON|@FILE")]
    manifest: Option<String>,
    /// Keep the active revision serving
    #[arg(long)]
    no_activate: bool,
    #[command(flatten)]
    share: Share,
    /// Sign the upload with this private key, for hosts that take signed modules only
    #[arg(long, value_name = "FILE")]
    sign: Option<PathBuf>,
    /// Where cargo puts what it builds
    #[arg(long, value_name = "DIR")]
    target_dir: Option<PathBuf>,
}

pub(crate) fn run(args: Args, client: &Client, output: &mut Output) -> Result<(), Error> {
    let deployment = deployment(&args)?;
    let before = deployment::function(client, &deployment.name)?;
    let waiting = spinner(format!("deploying {}", deployment.name));
    let answer = deployment.upload(client);
    waiting.finish_and_clear();
    let answer = answer?;
    if output.is_json() {
        return output.json(&answer);
    }
    let deployed: Deployed = serde_json::from_value(answer).map_err(client::Error::Shape)?;
    let path = client::Path::new(API).segment("functions").segment(&deployment.name);
    let after: Function = client.get(path)?.json()?;
    output.text(&deployment::report(&deployed, before.as_ref(), &after))
}

fn deployment(args: &Args) -> Result<Deployment, Error> {
    let (name, wasm) = component(&args.path, args.target_dir.as_deref())?;
    let name = args.name.clone().unwrap_or(name);
    let mut deployment = Deployment::new(name, wasm);
    deployment.config = config(&args.config)?;
    deployment.manifest = args.manifest.as_deref().map(manifest).transpose()?;
    deployment.activate = !args.no_activate;
    deployment.share = args.share;
    deployment.key = args.sign.as_deref().map(key::read).transpose()?.map(Arc::new);
    Ok(deployment)
}

/// The name that a path suggests, and the component there, built if need be.
pub(super) fn component(
    path: &Path,
    target_dir: Option<&Path>,
) -> Result<(String, Vec<u8>), Error> {
    if path.is_dir() {
        let built = project::build(path, target_dir, Messages::Shown)?;
        return Ok((built.name.replace('_', "-"), outgoing::read(&built.wasm)?));
    }
    let name = path.file_stem().unwrap_or_default().to_string_lossy().replace('_', "-");
    Ok((name, outgoing::read(path)?))
}

/// None when nothing is said; then the host keeps what it has.
pub(super) fn config(arguments: &[String]) -> Result<Option<BTreeMap<String, String>>, Error> {
    let mut config = BTreeMap::new();
    for argument in arguments {
        match argument.strip_prefix('@') {
            Some(file) => config.extend(config_file(Path::new(file))?),
            None => {
                let pair = outgoing::pair(argument);
                let wrong = |rule| Error::Usage(format!("--config {argument}: {rule}"));
                config.extend([pair.map_err(wrong)?]);
            }
        }
    }
    Ok((!arguments.is_empty()).then_some(config))
}

fn config_file(path: &Path) -> Result<Vec<(String, String)>, Error> {
    let wrong = |rule: &str| Error::Usage(format!("--config @{}: {rule}", path.display()));
    let bytes = outgoing::read(path)?;
    let text = String::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8"))?;
    let is_toml = path.extension().is_some_and(|extension| extension == "toml");
    let value: Value = if is_toml {
        toml::from_str(&text).map_err(|error| wrong(&error.to_string()))?
    } else {
        serde_json::from_str(&text).map_err(|error| wrong(&error.to_string()))?
    };
    let members = value.as_object().ok_or_else(|| wrong("it is no JSON object"))?;
    let setting = |(name, value): (&String, &Value)| match value {
        Value::String(text) => Ok((name.clone(), text.clone())),
        Value::Number(_) | Value::Bool(_) => Ok((name.clone(), value.to_string())),
        _ => Err(wrong(&format!("`{name}` is no text, number or boolean"))),
    };
    members.iter().map(setting).collect()
}

fn manifest(argument: &str) -> Result<Value, Error> {
    let wrong = |error| Error::Usage(format!("the manifest is not JSON: {error}"));
    serde_json::from_slice(&outgoing::bytes(argument)?).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_from_arguments_and_files() {
        assert_eq!(config(&[]).unwrap(), None);
        let dir = tempfile::tempdir().unwrap();
        let json = dir.path().join("a.json");
        std::fs::write(&json, r#"{"limit": 5, "mode": "fast"}"#).unwrap();
        let toml = dir.path().join("a.toml");
        std::fs::write(&toml, "limit = 6\non = true\n").unwrap();
        let files = [json, toml].map(|path| format!("@{}", path.display()));
        let found = config(&[&files[..], &["x=a=b".to_owned()]].concat()).unwrap().unwrap();
        let expect = [("limit", "6"), ("mode", "fast"), ("on", "true"), ("x", "a=b")];
        assert_eq!(found, expect.map(|(n, v)| (n.to_owned(), v.to_owned())).into());
    }

    #[test]
    fn what_is_no_setting_is_refused() {
        assert!(matches!(config(&["x".to_owned()]), Err(Error::Usage(_))));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.json");
        for text in ["[]", "{", r#"{"a": {}}"#] {
            std::fs::write(&file, text).unwrap();
            let argument = format!("@{}", file.display());
            assert!(matches!(config(&[argument]), Err(Error::Usage(_))), "{text}");
        }
    }
}
