//! A host for one session: started when none answers, on data that is thrown away.

use std::fs::{self, DirBuilder};
use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use crate::client::Client;
use crate::clock;
use crate::error::Error;
use crate::host::HostProcess;
use crate::output::note;

pub(super) struct OwnHost {
    client: Client,
    // Ended before its data is removed: fields are dropped in this order.
    _host: HostProcess,
    _scratch: Scratch,
}

struct Scratch(PathBuf);

impl OwnHost {
    /// None when a host answers. Only in place of one on this machine: who names another machine
    /// means that one.
    pub(super) fn start_if_none_answers(client: &Client) -> Result<Option<Self>, Error> {
        match client.get("/readyz") {
            Ok(_) => Ok(None),
            Err(error) if error.is_connection() && is_here(client.base().host()) => {
                Self::start(client).map(Some)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn start(client: &Client) -> Result<Self, Error> {
        let scratch = Scratch::new()?;
        let host = HostProcess::start(&scratch.0.join("data"))?;
        let url = host.url();
        note(format_args!(
            "no host answers at {}: this one is for now, and its data goes with it",
            client.base()
        ));
        note(format_args!("  trip --url {url} send TYPE"));
        Ok(Self { client: host.client()?, _host: host, _scratch: scratch })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }
}

impl Scratch {
    fn new() -> Result<Self, Error> {
        let dir = std::env::temp_dir().join(format!("trip-dev-{:016x}", clock::random()));
        // Nobody else's, and not there before.
        let made = DirBuilder::new().mode(0o700).create(&dir);
        made.map_err(|source| Error::file("can't make", &dir, source))?;
        Ok(Self(dir))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What can't be removed stays among the temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn is_here(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_host_of_this_machine_is_stood_in_for() {
        assert!(is_here("127.0.0.1") && is_here("[::1]") && is_here("localhost"));
        assert!(!is_here("host.example") && !is_here("192.168.0.1"));
    }

    #[test]
    fn scratch_data_goes() {
        let scratch = Scratch::new().unwrap();
        let path = scratch.0.clone();
        fs::write(path.join("a"), "b").unwrap();
        drop(scratch);
        assert!(!path.exists());
    }
}
