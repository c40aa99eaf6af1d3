//! The live feed: server-sent events, read one at a time.

use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::{Client, Error};

/// One server-sent event.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Item {
    pub(crate) event: String,
    pub(crate) data: String,
}

pub(crate) struct Feed<'a> {
    client: &'a Client,
    body: Incoming,
    parser: Parser,
}

/// A longer line is no feed of a host.
const LINE_BYTES_MAX: usize = 16 << 20;

impl<'a> Feed<'a> {
    pub(super) fn new(client: &'a Client, body: Incoming) -> Self {
        Self { client, body, parser: Parser::default() }
    }

    /// Waits for the next item; none when the host has ended the feed.
    pub(crate) fn next(&mut self) -> Result<Option<Item>, Error> {
        loop {
            if let Some(item) = self.parser.next() {
                return Ok(Some(item));
            }
            let Some(frame) = self.client.runtime.block_on(self.body.frame()) else {
                return Ok(None);
            };
            let frame = frame.map_err(|source| self.client.broken(source.into()))?;
            if let Some(data) = frame.data_ref() {
                self.parser.push(data);
            }
            if self.parser.buffer.len() - self.parser.read > LINE_BYTES_MAX {
                return Err(self.client.broken("a line of the feed is too long".into()));
            }
        }
    }
}

/// Turns bytes into items, wherever they are cut.
#[derive(Default)]
struct Parser {
    buffer: Vec<u8>,
    /// How much of the buffer has been read: it is moved once for each piece, not for each line.
    read: usize,
    item: Item,
}

impl Parser {
    fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..std::mem::take(&mut self.read));
        self.buffer.extend_from_slice(bytes);
    }

    fn next(&mut self) -> Option<Item> {
        loop {
            let rest = &self.buffer[self.read..];
            let end = rest.iter().position(|b| *b == b'\n')?;
            let line = String::from_utf8_lossy(&rest[..end]);
            self.read += end + 1;
            let line = line.trim_end_matches('\r');
            if line.is_empty() {
                let item = std::mem::take(&mut self.item);
                if !item.data.is_empty() {
                    return Some(item);
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut self.item.event),
                "data" => {
                    if !self.item.data.is_empty() {
                        self.item.data.push('\n');
                    }
                    self.item.data.push_str(value);
                }
                // Comments, which have an empty name, keep the connection alive.
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_found_wherever_the_bytes_are_cut() {
        let text = ": ok\n\nevent: accepted\r\ndata: {\"a\":1}\r\n\r\nid: 7\ndata: x\ndata: y\n\n";
        for size in 1..text.len() {
            let mut parser = Parser::default();
            let mut items = Vec::new();
            for part in text.as_bytes().chunks(size) {
                parser.push(part);
                items.extend(std::iter::from_fn(|| parser.next()));
            }
            let expect = [("accepted", "{\"a\":1}"), ("", "x\ny")];
            let items: Vec<_> = items.iter().map(|i| (i.event.as_str(), i.data.as_str())).collect();
            assert_eq!(items, expect, "in parts of {size}");
        }
    }
}
