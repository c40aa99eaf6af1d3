//! Function projects on disk: begin one, build one. Knows cargo, and nothing of hosts.

mod build;
mod error;
mod lock;
mod metadata;
mod target;
mod template;

pub(crate) use self::build::{Built, Messages, build};
pub(crate) use self::error::Error;
pub(crate) use self::metadata::name;
pub(crate) use self::template::create;
