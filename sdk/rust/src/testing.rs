//! placeholder
#[derive(Debug)]
pub struct HostCalls;
