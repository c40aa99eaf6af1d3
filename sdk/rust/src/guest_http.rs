//! Requests by `wasi:http`, on the guest's side. Compiled for WebAssembly only.
//!
//! A component imports `wasi:http` only if its handler makes requests: what nobody calls is left out.

use std::time::Duration;

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method,
    OutgoingBody, OutgoingRequest, RequestOptions, Scheme, http_error_code,
};
use wasip2::io::streams::StreamError;

use crate::http::{Request, Response, split};
use crate::outcome::Error;

/// What is read of a body at a time, in bytes.
const READ_LEN: u64 = 64 << 10;

pub(crate) fn fetch(request: &Request) -> Result<Response, Error> {
    let outgoing = head(request)?;
    let body = outgoing.body().map_err(|()| malformed("it has no body"))?;
    let sent = outgoing_handler::handle(outgoing, request.timeout.map(options));
    let future = sent.map_err(|code| failed(&code))?;
    // What goes wrong here is told by the response, or rather by its absence.
    let _ = write(&body, &request.body);
    let _ = OutgoingBody::finish(body, None);
    let response = wait(&future)?;
    let headers = response.headers().entries();
    let (status, body) = (response.status(), read(&response)?);
    Ok(Response { status, headers, body })
}

fn head(request: &Request) -> Result<OutgoingRequest, Error> {
    let (scheme, authority, path) = split(&request.url)?;
    let scheme = match scheme {
        "https" => Scheme::Https,
        "http" => Scheme::Http,
        _ => return Err(malformed("its scheme is neither `https` nor `http`")),
    };
    let fields = Fields::new();
    for (name, value) in &request.headers {
        let added = fields.append(name, value.as_bytes());
        added.map_err(|error| malformed(&format!("its header `{name}`: {error}")))?;
    }
    let own = request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    if !own && (!request.body.is_empty() || !matches!(&*request.method, "GET" | "HEAD")) {
        let len = request.body.len().to_string();
        fields
            .append("content-length", len.as_bytes())
            .map_err(|error| malformed(&format!("its length: {error}")))?;
    }
    let outgoing = OutgoingRequest::new(fields);
    let method = method(&request.method);
    outgoing.set_method(&method).map_err(|()| malformed("its method"))?;
    outgoing.set_scheme(Some(&scheme)).map_err(|()| malformed("its scheme"))?;
    outgoing.set_authority(Some(authority)).map_err(|()| malformed("its host"))?;
    outgoing.set_path_with_query(Some(path)).map_err(|()| malformed("its path"))?;
    Ok(outgoing)
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

fn options(timeout: Duration) -> RequestOptions {
    let options = RequestOptions::new();
    let ns = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
    // A host that knows no such option has its own.
    let _ = options.set_first_byte_timeout(Some(ns));
    let _ = options.set_between_bytes_timeout(Some(ns));
    options
}

fn write(body: &OutgoingBody, mut rest: &[u8]) -> Result<(), StreamError> {
    let Ok(stream) = body.write() else { return Err(StreamError::Closed) };
    let ready = stream.subscribe();
    while !rest.is_empty() {
        ready.block();
        let room = usize::try_from(stream.check_write()?).unwrap_or(usize::MAX);
        let (now, later) = rest.split_at(room.min(rest.len()));
        stream.write(now)?;
        rest = later;
    }
    stream.flush()?;
    ready.block();
    stream.check_write().map(|_| ())
}

fn wait(future: &FutureIncomingResponse) -> Result<IncomingResponse, Error> {
    let ready = future.subscribe();
    loop {
        match future.get() {
            Some(Ok(Ok(response))) => return Ok(response),
            Some(Ok(Err(code))) => return Err(failed(&code)),
            Some(Err(())) => return Err(malformed("its response was taken")),
            None => ready.block(),
        }
    }
}

fn read(response: &IncomingResponse) -> Result<Vec<u8>, Error> {
    let taken = || malformed("its response was taken");
    let body: IncomingBody = response.consume().map_err(|()| taken())?;
    let stream = body.stream().map_err(|()| taken())?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(READ_LEN) {
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(StreamError::LastOperationFailed(error)) => {
                let code = http_error_code(&error);
                return Err(
                    code.map_or_else(|| failed(&ErrorCode::HttpProtocolError), |c| failed(&c))
                );
            }
        }
    }
}

#[cold]
fn malformed(what: &str) -> Error {
    Error::Request { code: "http.malformed", message: format!("the request is malformed: {what}") }
}

/// The host's log lines of this attempt say more: which rule it was.
#[cold]
fn failed(error: &ErrorCode) -> Error {
    let code = match error {
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => "http.denied",
        ErrorCode::HttpRequestUriInvalid
        | ErrorCode::HttpRequestUriTooLong
        | ErrorCode::HttpRequestMethodInvalid => "http.malformed",
        ErrorCode::HttpRequestBodySize(_)
        | ErrorCode::HttpResponseBodySize(_)
        | ErrorCode::HttpResponseHeaderSectionSize(_) => "http.too_large",
        ErrorCode::HttpResponseTimeout
        | ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionLimitReached
        | ErrorCode::DnsTimeout => "http.timeout",
        _ => "http.failed",
    };
    Error::Request { code, message: format!("the request failed: {error:?}") }
}
