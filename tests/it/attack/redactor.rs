//! The redactor by itself: thousands of texts a second, cut anywhere, with silences.

use quire::model::SecretName;
use quire::secret::{MARK, Redactor};

use super::encodings::{ENCODINGS, Encoding, THROUGH_NOISE};
use super::leaks::Leaks;
use super::{Attack, Count, Harm, Random, values};

/// Texts of one round.
const TEXTS: usize = 60;

/// A part of a text: how it was written, and its bytes.
type Piece = (&'static str, Vec<u8>);

#[test]
fn no_text_keeps_a_part_of_a_value() {
    let mut attack = Attack::new("redactor", 20);
    while let Some(mut random) = attack.next_round() {
        let values: Vec<Vec<u8>> = (0..random.between(1, 4)).map(|_| values::any(&mut random)).collect();
        let redactor = redactor_of(&values);
        let leaks = Leaks::of(values.iter().map(Vec::as_slice));
        for value in &values {
            attack.count(Count::Inputs, 1);
            if let Some(problem) = cut_off(&redactor, value, &mut random) {
                attack.harm(Harm::Leak, &problem);
            }
        }
        for _ in 0..TEXTS {
            let pieces = pieces_of(&values, &mut random);
            let text: Vec<u8> = pieces.iter().flat_map(|(_, bytes)| bytes).copied().collect();
            let out = redacted(&redactor, &text, &mut random);
            attack.count(Count::Inputs, 1);
            if let Some(leak) = leaks.find(&out) {
                attack.harm(Harm::Leak, &smallest(&redactor, &leaks, &pieces, &leak));
            }
        }
    }
    attack.finish();
}

/// An output that ends in the middle of a value shows at most 3 bytes of it.
fn cut_off(redactor: &Redactor, value: &[u8], random: &mut Random) -> Option<String> {
    // The armour of a key is no secret.
    if value.len() < 5 || value.starts_with(b"-----") {
        return None;
    }
    let head = &value[..random.between(4, value.len() - 1)];
    let text = [b"x: ", head].concat();
    let out = redacted(redactor, &text, random);
    let is_shown = out.windows(4).any(|window| window == &head[..4]);
    is_shown.then(|| format!("{} of {} at the end: {}", head.len(), value.escape_ascii(), out.escape_ascii()))
}

/// The piece that leaks by itself, or all of them.
fn smallest(redactor: &Redactor, leaks: &Leaks, pieces: &[Piece], leak: &str) -> String {
    let alone = pieces.iter().find_map(|(name, bytes)| {
        let leak = leaks.find(redactor.bytes(bytes).as_bytes())?;
        Some(format!("{name}: {leak}\nof {}", bytes.escape_ascii()))
    });
    alone.unwrap_or_else(|| {
        let pieces = pieces.iter().map(|(name, bytes)| format!("{name}: {}", bytes.escape_ascii()));
        format!("together: {leak}\nof {}", pieces.collect::<Vec<_>>().join("\n"))
    })
}

fn redactor_of(values: &[Vec<u8>]) -> Redactor {
    let name = |number: usize| SecretName::parse(&format!("s{number}")).unwrap();
    Redactor::new(
        values.iter().enumerate().map(|(number, value)| (name(number), value.clone().into())).collect(),
    )
}

/// Values in several forms between other words.
fn pieces_of(values: &[Vec<u8>], random: &mut Random) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for _ in 0..random.between(1, 4) {
        let before = random.pick(&["", "\n", "x=", "Authorization: Bearer ", "0123456789 "]);
        pieces.push(("before", before.as_bytes().to_vec()));
        pieces.push({
            let value = random.pick(values).clone();
            encoded(&value, random)
        });
        let after = random.pick(&["", "\n", " ", "\"\n", "tail"]);
        pieces.push(("after", after.as_bytes().to_vec()));
    }
    pieces
}

fn encoded(value: &[u8], random: &mut Random) -> Piece {
    if value.len() < 8 {
        return ("plain", value.to_vec());
    }
    let all: Vec<&Encoding> = ENCODINGS.iter().chain(THROUGH_NOISE).collect();
    let (name, write) = random.pick(&all);
    (name, write(value, random))
}

/// Redacts a text that comes in pieces of any length, with silences between some.
fn redacted(redactor: &Redactor, text: &[u8], random: &mut Random) -> Vec<u8> {
    let mut stream = redactor.stream();
    let (mut out, mut rest) = (Vec::new(), text);
    let longest = random.between(1, text.len().max(1));
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(random.between(1, longest).min(rest.len()));
        out.extend(stream.push(piece).into_bytes());
        if random.one_in(3) {
            out.extend(stream.flush_safe().into_bytes());
        }
        rest = after;
    }
    out.extend(stream.finish().into_bytes());
    without_marks(&out)
}

/// Without the marks: their first character could be taken for the next one of a value.
fn without_marks(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        rest = rest.strip_prefix(MARK.as_bytes()).map_or(after, |after| {
            out.push(b'\n');
            after
        });
        if rest.len() == after.len() {
            out.push(*first);
        }
    }
    out
}
