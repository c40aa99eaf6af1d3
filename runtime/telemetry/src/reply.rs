//! What a collector says of a request that it took: how much of it, it may have left out
//! (`ExportTracePartialSuccess`, `ExportLogsPartialSuccess`). What can't be read says nothing.

/// How many spans or records were left out.
pub(crate) fn rejected(body: &[u8]) -> u64 {
    let partial = fields(body).find_map(|field| match field {
        (1, Value::Bytes(bytes)) => Some(bytes),
        _ => None,
    });
    let rejected = partial.and_then(|partial| {
        fields(partial).find_map(|field| match field {
            (1, Value::Number(count)) => Some(count),
            _ => None,
        })
    });
    rejected.unwrap_or(0)
}

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Other,
}

/// The fields of a message, up to the first that is malformed.
fn fields(mut rest: &[u8]) -> impl Iterator<Item = (u64, Value<'_>)> {
    std::iter::from_fn(move || {
        let tag = varint(&mut rest)?;
        let value = match tag & 7 {
            0 => Value::Number(varint(&mut rest)?),
            1 => other(&mut rest, 8)?,
            2 => {
                let len = usize::try_from(varint(&mut rest)?).ok()?;
                let (bytes, after) = rest.split_at_checked(len)?;
                rest = after;
                Value::Bytes(bytes)
            }
            5 => other(&mut rest, 4)?,
            _ => return None,
        };
        Some((tag >> 3, value))
    })
}

fn other<'a>(rest: &mut &'a [u8], len: usize) -> Option<Value<'a>> {
    *rest = rest.get(len..)?;
    Some(Value::Other)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceResponse,
    };
    use prost::Message;

    use super::*;

    fn answer(rejected_spans: i64) -> Vec<u8> {
        let error_message = "too many".to_owned();
        let partial_success = Some(ExportTracePartialSuccess { rejected_spans, error_message });
        ExportTraceServiceResponse { partial_success }.encode_to_vec()
    }

    #[test]
    fn what_was_left_out_is_read() {
        assert_eq!(rejected(&answer(3)), 3);
        assert_eq!(rejected(&answer(1 << 40)), 1 << 40);
        assert_eq!(rejected(&answer(0)), 0);
        assert_eq!(rejected(&ExportTraceServiceResponse::default().encode_to_vec()), 0);
    }

    #[test]
    fn nonsense_is_nothing() {
        let whole = answer(300);
        for len in 0..whole.len() {
            rejected(&whole[..len]);
        }
        for nonsense in [&b"{}"[..], b"OK", &[0xff; 20], &[0x0a, 0xff, 0xff, 0xff, 0xff, 0x7f]] {
            assert_eq!(rejected(nonsense), 0);
        }
    }
}
