//! Reading frames.
//!
//! A frame is `u32` control length, `u32` payload count, a `u64` length for each payload, the
//! control part, the payloads; little-endian.

use bytes::{Bytes, BytesMut};
use rask_proto::Frame;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::sync::OwnedSemaphorePermit;

use crate::WireError;

/// The most that a frame may hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub control_bytes_max: u64,
    pub payload_count_max: u64,
    pub payload_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            control_bytes_max: 1 << 30,
            payload_count_max: 1 << 20,
            payload_bytes_max: 1 << 40,
        }
    }
}

/// Memory is taken as bytes arrive, not as they are announced: at first at most this much.
const FIRST_ALLOCATION_BYTES: usize = 1 << 20;
const BUFFER_BYTES: usize = 1 << 17;

/// The receiving half of a connection.
pub struct FrameReader {
    stream: BufReader<Box<dyn AsyncRead + Send + Unpin>>,
    limits: Limits,
    /// Among the connections that the listener takes, until this end has stopped reading.
    place: Option<OwnedSemaphorePermit>,
}

impl FrameReader {
    /// Frames out of any stream of bytes.
    pub fn new(stream: Box<dyn AsyncRead + Send + Unpin>, limits: Limits) -> Self {
        FrameReader {
            stream: BufReader::with_capacity(BUFFER_BYTES, stream),
            limits,
            place: None,
        }
    }

    pub(crate) fn keep_place(&mut self, place: OwnedSemaphorePermit) {
        self.place = Some(place);
    }

    /// The next frame if all of it has come with earlier ones, so that who has woken up for one can
    /// take many. A frame that is larger than the reader's buffer never is.
    pub fn take_buffered(&mut self) -> Result<Option<Frame>, WireError> {
        let buffer = self.stream.buffer();
        let Some((start, rest)) = buffer.split_at_checked(8) else {
            return Ok(None);
        };
        let control_bytes = u64::from(u32_at(start, 0));
        let payload_count = u64::from(u32_at(start, 4));
        check(control_bytes, self.limits.control_bytes_max)?;
        check(payload_count, self.limits.payload_count_max)?;
        let Some((lengths, rest)) = rest.split_at_checked(payload_count as usize * 8) else {
            return Ok(None);
        };
        let mut total = control_bytes;
        for length in lengths.chunks_exact(8).map(length_at) {
            check(length, self.limits.payload_bytes_max)?;
            total = total.saturating_add(length);
        }
        if total > rest.len() as u64 {
            return Ok(None);
        }
        let mut content = Bytes::copy_from_slice(&rest[..total as usize]);
        let lengths: Vec<u64> = lengths.chunks_exact(8).map(length_at).collect();
        let control = content.split_to(control_bytes as usize);
        let payloads = lengths.iter();
        let payloads = payloads.map(|&length| content.split_to(length as usize));
        let payloads = payloads.collect();
        let taken = 8 + 8 * lengths.len() + total as usize;
        self.stream.consume(taken);
        Ok(Some(Frame { control, payloads }))
    }

