//! `trip` as its users run it.
