//! Requests that functions make.
