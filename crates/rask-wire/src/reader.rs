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
/// Payloads that follow each other share memory up to this size: it stays as long as one of them is
/// in use.
const GROUP_BYTES_MAX: u64 = 1 << 18;
/// What payloads that share memory begin at multiples of.
const ALIGNMENT: u64 = 8;

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
        let lengths: Vec<u64> = lengths.chunks_exact(8).map(length_at).collect();
        let mut payloads = Vec::with_capacity(lengths.len());
        let mut rest = lengths.as_slice();
        while !rest.is_empty() {
            let (group, others) = rest.split_at(group_length(rest));
            for length in group {
                check(*length, self.limits.payload_bytes_max)?;
            }
            let mut content = self.read_bytes(group.iter().sum()).await?;
            let group = group.iter();
            payloads.extend(group.map(|length| content.split_to(*length as usize)));
            rest = others;
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

/// How many of the next payloads are read at once, into one piece of memory: at least one. Each begins
/// where numbers may begin.
fn group_length(lengths: &[u64]) -> usize {
    let mut total = 0u64;
    let fits = |length: &&u64| {
        let starts_well = total.is_multiple_of(ALIGNMENT);
        total = total.saturating_add(**length);
        starts_well && total <= GROUP_BYTES_MAX
    };
    lengths.iter().take_while(fits).count().max(1)
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
    async fn payloads_come_in_groups_that_are_no_larger_than_a_group_may_be() {
        let sizes = [16, 24, 3, 8, 0, 200_000, 70_000, 8, 1 << 20, 5];
        let payload = |at: usize| vec![at as u8; sizes[at]];
        let mut bytes = 0u32.to_le_bytes().to_vec();
        bytes.extend_from_slice(&(sizes.len() as u32).to_le_bytes());
        bytes.extend(sizes.iter().flat_map(|size| (*size as u64).to_le_bytes()));
        bytes.extend((0..sizes.len()).flat_map(payload));
        let stream = Box::new(std::io::Cursor::new(bytes));
        let frame = FrameReader::new(stream, Limits::default())
            .read()
            .await
            .unwrap();
        for (at, found) in frame.payloads.iter().enumerate() {
            assert!(*found == payload(at), "payload {at}");
        }
        let lengths = sizes.map(|size| size as u64);
        assert_eq!(
            group_length(&lengths),
            3,
            "the one behind does not begin well"
        );
        assert_eq!(group_length(&lengths[3..]), 3, "the one behind is too much");
        assert_eq!((group_length(&lengths[8..]), group_length(&[7])), (1, 1));
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
