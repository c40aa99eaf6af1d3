//! From a name to addresses: by the system's resolver, on a few threads of its own, so that names which
//! nobody answers for hold up no one else.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Semaphore;

/// Lookups at the same time. Each has a thread until the system gives up, which takes its time.
const LOOKUPS_MAX: usize = 16;

/// What comes of a lookup.
pub type Resolved = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Finds the addresses of names.
pub trait Resolve: Send + Sync + 'static {
    fn resolve(&self, name: &str) -> Resolved;
}

/// The system's own resolver: its files, and the name servers that it is told of.
#[derive(Debug)]
pub(crate) struct System {
    lookups: Arc<Semaphore>,
}

impl Default for System {
    fn default() -> Self {
        Self { lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)) }
    }
}

impl Resolve for System {
    fn resolve(&self, name: &str) -> Resolved {
        let (lookups, name) = (Arc::clone(&self.lookups), name.to_owned());
        Box::pin(async move {
            let permit = lookups.acquire_owned().await.map_err(io::Error::other)?;
            let lookup = tokio::task::spawn_blocking(move || {
                // Given back when the system has answered: who asked may have gone long before.
                let _permit = permit;
                let found = (name.as_str(), 0).to_socket_addrs()?;
                Ok(found.map(|address| address.ip()).collect())
            });
            lookup.await.map_err(io::Error::other)?
        })
    }
}
