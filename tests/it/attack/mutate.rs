//! Changes to bytes without any knowledge of what they mean.

use super::Random;

/// What readers of texts stumble over.
const STRANGE: [&[u8]; 8] = [b"\0", b"\r\n", b"\xff\xfe", b"\"", b"%", b"()", b"\x1b[2J", b"9999999999"];

/// The bytes with a few of them changed, dropped, doubled or moved.
pub(super) fn mutated(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for _ in 0..random.between(1, 4) {
        if out.is_empty() {
            return out;
        }
        let at = random.below(out.len());
        let end = (at + random.between(1, 20)).min(out.len());
        match random.below(7) {
            0 => out[at] ^= 1 << random.below(8),
            1 => out[at] = u8::try_from(random.below(256)).unwrap(),
            2 => drop(out.drain(at..end)),
            3 => {
                let part = out[at..end].to_vec();
                out.splice(at..at, part);
            }
            4 => out.truncate(at),
            5 => {
                let strange: &[u8] = random.pick::<&[u8]>(&STRANGE);
                out.splice(at..at, strange.iter().copied());
            }
            _ => {
                let part: Vec<u8> = out.drain(at..end).collect();
                let to = random.below(out.len() + 1);
                out.splice(to..to, part);
            }
        }
    }
    out
}