    /// The next frame; [`WireError::Closed`] where the peer ended the connection between frames.
    pub async fn read(&mut self) -> Result<Frame, WireError> {
        let mut start = [0u8; 8];
        match self.stream.read_exact(&mut start).await {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(WireError::Closed);
            }
            Err(error) => return Err(WireError::Io(error)),
        }
        let control_bytes = u64::from(u32_at(&start, 0));
        let payload_count = u64::from(u32_at(&start, 4));
        check(control_bytes, self.limits.control_bytes_max)?;
        check(payload_count, self.limits.payload_count_max)?;
        let lengths = self.read_bytes(payload_count * 8).await?;
        let control = self.read_bytes(control_bytes).await?;
        let mut payloads = Vec::with_capacity(payload_count as usize);
        for length in lengths.chunks_exact(8) {
            let length = length_at(length);
            check(length, self.limits.payload_bytes_max)?;
            payloads.push(self.read_bytes(length).await?);
        }
        Ok(Frame { control, payloads })
    }

    async fn read_bytes(&mut self, count: u64) -> Result<Bytes, WireError> {
        let count = count as usize;
        let mut buffer = BytesMut::with_capacity(count.min(FIRST_ALLOCATION_BYTES));
        while buffer.len() < count {
            if buffer.len() == buffer.capacity() {
                buffer.reserve(buffer.len().min(count - buffer.len()));
            }
            let missing = (count - buffer.len()) as u64;
            if (&mut self.stream)
                .take(missing)
                .read_buf(&mut buffer)
                .await?
                == 0
            {
                return Err(WireError::Closed);
            }
        }
        Ok(buffer.freeze())
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn length_at(bytes: &[u8]) -> u64 {
    u64::from(u32_at(bytes, 0)) | u64::from(u32_at(bytes, 4)) << 32
}

fn check(nbytes: u64, limit: u64) -> Result<(), WireError> {
    if nbytes <= limit {
        Ok(())
    } else {
        Err(WireError::TooLarge { nbytes, limit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(bytes: Vec<u8>) -> FrameReader {
        FrameReader::new(
            Box::new(std::io::Cursor::new(bytes)),
            Limits {
                control_bytes_max: 1 << 20,
                payload_count_max: 4,
                payload_bytes_max: 1 << 40,
            },
        )
    }

    #[tokio::test]
    async fn announcements_over_the_limits_are_refused() {
        let control = [&(2u32 << 20).to_le_bytes()[..], &0u32.to_le_bytes()].concat();
        let count = [&0u32.to_le_bytes()[..], &5u32.to_le_bytes()].concat();
        for bytes in [control, count] {
            let refused = reader(bytes).read().await;
            assert!(matches!(refused, Err(WireError::TooLarge { .. })));
        }
    }

    #[tokio::test]
    async fn whole_frames_that_have_come_are_taken_without_waiting() {
        let frame = |control: &[u8], payload: &[u8]| {
            let mut bytes = (control.len() as u32).to_le_bytes().to_vec();
            bytes.extend_from_slice(&1u32.to_le_bytes());
            bytes.extend_from_slice(&(payload.len() as u64).to_le_bytes());
            bytes.extend_from_slice(control);
            bytes.extend_from_slice(payload);
            bytes
        };
        let whole = [frame(b"one", b""), frame(b"two", b"payload")].concat();
        let cut = &frame(b"three", b"cut short")[..20];
        let mut reader = reader([&whole[..], cut].concat());
        assert!(matches!(reader.take_buffered(), Ok(None)));
        assert_eq!(reader.read().await.unwrap().control, "one");
        let second = reader.take_buffered().unwrap().unwrap();
        assert_eq!(second.control, "two");
        assert_eq!(second.payloads, ["payload"]);
        assert!(matches!(reader.take_buffered(), Ok(None)));
        assert!(matches!(reader.read().await, Err(WireError::Closed)));
    }

    #[tokio::test]
    async fn announcements_in_the_buffer_are_checked_too() {
        let first = [0u8; 8];
        let control = [&(2u32 << 20).to_le_bytes()[..], &0u32.to_le_bytes()].concat();
        let mut reader = reader([&first[..], &control].concat());
        reader.read().await.unwrap();
        assert!(matches!(
            reader.take_buffered(),
            Err(WireError::TooLarge { .. })
        ));
    }

    #[tokio::test]
    async fn memory_is_not_taken_for_bytes_that_do_not_come() {
        let mut bytes = [&0u32.to_le_bytes()[..], &1u32.to_le_bytes()].concat();
        bytes.extend_from_slice(&(1u64 << 39).to_le_bytes());
        bytes.extend_from_slice(b"a few bytes only");
        assert!(matches!(reader(bytes).read().await, Err(WireError::Closed)));
    }
}
