//! The redactor by itself: thousands of texts a second, cut anywhere, with silences.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use quire::model::SecretName;
use quire::secret::Redactor;

use super::leaks::Leaks;
use super::{Attack, Count, Harm, Random, values};

/// Texts of one round.
const TEXTS: usize = 60;

#[test]
fn no_text_keeps_a_part_of_a_value() {
    let mut attack = Attack::new("redactor", 20);
    while let Some(mut random) = attack.next_round() {
        let values: Vec<Vec<u8>> = (0..random.between(1, 4)).map(|_| values::any(&mut random)).collect();
        let redactor = redactor_of(&values);
        let leaks = Leaks::of(values.iter().map(Vec::as_slice));
        for _ in 0..TEXTS {
            let text = text_of(&values, &mut random);
            let out = redacted(&redactor, &text, &mut random);
            attack.count(Count::Inputs, 1);
            if let Some(leak) = leaks.find(&out) {
                attack.harm(Harm::Leak, &format!("{leak}\nof the text {}", text.escape_ascii()));
            }
        }
    }
    attack.finish();
}

fn redactor_of(values: &[Vec<u8>]) -> Redactor {
    let name = |number: usize| SecretName::parse(&format!("s{number}")).unwrap();
    Redactor::new(
        values.iter().enumerate().map(|(number, value)| (name(number), value.clone().into())).collect(),
    )
}

/// Values in several forms between other words.
fn text_of(values: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut text = Vec::new();
    for _ in 0..random.between(1, 4) {
        text.extend_from_slice(
            random.pick(&["", "\n", "x=", "Authorization: Bearer ", "0123456789 "]).as_bytes(),
        );
        let value = random.pick(values);
        text.extend(encoded(value, random));
        text.extend_from_slice(random.pick(&["", "\n", " ", "\"\n", "tail"]).as_bytes());
    }
    text
}

fn encoded(value: &[u8], random: &mut Random) -> Vec<u8> {
    if value.len() < 8 {
        return value.to_vec();
    }
    let hex = |upper: bool, between: &str| {
        let digits =
            value.iter().map(|byte| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") });
        digits.collect::<Vec<_>>().join(between).into_bytes()
    };
    match random.below(8) {
        0 => STANDARD.encode(value).into_bytes(),
        1 => URL_SAFE_NO_PAD.encode([b"xy", value].concat()).into_bytes(),
        2 => hex(false, ""),
        3 => hex(true, ":"),
        4 => hex(false, " "),
        5 => value.iter().map(|byte| format!("%{byte:02X}")).collect::<String>().into_bytes(),
        _ => value.to_vec(),
    }
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
    out
}
