//! The little of an HTTP answer that load needs: its status and where it ends.

use super::Error;

/// A whole answer at the beginning of a buffer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Response {
    pub(super) status: u16,
    /// Bytes in all.
    pub(super) len: usize,
    pub(super) body_at: usize,
    pub(super) retry_after_s: Option<u64>,
    /// The host ends the connection after it.
    pub(super) closes: bool,
}

const HEADERS_MAX: usize = 32;

/// None while some of it is missing.
pub(super) fn parse(buffer: &[u8]) -> Result<Option<Response>, Error> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut headers);
    let parsed = head.parse(buffer).map_err(|_| Error::Response("the head is malformed"))?;
    let httparse::Status::Complete(body_at) = parsed else { return Ok(None) };
    let find = |name: &str| {
        let header = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        header.and_then(|header| std::str::from_utf8(header.value).ok())
    };
    let length = find("content-length").and_then(|text| text.trim().parse::<usize>().ok());
    let length = length.ok_or(Error::Response("it has no content-length"))?;
    let len = body_at + length;
    if buffer.len() < len {
        return Ok(None);
    }
    Ok(Some(Response {
        status: head.code.unwrap_or_default(),
        len,
        body_at,
        retry_after_s: find("retry-after").and_then(|text| text.trim().parse().ok()),
        closes: find("connection").is_some_and(|text| text.eq_ignore_ascii_case("close")),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_when_it_is_whole() {
        let text = b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\nretry-after: 1\r\nconnection: close\r\n\r\n{}HTTP";
        let whole = text.len() - 4;
        for len in 0..whole {
            assert_eq!(parse(&text[..len]).unwrap(), None, "{len}");
        }
        let expect = Response {
            status: 503,
            len: whole,
            body_at: whole - 2,
            retry_after_s: Some(1),
            closes: true,
        };
        assert_eq!(parse(text).unwrap(), Some(expect));
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        assert!(parse(b"SSH-2.0-x\r\n\r\n").is_err());
        assert!(parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
